"""Conversations about ALFWorld's official games, played again in our engine and held against what they recorded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from envs.alfworld import load_game
from envs.alfworld.data import SPLITS, split_folder
from envs.base import Tool
from envs.errors import DataError
from envs.protocol import Message, Protocol
from envs.protocols import ReactProtocol, ThinkProtocol, ToolProtocol
from rollout.trajectory import Trajectory

_TRIAL = re.compile(r"trial_T\d+_\d+_\d+")
_TASK = "Your task is to: "


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a replay.

    Attributes:
        kind: `won`, `not won`, `differs`, `unread` (a reply holds no action) or `unplayed` (not by our engine).
        turn: where it differs or holds no action, from 1.
        detail: what was recorded there, and what our engine says.
    """

    kind: str
    turn: int = 0
    detail: str = ""


def replay(
    episodes: Sequence[Trajectory], talk: Protocol, tools: Sequence[Tool], data: str | None = None
) -> tuple[list[Trajectory], list[str]]:
    """The episodes, with success as our engine saw it, and lines that say what the replay found; as they are and no
    line where no id names a game that is at hand.

    Args:
        episodes: of `conversations_of`.
        talk: by which replies are read first; other forms are tried after it.
        tools: the environment's.
        data: see `official_games`.
    """
    games = official_games(data) if any(map(trial_of, (one.task for one in episodes))) else {}
    readers = (talk, ReactProtocol(""), ThinkProtocol(""), ToolProtocol("", tools))
    outcomes = {
        one.id: replayed(one, games[trial][1], readers) for one in episodes if (trial := trial_of(one.task)) in games
    }
    if not outcomes:
        return list(episodes), []
    judged = [
        replace(one, success=False) if one.id in outcomes and outcomes[one.id].kind == "not won" else one
        for one in episodes
    ]
    return judged, _told(outcomes, len(episodes))


def official_games(data: str | None = None) -> dict[str, tuple[str, Path]]:
    """The official games at hand: by trial, the split and the game's file.

    Args:
        data: the folder that holds `json_2.1.1`; ALFWORLD_DATA if None.
    """
    found: dict[str, tuple[str, Path]] = {}
    for split in SPLITS:
        try:
            folder = split_folder(split, data)
        except DataError:
            continue
        found |= {file.parent.name: (split, file) for file in folder.glob("*/trial_*/game.tw-pddl")}
    return found


def replayed(episode: Trajectory, file: Path, readers: Iterable[Protocol]) -> Outcome:
    """Play a conversation's actions in the game that it names."""
    try:
        play = load_game(file).start()
    except DataError as error:
        return Outcome("unplayed", 1, str(error))
    readers, begun = tuple(readers), False
    for turn, step in enumerate(episode.steps, start=1):
        shown = "\n".join(message.content for message in step.messages)
        if not begun:
            if _TASK not in shown:
                continue  # what is said before the task is told
            begun = True
            if _plain(play.observation.partition("\n\n")[2].partition(_TASK)[0]) not in _plain(shown):
                return Outcome("differs", turn, f"recorded {shown[-80:]!r}, our engine {play.observation[-80:]!r}")
        elif _plain(shown) != _plain(play.observation):
            return Outcome("differs", turn, f"recorded {shown[:80]!r}, our engine {play.observation[:80]!r}")
        action = _action(step.reply, readers, play.admissible_commands)
        if action is None:
            return Outcome("unread", turn, repr(step.reply.content[-80:]))
        play.step(action)
    return Outcome("won" if play.won else "not won")


def _told(outcomes: Mapping[str, Outcome], whole: int) -> list[str]:
    kinds = Counter(outcome.kind for outcome in outcomes.values())
    words = {
        "won": "alike to the end and won",
        "not won": "alike to the end and not won: they are left out",
        "differs": "answered otherwise than recorded: they are kept",
        "unplayed": "of games that our engine does not play: they are kept",
        "unread": "with a reply that holds no action: they are kept",
    }
    lines = [f"{len(outcomes)} of {whole} conversations name an official game at hand and were played again"]
    lines += [f"{kinds[kind]} {text}" for kind, text in words.items() if kinds[kind]]
    odd = ((id, one) for id, one in outcomes.items() if one.turn)
    return lines + [f"for example {id}, turn {one.turn}: {one.detail}" for id, one in list(odd)[:1]]


def trial_of(task: str) -> str:
    """The trial by which ALFWorld calls a game, in a task's id; "" if there is none."""
    found = _TRIAL.search(task)
    return found[0] if found else ""


def _action(reply: Message, readers: Iterable[Protocol], admissible: Sequence[str]) -> str | None:
    """The action of a reply, in the game's dialect."""
    for reader in readers:
        reading = reader.read(reply, {"admissible_commands": admissible})
        if reading.valid and len(reading.actions) == 1:
            if "capitals" in reading.forgiven:  # the game that was recorded was told the action as it was written
                reading = reader.read(reply, {})
            (action,) = reading.actions
            put = re.fullmatch(r"(?:put|move) (.+) (?:in/on|in|on|to) (.+)", action)
            ours = [f"move {put[1]} to {put[2]}", f"put {put[1]} in/on {put[2]}"] if put else []
            return next((one for one in ours if one in admissible), action)
    return None


def _plain(text: str) -> str:
    """An observation without what dialects and editions add to it."""
    text = re.sub(r"(?i)^\s*observation\s*:", "", text.partition("AVAILABLE ACTIONS:")[0].partition("\n\nAVAILABLE")[0])
    text = re.sub(r"You arrive at [^.]*\.", "", text)
    text = re.sub(r"You (?:put|move) the (\w+ \d+) (?:in/on|to) the", r"You move the \1 to the", text)
    return " ".join(text.split())
