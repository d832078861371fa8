"""The dialects of ALFWorld's games: which commands a game has and how it words its answers.

A `game.tw-pddl` carries its own domain and grammar, and three versions of them are in use. They differ in a few words
("put X in/on Y" became "move X to Y" between alfworld 0.3.5 and 0.4), and that change has spoilt published scores. So a
dialect is never guessed from samples: a game is played by our rules only if the fingerprint of its two texts is known
here, and `Game.dialect` says which one it is.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

from envs.errors import DataError
from envs.installation import install

_COMMENT = re.compile(r";[^\n]*")
_TASK = re.compile(r'"rhs"\s*:\s*"(Your task is to: (?:[^"\\\n]|\\.)*)"')
# TextWorld's grammar would read these as markup instead of text.
_MARKUP = re.compile(r'[;|"<>\[\]#{}\t\n\\]')


class ForeignGameError(DataError):
    """A game whose domain, grammar, household or goal our engine does not know. TextWorld itself may play it."""


def use_textworld() -> str:
    """The remedy for a `ForeignGameError`."""
    return f"Play it in TextWorld with --env-args backend=textworld (which needs `{install('alfworld')}`)."


@dataclass(frozen=True, slots=True)
class Dialect:
    """What distinguishes one version of the game's texts from another.

    Attributes:
        name: "2.1.1", "2.1.3", "wheel" (alfworld's own package) or "generated" (ours).
        put: the command that puts down an object, with `{}` for it and for the receptacle.
        put_answer: what the game answers to it.
        arrives_at_location: "You arrive at loc 12." instead of "You arrive at fridge 1.".
        help: the answer to `help`; None where there is no such command.
        cleaners: receptacle types in which an object can be cleaned.
    """

    name: str
    put: str
    put_answer: str
    arrives_at_location: bool
    help: str | None
    cleaners: frozenset[str]


_HELP = """Available commands:
  look:                             look around your current location
  inventory:                        check your current inventory
  go to (receptacle):               move to a receptacle
  open (receptacle):                open a receptacle
  close (receptacle):               close a receptacle
  take (object) from (receptacle):  take an object from a receptacle
  move (object) to (receptacle):  place an object in or on a receptacle
  examine (something):              examine a receptacle or an object
  use (object):                     use an object
  heat (object) with (receptacle):  heat an object using a receptacle
  clean (object) with (receptacle): clean an object using a receptacle
  cool (object) with (receptacle):  cool an object using a receptacle
  slice (object) with (object):     slice an object using a sharp object
"""
_SINKS = frozenset({"sinktype", "sinkbasintype"})
_MOVE = ("move {} to {}", "You move the {} to the {}.")
_PUT = ("put {} in/on {}", "You put the {} in/on the {}.")

DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect("2.1.1", *_PUT, arrives_at_location=True, help=None, cleaners=_SINKS),
        Dialect("2.1.3", *_MOVE, arrives_at_location=False, help=_HELP, cleaners=_SINKS),
        Dialect("wheel", *_MOVE, arrives_at_location=False, help=_HELP, cleaners=frozenset({"sinkbasintype"})),
        Dialect("generated", *_MOVE, arrives_at_location=False, help=_HELP, cleaners=_SINKS),
    )
}

# fingerprint(domain, grammar) -> the dialect's name. A test recomputes ours and prints it where it has changed.
FINGERPRINTS = {
    "bd6adbd831bdde0c": "2.1.1",
    "5305431c2965f0a0": "2.1.3",
    "b80be7335d498aeb": "wheel",
    "391dc0671266dd13": "generated",
}


def split_task(grammar: str) -> tuple[str, str]:
    """Cuts the task sentence ("Your task is to: ...") out of a grammar.

    Returns:
        The sentence, and the grammar with an empty string in its place.

    Raises:
        ForeignGameError: if there is no such sentence, or more than one, or one that is markup to TextWorld.
    """
    found = list(_TASK.finditer(grammar))
    if len(found) != 1:
        raise ForeignGameError(f"the grammar has {len(found)} sentences 'Your task is to: ...' instead of one")
    start, end = found[0].span(1)
    sentence = str(json.loads(f'"{grammar[start:end]}"'))
    if _MARKUP.search(sentence):
        raise ForeignGameError(f"the task sentence {sentence!r} holds characters that the grammar reads as markup")
    return sentence, grammar[:start] + grammar[end:]


def fingerprint(domain: str, grammar: str) -> str:
    """A hash of the rules and the wording of a game, the same for all games of a dialect.

    The domain's comments, case and white space do not count, nor does the grammar's task sentence or its line ends.
    """
    _, wording = split_task(grammar)
    rules = " ".join(_COMMENT.sub("", domain).lower().split())
    wording = "\n".join(line.rstrip() for line in wording.strip().splitlines())
    return hashlib.sha256(f"{rules}\0{wording}".encode()).hexdigest()[:16]


def recognise(domain: str, grammar: str) -> Dialect:
    """The dialect of a game's domain and grammar.

    Raises:
        ForeignGameError: if the fingerprint is not known.
    """
    print_ = fingerprint(domain, grammar)
    if print_ not in FINGERPRINTS:
        raise ForeignGameError(
            f"no known dialect has this domain and grammar (fingerprint {print_})",
            remedy=use_textworld(),
        )
    return DIALECTS[FINGERPRINTS[print_]]
