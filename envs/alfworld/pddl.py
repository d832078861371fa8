"""Reads a PDDL problem of the Alfred domain into plain atoms and a goal expression.

Only the syntax is read here: which atoms a household may have and what they mean is `world.py`'s business. Like Fast
Downward, on which TextWorld plays these files, the reader ignores case and drops `;` comments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from envs.errors import DataError

Atom: TypeAlias = tuple[str, ...]
Expression: TypeAlias = "str | list[Expression]"

_COMMENT = re.compile(r";[^\n]*")
_FLAT_LIST = re.compile(r"\(([^()]*)\)")
_TOKEN = re.compile(r"[()]|[^\s()]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """A parsed `pddl_problem`, all in lower case.

    Attributes:
        types: the declared type of every entity.
        atoms: the initial facts, `("inreceptacle", "apple_bar_1", "fridge_bar_2")`, in the file's order.
        goal: the goal as nested lists, without the `:goal` around it.
    """

    types: dict[str, str]
    atoms: tuple[Atom, ...]
    goal: Expression


def parse_problem(text: str) -> Problem:
    """Parses a PDDL problem.

    Raises:
        DataError: if a section is missing or its parentheses do not balance.
    """
    text = _COMMENT.sub("", text).lower()
    objects, init, goal = (text.find(section) for section in ("(:objects", "(:init", "(:goal"))
    if not 0 <= objects < init < goal:
        raise DataError("the PDDL problem lacks one of (:objects, (:init and (:goal, in this order")
    return Problem(
        types=_parse_objects(text[objects + len("(:objects") : init]),
        atoms=_parse_init(text[init + len("(:init") : goal]),
        goal=_parse_goal(text[goal:]),
    )


def _parse_objects(section: str) -> dict[str, str]:
    types: dict[str, str] = {}
    untyped: list[str] = []
    tokens = iter(_close(section, ":objects").split())
    for token in tokens:
        if token != "-":
            untyped.append(token)
            continue
        type_ = next(tokens, "")
        types.update(dict.fromkeys(untyped, type_))
        untyped.clear()
    if untyped or "" in types.values():
        raise DataError("the PDDL problem's (:objects leave a name without a type")
    return types


def _parse_init(section: str) -> tuple[Atom, ...]:
    section = _close(section, ":init")
    if _FLAT_LIST.sub("", section).strip():
        return _parse_init_with_costs(section)
    atoms = tuple(tuple(atom.split()) for atom in _FLAT_LIST.findall(section))
    if () in atoms:
        raise DataError("the PDDL problem's (:init holds an empty fact")
    return atoms


def _parse_init_with_costs(section: str) -> tuple[Atom, ...]:
    """The slow way, for `(= (distance a b) 3)`: costs are left out, for they decide nothing in play."""
    atoms = []
    for item in parse_expressions(section):
        words = [word for word in item if isinstance(word, str)]
        if isinstance(item, list) and words[:1] == ["="]:
            continue
        if isinstance(item, str) or not words or len(words) < len(item):
            raise DataError(f"the PDDL problem's (:init holds {item!r}, which is no fact")
        atoms.append(tuple(words))
    return tuple(atoms)


def _parse_goal(section: str) -> Expression:
    # The problem's own closing parenthesis follows the goal's.
    expressions = parse_expressions(_close(section, "problem"))
    match expressions:
        case [[":goal", goal]]:
            return goal
    raise DataError("the PDDL problem's (:goal is not one expression")


def _close(section: str, name: str) -> str:
    """The section without its final parenthesis."""
    section = section.rstrip()
    if not section.endswith(")"):
        raise DataError(f"the PDDL problem's ({name} is not closed")
    return section[:-1]


def parse_expressions(text: str) -> list[Expression]:
    """Nested lists of the words of some PDDL.

    Raises:
        DataError: if the parentheses do not balance.
    """
    top: list[Expression] = []
    stack = [top]
    for token in _TOKEN.findall(text):
        if token == "(":
            inner: list[Expression] = []
            stack[-1].append(inner)
            stack.append(inner)
        elif token != ")":
            stack[-1].append(token)
        elif len(stack) > 1:
            stack.pop()
        else:
            raise DataError("the PDDL problem closes a parenthesis that it did not open")
    if len(stack) > 1:
        raise DataError("the PDDL problem leaves a parenthesis open")
    return top
