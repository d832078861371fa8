"""The scripted players."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.dbbench.expert import DBExpert
from envs.dbbench.generator import SPLITS, generate_task, generated_tasks
from envs.dbbench.gold import GoldPolicy
from envs.dbbench.grading import verdict
from envs.dbbench.loader import load_tasks
from envs.dbbench.observed import Format, is_error, rows_of
from envs.dbbench.sandbox import Sandbox
from envs.dbbench.task import DBTask


def play(task: DBTask, player: DBExpert | GoldPolicy) -> tuple[bool, list[str], list[str]]:
    """Whether the player solved the task under `fc` and `strict`; its actions; the replies."""
    observation = f"{task.description}\n{task.add_description}"
    player.reset(observation)
    actions: list[str] = []
    replies: list[str] = []
    with Sandbox(task) as db:
        for _ in range(20):
            actions.append(player.act(observation))
            if actions[-1].startswith("answer:"):
                answer = json.loads(actions[-1].removeprefix("answer:"))
                won = all(verdict(task, answer, db.state(), rule) for rule in ("fc", "strict"))
                return won, actions, replies
            observation = db.execute(actions[-1]).text
            replies.append(observation)
    return False, actions, replies


def lost(tasks: Iterable[DBTask]) -> list[str]:
    return [task.id for task in tasks if not play(task, DBExpert())[0]]


@pytest.mark.parametrize("split", SPLITS)
def test_the_expert_solves_generated_tasks(split: str) -> None:
    assert len(lost(generated_tasks(split, 150))) <= 7


@pytest.mark.slow
def test_the_expert_solves_ninety_five_of_a_hundred() -> None:
    assert len(lost(generated_tasks("train", 1000))) <= 50


def test_the_expert_never_sees_the_gold() -> None:
    for task in generated_tasks("train", 30):
        blind = replace(task, gold_sql="", label=("hidden",), answer_hash="0" * 32 if task.is_mutation else None)
        assert play(blind, DBExpert())[1] == play(task, DBExpert())[1]


def test_the_expert_looks_before_it_asks_and_checks_what_it_changed() -> None:
    for task in generated_tasks("train", 60):
        _, actions, _ = play(task, DBExpert())
        assert len(actions) >= 3
        assert actions[0].startswith(("SELECT *", "SHOW TABLES", "DESCRIBE"))
        if task.is_mutation:
            assert actions[-1] == "answer: []"
            assert actions[-2].startswith("SELECT *")


def test_the_expert_finds_the_tables_where_it_is_not_told() -> None:
    bare = replace(generate_task(seed=3, task_type="counting", n_tables=2), add_description="")
    won, actions, _ = play(bare, DBExpert())
    assert won
    assert actions[0] == "SHOW TABLES"


def test_the_expert_mends_a_query_that_was_refused() -> None:
    mended = 0
    for task in generated_tasks("train", 150, difficulty=3):
        won, actions, replies = play(task, DBExpert())
        refused = [i for i, reply in enumerate(replies) if is_error(reply)]
        for i in refused:
            assert actions[i + 1].replace("`", "") == actions[i].replace("`", "")
        mended += won and bool(refused)
    assert mended > 0


def test_the_expert_mends_a_query_that_took_messy_cells_for_numbers() -> None:
    drafts = 0
    for task in generated_tasks("train", 80, task_type="aggregation-SUM", difficulty=4):
        _, actions, replies = play(task, DBExpert())
        sums = [reply for action, reply in zip(actions, replies, strict=False) if "SUM(" in action]
        drafts += len({reply for reply in sums if not is_error(reply)}) > 1
    assert drafts > 0


@given(st.text(max_size=60), st.lists(st.text(max_size=40), max_size=6))
def test_the_expert_survives_any_question_and_any_reply(question: str, replies: list[str]) -> None:
    expert = DBExpert()
    expert.reset(question)
    for reply in ["", *replies]:
        assert isinstance(expert.act(reply), str)


def test_the_expert_survives_odd_replies_to_a_real_question() -> None:
    for task in generated_tasks("train", 20):
        for reply in ("", "[]", "[(None,)]", "[('1', '2')]", "1064 (42000): no", "[('x',) [TRUNCATED]", "[1, 2]", "5"):
            expert = DBExpert()
            expert.reset(f"{task.description}\n{task.add_description}")
            for _ in range(20):
                action = expert.act(reply)
            assert action.startswith("answer:")


def test_the_gold_player_solves_all_of_the_benchmark_but_the_record_that_nothing_solves(shared: Path) -> None:
    tasks = load_tasks(shared / "dbbench" / "standard.jsonl")
    failed = [task.id for task in tasks if not play(task, GoldPolicy(task))[0]]
    assert failed == ["standard-0225"]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("[('a', 1), (None, 2.5)]", [("a", 1), (None, 2.5)]),
        ("[(Decimal('2.50'),)]", [("2.50",)]),
        ("[]", []),
        ("1064 (42000): near", None),
        ("[('a',), [TRUNCATED]", None),
    ],
)
def test_rows_are_read_out_of_a_replys_text(text: str, rows: object) -> None:
    assert rows_of(text) == rows


@pytest.mark.parametrize(
    ("cells", "junk", "pattern"),
    [
        (["12", "3.5"], (), ""),
        (["$1,234", None], (",", "$"), ""),
        (["5.2%"], ("%",), ""),
        (["35 km", "1,200 km"], (" km", ","), ""),
        (["40 m2"], (" m2",), ""),
        (["2021-03-05"], (), "%Y-%m-%d"),
        (["5 March 2021"], (), "%d %M %Y"),
        (["05.03.2021"], (), "%d.%m.%Y"),
        (["Lyon"], (), ""),
    ],
)
def test_the_format_of_a_column_is_told_from_its_cells(
    cells: list[object], junk: tuple[str, ...], pattern: str
) -> None:
    assert Format().widened(cells) == Format(junk, pattern)
