"""Watch: sees how the statements of a connection end, for the uploads whose rows they may write."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Protocol

from django.db import DataError, IntegrityError, ProgrammingError
from django.db.backends.base.base import BaseDatabaseWrapper

# The database has answered, and the answer is no: the row is not there.
_REFUSALS = (DataError, IntegrityError, ProgrammingError)
_FEW = 16


class Watcher(Protocol):
    """What wants to know of a connection's statements."""

    over: bool

    def lost_sight(self, connection: BaseDatabaseWrapper) -> None:
        """A statement that may have written something ended nobody knows how."""

    def undone(self, connection: BaseDatabaseWrapper) -> None:
        """What was written since some savepoint was rolled back."""


def watch(connection: BaseDatabaseWrapper, watcher: Watcher) -> None:
    """Tell the watcher of the connection's statements for as long as it lives."""
    for wrapper in connection.execute_wrappers:
        if isinstance(wrapper, _Watch):
            wrapper.add(watcher)
            return
    made = _Watch()
    made.add(watcher)
    # First in the list: execute_wrapper() takes its own away from the end.
    connection.execute_wrappers.insert(0, made)


class _Watch:
    """One for a connection, however many look on: Django calls wrappers within one another."""

    def __init__(self) -> None:
        self._watchers: weakref.WeakSet[Watcher] = weakref.WeakSet()
        self._tidy_at = _FEW

    def add(self, watcher: Watcher) -> None:
        if len(self._watchers) >= self._tidy_at:
            self._watchers = weakref.WeakSet(each for each in self._watchers if not each.over)
            self._tidy_at = 2 * len(self._watchers) + _FEW
        self._watchers.add(watcher)

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        connection = context["connection"]
        if not self._watchers:
            connection.execute_wrappers.remove(self)
            return execute(sql, params, many, context)
        try:
            result = execute(sql, params, many, context)
        except _REFUSALS:
            raise
        except BaseException:
            if not _begins(sql, "SELECT"):
                for watcher in list(self._watchers):
                    watcher.lost_sight(connection)
            raise
        if _begins(sql, "ROLLBACK"):  # to a savepoint: of one made by hand, nobody else tells
            for watcher in list(self._watchers):
                watcher.undone(connection)
        return result


def _begins(sql: Any, word: str) -> bool:
    return isinstance(sql, str) and sql[: len(word)].upper() == word
