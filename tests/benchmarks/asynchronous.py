"""Playing while the trainer updates, against playing and updating in turns: episodes a second by the bound K.

    OMP_NUM_THREADS=1 python tests/benchmarks/asynchronous.py [--bounds 1 2 3] [--train 1.0] [--iterations 6]

The engine is simulated (rollout/engines/simulated.py) and so is the trainer: an update takes as long as the episodes of
an iteration take by themselves, measured first, times `--train`; it has no weights. All else is real: the environment,
the protocol, token ids, the episode loop, the store with its fsync, and what `train-agent` plays with (`Generation` for
K = 0, `Ahead` above). Episodes are of 2 to 10 turns.

The rival is K = 0 in the same process. What is counted begins when the first episodes are there, so that filling the
pipeline is not: some iterations of an update, a change of the weights, and the wait for the next episodes.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from envs import Outcome, Task  # noqa: E402
from envs.base import Info  # noqa: E402
from rollout.account import Account  # noqa: E402
from rollout.engines.simulated import Latency, SimulatedEngine  # noqa: E402
from rollout.rollouts import LocalRollouts  # noqa: E402
from rollout.runner import Stage  # noqa: E402
from rollout.store import Store  # noqa: E402
from tests.benchmarks.orchestration import policy, thought  # noqa: E402
from tests.rollout.corridor import Corridor  # noqa: E402
from trainers.ahead import Ahead  # noqa: E402
from trainers.backlog import Backlog  # noqa: E402
from trainers.generation import Generation, Played  # noqa: E402
from trainers.tasks import TaskOrder  # noqa: E402

LATENCY = Latency(prefill=1e-5, step=0.004, row=2e-5, load=0.05)
TASKS, SIZE = 4, 8
GOAL = 1.6


class Errand(Corridor):
    """Takes 2 to 10 steps, by the episode's seed."""

    def _begin(self, task: Task) -> tuple[str, Info]:
        self.steps_left = 2 + int(self.np_random.integers(9))
        return super()._begin(task)

    def _act(self, action: str) -> Outcome:
        self.steps_left -= 1
        return Outcome("You are on your way.", 1.0, self.steps_left <= 0, self._info())


@dataclass(frozen=True)
class Run:
    """What was measured of some iterations: seconds of each, of waiting in each, episodes, and how old groups were."""

    seconds: float
    wait: float
    episodes: int
    staleness: list[int]
    dropped: int

    @property
    def rate(self) -> float:
        """Episodes a second."""
        return self.episodes / self.seconds


@contextmanager
def rollouts(slots: int) -> Iterator[tuple[LocalRollouts, TaskOrder]]:
    with TemporaryDirectory() as folder:
        engine = SimulatedEngine(thought, LATENCY, capacity=slots)
        env = Errand(tasks=64, max_steps=20)
        stage = Stage(env, policy(engine), env.protocol("react"), Store(folder), Account(()))
        yield LocalRollouts(stage, lambda: engine.update_weights({})), TaskOrder(env.tasks, SIZE, 1)
        stage.store.close()


def measured(bound: int, train: float, iterations: int) -> Run:
    """A run of a simulated trainer whose updates take `train` seconds."""
    with rollouts(TASKS * SIZE) as (where, order):
        made: Generation | Ahead
        if bound:
            more = {"tasks": TASKS, "max_staleness": bound, "iterations": iterations + bound + 2}
            made = Ahead(where, Backlog(order, size=SIZE, every_group=True, rounds=1, **more))
        else:
            made = Generation(where, order, size=SIZE, tasks=TASKS, every_group=True, rounds=1)
        made.sync()
        made.play()
        begun, waited, played = time.perf_counter(), 0.0, list[Played]()
        for _ in range(iterations):
            time.sleep(train)
            made.sync()
            asked = time.perf_counter()
            played.append(made.play())
            waited += time.perf_counter() - asked
        seconds = time.perf_counter() - begun
        made.close()
    return Run(
        seconds,
        waited,
        sum(len(one.episodes) for one in played),
        [age for one in played for age in one.staleness],
        sum(one.account.groups["stale"] for one in played),
    )


def alone(iterations: int = 2) -> float:
    """Seconds that the episodes of an iteration take."""
    return measured(0, 0.0, iterations).seconds / iterations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bounds", type=int, nargs="+", default=[1, 2, 3], help="K")
    parser.add_argument("--train", type=float, nargs="+", default=[1.0], help="of an update, in times of playing")
    parser.add_argument("--iterations", type=int, default=6, help="that are measured")
    options = parser.parse_args()
    play = alone()
    print(f"{TASKS * SIZE} episodes an iteration take {play:.2f} s by themselves")
    print("train/play  K   s/iteration   wait s  episodes/s   ratio  staleness mean, max  dropped")
    for times in options.train:
        rival = 0.0
        for bound in [0, *options.bounds]:
            run = measured(bound, times * play, options.iterations)
            rival = rival or run.rate
            ages = f"{fmean(run.staleness):14.2f} {max(run.staleness):4}" if run.staleness else " " * 19
            print(
                f"{times:10g} {bound:2} {run.seconds / options.iterations:13.2f} {run.wait / options.iterations:8.2f} "
                f"{run.rate:11.1f} {run.rate / rival:7.2f}  {ages} {run.dropped:8}",
                flush=True,
            )
    print(f"goal: {GOAL} times the episodes a second where an update takes as long as playing")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} threads")


if __name__ == "__main__":
    main()
