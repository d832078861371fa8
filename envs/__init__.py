"""train-agent envs: what an episode is played in. Text in, text out, by Gymnasium's contract.

import envs
env = envs.make("alfworld", split="train")
observation, info = env.reset(seed=0)
observation, reward, terminated, truncated, info = env.step("look")
"""

from envs.base import Expert, Outcome, TextEnv, Tool
from envs.errors import BackendError, ContractError, DataError, EnvError, InternalError, RegistryError, TaskError
from envs.registry import Spec, find, make, register, specs
from envs.task import Task, TaskSet

__all__ = [
    "BackendError",
    "ContractError",
    "DataError",
    "EnvError",
    "Expert",
    "InternalError",
    "Outcome",
    "RegistryError",
    "Spec",
    "Task",
    "TaskError",
    "TaskSet",
    "TextEnv",
    "Tool",
    "find",
    "make",
    "register",
    "specs",
]

register("ALFWorld-v1", "envs.alfworld.env:ALFWorldEnv")
register("DBBench-v1", "envs.dbbench.env:DBBenchEnv")
