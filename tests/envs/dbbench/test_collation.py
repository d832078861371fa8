"""utf8mb4_0900_ai_ci for every code point."""

from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.dbbench.mysql.collation import compare, equal, fold, like, sort_key
from envs.dbbench.sandbox import Sandbox
from envs.dbbench.task import DBTask, Table

# Dotted capital I; the folder has it in a task's cell (standard-0033).
CITIES = Table("League", ("Club", "Goals"), (("İzmir", "1"), ("Bursa", "2"), ("Ankara", "3")))
anything = st.text(st.characters(), max_size=6) | st.text("aAäåæÆßsIİiıoøŁl½²Ⅷ한각가\u0301\u200d\ud800😀漢", max_size=4)


@pytest.mark.parametrize("verb", ["UPDATE League SET Goals = '9'", "DELETE FROM League"])
def test_a_change_with_a_dotted_capital_i_touches_the_named_row_only(verb: str) -> None:
    with Sandbox(DBTask("t", "UPDATE", "test", tables=(CITIES,))) as db:
        assert db.execute(f"{verb} WHERE Club = 'Bursa'").error is None
        rows = db.execute("SELECT * FROM League WHERE Club <> 'Bursa'").rows
        assert rows == [("İzmir", "1"), ("Ankara", "3")]


@pytest.mark.slow
def test_every_code_point_has_weights_that_utf_8_can_hold() -> None:
    for code in range(0x110000):
        sort_key(chr(code)).encode()
        assert len(fold(chr(code))) == 1


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("İ", "i"), ("é", "E"), ("ø", "o"), ("æ", "AE"), ("ß", "SS"), ("ẞ", "ss"), ("Ł", "l"), ("Ⅷ", "viii"),
        ("½", "1⁄2"), ("ﬁ", "fi"), ("각", "\u1100\u1161\u11a8"), ("Å", "\u212b"), ("カ", "か"), ("ﾊ", "は"), ("①", "1"),
        ("a\u0000b", "ab"),
        ("\u200d", ""), ("٣", "3"), ("𝔘", "u"),
    ],
)  # fmt: skip
def test_letters_that_differ_in_case_accent_or_width_are_equal(left: str, right: str) -> None:
    assert equal(left, right)


@pytest.mark.parametrize(
    ("left", "right"), [("a", "a "), ("😀", "😁"), ("ı", "i"), ("a-b", "ab"), ("漢", "字"), ("\ud800", "\ud801")]
)
def test_letters_that_have_weights_of_their_own_differ(left: str, right: str) -> None:
    assert not equal(left, right)


def test_the_order_is_white_space_punctuation_symbols_currency_digits_scripts() -> None:
    ordered = [" ", "_", "-", "!", "+", "$", "0", "a", "z", "α", "а", "א", "あ", "漢", "𠀀", "\u0378"]
    assert sorted(ordered, key=sort_key) == ordered


@given(anything, anything, anything)
def test_comparison_is_a_total_order_that_agrees_with_the_key(a: str, b: str, c: str) -> None:
    assert compare(a, b) == -compare(b, a) == (sort_key(a) > sort_key(b)) - (sort_key(a) < sort_key(b))
    if compare(a, b) <= 0 and compare(b, c) <= 0:
        assert compare(a, c) <= 0
    assert (compare(a, b) == 0) == (sort_key(a) == sort_key(b))
    assert like(a, a.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_"))


@given(st.characters(blacklist_categories=["Cs", "Cn", "Mn"]))
def test_case_never_counts(char: str) -> None:
    if len(char.upper()) == len(char.lower()) == 1 and unicodedata.normalize("NFC", char) == char and char not in "ıſ":
        assert equal(char, char.lower()) or char.lower().upper() != char


@pytest.mark.parametrize("query", ["SELECT COUNT(DISTINCT a) FROM t",
                                   "SELECT COUNT(*) FROM (SELECT DISTINCT a FROM t) u",
                                   "SELECT COUNT(*) FROM (SELECT a FROM t GROUP BY a) u",
                                   "SELECT COUNT(*) FROM t u WHERE a IN (SELECT a FROM t WHERE a = 'Æ') AND a = 'ae'",
                                   "SELECT COUNT(*) FROM (SELECT a FROM t UNION SELECT a FROM t) u"])  # fmt: skip
def test_grouping_distinct_and_in_agree_with_equality(query: str) -> None:
    table = Table("t", ("a",), (("æ",), ("AE",), ("ae",), ("Ae\u0301",), ("İ",), ("i",), ("ı",)))
    with Sandbox(DBTask("t", "other", "test", tables=(table,))) as db:
        assert db.execute(query).rows == [(4,)] if "'Æ'" in query else [(3,)]


def test_weights_are_those_of_another_implementation_of_the_algorithm() -> None:
    from pyuca.collator import Collator_9_0_0

    collator = Collator_9_0_0()
    rng = random.Random(9)
    for code in [*range(0x3000), *(rng.randrange(0x3000, 0x110000) for _ in range(3000))]:
        if 0xD800 <= code < 0xE000:
            continue
        elements = collator.sort_key(chr(code))
        primary = elements[: elements.index(0)]  # zero separates the levels
        assert [ord(weight) for weight in sort_key(chr(code))] == [w + 0x800 * (w >= 0xD800) for w in primary], hex(
            code
        )
