"""A DB-Bench task: tables, a question, and what counts as the answer."""

from __future__ import annotations

from dataclasses import dataclass, field

from envs.task import Task

Cell = str | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table as an episode finds it. Every column is TEXT, whatever type the record declares (AgentBench's init).

    Attributes:
        name: as in the record, case and spaces included.
        columns: names in order.
        rows: cells as text, or None for NULL; each row as long as `columns`.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class DBTask(Task):
    """One record of the benchmark, or one generated task.

    `type` is the record's own (`other`, `counting`, `comparison`, `ranking`, `aggregation-SUM|MIN|MAX|AVG`,
    `INSERT`, `UPDATE`, and in generated tasks `DELETE`).

    Attributes:
        description: the question.
        add_description: what the record says of its table, or "".
        tables: what the episode starts with.
        label: the expected answer, item by item as in the record (the SELECT family).
        answer_hash: the hash that the tables must have in the end (mutations), else None.
        gold_sql: the record's own query. Often wrong for SELECT: never a demonstration.
    """

    description: str = ""
    add_description: str = ""
    tables: tuple[Table, ...] = ()
    label: tuple[str, ...] = field(default=(), repr=False)
    answer_hash: str | None = field(default=None, repr=False)
    gold_sql: str = field(default="", repr=False)

    def content(self) -> str:
        parts = (self.id, self.type, self.description, self.add_description, self.tables)
        return repr((*parts, self.label, self.answer_hash, self.gold_sql))

    @property
    def is_mutation(self) -> bool:
        """Whether the task is judged by the state of its tables and not by an answer."""
        return self.answer_hash is not None
