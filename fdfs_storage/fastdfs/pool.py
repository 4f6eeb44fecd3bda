"""Connections to one server: shared by threads, owned by a process, kept for the next exchange."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .connection import Connection, Deadline
from .errors import PoolTimeoutError, ProtocolError
from .protocol import Address


@dataclass
class _Shelf:
    """What one process owns: nothing of it, not even the lock, crosses a fork."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    idle: deque[tuple[float, Connection]] = field(default_factory=deque)
    busy: int = 0


class Pool:
    """At most `size` connections to one server in this process.

    The one used last is taken first, so a pool shrinks to what the load needs: connections that
    stood idle for `idle_seconds` are closed. A connection that is readable while idle is dead.
    """

    def __init__(self, address: Address, *, size: int, connect_timeout: float, idle_seconds: float) -> None:
        self.address = address
        self._size = size
        self._connect_timeout = connect_timeout
        self._idle_seconds = idle_seconds
        self._shelves: dict[int, _Shelf] = {}

    def __repr__(self) -> str:
        shelf = self._shelf()
        return f"<Pool {self.address} {shelf.busy} busy, {len(shelf.idle)} idle of {self._size}>"

    @contextmanager
    def connection(self, deadline: Deadline, *, fresh: bool = False) -> Iterator[Connection]:
        """Lend a connection for the exchanges of one block; `fresh`: not one that stood idle.

        It comes back only if every exchange ended well; else it is closed. Raises ConnectError, or
        PoolTimeoutError when all stayed busy.
        """
        shelf = self._shelf()
        connection = self._take(shelf, deadline, fresh=fresh)
        try:
            yield connection
        except ProtocolError:
            connection.close()
            raise
        finally:
            self._give_back(shelf, connection)

    def close(self) -> None:
        """Close what is idle now, and what is busy when it comes back; a later use starts anew."""
        self._let_go(self._shelves.pop(os.getpid(), _Shelf()))

    def _shelf(self) -> _Shelf:
        """Return this process's shelf; a child lets go of its parent's, silently.

        Letting go closes the child's copies of the descriptors and nothing more: the parent's
        connections go on. Keyed by pid, it also holds under a bare C fork (uWSGI's default), which
        runs no hook of Python's.
        """
        pid = os.getpid()
        shelf = self._shelves.get(pid)
        if shelf is None:
            inherited = [theirs for owner, theirs in self._shelves.items() if owner != pid]
            shelf = self._shelves.setdefault(pid, _Shelf())
            self._shelves = {pid: shelf}
            for theirs in inherited:
                self._let_go(theirs)
        return shelf

    @staticmethod
    def _let_go(shelf: _Shelf) -> None:
        """Close a shelf's idle connections; no lock, since a parent's may be held for ever."""
        while shelf.idle:
            shelf.idle.pop()[1].close()

    def _take(self, shelf: _Shelf, deadline: Deadline, *, fresh: bool) -> Connection:
        self._reserve(shelf, deadline)
        try:
            connection = None if fresh else self._next_idle(shelf)
            while connection is not None and connection.stale:
                connection.close()
                connection = self._next_idle(shelf)
            return connection or Connection.open(self.address, min(self._connect_timeout, deadline.left()))
        except BaseException:
            self._release(shelf)
            raise

    def _reserve(self, shelf: _Shelf, deadline: Deadline) -> None:
        """Mark one place busy under the lock; connecting and closing happen outside it."""
        with shelf.changed:
            while shelf.busy >= self._size:
                left = deadline.remaining()
                if left <= 0 or not shelf.changed.wait(left):
                    raise PoolTimeoutError(
                        f"all {self._size} connections to {self.address} stayed busy; "
                        "raise pool_size, or look for what holds them"
                    )
            shelf.busy += 1

    def _next_idle(self, shelf: _Shelf) -> Connection | None:
        """Take the connection used last; close those that stood idle for too long."""
        oldest = time.monotonic() - self._idle_seconds
        with shelf.changed:
            worn = [shelf.idle.popleft()[1] for since, _ in tuple(shelf.idle) if since < oldest]
            connection = shelf.idle.pop()[1] if shelf.idle else None
        for old in worn:
            old.close()
        return connection

    def _give_back(self, shelf: _Shelf, connection: Connection) -> None:
        keep = connection.settled and self._shelves.get(os.getpid()) is shelf
        if not keep:
            connection.close()
        self._release(shelf, connection if keep else None)

    @staticmethod
    def _release(shelf: _Shelf, connection: Connection | None = None) -> None:
        with shelf.changed:
            shelf.busy -= 1
            if connection is not None:
                shelf.idle.append((time.monotonic(), connection))
            shelf.changed.notify()
