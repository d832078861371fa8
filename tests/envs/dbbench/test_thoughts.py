"""The expert's thoughts: several wordings, and true in every case by what has been read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest

from envs.dbbench.expert import DBExpert
from envs.dbbench.generator import generated_tasks
from envs.dbbench.observed import is_error, rows_of
from envs.dbbench.sandbox import Sandbox
from envs.dbbench.task import DBTask
from envs.dbbench.thoughts import WORDINGS


class Reader:
    """What a reader of the transcript knows, found without the expert's help."""

    def __init__(self, first: str) -> None:
        self.text = first
        self.last = ""
        self.said: list[tuple[str, str]] = []

    def read(self, statement: str, reply: str) -> None:
        self.text += "\n" + reply
        self.last = reply
        self.said.append((statement, reply))

    def seen(self, table: str) -> bool:
        return any(
            re.match(rf"SELECT \* FROM `?{re.escape(table)}`?(?: |$)", said) and rows_of(reply)
            for said, reply in self.said
        )

    def claims(self, thought: str) -> list[bool]:
        """Whether each thing that a thought claims holds."""
        facts = [name in self.text for name in re.findall('"([^"]+)"', thought)]
        every = [rows_of(reply) for _, reply in self.said]
        if found := re.search(r"(\d+) row", thought):
            facts.append(int(found[1]) == len(rows_of(self.last) or []))
        if found := re.search(r"(\d+) value", thought):
            facts.append(int(found[1]) in [sum(map(len, rows)) for rows in every if rows])
        if re.search("refused that|was an error", thought):
            facts.append(is_error(self.last))
        if re.search("see no row|shows me no row", thought):
            facts.append(not every[-1])
        if re.search("finds no row|No row fits", thought):
            facts.append([] in every)
        if "cannot read" in thought or "shows no rows" in thought:
            facts.append(None in every)
        if found := re.search('not seen its rows|have not seen yet how the cells of "(.+?)"', thought):
            table = found[1] or re.search('"(.+?)"', thought)[1]  # type: ignore[index]
            facts.append(not self.seen(table))
        if "have seen" in thought and "condition" not in thought:
            facts.append(any(said.startswith("SELECT *") and rows_of(reply) for said, reply in self.said))
        if re.search("change is made|have made the change", thought):
            changes = [reply for said, reply in self.said if re.match("UPDATE|INSERT|DELETE", said)]
            facts.append(not is_error(changes[-1]))
        if "change was refused" in thought or "refused the change" in thought:
            changes = [reply for said, reply in self.said if re.match("UPDATE|INSERT|DELETE", said)]
            facts.append(is_error(changes[-1]))
        if re.search("did not expect|have found cells", thought):
            facts.append(any("DISTINCT" in said and rows_of(reply) for said, reply in self.said))
        if re.search("am not told how|which tables", thought):
            facts.append("has the columns" not in self.text)
        return facts


def thoughts(task: DBTask) -> list[str]:
    """The expert's thoughts on a task, each checked when it is said."""
    observation = f"{task.description}\n{task.add_description}"
    expert = DBExpert()
    expert.reset(observation)
    reader, said = Reader(observation), []
    with Sandbox(task) as db:
        for _ in range(20):
            action = expert.act(observation)
            assert all(reader.claims(expert.thought)), (expert.thought, action, reader.said)
            said.append(expert.thought)
            if action.startswith("answer:"):
                break
            observation = db.execute(action).text
            reader.read(action, observation)
    return said


def tasks() -> Iterable[DBTask]:
    for number, task in enumerate(generated_tasks("train", 70)):
        yield task if number % 3 else replace(task, add_description="")
    yield from generated_tasks("train", 30, difficulty=4)


def test_whatever_a_thought_claims_holds_by_what_has_been_read() -> None:
    said = [thought for task in tasks() for thought in thoughts(task)]
    wordings = Counter(re.sub('"[^"]+"|\\d+', "_", thought) for thought in said)
    assert len(wordings) > 30
    assert max(wordings.values()) < len(said) / 5


@pytest.mark.parametrize("reply", ["", "[]", "[('1', '2')]", "1064 (42000): no", "[('x',) [TRUNCATED]", "[1, 2]"])
def test_thoughts_hold_whatever_the_database_answers(reply: str) -> None:
    for task in generated_tasks("train", 20):
        observation = f"{task.description}\n{task.add_description}"
        expert, reader = DBExpert(), Reader(observation)
        expert.reset(observation)
        for _ in range(15):
            action = expert.act(observation)
            assert all(reader.claims(expert.thought)), (expert.thought, action, reader.said)
            if action.startswith("answer:"):
                break
            observation = reply
            reader.read(action, reply)


def test_the_reader_notices_what_is_not_so() -> None:
    reader = Reader("How many?\nTable t has the columns a, b.")
    reader.read("SELECT * FROM t LIMIT 3", "[('1', '2')]")
    for false in (
        'I do not know the columns of "users" yet.',
        'I have not seen yet how the cells of "t" are written, so I look at a few rows.',
        "The database refused that; I put every name in backticks.",
        "The database has answered the question (3 values), so I give the answer.",
        "No row fits the question; I answer with an empty list.",
        "I have found cells in another form; I ask again with that in mind.",
        "First I need to know which tables the database has.",
    ):
        assert not all(reader.claims(false)), false


def test_the_same_question_gets_the_same_thoughts() -> None:
    for task in generated_tasks("train", 3):
        assert thoughts(task) == thoughts(task)


def test_every_reason_has_several_wordings() -> None:
    assert all(len(set(wordings)) >= 2 for wordings in WORDINGS.values())
