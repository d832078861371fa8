"""The trainer on TRL: an update is what its formula says, however rows are cut, dealt and interrupted."""

from __future__ import annotations

import copy
import inspect
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    PreTrainedModel,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
    Trainer,
    TrainerCallback,
)
from trl import GRPOConfig, GRPOTrainer
from trl.models.utils import disable_gradient_checkpointing

from tests.trainers.grpo_processes import CAP, LONGEST, made_rows, small, trained_together, trainer, weights
from tests.trainers.lessons import settings, shaken
from trainers.adapters import with_adapter
from trainers.batch import Row
from trainers.errors import TrainingError
from trainers.grpo import LOSSES, EpisodeGRPOTrainer

ROWS = made_rows(5)
SEQUENCE = {"loss_type": "grpo", "importance_sampling_level": "sequence"}
KINDS = [{"loss_type": kind} for kind in LOSSES] + [SEQUENCE]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def logps(model: torch.nn.Module, row: Row) -> torch.Tensor:
    """(trained tokens,): of the row alone, by a plain forward pass."""
    ids = torch.tensor(row.ids)[None]
    found = model(input_ids=ids, use_cache=False).logits[0, :-1].float().log_softmax(-1)
    return found.gather(1, ids[0, 1:, None])[:, 0][torch.tensor(row.mask[1:]).bool()]


def on_mask(row: Row, name: str) -> torch.Tensor:
    """(trained tokens,)."""
    return torch.tensor(getattr(row, name)[row.mask == 1])


def by_hand(model: PreTrainedModel, rows: Sequence[Row], kind: str) -> torch.Tensor:
    """The policy gradient, each loss with its own denominator; at a ratio of 1 they differ in nothing else."""
    model.zero_grad()
    total = torch.zeros(())
    for row in rows:
        said = (on_mask(row, "advantages") * logps(model, row)).sum()
        share = {"grpo": row.trained * len(rows), "sapo": row.trained * len(rows), "dr_grpo": len(rows) * LONGEST}
        total = total - said / share.get(kind, sum(other.trained for other in rows))
    total.backward()
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])


def close(one: torch.Tensor, other: torch.Tensor, tolerance: float = 1e-4) -> None:
    """To so much of the largest."""
    assert other.abs().max() > 0
    assert (one - other).abs().max() <= tolerance * other.abs().max()


def moved(folder: Path, rows: Sequence[Row] = ROWS, model: PreTrainedModel | None = None, **more: Any) -> torch.Tensor:
    """How training moves the weights."""
    model = small() if model is None else model
    before = weights(model)
    trainer(folder, model, lambda: rows, **more).train()
    return weights(model) - before


def logs(made: EpisodeGRPOTrainer) -> list[dict[str, Any]]:
    return [log for log in made.state.log_history if "entropy" in log]


class TestAnUpdate:
    @pytest.mark.parametrize("kind", LOSSES)
    @pytest.mark.parametrize("size", [1, 2, 8])
    def test_is_the_policy_gradient_by_hand_for_every_micro_batch_size(
        self, tmp_path: Path, kind: str, size: int
    ) -> None:
        found = moved(tmp_path, loss_type=kind, per_device_train_batch_size=size)
        close(found, -0.1 * by_hand(small(), ROWS, kind))

    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind.values()))
    def test_off_policy_too_is_independent_of_the_micro_batch_size(self, tmp_path: Path, kind: dict[str, str]) -> None:
        several = {**kind, "steps_per_generation": 2, "num_iterations": 2, "max_steps": 4, "learning_rate": 0.3}
        one, other = (moved(tmp_path, per_device_train_batch_size=size, **several) for size in (1, 8))
        close(one, other)

    def test_counts_an_episode_as_one_row_as_it_counts_a_row_for_each_of_its_turns(self, tmp_path: Path) -> None:
        turns = []
        for row in ROWS:
            ends = [0, *(np.flatnonzero(np.diff(row.mask) == -1) + 1).tolist(), len(row)]
            for begin, end in pairwise(ends):
                part = row.start(end)
                said = np.where(np.arange(end) >= begin, part.mask, 0)
                turns.append(replace(part, mask=said, advantages=part.advantages * said, prompt=int(said.argmax())))
        assert len(turns) > len(ROWS)
        close(moved(tmp_path, turns), moved(tmp_path))

    def test_with_gradient_checkpointing_is_the_same(self, tmp_path: Path) -> None:
        more = {"beta": 0.0, "importance_cap": CAP}
        close(moved(tmp_path, gradient_checkpointing=True, **more), moved(tmp_path, **more))

    @pytest.mark.parametrize("size", [1, 8])
    def test_in_bfloat16_is_about_the_same(self, tmp_path: Path, size: int) -> None:
        model = small()
        found = moved(tmp_path, model=model, bf16=True, per_device_train_batch_size=size, importance_cap=100.0)
        close(found, moved(tmp_path, importance_cap=100.0), tolerance=0.1)
        assert model.dtype == torch.float32

    def test_leaves_out_a_mixture_of_experts_own_loss(self, tmp_path: Path) -> None:
        def experts() -> PreTrainedModel:
            torch.manual_seed(0)
            sizes = {"vocab_size": 500, "hidden_size": 16, "intermediate_size": 16, "moe_intermediate_size": 16}
            sizes |= {"num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8}
            sizes |= {"num_experts": 4, "num_experts_per_tok": 2, "router_aux_loss_coef": 10.0}
            return Qwen3MoeForCausalLM(Qwen3MoeConfig(**sizes, initializer_range=0.2, output_router_logits=True))

        for size in (1, 8):
            found = moved(tmp_path, model=experts(), per_device_train_batch_size=size)
            close(found, -0.1 * by_hand(experts(), ROWS, "dapo"))

    def test_gives_a_gradient_to_exactly_the_tokens_that_were_sampled(self, tmp_path: Path) -> None:
        states: list[torch.Tensor] = []

        def keep(module: torch.nn.Module, args: Any, output: Any) -> None:
            if output.last_hidden_state.requires_grad:  # how far an update moves the policy is measured without
                output.last_hidden_state.retain_grad()
                states.append(output.last_hidden_state)

        model = small()
        model.model.register_forward_hook(keep)
        trainer(tmp_path, model, lambda: ROWS).train()
        # The next token is read from a token's state.
        learned = [(state.grad != 0).any(-1)[:, :-1] for state in states]
        found = [line.tolist() for part in learned for line in part]
        expected = [row.mask[1:].astype(bool).tolist() for row in ROWS] + [[False]]
        assert sorted(_without_end(line) for line in found) == sorted(_without_end(line) for line in expected)


def _without_end(line: list[bool]) -> list[bool]:
    """Without padding, which nobody sampled either."""
    return line[: len(line) - line[::-1].index(True)] if True in line else []


class TestSeveralUpdates:
    def test_of_a_generation_take_each_row_once_and_as_many_rows(self, tmp_path: Path) -> None:
        made = trainer(tmp_path, small(), lambda: ROWS, steps_per_generation=2, max_steps=2)
        made.train()
        trained = [torch.cat([part["tool_mask"].sum(1) for part in update]) for update in made._dealt]
        assert [int((one > 0).sum()) for one in trained] == [3, 2]
        assert sum(int(one.sum()) for one in trained) == sum(row.trained for row in ROWS)
        assert {int(part["num_rows_in_batch"]) for update in made._dealt for part in update} == {5}

    def test_average_to_the_update_of_all_rows_at_once(self, tmp_path: Path) -> None:
        """At a rate so small that the second is made at the weights of the first."""
        for kind in ("dapo", "grpo"):
            more = {"loss_type": kind, "learning_rate": 1e-3}
            two = moved(tmp_path, steps_per_generation=2, max_steps=2, **more)
            close(two / 2, moved(tmp_path, **more), tolerance=0.02)

    def test_go_through_the_rows_again_with_the_ratio_to_the_policy_that_began(self, tmp_path: Path) -> None:
        between = _Weights()
        model = small()
        made = trainer(
            tmp_path, model, lambda: ROWS, num_iterations=2, max_steps=2, learning_rate=1.0, callbacks=[between]
        )
        before = {name: weight.clone() for name, weight in model.state_dict().items()}
        made.train()
        first, second = logs(made)
        low = high = entropy = 0.0
        with torch.no_grad():
            for row in ROWS:
                model.load_state_dict(before)
                old = logps(model, row)
                distribution = model(input_ids=torch.tensor(row.ids)[None]).logits[0, :-1].float().log_softmax(-1)
                entropy += float(-(distribution.exp() * distribution).sum(-1)[torch.tensor(row.mask[1:]) == 1].sum())
                model.load_state_dict(between.states[0])
                ratio, advantage = (logps(model, row) - old).exp(), on_mask(row, "advantages")
                low += int(((ratio < 0.8) & (advantage < 0)).sum())
                high += int(((ratio > 1.2) & (advantage > 0)).sum())
        count = sum(row.trained for row in ROWS)
        assert 0 < low + high < count
        assert (first["clip_ratio/region_mean"], first["entropy"]) == pytest.approx((0.0, entropy / count), rel=1e-4)
        assert second["clip_ratio/low_mean"] == pytest.approx(low / count)
        assert second["clip_ratio/high_mean"] == pytest.approx(high / count)
        assert second["clip_ratio/region_mean"] == pytest.approx((low + high) / count)

    def test_of_fewer_rows_than_updates_leave_one_that_changes_nothing(self, tmp_path: Path) -> None:
        made = trainer(tmp_path, small(), lambda: ROWS[:1], steps_per_generation=2, max_steps=2)
        made.train()
        norms = [log["grad_norm"] for log in made.state.log_history if "grad_norm" in log]
        assert [norm > 0 for norm in norms] == [True, False]

    def test_go_on_after_an_interruption_as_if_there_had_been_none(self, tmp_path: Path) -> None:
        """With dropout, which is drawn as the rows' order is."""

        def play(number: int) -> list[Row]:
            return made_rows(5, seed=number)

        def adapted() -> PreTrainedModel:
            torch.manual_seed(5)
            return with_adapter(small(), r=2, alpha=4, dropout=0.2)

        more = {"steps_per_generation": 2, "save_strategy": "steps", "save_steps": 2, "optim": "adamw_torch"}
        whole, rows = adapted(), iter([play(0), play(1)])
        made = trainer(tmp_path, whole, lambda: next(rows), max_steps=4, **more)
        made.train()
        resumed = adapted()
        torch.manual_seed(99)
        again = trainer(tmp_path, resumed, lambda: play(1), max_steps=4, **more)
        torch.rand(3)
        again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
        assert again.state.global_step == 4
        for one, other in zip(made._dealt, again._dealt, strict=True):
            assert [part["completion_ids"].tolist() for part in one] == [
                part["completion_ids"].tolist() for part in other
            ]
        torch.testing.assert_close(weights(resumed), weights(whole), rtol=0, atol=1e-6)
        assert (weights(whole) - weights(adapted())).abs().max() > 1e-4


class _Weights(TrainerCallback):
    """Keeps the weights after each update."""

    def __init__(self) -> None:
        self.states: list[dict[str, torch.Tensor]] = []

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **more: Any) -> None:
        self.states.append({name: weight.clone() for name, weight in model.state_dict().items()})


class TestTheReference:
    BETA = 0.5

    def divergence(self, model: PreTrainedModel, reference: PreTrainedModel) -> torch.Tensor:
        """Schulman's third estimator, of each trained token."""
        with torch.no_grad():
            apart = torch.cat([logps(reference, row) - logps(model, row) for row in ROWS])
        return apart.exp() - apart - 1

    def check(self, made: EpisodeGRPOTrainer, expected: torch.Tensor) -> None:
        made.train()
        (log,) = logs(made)
        gained = torch.cat([on_mask(row, "advantages") for row in ROWS])
        assert expected.mean() > 1e-3
        assert log["kl"] == pytest.approx(float(expected.mean()), rel=1e-3)
        assert log["loss"] == pytest.approx(float((self.BETA * expected - gained).mean()), rel=1e-3)

    def test_is_the_model_as_it_was_stored(self, tmp_path: Path) -> None:
        small().save_pretrained(tmp_path / "model")
        model = Qwen3ForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32)
        shaken(model)
        expected = self.divergence(model, small())
        made = trainer(tmp_path, model, lambda: ROWS, beta=self.BETA)
        self.check(made, expected)
        assert torch.equal(weights(made.ref_model), weights(small()))

    @pytest.mark.parametrize("trained", [False, True])
    def test_is_the_model_with_its_adapter_as_it_was_handed_over(self, trained: bool, tmp_path: Path) -> None:
        model = with_adapter(small(), r=4, alpha=8)
        if trained:
            shaken(model)  # by an earlier run
        begun = weights(model)
        reference = copy.deepcopy(model)
        made = trainer(tmp_path, model, lambda: ROWS, beta=self.BETA)
        assert "ref" not in model.peft_config
        shaken(model)
        before = weights(model)
        self.check(made, self.divergence(model, reference))
        assert (weights(model) - before).abs().max() > 0
        assert (before - begun).abs().max() > 0
        base = {name: weight for name, weight in model.named_parameters() if not weight.requires_grad}
        plain = dict(small().named_parameters())
        assert base
        for name, weight in base.items():
            named = name.removeprefix("base_model.model.").replace(".base_layer", "")
            assert torch.equal(weight, plain[named])


class TestRefused:
    @pytest.mark.parametrize("kind", ["bnpo", "luspo", "vespo"])
    def test_is_a_loss_that_depends_on_the_cut(self, tmp_path: Path, kind: str) -> None:
        with pytest.raises(TrainingError, match=f"{kind}.*depends on how a batch is cut. Use one of dapo, cispo, grpo"):
            trainer(tmp_path, small(), lambda: ROWS, loss_type=kind)

    @pytest.mark.parametrize(
        "setting",
        [
            {"entropy_coef": 0.1},
            {"use_adaptive_entropy": True, "entropy_target": 0.2},
            {"top_entropy_quantile": 0.5},
            {"router_aux_loss_coef": 0.1},
        ],
        ids=lambda setting: next(iter(setting)),
    )
    def test_is_a_setting_that_averages_within_a_micro_batch(self, tmp_path: Path, setting: dict[str, Any]) -> None:
        with pytest.raises(TrainingError, match=f"{next(iter(setting))} depends on how a batch is cut. Leave"):
            trainer(tmp_path, small(), lambda: ROWS, **setting)

    def test_is_gradient_accumulation(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingError, match="Leave gradient_accumulation_steps at 1; per_device_train_batch_size"):
            trainer(tmp_path, small(), lambda: ROWS, gradient_accumulation_steps=2)

    def test_is_a_generation_without_rows(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingError, match=r"no rows to learn from.*--tasks"):
            trainer(tmp_path, small(), list).train()


class TestTRL:
    """What 1.16 does and the trainer relies on."""

    def test_has_the_methods_that_are_overridden(self) -> None:
        assert list(inspect.signature(GRPOTrainer._prepare_inputs).parameters) == ["self", "generation_batch"]
        ours, theirs, base = (
            list(inspect.signature(kind.compute_loss).parameters) for kind in (EpisodeGRPOTrainer, GRPOTrainer, Trainer)
        )
        assert ours == theirs == base == ["self", "model", "inputs", "return_outputs", "num_items_in_batch"]
        found = list(inspect.signature(GRPOTrainer._get_per_token_logps_and_entropies).parameters)
        assert found[:5] == ["self", "model", "input_ids", "attention_mask", "logits_to_keep"]

    def test_hands_what_is_prepared_to_the_loss_once_a_step_and_counts_the_steps(self, tmp_path: Path) -> None:
        seen: list[Any] = []
        made = trainer(tmp_path, small(), lambda: ROWS, max_steps=2)
        assert made._step == 0
        compute = made.compute_loss

        def spy(model: Any, inputs: Any, **more: Any) -> torch.Tensor:
            seen.append((inputs, made._dealt[0], made._step, made.current_gradient_accumulation_steps))
            return compute(model, inputs, **more)

        made.compute_loss = spy
        made.train()
        assert [one[0] is one[1] for one in seen] == [True, True]
        assert [one[2:] for one in seen] == [(0, 1), (1, 1)]

    def test_takes_advantages_of_rows_or_of_tokens_and_divides_by_the_items_of_the_batch(self, tmp_path: Path) -> None:
        made = trainer(tmp_path, small(), lambda: ROWS, per_device_train_batch_size=8)
        made.train()
        ((part,),) = made._dealt
        made.model.train()
        whole = {**part, "advantages": torch.arange(8.0)}
        by_token = {**part, "advantages": torch.arange(8.0)[:, None].expand(part["advantages"].shape)}
        half = {**whole, "num_items_in_batch": 2 * part["num_items_in_batch"]}
        losses = [made._compute_loss(made.model, inputs).item() for inputs in (whole, by_token, half)]
        assert losses[0] != 0
        assert losses == pytest.approx([losses[0], losses[0], losses[0] / 2])

    def test_uses_the_attention_mask_for_the_places_of_logits_alone_when_the_model_gets_none(
        self, tmp_path: Path
    ) -> None:
        made = trainer(tmp_path, small(), lambda: ROWS)
        row = ROWS[0]
        with torch.no_grad():
            part = made._micro_batch([row])
            found = made._logprobs(made.model, part)
            torch.testing.assert_close(found[part["tool_mask"] == 1], logps(small(), row), rtol=1e-4, atol=1e-5)
        assert found[part["tool_mask"] == 0].abs().max() == 0

    def test_switches_gradient_checkpointing_off_and_on_again(self) -> None:
        model = small()
        model.gradient_checkpointing_enable()
        with disable_gradient_checkpointing(model, None):
            assert not model.is_gradient_checkpointing
        assert model.is_gradient_checkpointing

    def test_logs_what_is_in_its_metrics_and_forgets_it(self, tmp_path: Path) -> None:
        made = trainer(tmp_path, small(), lambda: ROWS)
        made._metrics["train"]["ours"] += [1.0, 2.0]
        made.model.train()
        made.log({})
        assert made.state.log_history[-1]["ours"] == 1.5
        assert not made._metrics["train"]

    def test_wants_two_generations_of_a_prompt_even_where_there_are_none(self, tmp_path: Path) -> None:
        """Why rows can go through one by one only if the size is set after the rest."""
        with pytest.raises(ValueError, match="at least 2 generations"):
            GRPOConfig(**settings(tmp_path, per_device_train_batch_size=1, num_generations=1))


@pytest.mark.slow
def test_two_processes_train_as_one_does_and_none_waits_for_episodes_that_failed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "tests.trainers.grpo_processes", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    found, alone = torch.load(tmp_path / "found.pt"), trained_together(tmp_path)
    start = weights(small())
    for kind in ("dapo", "grpo"):
        close(found[kind] - start, alone[kind] - start)
        for name, values in alone[f"{kind} metrics"].items():
            assert found[f"{kind} metrics"][name] == pytest.approx(values, rel=1e-3, abs=1e-4), name
    assert "the main process could not play" in (tmp_path / "failed").read_text()
