"""Conversations that name ALFWorld's games are played again in our engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from envs import TaskError
from envs.alfworld import generate_game, load_game
from envs.alfworld.env import ALFWorldEnv
from envs.alfworld.expert import ALFWorldExpert
from envs.protocols import make_protocol
from trainers.conversations.episodes import conversations_of
from trainers.conversations.replay import replay

TALK = make_protocol("react", "Play.", ALFWorldEnv.tools)


@pytest.fixture
def trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Five games in the official layout, the last of them of an evaluation split."""
    files = []
    for number in range(5):
        split = "train" if number < 4 else "valid_seen"
        trial = f"trial_T20190909_000000_00000{number}"
        folder = tmp_path / "data" / "json_2.1.1" / split / f"pick_and_place_simple-Mug-None-Desk-{number}" / trial
        folder.mkdir(parents=True)
        generate_game(seed=number, size="tiny").save(folder / "game.tw-pddl")
        files.append(folder / "game.tw-pddl")
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path / "data"))
    return files


def recorded(file: Path, *, prefix: str = "Observation: ") -> dict[str, Any]:
    """The expert's episode as AgentTraj has them."""
    play, expert = load_game(file).start(), ALFWorldExpert()
    expert.reset(play.observation)
    turns = [("human", "Interact with a household."), ("gpt", "OK.")]
    said = play.observation.partition("\n\n")[2]
    while not play.won:
        command = expert.act(play.observation, {"admissible_commands": play.admissible_commands})
        turns += [("human", said), ("gpt", f"Thought: {expert.thought}\nAction: {command}")]
        play.step(command)
        said = f"{prefix}{play.observation}"
    made = [{"from": who, "value": text, "loss": who == "gpt" and text != "OK."} for who, text in turns]
    return {"conversations": made, "item_id": f"{file.parent.parent.name}/{file.parent.name}"}


def told(folder: Path, *rows: dict[str, Any]) -> tuple[list[bool | None], list[str]]:
    file = folder / "data.json"
    file.write_text(json.dumps(rows))
    episodes, lines = replay(conversations_of(file), TALK, ALFWorldEnv.tools)
    return [episode.success for episode in episodes], lines


def test_what_was_recorded_is_verified_turn_by_turn(trials: list[Path], tmp_path: Path) -> None:
    alike, unfinished, other, elsewhere = map(recorded, trials[:4])
    unfinished["conversations"] = unfinished["conversations"][:-2]
    other["conversations"][4]["value"] = "You see a dragon 1."
    elsewhere["item_id"] = "pick/trial_T20000101_000000_000000"
    success, lines = told(tmp_path, alike, unfinished, other, elsewhere)
    assert success == [True, False, True, True]
    assert lines[:4] == [
        "3 of 4 conversations name an official game at hand and were played again",
        "1 alike to the end and won",
        "1 alike to the end and not won: they are left out",
        "1 answered otherwise than recorded: they are kept",
    ]
    assert "turn 3: recorded 'You see a dragon 1.'" in lines[4]


def test_the_old_dialect_is_the_same_play(trials: list[Path], tmp_path: Path) -> None:
    row = recorded(trials[0], prefix="")
    for turn in row["conversations"]:
        for new, old in (("Action: move ", "Action: put "), (" to ", " in/on "), ("You move the", "You put the")):
            if "put " in old or "put" in turn["value"]:
                turn["value"] = turn["value"].replace(new, old)
    assert told(tmp_path, row)[1][1:] == ["1 alike to the end and won"]


def test_a_trial_of_an_evaluation_split_is_refused_though_its_id_does_not_say_so(
    trials: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(TaskError, match="1 of 1 tasks to train on are of valid_seen"):
        told(tmp_path, recorded(trials[4]))


def test_without_the_games_nothing_is_replayed(
    trials: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = recorded(trials[0])
    monkeypatch.delenv("ALFWORLD_DATA")
    assert told(tmp_path, row) == ([True], [])
