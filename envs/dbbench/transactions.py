"""Transactions of the MySQL layer: copies of the database to go back to."""

from __future__ import annotations

from collections.abc import Callable

from envs.dbbench.mysql.errors import MySQLError

MAX_BYTES = 64 * 1024 * 1024
"""Of all copies together."""


class Transactions:
    """The open transaction of an episode, if any, and its savepoints.

    Args:
        save: copies the database.
        restore: makes the database a copy that `save` made.
    """

    def __init__(self, save: Callable[[], bytes], restore: Callable[[bytes], None]) -> None:
        self._save, self._restore = save, restore
        self._autocommit = True
        self._read_only = False
        # The copy from before the transaction under "", then those of savepoints, in the order of their making.
        self._copies: dict[str, bytes] = {}

    def apply(self, action: str, name: str) -> None:
        """Does what a statement says (mysql.tree.Transaction). Raises MySQLError 1305 for an unknown savepoint."""
        action, _, chain = action.partition(" and ")
        if action == "savepoint":
            self._set_savepoint(name.lower())
        elif action in ("rollback to", "release"):
            self._end_savepoint(name, action == "rollback to")
        elif action == "autocommit off" or (action == "autocommit on" and self._autocommit):
            self._autocommit = action == "autocommit on"  # nothing is committed
        else:
            if action == "rollback" and "" in self._copies:
                self._restore(self._copies[""])
            self._copies.clear()
            self._read_only = action == "begin read only"
            self._autocommit |= action == "autocommit on"
            if action.startswith("begin") or chain:
                self._copies[""] = self._save()

    def before_change(self) -> None:
        """Opens a transaction where autocommit is off. Raises MySQLError 1792 in one that is read only."""
        if self._read_only:
            raise MySQLError(1792)
        if not self._autocommit and "" not in self._copies:
            self._copies[""] = self._save()

    def _set_savepoint(self, name: str) -> None:
        if self._autocommit and "" not in self._copies:
            return  # its transaction ends with the statement
        copy = self._save()
        self._copies.setdefault("", copy)
        self._copies.pop(name, None)
        if sum(map(len, self._copies.values())) + len(copy) > MAX_BYTES:
            raise MySQLError(1197)
        self._copies[name] = copy

    def _end_savepoint(self, name: str, rollback: bool) -> None:
        names = list(self._copies)
        if not name or name.lower() not in names:
            raise MySQLError(1305, "SAVEPOINT", name)
        if rollback:
            self._restore(self._copies[name.lower()])
        for later in names[names.index(name.lower()) + rollback :]:
            del self._copies[later]
