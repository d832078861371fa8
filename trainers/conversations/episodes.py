"""Conversations as episodes, with the tokens by which a model would have said them, and what was found in them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envs.errors import DataError
from envs.protocol import Message, Protocol
from rollout.errors import ModelError
from rollout.rendering import Renderer
from rollout.trajectory import Step, Trajectory
from trainers.conversations.files import FORMS, rows
from trainers.conversations.forms import Conversation, read_conversation
from trainers.conversations.replay import official_games, trial_of
from trainers.guards import refuse_evaluation_tasks
from trainers.supervised import with_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ANY: dict[str, Any] = {"admissible_commands": ["look"]}
"""What a protocol is told of the environment where only the form of a reply is of interest."""

_ACT = re.compile(r"^\s*(?:Think|Act):", re.MULTILINE)


def conversations_of(source: Path, held_out: Collection[str] = (), data: str | None = None) -> list[Trajectory]:
    """The conversations of a data set as episodes: a turn for each reply, `valid` where it is to be imitated, success
    where the row does not say otherwise. Their tokens come by `with_model_tokens`.

    Args:
        source: see `trainers.conversations.files.FORMS`.
        held_out: ids of tasks that must not be among theirs.
        data: where ALFWorld's official games are, which say of what split a trial is; ALFWORLD_DATA if None.

    Raises:
        DataError: if the source is not there or in another form, or holds no reply.
        TaskError: if ids name tasks by which models are scored.
    """
    read = [read_conversation(row, where) for where, row in rows(source)]
    if not read:
        raise DataError("there are no rows", where=source, remedy=FORMS)
    made = [_episode(conversation, number) for number, conversation in enumerate(read)]
    if not any(episode.steps for episode in made):
        raise DataError("there is no reply of an assistant to a message", where=source, remedy=FORMS)
    if any(trial_of(episode.task) for episode in made):
        games = official_games(data)
        made = [_of_game(episode, games) for episode in made]
    refuse_evaluation_tasks(made, held_out, where=source)
    return made


def with_model_tokens(
    episodes: Sequence[Trajectory], tokenizer: PreTrainedTokenizerBase, enable_thinking: bool | None = None
) -> list[Trajectory]:
    """The episodes with the tokens that the model's own chat template makes of them, functions included.

    Raises:
        ModelError: if the template cannot render them.
        DataError: if it writes a function call so that it cannot be told from what surrounds it.
    """

    @cache
    def renderer(tools: str) -> Renderer:
        return Renderer(tokenizer, json.loads(tools), enable_thinking=enable_thinking)

    made = []
    for episode in episodes:
        about = episode.lineage
        try:
            made.append(with_tokens(episode, tokenizer, renderer(json.dumps(about["tools"]))))
        except (ModelError, DataError) as error:
            raise type(error)(error.what, where=about["where"], remedy=error.remedy) from error
    return made


def report(episodes: Sequence[Trajectory], talk: Protocol) -> list[str]:
    """What was found in the conversations of a data set, in lines for a person.

    Args:
        episodes: of `conversations_of`.
        talk: the protocol by which the trained model is going to play.
    """
    steps = [step for episode in episodes for step in episode.steps]
    readings = [talk.read(step.reply, _ANY) for step in steps if step.valid]
    stray = sum(map(_is_stray, steps))
    said = Counter(role for episode in episodes for role in episode.lineage["roles"])
    other = ", ".join(f"{role!r} ({count})" for role, count in said.items() if role != "assistant")
    texts = [message.content for step in steps for message in step.messages]
    found = {
        "turns are shown and not learned, because the data say so": sum(not step.valid for step in steps) - stray,
        "turns end in a stray '))': they are shown and not learned": stray,
        "replies say Think: or Act:": sum(bool(_ACT.search(step.reply.content)) for step in steps),
        f"replies are out of the form of --protocol {talk.name}, by which the model is going to be read": sum(
            not reading.valid for reading in readings
        ),
        f"replies are not to the letter of --protocol {talk.name}, and are read leniently": sum(
            reading.valid and bool(reading.forgiven) for reading in readings
        ),
        "observations are 'Nothing happens'; they are kept": sum("Nothing happens" in text for text in texts),
        "conversations say the same three times in a row; they are kept": sum(map(_loops, episodes)),
        "conversations were no success; they are left out": sum(episode.success is False for episode in episodes),
        "conversations have no reply to a message; they are left out": sum(not episode.steps for episode in episodes),
    }
    lines = [f"{len(episodes)} conversations with {len(steps)} replies"]
    lines += [f"roles read as assistant: {other}"] if other else []
    return lines + [f"{count} {what}" for what, count in found.items() if count]


def _episode(conversation: Conversation, number: int) -> Trajectory:
    steps: list[Step] = []
    shown: list[Message] = []
    roles: list[str] = []
    for message, learned, role in zip(conversation.messages, conversation.learned, conversation.roles, strict=True):
        if message.role != "assistant":
            shown.append(message)
        elif shown:
            steps.append(Step(tuple(shown), message, (), (), valid=learned))
            shown = []
            roles.append(role)
        elif steps:  # the reply goes on in a second message
            steps[-1] = _joined(steps[-1], message, learned)
    steps = [replace(step, valid=step.valid and not _is_stray(step)) for step in steps]
    task = conversation.task or f"row-{number + 1}"
    about = {"where": conversation.where, "roles": roles, "tools": list(conversation.tools)}
    return Trajectory(
        id=f"{task}#{number}",
        task=task,
        task_type="conversation",
        split=conversation.split or "train",
        sample=number,
        steps=tuple(steps),
        success=conversation.success is not False,
        lineage=about,
    )


def _of_game(episode: Trajectory, games: Mapping[str, tuple[str, Path]]) -> Trajectory:
    """The episode with the game's split, and its id as our environment has it, where the game is at hand."""
    if (trial := trial_of(episode.task)) not in games:
        return episode
    split, file = games[trial]
    return replace(episode, task=f"{split}/{file.parent.parent.name}/{trial}", split=split)


def _joined(step: Step, more: Message, learned: bool) -> Step:
    content = "\n".join(text for text in (step.reply.content, more.content) if text)
    reply = Message("assistant", content, (*step.reply.tool_calls, *more.tool_calls))
    return replace(step, reply=reply, valid=step.valid and learned)


def _is_stray(step: Step) -> bool:
    """Whether a reply ends in brackets that were never opened."""
    last = step.reply.content.rstrip().rpartition("\n")[2]
    return last.endswith("))") and last.count("(") + 2 <= last.count(")")


def _loops(episode: Trajectory) -> bool:
    said = [step.reply.content.strip() for step in episode.steps]
    return any(a == b == c for a, b, c in zip(said, said[1:], said[2:], strict=False))
