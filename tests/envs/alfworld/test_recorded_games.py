"""Official games against recordings of TextWorld: every observation, every admissible list, every `won`."""

from __future__ import annotations

import json
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envs.alfworld.data import TASK_TYPES
from envs.alfworld.game import Game, load_game


def official_games(archive: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and content of every game file in an archive of the official layout."""
    with tarfile.open(archive) as files:
        for member in files:
            content = files.extractfile(member) if member.name.endswith("game.tw-pddl") else None
            if content is not None:
                yield member.name, json.load(content)


def parse(data: dict[str, Any]) -> Game:
    return Game.from_texts(domain=data["pddl_domain"], grammar=data["grammar"], problem=data["pddl_problem"])


def differences(game: Game, steps: list[dict[str, Any]]) -> list[str]:
    play = game.start()
    found = []
    for step in steps:
        if step["command"] is not None:
            play.step(step["command"])
        if play.observation != step["observation"]:
            found.append(f"{step['command']!r} answers {play.observation!r}, not {step['observation']!r}")
        if play.admissible_commands != step["admissible_commands"]:
            found.append(f"{step['command']!r}: {set(play.admissible_commands) ^ set(step['admissible_commands'])}")
        if play.won != step["won"] or (play.progress == 1.0) != step["won"]:
            found.append(f"{step['command']!r}: won {play.won}, progress {play.progress}")
    return found


@pytest.mark.parametrize(
    ("archive", "recording", "dialect", "count"),
    [
        ("json_2.1.1_old_dialect.tar.xz", "textworld_traces_old_dialect.jsonl.xz", "2.1.1", 10),
        pytest.param("json_2.1.1.tar.xz", "textworld_traces.jsonl.xz", "2.1.3", 300, marks=pytest.mark.slow),
    ],
)
def test_recorded_games_read_the_same_to_the_letter(
    shared: Path, archive: str, recording: str, dialect: str, count: int
) -> None:
    with lzma.open(shared / "alfworld" / recording, "rt", encoding="utf-8") as lines:
        recorded = {line["game"]: line["steps"] for line in map(json.loads, lines)}
    assert len(recorded) == count
    for name, data in official_games(shared / "alfworld" / archive):
        steps = next((recorded.pop(game) for game in list(recorded) if name.endswith(game)), None)
        if steps is not None:
            game = parse(data)
            assert game.dialect == dialect
            assert differences(game, steps) == [], name
    assert not recorded, "recordings without a game"


@pytest.mark.slow
def test_every_shipped_walkthrough_wins_at_its_last_command(shared: Path) -> None:
    count = 0
    for name, data in official_games(shared / "alfworld" / "json_2.1.1.tar.xz"):
        play = parse(data).start()
        for command in data["walkthrough"]:
            assert not play.won, name
            assert command in play.admissible_commands, name
            play.step(command)
        assert play.won, name
        assert play.game.type in TASK_TYPES
        assert f"/{play.game.type}-" in name
        count += 1
    assert count == 3693


def test_a_truncated_official_game_is_named(shared: Path, tmp_path: Path) -> None:
    _, data = next(official_games(shared / "alfworld" / "json_2.1.1_old_dialect.tar.xz"))
    path = tmp_path / "game.tw-pddl"
    path.write_text(json.dumps(data)[:-1000])
    with pytest.raises(Exception, match="alfworld-download") as caught:
        load_game(path)
    assert str(path) in str(caught.value)
