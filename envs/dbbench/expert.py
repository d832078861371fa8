"""A scripted player for demonstrations: it looks, drafts, checks what it drafted on, mends, and only then answers.

It reads the question (the grammar of generated questions is public, `generator.reading`) and what the database
answers; it never sees a task's gold. What it must find out: tables and columns where it is not told, names that need
quoting, and how numbers and dates are written, since every column is TEXT.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

from envs.dbbench.generator.intent import Intent, Layout
from envs.dbbench.generator.queries import Query, quote_name, quote_text
from envs.dbbench.generator.reading import understand
from envs.dbbench.observed import Format, is_error, rows_of
from envs.dbbench.thoughts import thought
from envs.errors import ContractError

Script = Generator[str, str, None]
Asking = Generator[str, str, str]  # yields statements, is sent replies, returns the last reply

_TOLD = re.compile(r"Table (.+?) has the columns (.+?)\.(?= Table |$)")
_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*")
_NUMERIC = "'^-?[0-9]+([.][0-9]+)?$'"
_CHECKS = 3
_DOUBT = 0.3  # of the descriptions are checked against the database
_HASTE = 0.5  # of the described tables are queried before a row was seen: the check then has something to find


class DBExpert:
    """Plays one episode at a time; the same question is played the same way.

    Attributes:
        thought: why it gave the last action, in a sentence that holds by what it has read.
    """

    def __init__(self) -> None:
        self.thought = ""
        self._player: _Player | None = None
        self._script: Script | None = None
        self._first: str | None = None

    def reset(self, observation: str, info: Mapping[str, Any] | None = None) -> None:
        """Begin an episode. `observation` is the question and, on a line of its own, what is said of the tables."""
        self._player = _Player(observation)
        self._script = self._player.play()
        self._first = next(self._script)

    def act(self, observation: str, info: Mapping[str, Any] | None = None) -> str:
        """A SQL statement, or `answer: [...]` in the end. `observation` is the reply to the action before."""
        if self._script is None or self._player is None:
            raise ContractError("act before reset", remedy="Call reset(observation, info) first.")
        if self._first is not None:
            action, self._first = self._first, None
        else:
            action = self._script.send(observation)
        self.thought = self._player.thought
        return action


class _Player:
    def __init__(self, observation: str) -> None:
        self.question, _, told = observation.strip().partition("\n")
        self.columns = {name: tuple(columns.split(", ")) for name, columns in _TOLD.findall(told)}
        self.formats: dict[str, Format] = {}
        self.rng = Random(self.question)
        self.quoting = False  # until the database complains
        self.described = False  # whether the columns were asked for
        self.sampled = False  # whether rows were seen
        self.refused = False  # whether the database refused the last statement
        self.thought = ""
        self.wording = Random(f"wording/{self.question}")

    def play(self) -> Script:
        yield from self._look()
        intent = understand(self.question, self.columns)
        if intent is None:
            while True:
                self._think("not understood")
                yield "answer: []"
        changing = bool(intent.settings) or intent.kind == "delete"
        if changing or not self.described or self.rng.random() >= _HASTE:
            yield from self._sample(intent)
        reply = yield from (self._change(intent) if changing else self._find(intent))
        while True:
            self._think_of_answer(changing, reply)
            yield f"answer: {json.dumps(_items(intent, reply), ensure_ascii=False)}"

    # ------------------------------------------------------------------------------------------------ looking

    def _look(self) -> Generator[str, str, None]:
        """Find out the tables and their columns, as far as the task does not say; now and then make sure of them."""
        if self.columns:
            if self.rng.random() < _DOUBT:
                self.described = True
                first = next(iter(self.columns))
                yield from self._ask(lambda: f"DESCRIBE {self._name(first)}", "make sure of the columns", table=first)
            return
        self.described = True
        self._think("list tables")
        tables = rows_of((yield "SHOW TABLES")) or []
        for name, *_ in tables:
            self._think("describe", table=str(name))
            described = yield f"{self.rng.choice(('DESCRIBE', 'SHOW COLUMNS FROM'))} {quote_name(str(name))}"
            if columns := rows_of(described):
                self.columns[str(name)] = tuple(str(row[0]) for row in columns)

    def _sample(self, intent: Intent) -> Generator[str, str, None]:
        """See how cells are written, in each table that the question needs."""
        layout, few = self._layout(), self.rng.choice((3, 3, 5))
        homes = {layout.home(column, intent.table) for column in (*_scaled(intent), intent.target) if column}
        for table in sorted({intent.table, *homes}, key=lambda name: name != intent.table):
            reply = yield from self._ask(partial(self._first_rows, table, few), "first rows", table=table)
            self.sampled = self.sampled or bool(rows_of(reply))
            for index, column in enumerate(self.columns[table]):
                cells = [row[index] for row in rows_of(reply) or [] if index < len(row)]
                self.formats[column] = self.formats.get(column, Format()).widened(cells)

    # ---------------------------------------------------------------------------------------------- answering

    def _find(self, intent: Intent) -> Asking:
        """Draft the query, look whether its columns are as it took them to be, and mend it if not."""
        reason = "query" if self.sampled else "first query"
        reply = yield from self._ask(lambda: self._query(intent).sql(), reason, table=intent.table)
        if (yield from self._check(intent)):
            reply = yield from self._ask(lambda: self._query(intent).sql(), "mended query")
        return reply

    def _change(self, intent: Intent) -> Asking:
        """Look at what will be changed, change it, and look whether it was."""
        table = intent.table
        if intent.kind == "insert":
            done = yield from self._ask(lambda: self._query(intent).sql(), "insert", table=table)
            names = [quote_text(intent.settings[0][1])]
        else:
            yield from self._check(intent)
            meant = replace(intent, kind="list", settings=())
            found = yield from self._ask(lambda: self._query(meant).sql(), "rows that are meant", table=table)
            names = [quote_text(str(row[0])) for row in rows_of(found) or []]
            reason = "change" if names else "change without rows"
            count = _counted(len(names), "row")
            done = yield from self._ask(lambda: self._query(intent).sql(), reason, table=table, count=count)
        self.refused = is_error(done)
        if not names:
            return done
        chosen = f"= {names[0]}" if len(names) == 1 else f"IN ({', '.join(names[:10])})"
        shown = partial(self._rows_where, intent, f"{self._key(intent)} {chosen}")
        return (yield from self._ask(shown, "check the change", table=table))

    def _check(self, intent: Intent) -> Generator[str, str, bool]:
        """Whether some cell of a column that is compared or computed is written otherwise than was thought."""
        learned = False
        for column in _scaled(intent):
            for _ in range(_CHECKS):
                asked = partial(self._odd_cells, intent, column)
                odd = rows_of((yield from self._ask(asked, "odd cells", column=column)))
                known = self.formats.get(column, Format())
                seen = known.widened([row[0] for row in odd or []])
                if seen == known:
                    break
                self.formats[column], learned = seen, True
        return learned

    # ------------------------------------------------------------------------------------------------ writing

    def _first_rows(self, table: str, few: int) -> str:
        return f"SELECT * FROM {self._name(table)} LIMIT {few}"

    def _odd_cells(self, intent: Intent, column: str) -> str:
        table = self._layout().home(column, intent.table)
        query = Query(Intent("list", table, target=column), self._layout(), self._name)
        written, known = query.column(column), self.formats.get(column, Format())
        if known.pattern:
            test = f"{query.scale(column)} IS NULL AND {written} IS NOT NULL"
        else:
            bare = written
            for piece in known.junk:
                bare = f"REPLACE({bare}, {quote_text(piece)}, '')"
            test = f"{bare} NOT REGEXP {_NUMERIC}"
        return f"SELECT DISTINCT {written} FROM {self._name(table)} WHERE {test} LIMIT 5"

    def _rows_where(self, intent: Intent, test: str) -> str:
        return f"SELECT * FROM {self._name(intent.table)} WHERE {test}"

    def _key(self, intent: Intent) -> str:
        return self._name(self.columns[intent.table][0])

    def _query(self, intent: Intent) -> Query:
        return Query(intent, self._layout(), self._name)

    def _layout(self) -> Layout:
        return Layout(
            self.columns,
            {column: form.junk for column, form in self.formats.items()},
            {column: form.pattern for column, form in self.formats.items() if form.pattern},
        )

    def _name(self, name: str) -> str:
        return name if not self.quoting and _PLAIN_NAME.fullmatch(name) else quote_name(name)

    def _ask(self, write: Callable[[], str], reason: str, **names: str) -> Asking:
        """Put a statement for a reason; if it is refused, put it once more with every name quoted."""
        self._think(reason, **names)
        reply = yield write()
        if is_error(reply) and not self.quoting:
            self.quoting = True
            self._think("quote names")
            reply = yield write()
        return reply

    # ----------------------------------------------------------------------------------------------- thinking

    def _think(self, reason: str, **names: str) -> None:
        self.thought = thought(reason, self.wording, **names)

    def _think_of_answer(self, changing: bool, reply: str) -> None:
        rows = rows_of(reply)
        if changing:
            reason = "change refused" if self.refused else "changed"
        elif rows is None:
            reason = "nothing readable"
        else:
            reason = "answer" if rows else "nothing found"
        self._think(reason, count=_counted(sum(map(len, rows or [])), "value"))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _scaled(intent: Intent) -> list[str]:
    """The columns that the intent takes for numbers or dates."""
    columns = [intent.measure] if intent.measure else []
    columns += [c.column for c in intent.conditions if c.values and isinstance(c.values[0], (Decimal, date))]
    return list(dict.fromkeys(columns))


def _items(intent: Intent, reply: str) -> list[str]:
    if intent.settings or intent.kind == "delete":
        return []
    cells = [cell for row in rows_of(reply) or [] for cell in row]
    computed = intent.kind in ("sum", "min", "max", "avg")
    return [_number(str(cell)) if computed else str(cell) for cell in cells]


def _number(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
