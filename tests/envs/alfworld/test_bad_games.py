"""Every bad game file is a DataError that names the file and what to do."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.alfworld.dialects import ForeignGameError
from envs.alfworld.domain import DOMAIN, grammar
from envs.alfworld.game import Game, load_game
from envs.errors import DataError

Edit = Callable[[dict[str, Any]], None]


def replacing(name: str, old: str, new: str) -> Edit:
    def edit(data: dict[str, Any]) -> None:
        assert old in data[name]
        data[name] = data[name].replace(old, new, 1)

    return edit


def edited(kitchen: Game, path: Path, edit: Edit) -> Path:
    kitchen.save(path)
    data = json.loads(path.read_text())
    edit(data)
    path.write_text(json.dumps(data))
    return path


def test_a_saved_game_reads_back_the_same(kitchen: Game, tmp_path: Path) -> None:
    path = tmp_path / "game.tw-pddl"
    kitchen.save(path)
    game = load_game(path)
    assert (game.world, game.task, game.dialect, game.path) == (kitchen.world, kitchen.task, "generated", path)
    again = tmp_path / "again.tw-pddl"
    game.save(again)
    assert again.read_text() == path.read_text()
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".part"] == []


def test_a_walkthrough_is_kept(kitchen: Game, tmp_path: Path) -> None:
    path = edited(kitchen, tmp_path / "game.tw-pddl", lambda data: data.update(walkthrough=["look", "help"]))
    assert load_game(path).walkthrough == ("look", "help")


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (lambda data: data.update(solvable=False), "unsolvable"),
        (lambda data: data.pop("solvable"), "never checked"),
        (lambda data: data.pop("grammar"), "no text grammar"),
        (lambda data: data.update(pddl_problem=None), "no text pddl_problem"),
        (lambda data: data.update(walkthrough="look"), "walkthrough"),
        (replacing("pddl_problem", "(:goal", "(:end"), "lacks"),
        (lambda data: data.update(pddl_problem=data["pddl_problem"][:-20]), "parenthesis open|not closed"),
        (
            replacing("pddl_problem", "(:init", "(:init (("),
            "parenthesis|fact",
        ),
        (replacing("pddl_problem", "agent1 - agent", "agent1"), "not one of"),
    ],
)
def test_a_spoilt_game_is_named_with_a_remedy(kitchen: Game, tmp_path: Path, edit: Edit, what: str) -> None:
    path = edited(kitchen, tmp_path / "game.tw-pddl", edit)
    with pytest.raises(DataError, match=what) as caught:
        load_game(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "not JSON"),
        (b'{"pddl_domain": "(define', "not JSON"),
        (b'\xff\xfe{"a": 1}', "not UTF-8"),
        (b"[1, 2]", "no object"),
        (b"null", "no object"),
        (b'{"grammar": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_file_that_is_no_game_is_named_with_a_remedy(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "game.tw-pddl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=what) as caught:
        load_game(path)
    assert str(path) in str(caught.value)
    assert "alfworld-download" in str(caught.value)


def test_a_truncated_file_is_an_error_wherever_it_ends(kitchen: Game, tmp_path: Path) -> None:
    path = tmp_path / "game.tw-pddl"
    kitchen.save(path)
    content = path.read_bytes()
    for end in range(0, len(content) - 1, 997):
        path.write_bytes(content[:end])
        with pytest.raises(DataError):
            load_game(path)


@pytest.mark.parametrize("path", ["nowhere.tw-pddl", "."])
def test_a_missing_file_and_a_folder_are_data_errors(tmp_path: Path, path: str) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_game(tmp_path / path)


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (replacing("pddl_domain", "(:action look", "(:action fly)(:action look"), "fingerprint"),
        (replacing("grammar", "You open", "You unlock"), "fingerprint"),
        (replacing("grammar", "Your task", "Her task"), "0 sentences"),
        (replacing("grammar", "try the", "try #the#"), "markup"),
        (replacing("pddl_problem", "(openable", "(haunted"), "haunted"),
        (
            replacing("pddl_problem", "(:init", "(:init (opened agent1)"),
            "opened",
        ),
    ],
)
def test_a_foreign_game_points_to_textworld(kitchen: Game, tmp_path: Path, edit: Edit, what: str) -> None:
    path = edited(kitchen, tmp_path / "game.tw-pddl", edit)
    with pytest.raises(ForeignGameError, match=what) as caught:
        load_game(path)
    assert str(path) in str(caught.value)
    assert "backend=textworld" in str(caught.value)


@pytest.mark.parametrize(
    ("fact", "what"),
    [
        ("(receptacleAtLocation Desk_bar_1 loc_bar_1)", "two locations"),
        ("(atLocation agent1 loc_bar_2)", "2 facts"),
        ("(objectType Apple_bar_1 BowlType)", "two types"),
        ("(holds agent1 Apple_bar_1)", "holdsany"),
        ("(isHot Nothing_bar_1)", "ishot nothing_bar_1"),
    ],
)
def test_a_household_beyond_our_rules_is_foreign(make_kitchen: Callable[..., Game], fact: str, what: str) -> None:
    with pytest.raises(ForeignGameError, match=what):
        make_kitchen(extra=fact)


def test_a_goal_nested_beyond_reason_is_foreign(kitchen_text: Callable[..., str]) -> None:
    problem = kitchen_text(goal="(and " * 5000 + "(isClean ?o)" + ")" * 5000)
    with pytest.raises(ForeignGameError, match="too deeply"):
        Game.from_texts(domain=DOMAIN, grammar=grammar("x"), problem=problem)


@given(data=st.data())
def test_a_garbled_problem_is_a_data_error_or_a_game(kitchen_text: Callable[..., str], data: st.DataObject) -> None:
    words = re.split(r"(\s+|[()])", kitchen_text())
    for _ in range(data.draw(st.integers(min_value=1, max_value=3))):
        place = data.draw(st.integers(min_value=0, max_value=len(words) - 1))
        other = words[data.draw(st.integers(min_value=0, max_value=len(words) - 1))]
        words[place : place + data.draw(st.integers(min_value=0, max_value=2))] = [other]
    with contextlib.suppress(DataError):
        Game.from_texts(domain=DOMAIN, grammar=grammar("x"), problem="".join(words)).start().step("look")
