"""The three scoring rules."""

from __future__ import annotations

import json
import lzma
import random
import resource
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.dbbench.grading import Rule, grade, verdict
from envs.dbbench.hashing import combined_hash
from envs.dbbench.literal import MAX_CHARS, read_literal
from envs.dbbench.loader import load_tasks
from envs.dbbench.task import DBTask, Table
from envs.errors import TaskError

SELECT = DBTask("t-0", "counting", "train", label=("3",))
GOLD = [[("2", "y"), ("1", "x")]]
INSERT = DBTask(
    "t-1",
    "INSERT",
    "train",
    tables=(Table("t", ("a", "b"), (("1", "x"),)),),
    answer_hash=combined_hash(GOLD),
    gold_sql="INSERT INTO t VALUES (2, 'y')",
)

cells = st.one_of(
    st.sampled_from(["1", "1.0", "1.005", "1,234", "1234", "5%", "None", "null", "0", "", "Paris", "é", "O'Neil", "-"]),
    st.text(max_size=8),
    st.integers(-5, 5).map(str),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)


@pytest.mark.parametrize(("rule", "field"), [("fc", "answer"), ("v02", "v02_text")])
def test_the_official_scorers_verdicts_are_reproduced(shared: Path, rule: str, field: str) -> None:
    with lzma.open(shared / "dbbench" / "scorer_vectors.jsonl.xz", "rt", encoding="utf-8") as lines:
        vectors = [json.loads(line) for line in lines]
    assert len(vectors) == 6000
    assert [v for v in vectors if grade(v[field], v["label"], rule) != v[rule]] == []  # type: ignore[arg-type]


def test_the_gold_results_of_mysql_are_judged_as_the_official_scorers_did(shared: Path) -> None:
    with lzma.open(shared / "dbbench" / "mysql_gold.jsonl.xz", "rt", encoding="utf-8") as lines:
        golds = [json.loads(line) for line in lines]
    tasks = {name: load_tasks(shared / "dbbench" / f"{name}.jsonl") for name in ("standard", "dev")}
    checked = 0
    for gold in golds:
        task = tasks["dev" if gold["set"].startswith("dev") else "standard"][gold["index"]]
        if task.is_mutation or gold["error"] is not None:
            continue
        rows, cells = [tuple(row) for row in gold["rows"]], [cell for row in gold["rows"] for cell in row]
        assert grade(str(rows), task.label, "fc") == gold["verdict_fc"], gold
        assert grade(str(cells), task.label, "v02") == gold["verdict_v02"], gold
        checked += 1
    assert checked > 50


def test_a_constant_scores_what_it_truly_is_worth(shared: Path) -> None:
    labels = [task.label for task in load_tasks(shared / "dbbench" / "standard.jsonl") if not task.is_mutation]
    paid = {rule: [sum(grade(c, label, rule) for label in labels) for c in (["1"], [""])] for rule in get_args(Rule)}
    assert paid == {"fc": [11, 5], "v02": [11, 0], "strict": [11, 0]}


@pytest.mark.parametrize(
    ("answer", "label", "right"),
    [
        ("[('Paris',)]", ["Paris"], True),  # a pasted result is unpacked
        ("[('a', 'b')]", ["a"], False),
        ("[2008-2009]", ["2008-2009"], False),  # eval makes it [-1]
        ("[2008-2009]", ["-1"], True),
        ("[max]", ["max"], False),  # eval finds a function
        ("[Paris, London]", ["London", "Paris"], True),  # no literal: split by hand
        ("[1][0]", ["1"], False),  # brackets around no list
        ("'Paris'", ["Paris"], True),
        ("[('12.50',)]", ["12.5"], True),
        ("[(Decimal('12.50'),)]", ["12.50"], False),
        (["1,5"], ["15"], True),
        (["50%"], ["50"], True),
        (["None"], ["0"], True),
        (["+inf"], ["0"], False),
        (["1.009"], ["1"], True),
        (["1.01"], ["1"], False),  # 1.01 - 1 is a little more than 0.01
        (["0.01"], ["0.0"], True),
        (["1.0", "a"], ["1", "a"], False),  # in a set with text, numbers are text
        (["a", "a"], ["a", "b"], False),
        (["a", "a", "b"], ["a", "b"], True),
        (["1", "1"], ["1"], False),
        ([], [], True),
        (None, ["0"], True),
        ([["a"]], ["['a']"], True),
        ({"a": 1}, ["{'a': 1}"], True),
        ("１２", ["12"], True),  # float() reads digits of every script
        ("1_000", ["1000"], True),
    ],
)
def test_fc_judges_as_the_official_code_does_where_it_errs_too(answer: object, label: list[str], right: bool) -> None:
    assert grade(answer, label, "fc") is right


@pytest.mark.parametrize(
    ("text", "label", "right"),
    [
        (' ["Paris"]', ["Paris"], True),
        (' "Paris"', ["Paris"], False),  # a list of five characters
        (' "a"', ["a"], True),
        (" Paris", ["Paris"], False),  # the leading space stays
        (" 1.0", ["1"], True),
        (" [1.005]", ["1"], False),
        (' ["b", "a", "a"]', ["a", "b"], True),
        (' {"a": 1, "b": 2}', ["a", "b"], True),
        (" [[1], [2]]", ["1", "2"], False),  # a list in a set
        (" ['Paris'] or ['London']", ["Paris"], True),
        (" [1e999]", ["inf"], True),
        (" ['nan']", ["nan"], False),
        ("", [""], True),
        (" cor", ["label"], False),  # the official scorer would read its own variable
    ],
)
def test_v02_judges_as_the_official_code_does_where_it_errs_too(text: str, label: list[str], right: bool) -> None:
    assert grade(text, label, "v02") is right


@pytest.mark.parametrize(
    ("answer", "label", "right"),
    [
        ([], ["[('a', 'b')]"], False),
        ([["a", "b"]], ["[('a', 'b')]"], True),
        ("[('a', 'b')]", ["[('a', 'b')]"], True),
        (["a", "b"], ["[('a', 'b')]"], True),  # the cells of a single row, flat
        (["b", "a"], ["[('a', 'b')]"], False),
        ([["c", "d"], ["a", "b"]], ["[('a', 'b'), ('c', 'd')]"], True),
        ([], [], True),
        (None, [], False),
        (["null"], ["0"], False),
        (["0"], ["None"], False),
        ([None], ["NULL"], True),
        ([""], ["none"], False),
        (["a", "a"], ["a"], False),
        (["2.005"], ["2"], False),
        (["12.3333"], ["12.33"], True),
        (["12.4"], ["12.33"], False),
        (["1,234"], ["1234.0"], True),
        (["1,5"], ["15"], False),
        (["1.0", "a"], ["a", "1"], True),
        (["007"], ["7"], False),
        (["5.2%"], ["5.2"], True),
        (["cafe\u0301"], ["café"], True),
        (["Cafe"], ["café"], False),
        (["[(abc"], ["[(abc"], True),
    ],
)
def test_strict_mends_what_the_official_rules_get_wrong(answer: object, label: list[str], right: bool) -> None:
    assert grade(answer, label, "strict") is right


@given(st.lists(cells, max_size=5), st.lists(cells, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_either_side_never_matters_to_strict(
    answer: list[str], label: list[str], rng: random.Random
) -> None:
    before = grade(answer, label, "strict")
    rng.shuffle(answer)
    rng.shuffle(label)
    assert grade(answer, label, "strict") is before


@given(st.lists(cells, min_size=1, max_size=5))
def test_a_label_is_its_own_answer_under_strict(label: list[str]) -> None:
    assert grade(label, label, "strict")


@given(st.lists(st.sampled_from("abc"), max_size=4), st.lists(st.sampled_from("abc"), min_size=1, max_size=4))
def test_what_strict_pays_for_words_fc_pays_too(answer: list[str], label: list[str]) -> None:
    assert grade(answer, label, "fc") >= grade(answer, label, "strict")


@settings(max_examples=300)
@given(st.one_of(json_values, st.text(), st.text("[](){}'\",.0123456789+-*%<>= \n\\abNone\ud800", max_size=60)))
def test_no_answer_raises(answer: object) -> None:
    for rule in ("fc", "v02", "strict"):
        for label in (["1"], ["a", "b"], ["[('a', 'b')]"]):
            assert grade(answer, label, rule) in (True, False)


HOSTILE = {
    "a deep sign": "[" + "-" * (MAX_CHARS - 9) + "1]",
    "a long sum": "[" + "1+" * 49_000 + "1]",
    "deep brackets": "[" * (MAX_CHARS - 1),
    "a tower of powers": "[9**9**9**9]",
    "a long product": "[" + "9999999**40*" * 8_000 + "1]",
    "a wide shift": "[1<<999999999]",
    "a wide format": "['%999999999d' % 1]",
    "nested repeats": "[[[[[0]*999]*999]*999]*999]",
    "many repeats": "[" + "'a'*999," * 10_000 + "]",
    "a sum of repeats": "[" + "'a'*999+" * 9_000 + "'']",
    "colliding hashes": "[{" + ",".join(str(i * (2**61 - 1)) for i in range(4_000)) + "}]",
    "a chain of comparisons": "[" + "1<" * 40_000 + "2]",
    "too long": "[" + '"a",' * 1_000_000 + "]",
    "a long number": "9" * MAX_CHARS,
    "lone surrogates": "\ud800" * MAX_CHARS,
    "no list, many quotes": "[x" + ",'" * 49_000 + "]",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_is_wrong_soon_and_small(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for rule in ("fc", "v02", "strict"):
        assert not grade(HOSTILE[name], ["a", "b"], rule)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000  # kB


def test_a_list_nested_beyond_recursion_is_only_wrong() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    for rule in ("fc", "v02", "strict"):
        assert not grade(nested, ["1"], rule)


def test_reading_a_literal_runs_no_code(tmp_path: Path) -> None:
    target = tmp_path / "written"
    for text in (f"open({str(target)!r}, 'w')", "__import__('os')", "(1).real", "[x for x in ()]", "lambda: 1", "cor"):
        with pytest.raises(ValueError, match=r"read|literal"):
            read_literal(text)
    assert not target.exists()


def test_an_unknown_rule_names_the_known_ones() -> None:
    with pytest.raises(TaskError, match="fc, v02, strict"):
        grade("1", ["1"], "exact")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "answer", "state", "right"),
    [
        ("fc", None, GOLD, False),  # nothing was committed
        ("fc", [], GOLD, True),
        ("fc", [], [[("1", "x")]], False),
        ("fc", [], None, False),  # grown too large to be read
        ("fc", 7, GOLD, False),  # a bare number ends AgentBench's episode in an error
        ("v02", None, GOLD, True),
        ("strict", None, GOLD, False),
        ("strict", [], GOLD, True),
        ("strict", [], None, False),
        ("fc", [], [[("1,x", None), ("2,y", None)]], True),  # the official hash joins cells by commas
        ("strict", [], [[("1,x", None), ("2,y", None)]], False),
    ],
)
def test_a_mutation_is_judged_by_its_tables(rule: str, answer: object, state: Any, right: bool) -> None:
    assert verdict(INSERT, answer, state, rule) is right  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", ["fc", "v02", "strict"])
def test_a_question_without_an_answer_is_not_solved(rule: str) -> None:
    assert not verdict(SELECT, None, None, rule)  # type: ignore[arg-type]
    assert verdict(SELECT, " [3]" if rule == "v02" else ["3"], None, rule)  # type: ignore[arg-type]
