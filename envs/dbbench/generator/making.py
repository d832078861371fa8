"""Making one task: tables, an intent, its question and its gold, kept only if all of them agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random

from envs.dbbench.generator.domains import Domain
from envs.dbbench.generator.drawing import KINDS, Drawer
from envs.dbbench.generator.intent import Intent
from envs.dbbench.generator.meaning import Meaning
from envs.dbbench.generator.queries import Query
from envs.dbbench.generator.reading import understand
from envs.dbbench.generator.tables import Grid, fill, layout_of
from envs.dbbench.generator.wording import Speaker
from envs.dbbench.grading import grade
from envs.dbbench.hashing import combined_hash
from envs.dbbench.loader import MUTATIONS
from envs.dbbench.sandbox import Sandbox
from envs.dbbench.state import same_state
from envs.dbbench.task import DBTask
from envs.errors import BackendError

_JOINING = 0.7  # of the questions about two tables need both


@dataclass(frozen=True, slots=True)
class Level:
    """What a difficulty means: bounds of rows, columns and conditions, and shares from 0 to 1.

    Attributes:
        mess: of columns with messy cells (half of it: with missing ones).
        joined: of tasks with two tables, unless their number is given.
        bare: of tasks whose description says nothing of the tables.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    conditions: tuple[int, int]
    mess: float
    joined: float
    bare: float


LEVELS = {
    1: Level((6, 10), (3, 4), (1, 1), 0.0, 0.0, 0.0),
    2: Level((8, 16), (4, 5), (1, 1), 0.25, 0.0, 0.0),
    3: Level((10, 20), (4, 6), (1, 2), 0.45, 0.15, 0.1),
    4: Level((14, 26), (5, 7), (1, 2), 0.65, 0.3, 0.25),
    5: Level((18, 36), (6, 9), (2, 3), 0.85, 0.5, 0.5),
}


def make_task(blank: DBTask, level: Level, domain: Domain, tables: int, rng: Random) -> DBTask | None:
    """One draw of tables, intent, question and gold, or None if it has no single answer or no clear wording.

    Args:
        blank: the task so far: id, type and split.
        tables: how many, 1 or 2.

    Raises:
        Impossible: these tables hold nothing to ask for.
        BackendError: the sandbox answers the gold query otherwise than the values mean.
    """
    grids = fill(
        domain,
        rng,
        rows=rng.randint(*level.rows),
        columns=rng.randint(*level.columns),
        mess=level.mess,
        joined=tables > 1,
    )
    intent = Drawer(domain, grids, level.conditions, rng).draw(rng.choice(KINDS[blank.type]))
    if tables > 1 and not _joins(intent, grids) and rng.random() < _JOINING:
        return None
    meaning = Meaning(intent, grids)
    if (meaning.tables_after() if blank.type in MUTATIONS else meaning.answer()) is None:
        return None
    layout = layout_of(grids)
    fields = {column.name: column.field for grid in grids for column in grid.columns}
    question = Speaker(domain.noun, domain.plural, layout.columns, fields).ask(
        intent, rng, single=len(meaning.matching) == 1
    )
    if not _reads_as(question, intent, layout.columns):
        return None
    task = replace(
        blank,
        description=question,
        add_description="" if rng.random() < level.bare else _tables_told(grids),
        tables=tuple(grid.table() for grid in grids),
        gold_sql=Query(intent, layout).sql(),
    )
    return _with_gold(task, meaning)


def _joins(intent: Intent, grids: Sequence[Grid]) -> bool:
    """Whether the question needs the side table, or is of a kind that never does."""
    used = {intent.target, intent.measure, *(condition.column for condition in intent.conditions)}
    return intent.kind in ("insert", "compare", "above") or any(column.name in used for column in grids[1].columns[1:])


def _reads_as(question: str, intent: Intent, columns: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether the question has one meaning, in whatever order the tables are met."""
    return all(understand(question, dict(order)) == intent for order in ([*columns.items()], [*columns.items()][::-1]))


def _tables_told(grids: Sequence[Grid]) -> str:
    return " ".join(
        f"Table {grid.name} has the columns {', '.join(column.name for column in grid.columns)}." for grid in grids
    )


def _with_gold(task: DBTask, meaning: Meaning) -> DBTask | None:
    """The task with the label or hash that its gold query leaves in the sandbox."""
    with Sandbox(task) as db:
        before = combined_hash(table.rows for table in task.tables)
        reply = db.execute(task.gold_sql)
        state = db.state() or ()
        after = combined_hash(state)
    if reply.error is not None:
        raise BackendError(f"the gold query fails: {reply.error}: {task.gold_sql}", where=task.id)
    changed = meaning.tables_after() if task.type in MUTATIONS else None
    if changed is not None:
        agreed = same_state(state, [table.rows for table in (*changed, *task.tables[1:])])
        kept = after != before
        task = replace(task, answer_hash=after)
    else:
        label = tuple(label_text(cell) for row in reply.rows for cell in row)
        expected = meaning.answer() or []
        agreed, kept = grade(list(label), expected, "strict"), grade(list(label), expected, "fc")
        task = replace(task, label=label)
    if not agreed:
        raise BackendError(f"the gold query is answered otherwise than meant: {task.gold_sql}", where=task.id)
    return task if kept else None


def label_text(cell: object) -> str:
    """A cell of a result as a label's item: numbers without the zeros that DECIMAL adds."""
    if isinstance(cell, (float, Decimal)):
        text = f"{Decimal(str(cell)):f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(cell)
