"""An actor as the driver sees it: asked with a deadline, and killed for certain."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from typing import Any

from rollout.cluster.errors import Died, Gone
from rollout.host import describe


@dataclass(eq=False, slots=True)
class Member:
    """One actor.

    Attributes:
        kind: `worker` or `engine`.
        number: of its place; its successor has the same.
        actor: Ray's handle.
        alone: whether it is kept for episodes that are played alone.
        pid: of its process, once it has started.
        node: Ray's id of its machine, once it has started.
        name: by which engines know a worker.
    """

    kind: str
    number: int
    actor: Any
    alone: bool = False
    pid: int = 0
    node: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"

    async def call(self, method: str, *args: Any, seconds: float) -> Any:
        """Call a method.

        Raises:
            Died: if the actor is dead.
            Gone: if it has not answered in so many seconds.
            Exception: what the method raised.
        """
        import ray

        try:
            async with asyncio.timeout(seconds):
                return await getattr(self.actor, method).remote(*args)
        except TimeoutError:
            raise Gone(f"{self} did not answer ({method}) for {seconds:g} s") from None
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            raise Died(f"{self} died: {describe(error)}") from None

    def end(self) -> None:
        """End a process that is well."""
        import ray

        with contextlib.suppress(Exception):
            ray.kill(self.actor)

    def kill(self) -> None:
        """End the process at once, also one that is stopped or does not listen to Ray."""
        import ray
        import ray.util.scheduling_strategies

        self.end()
        if not self.pid:
            return
        if self.node == ray.get_runtime_context().get_node_id():
            _kill(self.pid)
            return
        # On a machine that is down too, the task fails, and nobody misses it.
        there = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(self.node, soft=False)
        remote: Any = ray.remote
        remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(_kill).remote(self.pid)


def spawn(
    kind: str, number: int, actor_class: type, *, gpus: float = 0, alone: bool = False, attempt: int = 0
) -> Member:
    """A new actor; it has to be started. One with GPUs is where Ray finds them, others go to the machines in turn.

    Each attempt goes to another machine: Ray takes one that was just lost for alive for some seconds more. The first is
    bound to its machine, for else Ray puts all on one where it does not know yet what the others have room for; a
    later one goes elsewhere rather than nowhere.
    """
    import ray
    import ray.util.scheduling_strategies

    where: Any = "SPREAD"
    if not gpus:
        known: Any = ray.nodes  # has no types
        nodes = sorted(node["NodeID"] for node in known() if node["Alive"])
        where = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            nodes[(number + attempt) % len(nodes)], soft=attempt > 0
        )
    remote: Any = ray.remote  # its types do not know options of actors
    options = remote(num_cpus=0, num_gpus=gpus, scheduling_strategy=where)
    return Member(kind, number, options(actor_class).remote(), alone)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
