"""A score carries a benchmark's name only where it was made as that name says."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from envs import DataError
from envs.alfworld import generate_game
from eval import evaluate, read_result
from eval.protocols import PROTOCOLS, find_protocol
from eval.result import Result
from eval.tables import print_result


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """Two games in the official layout, of each split."""
    for split in ("valid_seen", "valid_unseen"):
        for number in range(2):
            name = f"pick_and_place_simple-X-None-Y-{number}"
            folder = tmp_path / "data" / "json_2.1.1" / split / name / "trial"
            folder.mkdir(parents=True)
            game = generate_game(seed=number, task_type="pick_and_place_simple", size="tiny")
            game.save(folder / "game.tw-pddl")
    return tmp_path / "data"


def printed(result: Result) -> str:
    output = StringIO()
    print_result(result, Console(file=output, width=200))
    return output.getvalue()


@pytest.mark.parametrize("name", ["alfworld-seen", "alfworld-unseen", "verl-agent"])
@pytest.mark.parametrize("args", [{"data": "generated"}, {}])
def test_generated_rooms_are_not_scored_under_an_official_name(
    name: str, args: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    with pytest.raises(DataError, match=r"alfworld-download.*ALFWORLD_DATA.*--split valid_"):
        evaluate(name, "expert", output=tmp_path, env_args=args)
    assert not list(tmp_path.rglob("*.jsonl"))


@pytest.mark.parametrize("name", ["alfworld-seen", "alfworld-unseen"])
def test_what_the_name_does_not_say_is_printed_beside_the_score_and_stored(
    name: str, official: Path, tmp_path: Path
) -> None:
    rules = replace(find_protocol(name), talk="plain")
    done = evaluate(rules, "expert", output=tmp_path / "run", env_args={"data": str(official), "max_steps": 20})
    promised = find_protocol(name).tasks
    assert done.result.departures == ("max_steps 20 (50)", "talk plain (react)", f"tasks 2 ({promised})")
    assert read_result(done.file).departures == done.result.departures
    assert f"Not the rules of {name}" in printed(done.result)
    assert "max_steps 20 (50)" in printed(done.result)


def test_a_score_that_was_made_as_its_name_says_has_nothing_beside_it(
    official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = tuple(replace(one, tasks=2) if one.name == "alfworld-seen" else one for one in PROTOCOLS)
    monkeypatch.setattr("eval.departures.PROTOCOLS", ours)
    result = evaluate("alfworld-seen", "expert", output=tmp_path / "run", env_args={"data": str(official)}).result
    assert result.departures == ()
    assert "Not the rules" not in printed(result)


def test_every_protocol_of_a_benchmark_says_how_many_tasks_it_stands_for() -> None:
    assert all(protocol.tasks for protocol in PROTOCOLS)
