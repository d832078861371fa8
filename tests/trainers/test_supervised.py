"""SupervisedRows are rendered as in play, and only what the model said is learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from hypothesis import given
from trl import SFTConfig, SFTTrainer

from envs.base import Info
from envs.protocol import Exchange, Message, Protocol
from envs.protocols import PlainProtocol
from rollout import Completion, ModelPolicy, Sampling, Tokens, Trajectory, collect
from rollout.rendering import Renderer
from tests import tiny_models
from tests.rollout.corridor import Corridor, Walker
from tests.trainers.episodes import append_only, cancelled, episode, failed, step, windowed
from trainers.supervised import IGNORED, supervised_rows, with_own_tokens, with_tokens


class Says:
    """An engine that says what it is told, episode by episode."""

    capacity, max_length, version = 4, 4096, 0

    def __init__(self, replies: dict[str, list[tuple[int, ...]]]) -> None:
        self.replies = {id: iter(said) for id, said in replies.items()}

    async def generate(self, episode: str, prompt_ids: Sequence[int], sampling: Sampling, seed: int) -> Completion:
        ids = next(self.replies[episode])
        return Completion(ids, (-1.0,) * len(ids), "stop")

    async def release(self, episode: str) -> None: ...

    async def close(self) -> None: ...


class Alone(PlainProtocol):
    """Every turn is a conversation of its own, in which the past is told."""

    name = "alone"
    standalone = True

    def show(
        self, answered: Message, observations: Sequence[str], info: Info, past: Sequence[Exchange] = ()
    ) -> list[Message]:
        return self.open("\n".join([*(turn.action for turn in past), *observations]), info)


class Hesitant(Walker):
    """Runs against the wall twice before it walks, so that a window has something to drop."""

    def __init__(self) -> None:
        self.rest = ["left", "left", "right", "right"]

    def act(self, observation: str, info: Info) -> str:
        return self.rest.pop(0)


class Place(Corridor):
    """A corridor with one more protocol, and an expert that takes its time."""

    def expert(self) -> Hesitant:
        return Hesitant()

    def protocol(self, name: str) -> Protocol:
        return Alone(self.instructions) if name == "alone" else super().protocol(name)


def tokens(trajectory: Trajectory) -> list[object]:
    return [
        (prompt, one.tokens.completion_ids)
        for prompt, one in zip(trajectory.prompts(), trajectory.steps, strict=True)
        if one.tokens is not None
    ]


def rendered(trajectories: list[Trajectory], protocol: str, template: str) -> list[Trajectory]:
    tokenizer = tiny_models.tokenizer(template)
    renderer = Renderer(tokenizer, Place().protocol(protocol).schemas)
    return [with_tokens(one, tokenizer, renderer) for one in trajectories]


@pytest.mark.parametrize(
    ("protocol", "window"), [("react", None), ("plain", 1), ("think", 2), ("alone", 0), ("tool", None)]
)
@pytest.mark.parametrize("template", ["qwen2_5_training", "qwen3_training"])
def test_an_experts_episode_has_the_tokens_of_a_model_that_says_the_same(
    protocol: str, window: int | None, template: str, tmp_path: Path
) -> None:
    shown = collect(Place(), "expert", output=tmp_path / "expert", protocol=protocol).trajectories
    demos = rendered([replace(one, window=window) for one in shown], protocol, template)
    said = {one.id: [turn.tokens.completion_ids for turn in one.steps if turn.tokens] for one in demos}
    tokenizer = tiny_models.tokenizer(template)
    policy = ModelPolicy(
        Says(said), lambda talk: Renderer(tokenizer, talk.schemas), Sampling(), name="says", window=window
    )
    played = collect(Place(), policy, output=tmp_path / "model", protocol=protocol).trajectories
    assert {one.id: tokens(one) for one in played} == {one.id: tokens(one) for one in demos}
    assert all(one.success and len(one.steps) == 4 for one in played)


def test_a_reply_ends_with_the_templates_stop_token(tmp_path: Path) -> None:
    shown = collect(Corridor(), "expert", output=tmp_path, protocol="react").trajectories
    end = tiny_models.tokenizer("qwen2_5_training").convert_tokens_to_ids("<|im_end|>")
    for one in rendered(shown, "react", "qwen2_5_training"):
        assert all(turn.tokens and turn.tokens.completion_ids[-1] == end for turn in one.steps)


@given(append_only() | windowed())
def test_labels_are_the_sampled_ids_and_nothing_else(whole: Trajectory) -> None:
    found = supervised_rows([whole])
    said = [id for turn in whole.steps if turn.tokens for id in turn.tokens.completion_ids]
    learned = [label for row in found.rows for label in row["labels"] if label != IGNORED]
    assert learned == said
    for row in found.rows:
        assert all(label in (IGNORED, id) for label, id in zip(row["labels"], row["input_ids"], strict=True))


def test_flawed_turns_are_shown_but_not_learned() -> None:
    steps = [step([1], [2, 7]), step([3], [4, 7], valid=False), step([3], [5, 7], admissible=False), step([3], [6, 7])]
    (row,) = supervised_rows([episode("t", 0, 1.0, *steps)], flawless_turns_only=True).rows
    assert row["input_ids"] == [1, 2, 7, 3, 4, 7, 3, 5, 7, 3, 6, 7]
    assert row["labels"] == [-100, 2, 7, *[-100] * 7, 6, 7]
    only_flaws = supervised_rows([episode("t", 0, 1.0, *steps[1:3])], flawless_turns_only=True)
    assert (only_flaws.rows, only_flaws.left_out) == ([], {"no turn to learn": 1})


def test_what_is_no_demonstration_is_left_out_by_its_reason() -> None:
    good, bad = step([1], [7]), episode("t", 1, 0.0, step([1], [7]))
    several = [episode("t", 0, 1.0, good), bad, failed("t", 2), cancelled("t", 3), episode("t", 4, 1.0)]
    found = supervised_rows(several)
    assert len(found.rows) == 1
    assert found.left_out == {
        "not a success": 1,
        "failed outside the model or cancelled": 2,
        "its steps were not kept": 1,
    }
    assert len(supervised_rows(several, successes_only=False).rows) == 2


def test_episodes_without_tokens_are_counted(tmp_path: Path) -> None:
    shown = collect(Corridor(), "expert", output=tmp_path).trajectories
    assert supervised_rows(shown).left_out == {"without tokens": 4}


def test_the_cap_is_counted() -> None:
    found = supervised_rows([episode("t", 0, 1.0, step([1], [2, 7]), step([3, 3], [4, 7]))], max_length=6)
    assert found.rows == [{"input_ids": [1, 2, 7, 3, 3, 4], "labels": [-100, 2, 7, -100, -100, 4]}]
    assert (found.batch.cut_rows, found.batch.cut_tokens) == (1, 1)


def test_trl_learns_exactly_the_labels(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    rows = supervised_rows(
        [episode("t", i, 1.0, step([11, 12], [13 + i, 2]), step([14], [15, 2])) for i in range(2)]
    ).rows
    trainer = SFTTrainer(
        model=tiny_models.model(layers=1),
        processing_class=tiny_models.tokenizer(),
        args=SFTConfig(
            output_dir=str(tmp_path),
            use_cpu=True,
            bf16=False,
            max_length=64,
            report_to="none",
            gradient_checkpointing=False,
        ),
        train_dataset=Dataset.from_list(rows),
    )
    batch = next(iter(trainer.get_train_dataloader()))
    assert sorted(batch["labels"].tolist()) == sorted(row["labels"] for row in rows)
    assert sorted(batch["input_ids"].tolist()) == sorted(row["input_ids"] for row in rows)


def test_only_ids_that_this_models_tokenizer_reads_as_what_was_said_are_kept() -> None:
    words = tiny_models.tokenizer()
    renderer = Renderer(words)
    ids = [*words.encode("I go on."), words.eos_token_id]
    turn = replace(step([1, 2], ids), reply=Message("assistant", renderer.decode(ids)))
    own = episode("t", 0, 1.0, turn)
    others = episode("t", 0, 1.0, replace(turn, reply=Message("assistant", "I go back.")))
    beyond = episode("t", 0, 1.0, replace(turn, tokens=Tokens((1,), (len(words),), (0.0,))))
    assert with_own_tokens(own, words, renderer) is own
    for other in (others, beyond):
        assert tokens(with_own_tokens(other, words, renderer)) == tokens(with_tokens(other, words, renderer))
