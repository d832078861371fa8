"""ALFWorld without TextWorld: the official games at memory speed, and generated ones that need no download.

from envs.alfworld import generate_game, load_game
play = load_game("game.tw-pddl").start()    # or generate_game(seed=0).start()
play.observation, play.admissible_commands, play.won
play.step("go to fridge 1")
"""

from envs.alfworld.embedded import generated_tasks
from envs.alfworld.expert import ALFWorldExpert
from envs.alfworld.game import Game, load_game
from envs.alfworld.generator import generate_game
from envs.alfworld.oracle import shortest_plan
from envs.alfworld.play import Play

__all__ = ["ALFWorldExpert", "Game", "Play", "generate_game", "generated_tasks", "load_game", "shortest_plan"]
