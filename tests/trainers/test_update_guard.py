"""No update is made of gradients that are not finite; one that is dropped leaves weights and optimizer as they were."""

from __future__ import annotations

import signal
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.errors import TrainingError
from trainers.snapshot import MOST_BYTES, Snapshot, fits
from trainers.stop_request import Stopped, StopRequest
from trainers.update_guard import UpdateGuard


def learner() -> tuple[torch.nn.Module, torch.optim.AdamW, torch.optim.lr_scheduler.LambdaLR]:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    return model, optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))


def update(
    model: torch.nn.Module, optimizer: torch.optim.AdamW, schedule: torch.optim.lr_scheduler.LambdaLR, seed: int
) -> None:
    torch.manual_seed(seed)
    model(torch.randn(4, 3)).square().mean().backward()
    optimizer.step()
    schedule.step()
    optimizer.zero_grad()


def weights(model: torch.nn.Module) -> list[torch.Tensor]:
    return [one.detach().clone() for one in model.parameters()]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("fp16", [False, True])
def test_a_gradient_that_is_not_finite_makes_no_update_unless_a_scaler_sees_to_it(bad: float, fp16: bool) -> None:
    model, *_ = learner()
    model(torch.ones(1, 3)).sum().backward()
    guard, args, state = UpdateGuard(StopRequest()), SimpleNamespace(fp16=fp16), SimpleNamespace(global_step=4)
    guard.on_pre_optimizer_step(args, state, None, model=model)
    assert guard.stepped
    guard.stepped = False
    next(model.parameters()).grad[0, 0] = bad  # type: ignore[index]
    if fp16:
        guard.on_pre_optimizer_step(args, state, None, model=model)
        return
    with pytest.raises(TrainingError, match="update 5: training has diverged"):
        guard.on_pre_optimizer_step(args, state, None, model=model)
    assert not guard.stepped


@pytest.mark.parametrize(
    ("stepped", "restorable", "dropped"),
    [(False, True, True), (False, False, True), (True, True, True), (True, False, False)],
)
def test_an_update_under_way_is_dropped_where_the_weights_before_it_are_not_lost(
    stepped: bool, restorable: bool, dropped: bool
) -> None:
    request = StopRequest()
    guard = UpdateGuard(request)
    guard.on_substep_end(None, None, None)
    request.signal = signal.SIGTERM
    guard.stepped, guard.restorable = stepped, restorable
    for look in (guard.on_step_begin, guard.on_substep_end):
        if dropped:
            with pytest.raises(Stopped):
                look(None, None, None)
        else:
            look(None, None, None)


@settings(max_examples=20)
@given(st.integers(0, 3), st.integers(0, 3), st.integers(1, 3))
def test_after_going_back_training_goes_on_as_if_nothing_had_happened(before: int, dropped: int, after: int) -> None:
    plain, disturbed = learner(), learner()
    for seed in range(before):
        update(*plain, seed)
        update(*disturbed, seed)
    snapshot = Snapshot(*disturbed)
    for seed in range(dropped):
        update(*disturbed, 100 + seed)
    snapshot.restore()
    for seed in range(after):
        update(*plain, 200 + seed)
        update(*disturbed, 200 + seed)
    assert all(one.equal(other) for one, other in zip(weights(plain[0]), weights(disturbed[0]), strict=True))
    assert plain[2].get_last_lr() == disturbed[2].get_last_lr()


def test_only_what_is_trained_is_copied_and_only_where_there_is_room() -> None:
    model, *_ = learner()
    model.bias.requires_grad_(False)  # type: ignore[union-attr, operator]
    snapshot = Snapshot(model)
    with torch.no_grad():
        for one in model.parameters():
            one.add_(1.0)
    changed = model.bias.clone()  # type: ignore[operator, union-attr]
    snapshot.restore()
    assert torch.equal(model.bias, changed)  # type: ignore[arg-type]
    assert fits(model)
    assert fits(model, MOST_BYTES // (6 * 4))
    assert not fits(model, MOST_BYTES // (6 * 4) + 1)
