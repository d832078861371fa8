"""A thousand episodes at once fit in little memory."""

from __future__ import annotations

import gc
import random
import tracemalloc

from envs.alfworld.generator import generate_game
from envs.alfworld.play import Play


def walked(play: Play, rng: random.Random) -> Play:
    for _ in range(50):
        play.step(rng.choice(play.admissible_commands))
    return play


def test_a_thousand_episodes_of_full_size_take_less_than_50_mb_above_their_games() -> None:
    rng = random.Random(0)
    games = [generate_game(seed=seed, size="full") for seed in range(5)]
    gc.collect()
    tracemalloc.start()
    # Few games of many episodes, and every episode with names (and so with commands) of its own.
    plays = [walked(game.start(), rng) for game in games for _ in range(50)]
    plays += [walked(game.start(name_seed=seed), rng) for game in games for seed in range(50)]
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / len(plays) * 1000 < 50e6
