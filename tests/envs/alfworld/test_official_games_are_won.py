"""The oracle and the expert on the official games."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from envs.alfworld.expert import ALFWorldExpert
from envs.alfworld.game import Game
from envs.alfworld.oracle import shortest_plan

STEPS = 50


def official_games(archive: Path, every: dict[str, int]) -> Iterator[tuple[str, Game]]:
    """The split and the game of every n-th game of an archive.

    Args:
        every: split -> n.
    """
    met = dict.fromkeys(every, 0)
    with tarfile.open(archive) as files:
        for member in files:
            split = next((split for split in every if f"/{split}/" in member.name), "")
            if not split or not member.name.endswith("game.tw-pddl"):
                continue
            met[split] += 1
            content = files.extractfile(member)
            if content is not None and met[split] % every[split] == 0:
                data = json.load(content)
                yield (
                    split,
                    Game.from_texts(
                        domain=data["pddl_domain"],
                        grammar=data["grammar"],
                        problem=data["pddl_problem"],
                        walkthrough=tuple(data.get("walkthrough") or ()) or None,
                    ),
                )


def expert_wins(game: Game, *, told: bool) -> bool:
    play, expert = game.start(), ALFWorldExpert()
    expert.reset(play.observation)
    for _ in range(STEPS):
        play.step(expert.act(play.observation, {"admissible_commands": play.admissible_commands} if told else {}))
        if play.won:
            return True
    return False


def oracle_excess(game: Game) -> int:
    """How many commands more than the planner's walkthrough (if there is one) the oracle needs; its plan must win."""
    play, plan = game.start(), shortest_plan(game)
    for command in plan:
        assert command in play.admissible_commands
        play.step(command)
    assert play.won
    return len(plan) - len(game.walkthrough or plan)


def test_games_of_the_old_dialect_are_won(shared: Path) -> None:
    archive = shared / "alfworld" / "json_2.1.1_old_dialect.tar.xz"
    games = [game for _, game in official_games(archive, {"valid_seen": 1, "valid_unseen": 1, "train": 1})]
    assert len(games) == 10
    for game in games:
        assert oracle_excess(game) <= 0
        assert expert_wins(game, told=True)
        assert expert_wins(game, told=False)


@pytest.mark.slow
def test_official_games_are_won(shared: Path) -> None:
    won: dict[str, list[bool]] = {"valid_seen": [], "train": []}
    for split, game in official_games(shared / "alfworld" / "json_2.1.1.tar.xz", {"valid_seen": 1, "train": 10}):
        assert oracle_excess(game) <= 0
        won[split].append(expert_wins(game, told=False))
    assert len(won["valid_seen"]) == 140
    assert len(won["train"]) == 355
    assert sum(won["valid_seen"]) >= 0.9 * 140
    assert sum(won["train"]) >= 0.9 * 355
