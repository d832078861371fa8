"""Why the expert does what it does, in one sentence: what demonstrations say before an action.

A sentence claims only what the expert has read in the task or in observations: what it holds, where it saw a thing,
which receptacle it has not looked into, which one is closed. Where things usually are comes from `places.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from envs.alfworld.places import PLACES

if TYPE_CHECKING:
    from envs.alfworld.expert import Assignment

_USUAL = {thing.lower(): {place.lower(): often for place, often in row.items()} for thing, row in PLACES.items()}
_OFTEN = 20
"""From how many percent on a thing is said to be often in a receptacle."""

WORDINGS: Mapping[str, Sequence[str]] = {
    "search": (
        "I have not seen yet what {place} holds; {a_kind} may be there.",
        "I need {a_kind}. I do not know yet what {place} holds.",
        "I am looking for {a_kind}, and I have not searched {place} so far.",
    ),
    "search where it often is": (
        "I have not searched {place} yet; {a_kind} is often in such a place.",
        "I need {a_kind}, which is often in a place like {place}. I do not know yet what {place} holds.",
        "{place} is a good place to look for {a_kind}, and I do not know yet what {place} holds.",
    ),
    "search again": (
        "I still need {a_kind}, so I look at {place} once more.",
        "I may have missed {a_kind} at {place}, so I check it again.",
    ),
    "fetch": (
        "I saw {thing} at {place}, and I need {a_kind}.",
        "I need {a_kind}; {thing} is at {place}.",
        "There is {a_kind} at {place}: {thing}.",
    ),
    "take": (
        "The task needs {a_kind}, and {thing} is at {place}.",
        "{thing} is what I need, so I take it from {place}.",
        "I see {thing} at {place}; it is the {kind} that I need.",
    ),
    "take the second": (
        "One {kind} is where it belongs; {thing} is the next.",
        "I have put away one {kind} and need a second: {thing} at {place}.",
    ),
    "open what is closed": (
        "{place} is closed, so I have to open it first.",
        "I cannot reach into {place} while it is closed.",
        "{place} is closed; I open it.",
    ),
    "open what was not seen": (
        "I have not seen yet what {place} holds, so I open it.",
        "I do not know yet what {place} holds; it may have to be opened.",
    ),
    "open to be sure": (
        "I am not sure that {place} is open, so I open it.",
        "{place} may have to be opened first.",
    ),
    "carry to be treated": (
        "I hold {held}, and it has to be {state}; for that I need {an_appliance}.",
        "{held} has to be {state} before anything else, so I take it to {place}.",
        "I have {held}. It is to be {state}, and {place} is there for that.",
    ),
    "treat": (
        "I hold {held}, and the task wants it {state}.",
        "{held} has to be {state} before I put it away.",
        "With {place} I can make {held} {state}, as the task asks.",
    ),
    "carry": (
        "I hold {held}, and it has to end up at {a_target}.",
        "I have {held}; the task wants it at {a_target}, such as {place}.",
        "{held} is in my hand, so I go to {place}, where it belongs.",
    ),
    "carry what was treated": (
        "{held} is {state} now, and it has to end up at {a_target}.",
        "I have made {held} {state}; now it belongs at {a_target}.",
    ),
    "put": (
        "I hold {held}, and {place} is where the task wants it.",
        "The task asks for {a_kind} at {a_target}, and I have {held}.",
        "{held} belongs at {a_target}, so I leave it at {place}.",
    ),
    "put what was treated": (
        "{held} is {state} now, and {place} is where the task wants it.",
        "The task asks for a {state} {kind} at {a_target}, and I have one: {held}.",
    ),
    "use": (
        "I hold {held}; now I need the light of {thing}.",
        "With {held} in my hand I turn on {thing} to look at it.",
        "I have {held}, and {thing} gives the light to look at it.",
    ),
    "examine": (
        "I have not seen yet what {place} holds, so I look closely.",
        "I do not know yet what {place} holds.",
    ),
    "look": (
        "I have nothing better to try, so I look around.",
        "I do not know how to go on, so I look around again.",
    ),
}
_STATES = {"clean": "clean", "heat": "hot", "cool": "cool"}


@dataclass(frozen=True, slots=True)
class Memory:
    """What the expert knows when it decides.

    Attributes:
        task: the task sentence, understood.
        held: the thing in its hand, or "".
        seen: what each receptacle was last seen to hold.
        looked: the receptacles that were ever looked into.
        closed: those that are closed.
        treated: things that were cleaned, heated or cooled as the task asks.
        placed: things that were put where they belong.
    """

    task: Assignment
    held: str
    seen: Mapping[str, Sequence[str]]
    looked: Collection[str]
    closed: Collection[str]
    treated: Collection[str]
    placed: Collection[str]


def thought(command: str, memory: Memory, rng: Random) -> str:
    """A sentence that says why `command` comes next.

    Args:
        command: what the expert is going to do.
        memory: what it knows.
        rng: draws the wording.
    """
    reason, words = _reason(command, memory)
    task = memory.task
    kind = _kind(words.get("thing", "")) or _wanted(memory) or task.thing
    words |= {
        "held": memory.held,
        "kind": kind,
        "a_kind": _a(kind),
        "a_target": _a(task.target),
        "an_appliance": _a(task.appliance),
        "state": _STATES.get(task.verb, ""),
    }
    sentence = rng.choice(WORDINGS[reason]).format_map(words)
    return sentence[:1].upper() + sentence[1:]


def _reason(command: str, memory: Memory) -> tuple[str, dict[str, str]]:
    """The key of `WORDINGS`, and the names in the command."""
    verb, _, rest = command.partition(" ")
    treated = " what was treated" if memory.task.verb and memory.held in memory.treated else ""
    if verb == "go":
        return _why_go(rest.removeprefix("to "), memory, treated)
    if verb == "take":
        thing, _, place = rest.partition(" from ")
        return "take the second" if memory.placed else "take", {"thing": thing, "place": place}
    if verb == "open":
        unsure = "open to be sure" if rest in memory.looked else "open what was not seen"
        return "open what is closed" if rest in memory.closed else unsure, {"place": rest}
    if verb in ("put", "move"):
        place = rest.removeprefix(memory.held).removeprefix(" in/on ").removeprefix(" to ")
        return f"put{treated}", {"place": place}
    if verb == memory.task.verb:
        return "treat", {"place": rest.rpartition(" with ")[2]}
    if verb == "examine":
        return "search again" if rest in memory.looked else "examine", {"place": rest}
    return ("use", {"thing": rest}) if verb == "use" else ("look", {})


def _why_go(place: str, memory: Memory, treated: str) -> tuple[str, dict[str, str]]:
    wanted = _wanted(memory)
    if not wanted:
        to_treat = memory.task.verb and not treated
        return "carry to be treated" if to_treat else f"carry{treated}", {"place": place}
    for thing in memory.seen.get(place, ()):
        if _kind(thing) == wanted and thing not in memory.placed:
            return "fetch", {"place": place, "thing": thing}
    if place in memory.looked:
        return "search again", {"place": place}
    often = _USUAL.get(wanted, {}).get(_kind(place), 0) >= _OFTEN
    return "search where it often is" if often else "search", {"place": place}


def _wanted(memory: Memory) -> str:
    """The kind of thing that is being looked for, or "" where the hand is full and only a place is needed."""
    return memory.task.lamp if memory.held else memory.task.thing


def _kind(name: str) -> str:
    return name.rpartition(" ")[0]


def _a(kind: str) -> str:
    return f"{'an' if kind[:1] in 'aeiou' else 'a'} {kind}"
