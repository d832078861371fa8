"""Our engine against TextWorld, in one run: loading, resets, steps with admissible commands, memory.

python tests/benchmarks/alfworld_engine.py [--data FOLDER] [--games 100] [--textworld-games 3]

Plays random walks of 50 steps, the length of an episode, over official games (or generated ones where there are none).
Every walk asks for the admissible commands and for `won` at every step, as an environment does. Times are CPU times, so
that other programs on the machine disturb them less.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Protocol

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from envs.alfworld.data import SPLITS, load_split
from envs.alfworld.game import Game, load_game
from envs.alfworld.generator import generate_game
from envs.alfworld.textworld import TextWorldPlay
from envs.errors import BackendError, DataError

LENGTH = 50
GROUP = 8  # episodes of each game, as in group-relative training


class Episode(Protocol):
    won: bool

    @property
    def admissible_commands(self) -> list[str]: ...
    def step(self, command: str) -> str: ...


def walk(play: Episode, draw: random.Random) -> None:
    number = draw.random
    for _ in range(LENGTH):
        commands = play.admissible_commands
        play.step(commands[int(number() * len(commands))])
        if play.won:
            pass


def game_files(data: str | None, count: int, scratch: Path) -> list[Path]:
    """Official games spread evenly over what there is, or generated ones."""
    if data:
        paths = []
        for split in SPLITS:
            try:
                start = time.process_time()
                load_split(split, data=data, cache=scratch)
                parsed = time.process_time()
                games = load_split(split, data=data, cache=scratch)
                print(f"{split}: {games.report()}", end="; ")
                print(f"{parsed - start:.1f} s to parse, {time.process_time() - parsed:.2f} s from the cache")
                paths += [task.path for task in games.tasks]
            except DataError as error:
                print(f"{split}: {error.what}")
        return paths[:: max(1, len(paths) // count)][:count]
    print("no official games (--data or ALFWORLD_DATA): generated ones of the official size")
    for seed in range(count):
        generate_game(seed=seed).save(scratch / f"{seed}.tw-pddl")
    return [scratch / f"{seed}.tw-pddl" for seed in range(count)]


def measure_ours(paths: list[Path]) -> tuple[float, float, float]:
    """Milliseconds to load a game from its file, microseconds to reset, steps a second."""
    start = time.process_time()
    games = [load_game(path) for path in paths]
    load = (time.process_time() - start) / len(games)
    start = time.process_time()
    for game in games:
        game.start()
    first = (time.process_time() - start) / len(games)
    start = time.process_time()
    for game in games * GROUP:
        game.start()
    reset = (time.process_time() - start) / len(games) / GROUP
    draw = random.Random(0)
    plays = [game.start() for game in games for _ in range(GROUP)]
    start = time.process_time()
    for play in plays:
        walk(play, draw)
    steps = len(plays) * LENGTH / (time.process_time() - start)
    print(f"ours: load {load * 1e3:.2f} ms, first reset {first * 1e6:.0f} us, reset {reset * 1e6:.1f} us", end=", ")
    print(f"{steps:,.0f} steps/s ({len(plays)} episodes of {LENGTH} steps)")
    return load + first, reset, steps


def measure_memory(games: list[Game]) -> None:
    """Bytes that live episodes take above the loaded games, after their walks."""
    draw = random.Random(0)
    for name, count in (("each of its own game", 1), (f"{GROUP} of each game", GROUP)):
        fresh = [load_game(game.path) for game in games if game.path is not None]
        gc.collect()
        tracemalloc.start()
        plays = [game.start() for game in fresh for _ in range(count)]
        for play in plays:
            walk(play, draw)
        gc.collect()
        bytes_ = tracemalloc.get_traced_memory()[0] / len(plays)
        tracemalloc.stop()
        print(f"memory: {bytes_ / 1e3:.1f} KB an episode, {name}: {bytes_ / 1e3:.0f} MB for 1,000")


def measure_textworld(paths: list[Path]) -> tuple[float, float]:
    """Seconds to load and reset a game, steps a second."""
    draw = random.Random(0)
    start = time.process_time()
    plays = [TextWorldPlay(path) for path in paths]
    begin = (time.process_time() - start) / len(paths)
    start = time.process_time()
    for play in plays:
        walk(play, draw)
    steps = len(plays) * LENGTH / (time.process_time() - start)
    print(f"TextWorld: load and reset {begin:.2f} s, {steps:.1f} steps/s ({len(plays)} episodes of {LENGTH} steps)")
    return begin, steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", default=os.environ.get("ALFWORLD_DATA"), help="the folder that holds json_2.1.1")
    parser.add_argument("--games", type=int, default=100)
    parser.add_argument("--textworld-games", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        paths = game_files(arguments.data, arguments.games, Path(scratch))
        begin, reset, steps = measure_ours(paths)
        measure_memory([load_game(path) for path in paths])
        try:
            their_begin, their_steps = measure_textworld(paths[: arguments.textworld_games])
        except BackendError as error:
            print(error)
            return
    print(f"ratio: steps {steps / their_steps:,.0f} x, load and first reset {their_begin / begin:,.0f} x", end=", ")
    print(f"a reset of a loaded game {their_begin / reset:,.0f} x TextWorld's load and reset")


if __name__ == "__main__":
    main()
