"""The account of a run: planned = scored + failed by class + cancelled + owed. It is kept live and enforced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from envs import EnvError
from rollout.trajectory import Trajectory


class AccountError(EnvError):
    """An episode was planned and has no line in the store, or has one and was never planned."""


class Account:
    """Counts what became of each planned episode.

    Args:
        planned: ids of the episodes that the run owes.

    Attributes:
        failed: failed episodes by class of failure.
    """

    def __init__(self, planned: Iterable[str]) -> None:
        self._owed = set(planned)
        self.planned = len(self._owed)
        self.scored = 0
        self.cancelled = 0
        self.failed: Counter[str] = Counter()

    @classmethod
    def of(cls, trajectories: Iterable[Trajectory]) -> Account:
        """The account of episodes that are on disk."""
        booked = list(trajectories)
        account = cls(trajectory.id for trajectory in booked)
        for trajectory in booked:
            account.book(trajectory)
        return account

    @property
    def owed(self) -> int:
        """Episodes that are not on disk yet."""
        return len(self._owed)

    def expect(self, ids: Iterable[str]) -> None:
        """Plan further episodes."""
        more = set(ids)
        if known := more & self._owed:
            raise AccountError("an episode was planned that is owed already", where=min(known))
        self._owed |= more
        self.planned += len(more)

    def book(self, trajectory: Trajectory) -> None:
        """Count an episode that is on disk.

        Raises:
            AccountError: if it was not owed: never planned, or booked before.
        """
        if trajectory.id not in self._owed:
            raise AccountError("an episode was booked that is not owed", where=trajectory.id)
        self._owed.remove(trajectory.id)
        if trajectory.failure is not None:
            self.failed[trajectory.failure.kind] += 1
        elif trajectory.ending == "cancelled":
            self.cancelled += 1
        else:
            self.scored += 1

    def check(self) -> None:
        """Hold the run to its account.

        Raises:
            AccountError: if an episode is still owed, or the sum does not come out.
        """
        if self._owed:
            some = ", ".join(sorted(self._owed)[:3])
            raise AccountError(
                f"{self.owed} of {self.planned} planned episodes have no line in the store ({some}, ...)",
                remedy="Go on with --resume.",
            )
        if self.planned != self.scored + self.failed.total() + self.cancelled:
            raise AccountError(f"the account does not balance: {self}")

    def as_dict(self) -> dict[str, object]:
        """For a result file."""
        return {
            "planned": self.planned,
            "scored": self.scored,
            "failed": dict(sorted(self.failed.items())),
            "cancelled": self.cancelled,
            "owed": self.owed,
        }

    def __str__(self) -> str:
        classes = ", ".join(f"{kind} {count}" for kind, count in sorted(self.failed.items()))
        failed = f"{self.failed.total()} failed" + (f" ({classes})" if classes else "")
        parts = f"{self.scored} scored + {failed} + {self.cancelled} cancelled + {self.owed} owed"
        return f"{self.planned} planned = {parts}"
