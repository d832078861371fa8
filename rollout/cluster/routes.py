"""Which engine serves which episode: the least loaded at first, and then the same, which holds its prefix."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

Place = TypeVar("Place", bound=Hashable)


class Routes(Generic[Place]):
    """Places and the episodes at each."""

    def __init__(self) -> None:
        self._at: dict[Place, set[str]] = {}
        self._homeless: set[str] = set()
        self._of: dict[str, Place] = {}

    def __len__(self) -> int:
        """How many places there are."""
        return len(self._at)

    def load(self, place: Place) -> int:
        """Episodes at a place."""
        return len(self._at[place])

    def add(self, place: Place) -> dict[str, Place]:
        """A further place. Returns where the episodes go that had none."""
        self._at[place] = set()
        waiting, self._homeless = sorted(self._homeless), set()
        return {episode: self.assign(episode) for episode in waiting}

    def drop(self, place: Place) -> dict[str, Place]:
        """A place is gone. Returns where its episodes go; without a place left they wait for the next."""
        moved = sorted(self._at.pop(place, ()))
        for episode in moved:
            del self._of[episode]
        if not self._at:
            self._homeless.update(moved)
            return {}
        return {episode: self.assign(episode) for episode in moved}

    def assign(self, episode: str, near: Collection[Place] = ()) -> Place:
        """The place of an episode; if it has none the least loaded, of those that are `near` where one of them is here.
        Among equals the first added.

        Raises:
            LookupError: if there is no place.
        """
        if episode not in self._of:
            if not self._at:
                raise LookupError("there is no place")
            place = min([place for place in self._at if place in near] or self._at, key=self.load)
            self._at[place].add(episode)
            self._of[episode] = place
        return self._of[episode]

    def release(self, episode: str) -> None:
        """An episode is over."""
        self._homeless.discard(episode)
        place = self._of.pop(episode, None)
        if place is not None:
            self._at[place].discard(episode)
