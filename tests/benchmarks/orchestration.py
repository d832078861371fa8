"""What orchestration costs beside engines that take their time: 16 to 1,024 episodes at once on 1 to 64 engines.

    OMP_NUM_THREADS=1 python tests/benchmarks/orchestration.py [--most 1024] [--turns 6] [--workers 2] [--plot FILE.svg]

The engines are simulated (rollout/engines/simulated.py); all else is real: the environment, the protocol, token ids,
the episode loop, the store with its fsync, Ray. An engine's seconds are seconds of the clock, not scaled.

How the share is measured: the same episodes are played three times. First in an event loop whose clock stands still
while Python computes and jumps from one timer to the next: so long they take if orchestration takes no time at all (the
rival). Then by the clock, in one process, and once more on Ray with the engines spread over two processes. What a run
takes longer than the rival is orchestration; its share is of the run's whole time. Ray's start is not counted.

Beside the share stands what it hangs on: how many processors orchestration needs so as not to be late (`cpus`: its
seconds of all processes, by the rival's time), and for what share of the run a process was ready and had none
(`starved`: of the process that waited longest). Where the machine has fewer to spare than it needs, as when others use
it too, the share is the machine's and not orchestration's.

On the curve all episodes begin at once and end at once, so that the driver gets them all in a second. Below it stands
the share on Ray when four times as many follow each other. Memory, of one process and of each of Ray's, is read then,
when one, two and four times as many episodes have ended as are played at once.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from envs import Outcome  # noqa: E402
from rollout.account import Account  # noqa: E402
from rollout.cluster.rollouts import RayRollouts  # noqa: E402
from rollout.cluster.routes import Routes  # noqa: E402
from rollout.engine import Completion, Engine, Sampling  # noqa: E402
from rollout.engines.simulated import Latency, SimulatedEngine  # noqa: E402
from rollout.jobs import plan  # noqa: E402
from rollout.policy import ModelPolicy, Policy  # noqa: E402
from rollout.runner import Stage, play  # noqa: E402
from rollout.store import Store  # noqa: E402
from rollout.trajectory import Trajectory  # noqa: E402
from tests.rollout.cluster.jumping import JumpingLoop  # noqa: E402
from tests.rollout.cluster.stages import Letters  # noqa: E402
from tests.rollout.corridor import Corridor  # noqa: E402

LATENCY = Latency(prefill=2e-5, step=0.02, row=1e-4)
PER_ENGINE = 16


class Walk(Corridor):
    """As many steps as are allowed."""

    def _act(self, action: str) -> Outcome:
        return Outcome(f"You are still walking, and it is {'warm ' * 20}here.", 0.0, False, self._info())


def thought(episode: str, prompt: Sequence[int], seed: int) -> Sequence[int]:
    """Replies of 35 to 94 tokens."""
    return tuple(b"Thought: " + b"I go on. " * (1 + seed % 7) + b"x" * (seed % 6) + b"\nAction: right\0")


class Fleet:
    """Several engines as one, each with the episodes that it has begun."""

    version = 0

    def __init__(self, engines: int) -> None:
        self.engines = [SimulatedEngine(thought, LATENCY, capacity=PER_ENGINE) for _ in range(engines)]
        self.capacity, self.max_length = PER_ENGINE * engines, self.engines[0].max_length
        self._routes: Routes[int] = Routes()
        for number in range(engines):
            self._routes.add(number)

    async def generate(self, episode: str, prompt_ids: Sequence[int], sampling: Sampling, seed: int) -> Completion:
        return await self.engines[self._routes.assign(episode)].generate(episode, prompt_ids, sampling, seed)

    async def release(self, episode: str) -> None:
        await self.engines[self._routes.assign(episode)].release(episode)
        self._routes.release(episode)

    async def close(self) -> None:
        for engine in self.engines:
            await engine.close()


def policy(engine: Engine) -> Policy:
    return ModelPolicy(engine, lambda talk: Letters(), Sampling(max_new_tokens=128), name="letters")  # type: ignore[arg-type, return-value]


class Meter:
    """Reads the memory of processes when so many episodes have ended.

    Attributes:
        processes: their numbers, by name.
        read: MiB of each process that are its own.
    """

    def __init__(self, *at: int) -> None:
        self.at = at
        self.processes = {"one process": os.getpid()}
        self.read: dict[str, list[float]] = {}

    def waits(self, slot: int, job: object, cause: str) -> None:
        pass

    def ended(self, trajectory: Trajectory, account: Account) -> None:
        if account.scored in self.at:
            for name, pid in self.processes.items():
                _, resident, shared, *_ = map(int, Path(f"/proc/{pid}/statm").read_text().split())
                self.read.setdefault(name, []).append((resident - shared) * os.sysconf("SC_PAGE_SIZE") / 2**20)


@dataclass(frozen=True)
class Run:
    """Seconds by the clock of the event loop; of the processor; without one, of the process that waited longest."""

    wall: float
    busy: float
    starved: float


def stage(folder: Path, engine: Engine, episodes: int, turns: int, watcher: Any = None) -> tuple[Stage, list[Any]]:
    env = Walk(tasks=64, max_steps=turns)
    jobs = plan(env.tasks, episodes=episodes, seed=1)
    account = Account(job.id for job in jobs)
    return Stage(env, policy(engine), env.protocol("react"), Store(folder), account, watcher=watcher), jobs


def in_one_process(
    loop: asyncio.AbstractEventLoop, slots: int, turns: int, rounds: int = 1, watcher: Any = None
) -> Run:
    with TemporaryDirectory() as folder:
        made, jobs = stage(Path(folder), Fleet(slots // PER_ENGINE), slots * rounds, turns, watcher)
        begun, use = loop.time(), Use([os.getpid()])
        loop.run_until_complete(play(made, jobs, slots=slots))
        run = Run(loop.time() - begun, *use.since())
        loop.close()
        made.account.check()
        made.store.close()
        return run


def on_ray(slots: int, turns: int, workers: int, rounds: int = 1, meter: Meter | None = None) -> Run:
    engines = slots // PER_ENGINE
    actors = min(2, engines)
    with TemporaryDirectory() as folder:
        made, jobs = stage(Path(folder), Fleet(1), slots * rounds, turns, meter)
        fleet = functools.partial(Fleet, engines // actors)
        rollouts = RayRollouts(made, fleet, policy, workers=workers, engines=actors)

        async def run() -> Run:
            try:
                await rollouts.play([])
                processes = {"driver": os.getpid(), **rollouts.processes}
                if meter is not None:
                    meter.processes = processes
                begun, use = time.perf_counter(), Use(list(processes.values()))
                await rollouts.play(jobs, slots=slots)
                return Run(time.perf_counter() - begun, *use.since())
            finally:
                await rollouts.close()
                made.store.close()

        measured = asyncio.run(run())
        assert made.account.scored == len(jobs), made.account
        return measured


class Use:
    """What processes use of the processor from now on, as Linux counts it."""

    def __init__(self, pids: list[int]) -> None:
        self.begun = {pid: self._read(pid) for pid in pids}

    def since(self) -> tuple[float, float]:
        """Seconds of all on a processor, and of the one that waited longest, without."""
        spent = [[now - then for now, then in zip(self._read(pid), self.begun[pid], strict=True)] for pid in self.begun]
        return sum(busy for busy, _ in spent), max(waited for _, waited in spent)

    @staticmethod
    def _read(pid: int) -> tuple[float, float]:
        threads = [file.read_text().split() for file in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return sum(int(busy) for busy, *_ in threads) / 1e9, sum(int(waited) for _, waited, _ in threads) / 1e9


Curve = list[tuple[int, float]]
"""Episodes at once, and orchestration's share."""


def picture(curves: dict[str, Curve], file: Path) -> None:
    """Draw curves as SVG."""
    wide, high, edge = 640, 360, 56
    sizes = sorted({episodes for curve in curves.values() for episodes, _ in curve})
    top = max(0.1, *(share for curve in curves.values() for _, share in curve)) * 1.1

    def x(episodes: int) -> float:
        return edge + sizes.index(episodes) * (wide - 2 * edge) / max(1, len(sizes) - 1)

    def y(share: float) -> float:
        return high - edge - max(0.0, share) / top * (high - 2 * edge)

    def text(at: tuple[float, float], what: str, more: str = "") -> str:
        return f'<text x="{at[0]:.0f}" y="{at[1]:.0f}" {more}>{what}</text>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif" font-size="12">',
        f'<rect width="{wide}" height="{high}" fill="white"/>',
        text((edge, 24), "Orchestration's share of the time", 'font-size="15"'),
        text((wide / 2, high - 12), f"episodes at once, {PER_ENGINE} an engine", 'text-anchor="middle"'),
    ]
    parts += [text((x(size), high - edge + 18), f"{size:,}", 'text-anchor="middle"') for size in sizes]
    for line in range(5):
        share = top * line / 4
        parts.append(f'<path d="M{edge} {y(share):.1f}H{wide - edge}" stroke="#ddd"/>')
        parts.append(text((edge - 6, y(share) + 4), f"{share:.0%}", 'text-anchor="end"'))
    parts.append(f'<path d="M{edge} {y(0.05):.1f}H{wide - edge}" stroke="#b00" stroke-dasharray="4"/>')
    parts.append(text((wide - edge + 4, y(0.05) + 4), "5%", 'fill="#b00"'))
    for (name, curve), colour in zip(curves.items(), ("#1565c0", "#2e7d32", "#6a1b9a"), strict=False):
        points = " ".join(f"{x(episodes):.1f},{y(share):.1f}" for episodes, share in curve)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(text((x(curve[-1][0]) - 4, y(curve[-1][1]) - 8), name, f'fill="{colour}" text-anchor="end"'))
    file.write_text("\n".join([*parts, "</svg>\n"]), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--most", type=int, default=1024, help="episodes at once at the end of the curve")
    parser.add_argument("--turns", type=int, default=6, help="of an episode")
    parser.add_argument("--workers", type=int, default=2, help="Ray's; 0 leaves Ray out")
    parser.add_argument("--plot", type=Path, help="draw the curve into this SVG file")
    options = parser.parse_args()
    os.chdir(ROOT)  # where Ray's processes look for `tests`
    sizes = [size for size in (16, 64, 256, 1024) if size <= options.most]
    curves: dict[str, Curve] = {}
    print("episodes engines  where          ideal s   real s   share  starved   cpus  cpu ms/turn  turns/s")
    for slots in sizes:
        ideal = in_one_process(JumpingLoop(), slots, options.turns)
        runs = {"one process": in_one_process(asyncio.new_event_loop(), slots, options.turns)}
        if options.workers:
            runs["Ray"] = on_ray(slots, options.turns, options.workers)
        for where, run in runs.items():
            turns, share = slots * options.turns, 1 - ideal.wall / run.wall
            curves.setdefault(where, []).append((slots, share))
            print(
                f"{slots:8,} {slots // PER_ENGINE:7}  {where:12} {ideal.wall:9.2f} {run.wall:8.2f} {share:7.1%} "
                f"{run.starved / run.wall:8.1%} {run.busy / ideal.wall:6.2f} {1e3 * run.busy / turns:12.2f} "
                f"{turns / run.wall:8.0f}",
                flush=True,
            )
    slots = sizes[-1]
    meters = [Meter(slots, 2 * slots, 4 * slots) for _ in range(2)]
    ideal = in_one_process(JumpingLoop(), slots, options.turns, 4, meters[0])
    if options.workers:
        run = on_ray(slots, options.turns, options.workers, 4, meters[1])
        print(f"{4 * slots:,} episodes, {slots:,} at once, on Ray: share {1 - ideal.wall / run.wall:.1%}")
    print(f"MiB after {slots:,}, {2 * slots:,} and {4 * slots:,} episodes")
    for name, read in [*meters[0].read.items(), *meters[1].read.items()]:
        print(f"  {name:12}", *(f"{size:8.1f}" for size in read))
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} threads")
    if options.plot:
        picture(curves, options.plot)


if __name__ == "__main__":
    main()
