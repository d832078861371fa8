"""Lessons in DB-Bench: one statement and the answer, about generated tables whose words are new in every lesson."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import envs
from envs import Task, TaskSet
from envs.dbbench.generator import SHARES
from envs.dbbench.generator.drawing import Impossible
from envs.dbbench.generator.intent import Intent, Layout
from envs.dbbench.generator.making import LEVELS, make_task
from envs.dbbench.generator.patterns import TEMPORAL
from envs.dbbench.generator.queries import ISO, Query, quote_name, quote_text
from envs.dbbench.generator.reading import understand
from envs.dbbench.generator.train_domains import DOMAINS
from envs.dbbench.task import DBTask
from trainers.warm_start.course import Course
from trainers.warm_start.lessons import Episode, Lesson
from trainers.warm_start.renaming import renamed, words_of
from trainers.warm_start.vocabulary import Vocabulary, learn_phrases

PAIRS = tuple(f"{number:02}" for number in range(100))
"""Two digits are a token: numbers are copied in half as many steps."""

NAMING = ("list_of_", "list of ", "List Of ", "_records", " records", " Records", "_name", " name", " Name")
"""How names of tables and columns begin or end."""

CHECKS = ("SELECT DATABASE()", "SELECT VERSION()")
"""What costs a turn and changes nothing."""

_PIECES = 600
_TOKENS_A_LESSON = 120
"""About a lesson's length."""

_KNOWN = 0.005
"""The share of the lessons that hold a word of the language; a name's word is in hardly two."""

_WORD = re.compile(r"[^\W\d_]+")


class DBBenchCourse(Course):
    """A statement and then the answer: the shortest episodes that solve tasks of the `train` domains, renamed. A lesson
    of a hundred tokens then teaches to copy names of any words, and that is most of what is to be learned.

    Raises:
        TaskError: from `lessons`, if there is no such difficulty or protocol.
    """

    env = "dbbench"
    heldout = "valid"

    def lessons(self) -> Iterator[Lesson]:
        env = envs.make(self.env, split="train", generate={"count": 1, "difficulty": self.config.difficulty})
        talk = env.protocol(self.config.protocol)
        dice = random.Random(f"checks/{self.config.seed}")
        for number, task in enumerate(renamed_tasks(self.config.difficulty, self.config.seed)):
            env.tasks = TaskSet[Task]([task])
            unsure = self.unsure(number * _TOKENS_A_LESSON / self.config.max_tokens, dice)
            episode = Episode(env, talk, task.id, CHECKS if unsure else (), dice)
            episode.step(write_statement(task), "I know the table and its columns, so I write the statement.")
            answer = f"answer: {json.dumps(task.label, ensure_ascii=False)}"
            episode.step(answer, "The database has answered, so I finish.")
            lesson = episode.lesson()
            if lesson is not None:
                yield lesson

    def vocabulary(self, heard: Sequence[Lesson]) -> Vocabulary:
        """A word that few lessons hold is a name's, and in pieces. What stands between those are the phrases, such as
        "What is the total " or "` AS DECIMAL(15,2)) FROM `"."""
        talks = [lesson.messages()[1:] for lesson in heard]
        spoken = [[word for message in talk for word in _WORD.findall(message.content)] for talk in talks]
        held = Counter(word for words in spoken for word in set(words))
        known = {word for word, times in held.items() if times >= _KNOWN * len(talks)}
        naming = "|".join(rf"(?<![^\W\d_]){text}" if text[-1] in "_ " else rf"{text}(?![^\W\d_])" for text in NAMING)
        word = rf"(?<![^\W\d_])(?!(?:{'|'.join(sorted(known))})(?![^\W\d_]))[^\W\d_]+"
        number = r"(?<!\d)(?<!DECIMAL\()(?<!DECIMAL\(15,)\d+"
        cut = re.compile(f"{naming}|{word}|{number}")
        phrases = [phrase for phrase in learn_phrases(talks, cut) if not phrase[-1].isalnum()]
        instructions = heard[0].opening[0].content
        return Vocabulary(
            (instructions, *PAIRS, *NAMING, *phrases),
            tuple(word for words in spoken for word in words if word not in known),
            _PIECES,
        )

    def env_args(self, tasks: int | None = None) -> Mapping[str, Any]:
        count = {} if tasks is None else {"count": tasks}
        return {"generate": {"difficulty": self.config.difficulty, **count}, "max_steps": 5}


def renamed_tasks(difficulty: int, seed: int) -> Iterator[DBTask]:
    """Tasks about the `train` domains in other words, of all types in the benchmark's shares, without an end."""
    rng = random.Random(f"renamed/{difficulty}/{seed}")
    words, number = words_of(DOMAINS), 0
    while True:
        kind = rng.choices([*SHARES], weights=[*SHARES.values()])[0]
        task = None
        while task is None:
            domain = renamed(rng.choice(DOMAINS), words, rng)
            try:
                task = make_task(DBTask(f"renamed-{seed}-{number}", kind, "train"), LEVELS[difficulty], domain, 1, rng)
            except Impossible:
                continue
        yield task
        number += 1


def write_statement(task: DBTask) -> str:
    """A statement that solves a task of tidy tables, with names as they are easiest to copy: a column's as the question
    has it (databases do not tell capitals apart), table and key as the description has them."""
    (table,) = task.tables
    columns = {table.name: table.columns}
    intent = understand(task.description, columns)
    assert intent is not None  # the generator keeps only what reads back
    exact = (table.name, table.columns[0])

    def name(text: str) -> str:
        return quote_name(text if text in exact else text.lower())

    if intent.kind == "insert" and len(intent.settings) == len(table.columns):
        return f"INSERT INTO {name(table.name)} VALUES ({', '.join(quote_text(cell) for _, cell in intent.settings)})"
    return Query(intent, Layout(columns, {}, dict.fromkeys(_dated(intent, task.description), ISO)), name).sql()


def _dated(intent: Intent, question: str) -> list[str]:
    """The columns that are ordered as text: dates, and years, which "earliest" may mean as well."""
    dated = [test.column for test in intent.conditions if test.values and isinstance(test.values[0], date)]
    return [*dated, intent.measure] if TEMPORAL & {*_WORD.findall(question)} else dated
