"""Random walks in our engine and in TextWorld side by side."""

from __future__ import annotations

import random
from pathlib import Path

from envs.alfworld.game import Game
from envs.alfworld.play import Play
from envs.alfworld.textworld import TextWorldPlay

_ODD = ("", "help ", "LOOK", "go  to fridge 1", "dance", "open", "take", "examine agent1", "\tinventory\n")
# What TextWorld adds to the facts of the problem's own kind.
_FLUENTS = {
    "atlocation", "holds", "holdsany", "inreceptacle", "objectatlocation", "opened",
    "isclean", "ishot", "iscool", "istoggled", "issliced",
}  # fmt: skip


def next_command(play: Play, rng: random.Random) -> str:
    """A command of a walk that tries every verb: rare ones are preferred, and one in eight is not admissible."""
    if rng.random() < 0.125:
        return rng.choice([*_ODD, rng.choice(play.admissible_commands).upper(), other_rooms_command(play, rng)])
    verbs: dict[str, list[str]] = {}
    for command in play.admissible_commands:
        verbs.setdefault(command.split()[0], []).append(command)
    weights = [{"go": 5, "help": 0.3, "inventory": 0.5, "look": 2}.get(verb, 3) for verb in verbs]
    return rng.choice(verbs[rng.choices(list(verbs), weights)[0]])


def other_rooms_command(play: Play, rng: random.Random) -> str:
    """A well-formed command that is likely not to be admissible here."""
    one, other = rng.choice(play.script.objects), rng.choice(play.script.receptacles)
    template = rng.choice(
        ("take {} from {}", "move {} to {}", "heat {} with {}", "put {} in/on {}", "slice {} with {}")
    )
    return template.format(one, other)


def differences(game: Game, path: Path, steps: int, rng: random.Random, name_seed: int | None = None) -> list[str]:
    """Plays one walk in both engines and tells where they differ; a walk goes on after a win."""
    ours = game.start(name_seed=name_seed)
    theirs = TextWorldPlay(path, name_seed=name_seed)
    plan = list(game.walkthrough or ()) if name_seed is None and rng.random() < 0.5 else []
    found = []
    command = None
    for _ in range(steps):
        if command is not None:
            ours.step(command)
            theirs.step(command)
        if (ours.observation, ours.won) != (theirs.observation, theirs.won):
            found.append(f"{path} {command!r}: {ours.observation!r} instead of {theirs.observation!r}")
        if ours.admissible_commands != theirs.admissible_commands:
            found.append(f"{path} {command!r}: {set(ours.admissible_commands) ^ set(theirs.admissible_commands)}")
        if ours.facts() != {fact for fact in theirs.facts() if fact[0] in _FLUENTS}:
            found.append(f"{path} {command!r}: the facts differ")
        command = plan.pop(0) if plan and rng.random() < 0.5 else next_command(ours, rng)
    theirs.close()
    return found
