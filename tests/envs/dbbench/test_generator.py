"""Generated tasks."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import envs
from envs.dbbench.generator import DOMAINS, SHARES, SPLITS, VERSION, generate_task, generated_tasks, task_by_id
from envs.dbbench.generator.confirm import confirm_gold
from envs.dbbench.generator.domains import Domain
from envs.dbbench.generator.meaning import fold
from envs.dbbench.generator.patterns import CONDITIONS, TEMPLATES
from envs.dbbench.generator.reading import understand
from envs.dbbench.generator.wording import phrase
from envs.dbbench.grading import verdict
from envs.dbbench.mysql.words import RESERVED
from envs.dbbench.sandbox import Sandbox
from envs.dbbench.task import DBTask
from envs.errors import BackendError, TaskError

# A change of what a seed gives is a new VERSION: old ids then say that they are of another one.
GOLDEN = "0d5ee16626966e5a"

seeds = st.integers(0, 10**9)
splits = st.sampled_from(SPLITS)


def fingerprint(tasks: list[DBTask]) -> str:
    return hashlib.sha256("\n".join(map(str, map(_whole, tasks))).encode()).hexdigest()[:16]


def _whole(task: DBTask) -> tuple[object, ...]:
    return (task.id, task.description, task.add_description, task.tables, task.label, task.answer_hash, task.gold_sql)


def test_a_seed_gives_the_same_bytes_on_every_machine() -> None:
    assert VERSION == 1
    assert fingerprint([*generated_tasks("train", 60), *generated_tasks("valid", 40)]) == GOLDEN


@settings(max_examples=40, deadline=None)
@given(seeds, splits)
def test_a_task_is_made_again_from_its_id(seed: int, split: str) -> None:
    task = generate_task(seed=seed, split=split)
    assert _whole(task_by_id(task.id)) == _whole(task)


@settings(max_examples=150, deadline=None)
@given(seeds, splits)
def test_every_gold_is_confirmed_by_running_it(seed: int, split: str) -> None:
    assert confirm_gold(generate_task(seed=seed, split=split)) == ""


@pytest.mark.slow
def test_two_thousand_golds_are_confirmed_by_running_them() -> None:
    assert [why for task in generated_tasks("train", 2000) if (why := confirm_gold(task))] == []


def test_a_gold_that_is_not_what_the_task_carries_is_told() -> None:
    counting = generate_task(seed=1, task_type="counting")
    update = generate_task(seed=1, task_type="UPDATE")
    assert "the label is" in confirm_gold(replace(counting, label=("998",)))
    assert "the gold query fails" in confirm_gold(replace(counting, gold_sql="SELECT FROM"))
    assert "other tables" in confirm_gold(replace(update, answer_hash="0" * 32))
    assert "changes nothing" in confirm_gold(
        replace(update, gold_sql=f"DELETE FROM `{update.tables[0].name}` WHERE 1 = 0")
    )


@pytest.mark.parametrize("task_type", SHARES)
def test_every_type_comes_in_every_difficulty_and_with_joins(task_type: str) -> None:
    for difficulty in range(1, 6):
        for n_tables in (1, 2):
            task = generate_task(seed=7, task_type=task_type, difficulty=difficulty, n_tables=n_tables)
            assert (task.type, len(task.tables)) == (task_type, n_tables)
            assert task.is_mutation == (task_type in ("INSERT", "UPDATE", "DELETE"))


@settings(max_examples=80, deadline=None)
@given(seeds, splits)
def test_no_task_is_solved_by_doing_nothing_or_by_a_constant(seed: int, split: str) -> None:
    task = generate_task(seed=seed, split=split)
    untouched = [table.rows for table in task.tables]
    for constant in ([], [""], ["0"], ["1"], ["None"], "[]"):
        for rule in ("fc", "strict"):
            assert not verdict(task, constant, untouched, rule)


@settings(max_examples=80, deadline=None)
@given(seeds, splits)
def test_a_question_reads_the_same_in_whatever_order_the_tables_are_met(seed: int, split: str) -> None:
    task = generate_task(seed=seed, split=split, n_tables=2)
    columns = {table.name: table.columns for table in task.tables}
    first = understand(task.description, columns)
    assert first is not None
    assert first == understand(task.description, dict(reversed(columns.items())))


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_a_question_speaks_of_the_thing_only_where_there_is_one(seed: int) -> None:
    task = generate_task(seed=seed, task_type="DELETE")
    with Sandbox(task) as db:
        db.execute(task.gold_sql)
        left = len(db.execute(f"SELECT * FROM `{task.tables[0].name}`").rows)
    if task.description.startswith(("Delete the ", "Drop the ")):
        assert left == len(task.tables[0].rows) - 1


@given(st.text(max_size=80))
def test_any_other_question_is_not_understood_rather_than_guessed(question: str) -> None:
    assert understand(question, {"shops": ("shop", "city")}) is None


def test_tables_grow_and_get_messier_with_difficulty() -> None:
    rows, marks = [], []
    for difficulty in (1, 3, 5):
        tasks = [generate_task(seed=seed, difficulty=difficulty) for seed in range(30)]
        cells = [cell for task in tasks for table in task.tables for row in table.rows for cell in row]
        rows.append(sum(len(task.tables[0].rows) for task in tasks))
        marks.append(sum(cell is None or cell[-1] == "%" or cell[0] == "$" for cell in cells) / len(cells))
    assert rows == sorted(rows)
    assert marks == sorted(marks)
    assert marks[0] == 0 < marks[2]


def test_messy_cells_of_all_kinds_occur() -> None:
    cells = [
        cell
        for task in generated_tasks("train", 60, difficulty=5)
        for table in task.tables
        for row in table.rows
        for cell in row
    ]
    texts = [cell for cell in cells if cell is not None]
    assert None in cells
    assert any(text.endswith("%") for text in texts)
    assert any(text.startswith("$") and "," in text for text in texts)
    assert any(not text.isascii() for text in texts)
    assert any(text.endswith(" km") for text in texts)
    assert any(text.count(".") == 2 for text in texts)  # 05.11.2019


def test_the_wording_varies_within_a_type() -> None:
    tasks = list(generated_tasks("train", 60, task_type="counting", difficulty=2))
    assert len({task.description for task in tasks}) >= 58
    assert len({" ".join(task.description.split()[:2]) for task in tasks}) >= 4
    assert min(len(patterns) for patterns in TEMPLATES.values()) >= 3
    assert sum(len(verbs) for verbs in CONDITIONS.values()) >= 25


def test_the_types_come_in_the_benchmarks_shares() -> None:
    drawn = Counter(task.type for task in generated_tasks("train", 600))
    assert set(drawn) == set(SHARES)
    for task_type, share in SHARES.items():
        assert abs(drawn[task_type] / 600 - share / sum(SHARES.values())) < 0.06


def _vocabulary(domain: Domain) -> set[str]:
    fields = [*domain.fields, *domain.side_fields]
    return {domain.noun, domain.plural, domain.side, *(field.name for field in fields)}


def test_train_and_valid_share_no_thing_no_table_and_no_column() -> None:
    train, valid = (set(chain.from_iterable(map(_vocabulary, DOMAINS[split]))) for split in SPLITS)
    assert train.isdisjoint(valid)
    assert len(DOMAINS["train"]) >= 12
    assert len(DOMAINS["valid"]) >= 4


@pytest.mark.parametrize("domain", [*DOMAINS["train"], *DOMAINS["valid"]], ids=lambda domain: domain.noun)
def test_a_domains_words_can_be_told_apart(domain: Domain) -> None:
    fields = [*domain.fields, *domain.side_fields]
    names = [domain.noun, f"{domain.noun} name", *(field.name for field in fields)]
    assert len({phrase(name) for name in names}) == len(names)
    assert domain.hub in {field.name for field in domain.fields}
    for values in (*(field.pool for field in fields if field.pool), domain.first, domain.second):
        assert len({fold(value) for value in values}) == len(values)
        assert not any(mark in value for value in values for mark in ',?"`⟦⟧')
    for field in fields:
        assert (field.kind == "word") == bool(field.pool)
        assert field.low < field.high or field.pool


def test_some_columns_are_reserved_words_that_need_quoting() -> None:
    words = {field.name.upper() for domain in DOMAINS["train"] for field in domain.fields}
    assert words & set(RESERVED)


@pytest.mark.parametrize(
    "wrong", [{"task_type": "SELECT"}, {"difficulty": 6}, {"split": "test"}, {"n_tables": 3}, {"seed": -1}]
)
def test_a_setting_that_does_not_exist_names_those_that_do(wrong: dict[str, object]) -> None:
    with pytest.raises(TaskError, match="Use "):
        generate_task(**{"seed": 0, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("task_id", ["g2-train-counting-d3-t1-4", "standard-0001", "g1-train-counting-d3-t1"])
def test_an_id_of_another_version_is_refused(task_id: str) -> None:
    with pytest.raises(TaskError, match="not an id of generator version 1"):
        task_by_id(task_id)


def test_a_gold_that_the_values_do_not_mean_is_an_error_and_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envs.dbbench.generator.making.Query.sql", lambda self: "SELECT 999")
    with pytest.raises(BackendError, match="otherwise than meant"):
        generate_task(seed=1, task_type="counting")


def test_a_gold_that_fails_is_an_error_and_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envs.dbbench.generator.making.Query.sql", lambda self: "SELECT FROM WHERE")
    with pytest.raises(BackendError, match="the gold query fails"):
        generate_task(seed=1, task_type="counting")


@pytest.mark.parametrize("wrong", [{"colour": 1}, {"difficulty": [1]}])
def test_an_environment_says_what_its_generator_takes(wrong: dict[str, object]) -> None:
    with pytest.raises(TaskError, match=r"does not take .*It takes count, seed, task_type, difficulty, n_tables"):
        envs.make("dbbench", generate=wrong)


def test_an_environment_that_is_opened_again_has_the_tasks_that_it_had() -> None:
    first, again = (envs.make("dbbench", generate={"count": 3, "seed": 5}).tasks for _ in range(2))
    other = envs.make("dbbench", generate={"count": 3, "seed": 6}).tasks
    assert all(one is same for one, same in zip(first, again, strict=True))
    assert [task.id for task in other] != [task.id for task in first]
