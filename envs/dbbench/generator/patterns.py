"""The sentences of generated questions.

Slots: `{noun}` `{plural}` of the domain, `{table}`, `{target}` `{measure}` columns, `{conds}` the conditions, `{a}`
`{b}` names, `{most}` a superlative, `{more}` a comparative, `{nth}` an ordinal, `{n}` a number of things, `{settings}`
columns with their cells, `{cells}` cells alone, `{column}` and `{cell}` of a single setting.

A sentence that says `the {noun} {conds}` may also name the thing: "of the bakery Golden Crust".
"""

from __future__ import annotations

from envs.dbbench.generator.intent import Kind, Op

TEMPLATES: dict[Kind, tuple[str, ...]] = {
    "list": (
        "What is the {target} of the {noun} {conds}?",
        "What is the {target} of {a}?",
        "Tell me the {target} of {a}.",
        "Give the {target} of each {noun} {conds}.",
        "List the {target} of all {plural} {conds}.",
        "Find the {target} for every {noun} {conds}.",
        "For the {noun} {conds}, what is the {target}?",
        "I need to know the {target} of the {noun} {conds}.",
        "Look up the {target} of the {noun} {conds}.",
        "Name the {plural} {conds}.",
        "Which {plural} are there {conds}?",
        "Show me all {plural} {conds}.",
    ),
    "count": (
        "How many {plural} are there {conds}?",
        "Count the {plural} {conds}.",
        "What is the number of {plural} {conds}?",
        "Tell me how many {plural} are listed {conds}.",
        "In the {table} table, how many {plural} can be found {conds}?",
        "I would like to know how many {plural} there are {conds}.",
    ),
    "distinct": (
        "How many different values of {target} do the {plural} have?",
        "How many distinct values of {target} occur among the {plural} {conds}?",
        "Count the different values of {target} among the {plural} {conds}.",
        "What is the number of distinct values of {target} in the {table} table?",
    ),
    "compare": (
        "Which {noun} has the {more} {measure}, {a} or {b}?",
        "Between {a} and {b}, which {noun} has the {more} {measure}?",
        "Of {a} and {b}, name the {noun} with the {more} {measure}.",
        "Compare {a} with {b}: which {noun} has the {more} {measure}?",
    ),
    "above": (
        "Which {plural} have a {more} {measure} than {a}?",
        "List the {plural} with a {more} {measure} than {a}.",
        "Name every {noun} whose {measure} is {more} than that of {a}.",
    ),
    "rank": (
        "Which {noun} has the {most} {measure}?",
        "Which {noun} has the {nth} {most} {measure}?",
        "Name the {n} {plural} with the {most} {measure}.",
        "List the {n} {plural} that have the {most} {measure}.",
        "Of the {plural} {conds}, which one has the {most} {measure}?",
        "Of the {plural} {conds}, which one has the {nth} {most} {measure}?",
        "Among all {plural} {conds}, name the {n} with the {most} {measure}.",
        "What is the {target} of the {noun} with the {most} {measure}?",
        "What is the {target} of the {noun} that comes {nth} when ordered by {most} {measure}?",
        "Take the {plural} {conds} and give the {target} of the one with the {most} {measure}.",
    ),
    "sum": (
        "What is the total {measure} of all {plural}?",
        "What is the total {measure} of the {plural} {conds}?",
        "Add up the {measure} of the {plural} {conds}.",
        "What {measure} do the {plural} {conds} have altogether?",
        "Calculate the sum of the {measure} over all {plural} {conds}.",
    ),
    "min": (
        "What is the minimum {measure} of all {plural}?",
        "What is the minimum {measure} among the {plural} {conds}?",
        "Find the smallest value of {measure} for the {plural} {conds}.",
        "How low does the {measure} get for {plural} {conds}?",
    ),
    "max": (
        "What is the maximum {measure} of all {plural}?",
        "What is the maximum {measure} among the {plural} {conds}?",
        "Find the largest value of {measure} for the {plural} {conds}.",
        "How high does the {measure} get for {plural} {conds}?",
    ),
    "avg": (
        "What is the average {measure} of all {plural}, rounded to two decimals?",
        "What is the average {measure} of the {plural} {conds}, rounded to two decimals?",
        "Calculate the mean {measure} over the {plural} {conds} and round it to two decimals.",
        "To two decimals, what {measure} do the {plural} {conds} have on average?",
    ),
    "insert": (
        "Add a new {noun} to the {table} table: {settings}.",
        "Insert a row into the {table} table with {settings}.",
        "A new {noun} has to be recorded in the {table} table, with {settings}.",
        "Insert the values {cells} into the {table} table, in the order of its columns.",
        "Please put another {noun} into the {table} table. Its data: {settings}.",
        "One {noun} is lacking in the {table} table; enter it with {settings}.",
    ),
    "update": (
        "Change the {column} of the {noun} {conds} to {cell}.",
        "Set the {column} to {cell} for every {noun} {conds}.",
        "Update the {table} table: for the {noun} {conds}, set {settings}.",
        "For all {plural} {conds}, set {settings}.",
        "The {column} of the {noun} {conds} was entered wrongly; it should read {cell}.",
        "Correct the {table} table so that the {column} of each {noun} {conds} becomes {cell}.",
    ),
    "delete": (
        "Delete the {noun} {conds}.",
        "Delete every {noun} {conds} from the {table} table.",
        "Remove all {plural} {conds} from the {table} table.",
        "The {plural} {conds} no longer exist; take them out of the {table} table.",
        "Drop the record of the {noun} {conds}.",
    ),
}

# How several conditions are strung together: what comes before the first, and before each other.
FRAMES = (("whose ", " and whose "), ("where the ", " and the "), ("for which the ", " and the "))

CONDITIONS: dict[Op, tuple[str, ...]] = {
    "is": ("is", "equals", "is exactly"),
    "is not": ("is not", "is anything but"),
    "contains": ("contains", "includes the text"),
    "over": ("is more than", "is greater than", "is above", "exceeds"),
    "under": ("is less than", "is smaller than", "is below"),
    "at least": ("is at least", "is no less than"),
    "at most": ("is at most", "is no more than"),
    "between": ("lies between", "is between"),
    "after": ("is later than", "is after"),
    "before": ("is earlier than", "is before"),
    "missing": ("is missing", "is not recorded"),
    "known": ("is known", "is recorded"),
}

SUPERLATIVES = {True: ("highest", "largest", "greatest", "latest"), False: ("lowest", "smallest", "least", "earliest")}
COMPARISONS = {True: ("higher", "larger", "greater", "later"), False: ("lower", "smaller", "earlier")}
TEMPORAL = frozenset(("latest", "earliest", "later", "earlier"))
ORDINALS = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}
NUMERALS = {2: "two", 3: "three", 4: "four", 5: "five"}

AMOUNT = "number of "  # said before a count in the plural: "the number of visitors"
