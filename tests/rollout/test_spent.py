"""The line at the end of a run: how busy the engine was, and what to change for more."""

from __future__ import annotations

import pytest

from rollout.progress import REMEDIES as PLAYING
from rollout.spent import CAUSES, Spent
from trainers.display import REMEDIES

FULL = "the engine is full"


def spent(**slots: float) -> Spent:
    """100 seconds of playing, whose slots' time went as given and into decoding."""
    return Spent(100.0, 100.0, 90.0, slots={**slots, "decode": 100.0 - sum(slots.values())})


@pytest.mark.parametrize(
    ("loss", "where"),
    [
        ("idle", spent(idle=30.0, environment=20.0)),
        ("environment", spent(environment=30.0, queue=20.0)),
        ("queue", spent(queue=30.0, idle=20.0)),
        ("train", Spent(100.0, 50.0, 50.0, train=40.0, sync=10.0, slots={"decode": 1.0, "idle": 1.0})),
        ("sync", Spent(100.0, 50.0, 50.0, train=10.0, sync=40.0, slots={"decode": 1.0, "idle": 1.0})),
        ("other", Spent(100.0, 30.0, 30.0, train=10.0, slots={"decode": 1.0, "idle": 1.0})),
    ],
)
def test_the_greatest_loss_has_a_remedy(loss: str, where: Spent) -> None:
    assert where.line(REMEDIES, FULL).endswith(f"For more: {REMEDIES[loss]}")


def test_a_loss_of_slots_weighs_by_the_time_of_playing() -> None:
    # Half of the slots' time is idle, but only for a fifth of the time is anything played.
    where = Spent(100.0, 20.0, 20.0, train=80.0, slots={"decode": 1.0, "idle": 1.0})
    assert where.losses == {"queue": 0.0, "environment": 0.0, "idle": 0.1, "train": 0.8, "sync": 0.0, "other": 0.0}


def test_small_losses_have_none() -> None:
    assert spent(idle=4.0, environment=3.0).line(REMEDIES, FULL).endswith("For more: the engine is full")


def test_every_loss_has_a_remedy_where_it_can_happen() -> None:
    assert REMEDIES.keys() == spent().losses.keys()
    assert PLAYING.keys() == REMEDIES.keys() - {"train", "sync", "other"}


def test_the_line_says_how_busy_the_engine_was_and_where_the_rest_went() -> None:
    where = Spent(100.0, 75.0, 63.0, train=20.0, sync=5.0, slots={"decode": 70.0, "environment": 20.0, "idle": 10.0})
    assert where.line(REMEDIES, FULL).startswith(
        "engine busy 63% of the time, training 20%, sync 5%; slots waited 20% for the environment, 0% in the queue, "
        "and were idle 10%. For more: "
    )


def test_iterations_add_up() -> None:
    both = spent(idle=10.0) + Spent(300.0, 100.0, 60.0, train=200.0, slots={"idle": 50.0, "decode": 50.0})
    assert (both.wall, both.engine_busy) == (400.0, 150.0 / 400.0)
    assert both.shares == {cause: {"idle": 0.3, "decode": 0.7}.get(cause, 0.0) for cause in CAUSES}
