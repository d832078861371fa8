"""Rewards say what is wanted, and shaping never outweighs it."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs import TaskError, TaskSet
from envs.dbbench.task import DBTask, Table
from envs.protocol import Message
from rewards import LIMIT, SHAPINGS, Mixture, outcome, shaping, sql
from rollout import Failure, Step, Trajectory

TABLE = Table("Fruit", ("name", "price"), (("apple", "1"), ("pear", "2"), ("plum", "3")))
ASK = DBTask("ask", "other", "train", tables=(TABLE,), label=("apple", "pear"))
CHANGE = DBTask(
    "change",
    "UPDATE",
    "train",
    tables=(TABLE,),
    answer_hash="0",
    gold_sql="UPDATE Fruit SET price = '9' WHERE name = 'plum'",
)


def episode(*actions: str, success: bool = False, task: str = "ask", **kwargs: object) -> Trajectory:
    steps = tuple(
        Step(
            (),
            Message("assistant", action),
            (action,),
            (f"answer to {action}",),
            valid=action != "bad",
            admissible=True,
        )
        for action in actions
    )
    return Trajectory(f"{task}#0", task, "other", "train", steps=steps, success=success, **kwargs)  # type: ignore[arg-type]


def test_the_outcome_is_the_verdict_and_a_failure_outside_the_model_has_none() -> None:
    assert (outcome(episode(success=True)), outcome(episode())) == (1.0, 0.0)
    with pytest.raises(ValueError, match="leave it out of training"):
        outcome(episode(ending="error", failure=Failure("env_died", "x")))
    with pytest.raises(ValueError, match="leave it out"):
        Mixture({})(episode(ending="cancelled"))


def test_a_repeated_turn_earns_nothing() -> None:
    assert shaping.no_repeats(episode("a", "b", "a", "a")) == 0.5
    assert shaping.admissible(episode("a", "a")) == 0.5
    assert shaping.well_formed(episode("a", "bad")) == 0.5
    assert shaping.no_repeats(episode()) == 0.0


def test_valid_sql_counts_a_statement_once_and_only_on_the_task_s_tables() -> None:
    assert sql.valid_sql(episode("SELECT 1", "SELECT 1"), ASK) == 0.0
    assert sql.valid_sql(episode("SELECT * FROM Fruit", "SELECT nothing FROM Fruit", "answer: []"), ASK) == 0.5
    assert sql.valid_sql(episode("answer: []"), ASK) == 0.0


def test_blanks_and_case_do_not_make_another_statement() -> None:
    assert sql.distinct_sql(episode("SELECT 1", "select  1", "SELECT 2"), ASK) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("answer", "f1"),
    [
        ('["apple", "pear"]', 1.0),
        ('["pear"]', 2 / 3),  # precision 1, recall 1/2
        ('["apple", "pear", "plum", "fig"]', 2 / 3),  # precision 1/2, recall 1
        ('["apple", "apple"]', 0.5),
        ("[]", 0.0),
        ("apple", 2 / 3),
    ],
)
def test_an_answer_s_f1_by_hand(answer: str, f1: float) -> None:
    assert sql.result_f1(episode(f"answer: {answer}"), ASK) == pytest.approx(f1)
    assert sql.result_f1(episode("SELECT 1"), ASK) == 0.0


@pytest.mark.parametrize(
    ("statement", "f1"),
    [
        ("UPDATE Fruit SET price = '9' WHERE name = 'plum'", 1.0),
        ("SELECT * FROM Fruit", 0.0),  # what stays as it is counts for nothing
        ("UPDATE Fruit SET price = '8' WHERE name = 'plum'", 0.5),  # the right row went, a wrong one came
        ("DELETE FROM Fruit", 2 * 1 / (3 + 2)),  # three rows went; one of the gold's two changes is among them
    ],
)
def test_a_change_s_f1_by_hand(statement: str, f1: float) -> None:
    assert sql.result_f1(episode(statement, "answer: []", task="change"), CHANGE) == pytest.approx(f1)


counts = st.dictionaries(st.integers(0, 3), st.integers(1, 3)).map(Counter)


@given(counts, counts)
def test_f1_is_symmetric_bounded_and_1_only_for_equals(a: Counter[int], b: Counter[int]) -> None:
    value = sql.f1(Counter(a), Counter(b))
    assert 0 <= value <= 1
    assert value == sql.f1(Counter(b), Counter(a))
    assert (value == 1) == (a == b)


@given(st.lists(st.sampled_from(["a", "bad", "SELECT * FROM Fruit", "answer: []"]), max_size=6), st.data())
def test_no_shaping_makes_a_failure_worth_a_success(actions: list[str], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(SHAPINGS), unique=True, min_size=1))
    mixture = Mixture(dict.fromkeys(chosen, LIMIT / len(chosen)), TaskSet([ASK, CHANGE]))
    failed, solved = (mixture(episode(*actions, success=success)) for success in (False, True))
    assert failed.score is not None
    assert solved.score is not None
    assert 0 <= failed.score <= LIMIT < 1 <= solved.score <= 1 + LIMIT
    assert set(solved.rewards) == {"outcome", *chosen}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"progres": 0.1}, "Did you mean 'progress'"),
        ({"progress": 0.4, "no_repeats": 0.2}, "at most 0.5 together"),
        ({"progress": -0.1}, "above 0"),
        ({"progress": float("nan")}, "above 0"),
        ({"valid_sql": 0.1}, "needs the environment's tasks"),
    ],
)
def test_a_wrong_mixture_is_refused(weights: dict[str, float], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        Mixture(weights)
