"""Why the expert puts a statement, in one sentence: what demonstrations say before an action.

A sentence claims only what the expert has read in the task or in the database's answers. Names of tables and columns
stand in double quotes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

WORDINGS: Mapping[str, Sequence[str]] = {
    "list tables": (
        "I am not told how the database is laid out, so I list its tables.",
        "First I need to know which tables the database has.",
        "I begin by asking which tables there are.",
    ),
    "describe": (
        'There is a table "{table}"; I need the names of its columns.',
        'I need the column names of "{table}" before I can write a query.',
        'I do not know the columns of "{table}" yet.',
    ),
    "make sure of the columns": (
        'The task names the columns of "{table}"; I make sure of them.',
        'Before I rely on the columns that I was told of, I look at "{table}" itself.',
    ),
    "first rows": (
        'I have not seen yet how the cells of "{table}" are written, so I look at a few rows.',
        'All columns hold text; some rows of "{table}" will show me in which form.',
        'Before I write the query I want to see some rows of "{table}".',
    ),
    "query": (
        'I know the columns of "{table}" and have seen how some cells are written, so I write the query.',
        'I have seen some rows; now I can ask "{table}" for what the question wants.',
        'With the columns and the form of some cells known, I query "{table}".',
    ),
    "first query": (
        'I know the columns of "{table}", but have not seen its rows; this is a first try.',
        'The column names of "{table}" are enough for a first query.',
    ),
    "mended query": (
        "Some cells are written in a form that my query did not expect, so I write it again.",
        "I have found cells in another form; I ask again with that in mind.",
    ),
    "odd cells": (
        'I compare or compute with "{column}", so I look for cells of it that are written in another form.',
        'A cell of "{column}" in another form would make the result wrong; I look for such cells.',
        'Every column is text: I check whether all cells of "{column}" have the form that I expect.',
    ),
    "rows that are meant": (
        'Before I change "{table}", I look at the rows that are meant.',
        'I want to see which rows of "{table}" the change concerns.',
    ),
    "change": (
        'I have seen what the condition finds ({count}), so I change "{table}".',
        'The condition finds {count}; now I make the change in "{table}".',
    ),
    "change without rows": (
        'I see no row that is meant, but I make the change in "{table}" as it was asked for.',
        'The condition shows me no row; I carry out the change in "{table}" all the same.',
    ),
    "insert": (
        'I know the columns of "{table}", so I add the row.',
        'The task gives the cells of the new row; I add it to "{table}".',
    ),
    "check the change": (
        'I look whether "{table}" is now as the task wants it.',
        'I check the rows of "{table}" that the task is about.',
    ),
    "quote names": (
        "The database refused that; I put every name in backticks.",
        "That was an error. Names may need backticks, so I write them all that way.",
    ),
    "answer": (
        "The database has answered the question ({count}), so I give the answer.",
        "I have the result, {count}, and finish.",
        "My query returned what was asked for: {count}.",
    ),
    "nothing found": (
        "The query finds no row, so the answer is empty.",
        "No row fits the question; I answer with an empty list.",
    ),
    "nothing readable": (
        "I cannot read a result in the reply to my query, so I give an empty answer.",
        "The reply to my query shows no rows that I could answer with.",
    ),
    "changed": (
        "The change is made, and the task asks for no values.",
        "I have made the change; there is nothing else to answer.",
    ),
    "change refused": (
        "The database refused the change, and I know no other way.",
        "The change was refused; I can only finish here.",
    ),
    "not understood": (
        "I cannot tell what the question asks for, so I give no answer.",
        "I do not understand the question and can only finish.",
    ),
}


def thought(reason: str, rng: Random, **names: str) -> str:
    """A sentence for a reason.

    Args:
        reason: a key of `WORDINGS`.
        rng: draws the wording.
        names: what the sentence speaks of.
    """
    return rng.choice(WORDINGS[reason]).format_map(names)
