"""What every environment must hold to, as checks that name the breach and the mend.

    from envs.conformance import CHECKS, check
    check(lambda: MyEnv())              # all of them
    CHECKS["seeding"](lambda: MyEnv())  # one

The factory makes a fresh environment at each call. A random walk over `info["admissible_commands"]` (where the
environment gives them) plays the episodes.
"""

from __future__ import annotations

import copy
import pickle
import random
import warnings
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from envs.base import TextEnv
from envs.errors import ContractError, EnvError, TaskError

Factory = Callable[[], TextEnv[Any]]
Step = tuple[str, float, bool, bool]


class ConformanceError(EnvError, AssertionError):
    """An environment breaks the contract; `where` is the check, `remedy` the mend."""


def check(make: Factory) -> None:
    """Run every check.

    Raises:
        ConformanceError: at the first breach.
    """
    for run in CHECKS.values():
        run(make)


def _closing(run: Callable[[Factory], None]) -> Callable[[Factory], None]:
    """A check after which every environment that it made is closed."""

    @wraps(run)
    def closing(make: Factory) -> None:
        made: list[TextEnv[Any]] = []

        def make_and_keep() -> TextEnv[Any]:
            made.append(make())
            return made[-1]

        try:
            run(make_and_keep)
        finally:
            for env in made:
                env.close()

    return closing


def _gymnasium(make: Factory) -> None:
    from gymnasium.utils.env_checker import check_env

    env = make()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # A text environment is no registered Gymnasium spec, which is all that this warning says.
            warnings.filterwarnings("ignore", message=".*no spec.*|.*render.*")
            check_env(env, skip_render_check=True)
    except Exception as error:
        what = f"gymnasium's check_env refuses it: {type(error).__name__}: {error}"
        raise ConformanceError(what, where="gymnasium") from error


def _tasks(make: Factory) -> None:
    env = make()
    if not len(env.tasks):
        raise ConformanceError("there are no tasks", where="tasks", remedy="Raise DataError in __init__ instead.")
    task = env.tasks[0]
    _, info = env.reset(options={"task": task.id})
    if info.get("task") != task.id or info.get("task_type") != task.type:
        raise ConformanceError(
            "info does not name the task that was asked for", where="tasks", remedy="Build on TextEnv.reset."
        )
    _must_raise(TaskError, lambda: env.reset(options={"task": "no such task"}), "tasks", "an unknown task id")
    _must_raise(TaskError, lambda: env.reset(options={"tsak": task.id}), "tasks", "an unknown reset option")


def _seeding(make: Factory) -> None:
    first, second = make(), make()
    for seed in range(3):
        if _walk(first, seed) != _walk(second, seed):
            raise ConformanceError(
                f"two episodes with seed {seed} and the same actions differ",
                where="seeding",
                remedy="Draw only from self.np_random; keep no order of sets and no clock in a text.",
            )


def _order(make: Factory) -> None:
    env = make()
    _must_raise(ContractError, lambda: env.step("look"), "order", "a step before the first reset")
    env.max_steps = 1
    env.reset(seed=0)
    *_, terminated, truncated, _ = env.step(_some_action(env))
    if not (terminated or truncated):
        raise ConformanceError(
            "max_steps=1 did not end the episode", where="order", remedy="Leave the step limit to TextEnv.step."
        )
    _must_raise(ContractError, lambda: env.step("look"), "order", "a step after the end")
    env.reset(seed=0)
    env.close()
    env.close()
    _must_raise(ContractError, lambda: env.step("look"), "order", "a step after close")
    _must_raise(ContractError, env.reset, "order", "a reset after close")


def _actions(make: Factory) -> None:
    env = make()
    env.max_steps = 1_000
    env.reset(seed=0)
    wrong: Any
    for wrong in (None, 3, b"look", ["look"]):
        _must_raise(ContractError, partial(env.step, wrong), "actions", f"the action {wrong!r}")
    for odd in ("", " ", "\n", "\x00", "no such thing", "\ud800", "💥" * 100, "x" * 100_000, "'; --", "{}"):
        try:
            observation, reward, terminated, truncated, info = env.step(odd)
        except Exception as error:
            raise ConformanceError(
                f"the action {odd[:20]!r} raises {type(error).__name__}: {error}",
                where="actions",
                remedy="Whatever a model says is answered by an observation.",
            ) from error
        if not isinstance(observation, str) or not isinstance(info, dict):
            raise ConformanceError(f"the action {odd[:20]!r} gives no text observation and info", where="actions")
        if not isinstance(terminated, bool) or not isinstance(truncated, bool) or reward != reward:
            raise ConformanceError(f"the action {odd[:20]!r} gives a wrong type or a NaN reward", where="actions")
        if terminated:
            env.reset(seed=0)


def _interleaving(make: Factory) -> None:
    alone = _walk(make(), 1)
    first, second = make(), make()
    plays = [_Walk(first, 1), _Walk(second, 2), _Walk(make(), 1)]
    while any(play.go() for play in plays):
        pass
    if plays[0].steps != alone or plays[2].steps != alone:
        raise ConformanceError(
            "an episode changes when another is played beside it",
            where="interleaving",
            remedy="Keep all state of an episode in its own instance.",
        )


def _pickling(make: Factory) -> None:
    env = make()
    for copied in (pickle.loads(pickle.dumps(env)), copy.deepcopy(env)):
        if _walk(copied, 5) != _walk(make(), 5):
            raise ConformanceError("a copy plays another episode from the same seed", where="pickling")
        copied.close()
    tasks = pickle.loads(pickle.dumps(tuple(env.tasks[:20])))
    if tasks != tuple(env.tasks[:20]):
        raise ConformanceError(
            "tasks do not survive pickling", where="pickling", remedy="Make the task class a frozen dataclass."
        )


def _card(make: Factory) -> None:
    text = type(make()).__doc__ or ""
    for heading in ("Observation", "Action", "Reward", "End", "Source", "Versions"):
        if f"{heading}:" not in text:
            raise ConformanceError(
                f"the class's docstring has no {heading!r} part",
                where="card",
                remedy="Write the environment's card: Observation, Action, Reward, End, Source, Versions.",
            )


CHECKS: dict[str, Callable[[Factory], None]] = {
    "gymnasium": _closing(_gymnasium),
    "tasks": _closing(_tasks),
    "seeding": _closing(_seeding),
    "order": _closing(_order),
    "actions": _closing(_actions),
    "interleaving": _closing(_interleaving),
    "pickling": _closing(_pickling),
    "card": _closing(_card),
}


class _Walk:
    """A random walk that is taken one step at a time."""

    def __init__(self, env: TextEnv[Any], seed: int) -> None:
        self._env = env
        self._random = random.Random(seed)
        observation, self._info = env.reset(seed=seed)
        self.steps: list[Step] = [(observation, 0.0, False, False)]

    def go(self, limit: int = 12) -> bool:
        if len(self.steps) > limit or self.steps[-1][2] or self.steps[-1][3]:
            return False
        action = self._random.choice(self._info.get("admissible_commands") or ["look", "help", "1"])
        observation, reward, terminated, truncated, self._info = self._env.step(action)
        self.steps.append((observation, float(reward), terminated, truncated))
        return True


def _walk(env: TextEnv[Any], seed: int) -> list[Step]:
    walk = _Walk(env, seed)
    while walk.go():
        pass
    return walk.steps


def _some_action(env: TextEnv[Any]) -> str:
    _, info = env.reset(seed=0)
    return str((info.get("admissible_commands") or ["look"])[0])


def _must_raise(wanted: type[Exception], call: Callable[[], object], where: str, what: str) -> None:
    try:
        call()
    except wanted:
        return
    except Exception as error:
        raise ConformanceError(f"{what} raises {type(error).__name__}, not {wanted.__name__}", where=where) from error
    raise ConformanceError(f"{what} is accepted", where=where, remedy=f"Raise {wanted.__name__}, as TextEnv does.")
