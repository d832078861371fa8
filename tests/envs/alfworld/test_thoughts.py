"""The expert's thoughts: several wordings, and true in every case by what has been read."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from envs.alfworld import generate_game
from envs.alfworld.expert import ALFWorldExpert
from envs.alfworld.game import Game
from envs.alfworld.generator import KINDS
from envs.alfworld.thoughts import WORDINGS

NAME = r"([a-z]+ \d+)"


class Reader:
    """What a reader of the transcript knows, found without the expert's help."""

    def __init__(self, first: str) -> None:
        self.text = first
        self.held = ""
        self.at: dict[str, set[str]] = {}
        self.closed: set[str] = set()
        self.states: set[tuple[str, str]] = set()
        self.put = 0

    def read(self, observation: str) -> None:
        self.text += "\n" + observation
        for place in re.findall(rf"The {NAME} is closed\.", observation):
            self.closed.add(place)
        for top, opened, things in re.findall(
            rf"(?:On the {NAME}|The {NAME} is open\. In it), you see ([^.]*)\.", observation
        ):
            self.at[top or opened] = set(re.findall(NAME, things))
            self.closed.discard(top or opened)
        if found := re.match(rf"You pick up the {NAME} from the {NAME}", observation):
            self.held = found[1]
            self.at[found[2]].discard(found[1])
        if found := re.match(rf"You (?:move|put) the {NAME} (?:to|in/on) the {NAME}", observation):
            self.held = ""
            self.at.setdefault(found[2], set()).add(found[1])
            self.put += 1
        if found := re.match(rf"You (clean|heat|cool) the {NAME} using", observation):
            self.states.add((found[2], {"clean": "clean", "heat": "hot", "cool": "cool"}[found[1]]))

    def claims(self, thought: str) -> list[bool]:
        """Whether each thing that a thought claims holds."""
        said = thought[:1].lower() + thought[1:]
        said = re.sub(r"\bi\b", "I", said)
        facts = [name in self.text for name in re.findall(NAME, said)]
        for pattern in (rf"I hold {NAME}", rf"I have {NAME}", rf"with {NAME} in my hand", rf"{NAME} is in my hand"):
            facts += [self.held == name for name in re.findall(pattern, said)]
        facts += [self.held == name for name in re.findall(rf"^{NAME} (?:has to|belongs)", said)]
        facts += [name in self.at[place] for name, place in re.findall(rf"{NAME} (?:is )?at {NAME}", said)]
        facts += [name in self.at[place] for place, name in re.findall(rf"at {NAME}: {NAME}", said)]
        facts += [name in self.at[place] for name, place in re.findall(rf"^{NAME} is what I need, .* {NAME}", said)]
        for pattern in (r"what {} holds", r"have not searched {}"):
            facts += [place not in self.at for place in re.findall(pattern.format(NAME), said)]
        facts += [
            place in self.closed
            for place in re.findall(rf"{NAME} is closed|{NAME} while it", said)
            for place in place
            if place
        ]
        facts += [one in self.states for one in re.findall(rf"{NAME} (?:is )?(clean|hot|cool)\b (?:now|; now)", said)]
        facts += [one in self.states for one in re.findall(rf"made {NAME} (clean|hot|cool)", said)]
        facts += [
            (name, state) in self.states for state, name in re.findall(rf"for a (clean|hot|cool) .* {NAME}", said)
        ]
        if re.search("one [a-z]+ (?:is where|and need a second)|put away one", said):
            facts.append(self.put > 0)
        for kind in re.findall(r"(?:still need|I need|looking for|task needs) an? ([a-z]+)", said):
            facts.append(not self.held.startswith(f"{kind} "))
            facts.append(kind in self.text.partition("Your task is to: ")[2] or "for that" in said)
        return facts


def thoughts(game: Game, *, told: bool) -> list[str]:
    """The expert's thoughts in a game, each checked when it is said."""
    play, expert = game.start(), ALFWorldExpert()
    expert.reset(play.observation)
    reader, said = Reader(play.observation), []
    while not play.won and len(said) < 50:
        info = {"admissible_commands": play.admissible_commands} if told else {}
        command = expert.act(play.observation, info)
        assert all(reader.claims(expert.thought)), (expert.thought, command, reader.text)
        assert expert.thought.endswith(".")
        said.append(expert.thought)
        play.step(command)
        reader.read(play.observation)
    return said


@pytest.mark.parametrize("told", [True, False])
def test_whatever_a_thought_claims_holds_by_what_has_been_read(told: bool) -> None:
    kinds, sizes = list(KINDS), ("small", "medium", "full")
    games = [generate_game(seed=7_000 + s, size=sizes[s % 3], task_type=kinds[s % 6]) for s in range(90)]
    said = [thought for game in games for thought in thoughts(game, told=told)]
    wordings = Counter(re.sub(r"(?i)[a-z]+ \d+", "_", thought) for thought in said)
    assert len(wordings) > 60
    assert max(wordings.values()) < len(said) / 5


def test_thoughts_hold_where_nothing_is_found_and_everything_is_looked_at_again() -> None:
    expert = ALFWorldExpert()
    first = "you see a desk 1, a drawer 1, and a shelf 1.\n\nYour task is to: put a mug in shelf."
    expert.reset(first)
    reader, answer = Reader(first), ""
    for _ in range(12):
        command = expert.act(answer)
        assert all(reader.claims(expert.thought)), (expert.thought, reader.text)
        place = command.rpartition(" to ")[2]
        shut = place == "drawer 1" and "drawer 1" not in reader.at
        answer = f"You arrive at {place}. The {place} is closed." if shut else f"On the {place}, you see nothing."
        if command == "open drawer 1":
            answer = "You open the drawer 1. The drawer 1 is open. In it, you see nothing."
        answer = "Nothing happens." if command == "look" else answer
        reader.read(answer)
    assert "once more" in expert.thought or "again" in expert.thought


def test_the_reader_notices_what_is_not_so() -> None:
    reader = Reader("you see a desk 1, and a drawer 1.\n\nYour task is to: put a mug in shelf.")
    reader.read("You arrive at desk 1. On the desk 1, you see a mug 1.")
    for false in (
        "I hold mug 1, and it has to end up at a shelf.",
        "I saw mug 1 at drawer 1, and I need a mug.",
        "I do not know yet what desk 1 holds.",
        "Drawer 1 is closed; I open it.",
        "Mug 1 is hot now, and it has to end up at a shelf.",
        "There is a mug at drawer 1: mug 1.",
        "I need a pen; mug 1 is at desk 1.",
        "I have not searched shelf 1 yet; a mug is often in such a place.",
    ):
        with pytest.raises((AssertionError, KeyError)):
            assert all(reader.claims(false))


def test_the_same_texts_get_the_same_thoughts() -> None:
    game = generate_game(seed=11)
    assert thoughts(game, told=True) == thoughts(game, told=True)


def test_every_reason_has_several_wordings() -> None:
    assert all(len(set(wordings)) >= 2 for wordings in WORDINGS.values())
