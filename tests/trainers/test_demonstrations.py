"""The expert's episodes of a smoke run read as the model's own."""

from __future__ import annotations

import pytest

from envs.protocol import Message
from envs.protocols import PlainProtocol
from rollout.loading import load_tokenizer
from rollout.rendering import Renderer
from rollout.trajectory import Step, Trajectory
from tests.rollout.test_thinking import QWEN
from trainers.demonstrations import with_demonstrations
from trainers.generation import Played


@pytest.mark.parametrize("thinks", [None, False])
def test_their_prompts_are_those_of_a_model_that_thinks_or_does_not(thinks: bool | None) -> None:
    tokenizer = load_tokenizer("configs/models/tiny-alfworld")
    tokenizer.chat_template = QWEN
    asked = (Message("user", "look"),)
    step = Step(asked, Message("assistant", "go to desk 1"), ("go to desk 1",), ("Done.",))
    played = Played(episodes=[Trajectory("t#0", "t", "word", "train", steps=(step,), success=True)])
    (episode,) = with_demonstrations(played, tokenizer, PlainProtocol(""), thinks).episodes
    tokens = episode.steps[0].tokens
    assert tokens is not None
    assert [*tokens.prompt_ids] == [*Renderer(tokenizer, enable_thinking=thinks).open(asked)]
    assert set(tokens.logprobs) == {0.0}
