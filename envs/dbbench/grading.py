"""Whether an answer is right: the benchmark's two rules to the letter, and a stricter one to train on.

| rule | edition | where the official code is |
|---|---|---|
| `fc` | AgentBench function calling | `src/server/tasks/dbbench/result_processor.py`, main branch |
| `v02` | AgentBench v0.2 | the metrics of `src/server/tasks/dbbench/__init__.py`, tag v0.2 |
| `strict` | ours | below |

Both official rules call `eval` on the model's text. Here `read_literal` reads the same values and runs nothing. Known
to differ: a call (`[len('ab')]`), and a name that the scorer's own code happens to use. The text `cor` reads the
label itself out of the v0.2 scorer and is paid; here it is the text "cor".

What `fc` pays wrongly, and `strict` does not:

- a gold of several columns cleans to nothing, so an empty commit is right: rows are compared cell by cell, and an
  empty commit is right only where the label is empty;
- null, none, nan, undefined, infinities and "" are all 0: null and none are null, and nothing else is;
- sets forget duplicates: rows are compared as multisets;
- numbers within 0.01 are equal, so 2 is 2.005: whole numbers are compared exactly, others to the label's precision
  and never more loosely than 0.01;
- commas vanish, so "1,5" is 15: a comma is dropped only between thousands;
- in a list with any text, "1" and "1.0" differ: numbers are compared as numbers everywhere;
- the hash of tables joins cells by commas, skips NULLs and sees 170 rows: what the gold statement leaves is compared
  row by row, as multisets.

No rule can tell a constant from a right answer: "1" is the true label of 11 of the 100 standard SELECT records. The
generator therefore makes no task whose label is a constant that a policy could hope for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal, get_args

from envs.dbbench.hashing import combined_hash
from envs.dbbench.literal import MAX_CHARS, read_literal
from envs.dbbench.state import State, gold_state, same_state
from envs.dbbench.task import DBTask
from envs.errors import TaskError

Rule = Literal["fc", "v02", "strict"]
Answer = object  # what a model committed: a text, or whatever JSON a tool call carried
Row = tuple[object, ...]

_QUOTES = "'\""
_ZERO_WORDS = frozenset(("none", "null", "undefined", "nan", "inf", "infinity", "-inf", "-infinity", ""))
_NULL_WORDS = frozenset(("none", "null"))
_NUMBER = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]*)?(\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?\s?%?")


def grade(answer: Answer, label: Sequence[object] | str, rule: Rule = "fc") -> bool:
    """The verdict on an answer of the SELECT family.

    Args:
        answer: the committed answer: a list of strings, or the text of one. For `v02` the text behind "Final Answer:",
            with its leading space. None is no answer.
        label: the record's label.
        rule: see the module's table.

    Raises:
        TaskError: an unknown rule. No answer raises, whatever is in it.
    """
    if rule not in get_args(Rule):
        raise TaskError(f"no scoring rule is called {rule!r}", remedy=f"Use one of {', '.join(get_args(Rule))}.")
    compare = {"fc": _grade_fc, "v02": _grade_v02, "strict": _grade_strict}[rule]
    try:
        return compare(answer, label)
    except (ValueError, TypeError, ArithmeticError, RecursionError):
        return False  # the official scorers count an answer on which they stumble as wrong


def verdict(task: DBTask, answer: Answer, state: State | None, rule: Rule = "fc") -> bool:
    """The verdict on a whole episode.

    Args:
        task: what was asked.
        answer: what was committed, or None if nothing was. (A commit of JSON null is the text "null".)
        state: the tables in the end, which only mutations need; None if they could not be read, which is wrong.
        rule: `v02` judges a mutation however the episode ended; `fc` and `strict` ask for a commit, of anything.

    Raises:
        DataError: `strict` on a mutation without a gold statement that works.
    """
    if rule == "fc" and answer and not isinstance(answer, (str, list, tuple)):
        return False  # AgentBench logs answer[:100] before it compares: a bare number ends the episode in an error
    if not task.is_mutation:
        return grade(answer, task.label, rule) if answer is not None or rule == "v02" else False
    if state is None or (answer is None and rule != "v02"):
        return False
    if rule == "strict":
        return same_state(state, gold_state(task))
    return combined_hash(state) == task.answer_hash


# --------------------------------------------------------------------------------------------------------- fc


def _grade_fc(answer: Answer, label: Sequence[object] | str) -> bool:
    got, gold = _fc_items(answer), _fc_items(label)
    if len(got) == len(gold) == 1:
        if _is_float(got[0]) and _is_float(gold[0]):
            return got == gold == ["0"] or _close(got[0], gold[0])
        return got == gold
    if not all(map(_is_float, got)) or not all(map(_is_float, gold)):
        return set(got) == set(gold)
    if len(got) != len(gold):
        return False
    left = list(gold)
    for item in got:
        match = next((i for i, other in enumerate(left) if _close(item, other)), None)
        if match is None:
            return False
        del left[match]
    return True


def _fc_items(answer: Answer) -> list[str]:
    """The items that the official code compares. ValueError where it compares nothing and says wrong."""
    if answer is None:
        return ["0"]
    if isinstance(answer, (list, tuple)):
        return [_fc_item(item) for item in answer]
    if not isinstance(answer, str):
        return [_fc_text(str(answer))]
    if len(answer) > MAX_CHARS:
        raise ValueError("longer than any label")
    rows = _fc_rows(answer)
    if rows is not None:
        return [_fc_text(row) for row in rows]
    text = answer.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return [_fc_text(text)]
    try:
        value = read_literal(text)
    except ValueError:
        return [_fc_text(piece) for piece in split_by_hand(text[1:-1])]
    if not isinstance(value, list):
        raise ValueError("brackets around no list")  # [1][0]
    return [_fc_item(item) for item in value]


def _fc_rows(text: str) -> list[str] | None:
    """The values of a fetched result pasted as it was, `[('a',), ('b',)]`: rows of several columns vanish."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        value = read_literal(text)
        if isinstance(value, list) and all(isinstance(row, tuple) for row in value):
            return [str(row[0]).strip().strip(_QUOTES) for row in value if len(row) == 1]
    except ValueError:
        pass
    inner = text.strip("[]")
    if inner.count("(") == 1 and inner.startswith("(") and inner.endswith(",)"):
        return [inner[1:-2].strip().strip(_QUOTES)]
    return None


def split_by_hand(text: str) -> list[str]:
    """The items of a list that is no literal: split at commas outside quotes, the quotes dropped."""
    items, current, quoted = [], "", False
    for char in text:
        if char in _QUOTES:
            quoted = not quoted
        elif char != "," or quoted:
            current += char
        elif current:
            items.append(current)
            current = ""
    return [*items, current] if current else items


def _fc_item(item: object) -> str:
    return _fc_text(str(item[0] if isinstance(item, tuple) and len(item) == 1 else item))


def _fc_text(text: str) -> str:
    text = text.strip().strip(_QUOTES).strip()
    if text.endswith("%"):
        return text[:-1].strip()
    if not text.startswith("[") and not text.endswith("]"):
        text = text.replace(",", "")
    return "0" if text.lower() in _ZERO_WORDS else text


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _close(a: str, b: str) -> bool:
    return abs(float(a) - float(b)) <= 0.01


# -------------------------------------------------------------------------------------------------------- v02


def _grade_v02(answer: Answer, label: Sequence[object] | str) -> bool:
    text = "" if answer is None else str(answer)
    if len(text) > MAX_CHARS:
        return False
    try:
        value: list[object] = list(read_literal(text))  # type: ignore[call-overload]
    except (ValueError, TypeError):
        value = [text]
    if len(value) == len(label) == 1:
        try:
            return float(value[0]) == float(label[0])  # type: ignore[arg-type]
        except (ValueError, TypeError):
            return bool(value[0] == label[0])
    return set(value) == set(label)


# ----------------------------------------------------------------------------------------------------- strict


def _grade_strict(answer: Answer, label: Sequence[object] | str) -> bool:
    if answer is None:
        return False
    got, gold = _strict_rows(answer), _strict_rows(label)
    width = len(gold[0]) if gold else 1
    if width > 1 and got and all(len(row) == 1 for row in got):
        cells = [row[0] for row in got]
        got = [tuple(cells[i : i + width]) for i in range(0, len(cells), width)]
    return len(got) == len(gold) and _matches(got, gold)


def _matches(got: list[Row], gold: list[Row]) -> bool:
    """Whether each row has a gold row of its own. Sorted, so that the order of either side cannot matter."""
    left = sorted(gold, key=_sort_key)
    for row in sorted(got, key=_sort_key):
        match = next((i for i, other in enumerate(left) if _same_row(row, other)), None)
        if match is None:
            return False
        del left[match]
    return True


def _sort_key(row: Row) -> list[tuple[str, float, str]]:
    return [
        (type(cell).__name__, cell[0] if isinstance(cell, tuple) else 0.0, cell if isinstance(cell, str) else "")
        for cell in row
    ]


def _same_row(got: Row, gold: Row) -> bool:
    return len(got) == len(gold) and all(map(_same_cell, got, gold))


def _same_cell(got: object, gold: object) -> bool:
    if isinstance(got, tuple) and isinstance(gold, tuple):
        return bool(abs(got[0] - gold[0]) <= gold[1] * (1 + 1e-9))
    return got == gold


def _strict_rows(answer: Answer) -> list[Row]:
    if isinstance(answer, str):
        answer = _strict_value(answer)
    if not isinstance(answer, (list, tuple)):
        answer = [answer]
    rows: list[Row] = []
    for item in answer:
        pasted = _pasted_rows(item) if isinstance(item, str) else None
        if pasted is not None:
            rows += pasted
        else:
            rows.append(tuple(map(_cell, item)) if isinstance(item, (list, tuple)) else (_cell(item),))
    return rows


def _strict_value(text: str) -> object:
    text = text.strip()
    if len(text) > MAX_CHARS:
        raise ValueError("longer than any label")
    if not (text.startswith("[") and text.endswith("]")):
        return text
    try:
        return read_literal(text)
    except ValueError:
        return split_by_hand(text[1:-1])


def _pasted_rows(text: str) -> list[Row] | None:
    """The rows of an item that is a whole fetched result, as the label of a question about several columns can be."""
    text = text.strip()
    if not (text.startswith("[(") and text.endswith(")]")):
        return None
    try:
        value = read_literal(text)
    except ValueError:
        return None
    if not isinstance(value, list) or not all(isinstance(row, tuple) for row in value):
        return None
    return [tuple(map(_cell, row)) for row in value]


def _cell(value: object) -> object:
    """None for a null, (number, tolerance) for a number, else a text."""
    if value is None:
        return None
    text = unicodedata.normalize("NFC", str(value).strip().strip(_QUOTES).strip())
    if text.lower() in _NULL_WORDS:
        return None
    match = _NUMBER.fullmatch(text)
    if match is None or not any(char.isdigit() for char in text):
        return text
    number = float(text.removesuffix("%").replace(",", ""))
    decimals = len((match[1] or ".").rstrip("0")) - 1
    return number, (min(0.01, 0.5 * 10.0**-decimals) if decimals > 0 else 0.0)
