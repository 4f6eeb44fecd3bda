"""Connections to one server: shared by threads, owned by a process, kept for the next exchange."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from types import TracebackType

from .connection import Connection, Deadline
from .errors import PoolTimeoutError, ProtocolError
from .protocol import Address


class _Place:
    """The right to one connection: asked for, then held; made anew for each loan."""

    __slots__ = ("held",)

    held: threading.Event
    """Made only for a place that has to be waited for."""


class _Shelf:
    """What one process owns: nothing of it, not even the lock, crosses a fork.

    Who holds a place is a set and not a count, so that giving it back twice, as after a signal at an
    odd moment, does no harm.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._waiting: deque[_Place] = deque()
        self.busy: set[_Place] = set()
        self.idle: deque[tuple[float, Connection]] = deque()

    def reserve(self, place: _Place, deadline: Deadline) -> bool:
        """Wait for a place, first come, first served; say whether there was one in time."""
        with self._lock:
            if not self._waiting and len(self.busy) < self._size:
                self.busy.add(place)
                return True
        place.held = held = threading.Event()
        with self._lock:
            self._waiting.append(place)
            self._hand_out()
        if held.wait(max(0.0, deadline.remaining())):
            return True
        with self._lock:
            if place in self._waiting:
                self._waiting.remove(place)
            return held.is_set()  # handed over while the time ran out

    def release(self, place: _Place, connection: Connection | None) -> None:
        """Give a place back, with the connection if that is fit for another exchange."""
        self.busy.discard(place)
        with self._lock:
            if connection is not None:
                self.idle.append((time.monotonic(), connection))
            if self._waiting:
                if place in self._waiting:
                    self._waiting.remove(place)
                self._hand_out()

    def take_idle(self, oldest: float) -> Connection | None:
        """Return the connection used last; close those that stood idle since before `oldest`.

        Without the lock: each step on the deque is whole, and a thread that looks at the first but gets
        the second closes one too many, no more.
        """
        try:
            while self.idle[0][0] < oldest:
                self.idle.popleft()[1].close()
            return self.idle.pop()[1]
        except IndexError:  # empty
            return None

    def _hand_out(self) -> None:
        while self._waiting and len(self.busy) < self._size:
            place = self._waiting.popleft()
            self.busy.add(place)
            place.held.set()

    def let_go(self) -> None:
        """Close what is idle, without the lock: a parent's may be held for ever."""
        while True:
            try:
                _, connection = self.idle.pop()
            except IndexError:
                return
            connection.close()


class Loan:
    """A connection lent for a `with` block; its place returns whatever a signal handler raises, and where."""

    __slots__ = ("_connection", "_deadline", "_fresh", "_place", "_pool", "_shelf")

    _connection: Connection

    def __init__(self, pool: Pool, shelf: _Shelf, deadline: Deadline, fresh: bool) -> None:
        self._pool = pool
        self._shelf = shelf
        self._deadline = deadline
        self._fresh = fresh
        self._place = _Place()

    def __enter__(self) -> Connection:
        try:
            self._connection = connection = self._take()
        except BaseException:
            self._shelf.release(self._place, None)
            raise
        return connection

    def __del__(self) -> None:
        # For a signal that struck inside __exit__. No lock here: its holder may be what is being collected.
        self._shelf.busy.discard(self._place)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        connection = self._connection
        if connection.settled and not isinstance(error, ProtocolError) and self._pool.owns(self._shelf):
            self._shelf.release(self._place, connection)
        else:
            self._shelf.release(self._place, None)
            connection.close()

    def _take(self) -> Connection:
        pool, shelf = self._pool, self._shelf
        if not shelf.reserve(self._place, self._deadline):
            raise PoolTimeoutError(
                f"all {pool.size} connections to {pool.address} stayed busy; "
                "raise pool_size, or look for what holds them"
            )
        if self._fresh:  # the one before was dead, so its neighbours are, too
            shelf.let_go()
        oldest = time.monotonic() - pool.idle_seconds
        while connection := shelf.take_idle(oldest):
            if not connection.stale:
                return connection
            connection.close()
        return Connection.open(pool.address, min(pool.connect_timeout, self._deadline.left()))


class Pool:
    """At most `size` connections to one server in this process.

    The one used last is taken first, so a pool shrinks to what the load needs: connections that
    stood idle for `idle_seconds` are closed. A connection that is readable while idle is dead.
    """

    def __init__(self, address: Address, *, size: int, connect_timeout: float, idle_seconds: float) -> None:
        self.address = address
        self.size = size
        self.connect_timeout = connect_timeout
        self.idle_seconds = idle_seconds
        self._shelves: dict[int, _Shelf] = {}

    def __repr__(self) -> str:
        shelf = self._shelf()
        return f"<Pool {self.address} {len(shelf.busy)} busy, {len(shelf.idle)} idle of {self.size}>"

    def connection(self, deadline: Deadline, *, fresh: bool = False) -> Loan:
        """Lend a connection for the exchanges of one `with` block; `fresh`: not one that stood idle.

        It comes back only if every exchange ended well; else it is closed. Entering raises
        ConnectError, or PoolTimeoutError when all stayed busy.
        """
        return Loan(self, self._shelf(), deadline, fresh)

    def close(self) -> None:
        """Close what is idle now, and what is busy when it comes back; a later use starts anew."""
        shelf = self._shelves.pop(os.getpid(), None)
        if shelf is not None:
            shelf.let_go()

    def owns(self, shelf: _Shelf) -> bool:
        """Say whether a shelf is still this process's: not after a fork, nor after `close`."""
        return self._shelves.get(os.getpid()) is shelf

    def _shelf(self) -> _Shelf:
        """Return this process's shelf; a child lets go of its parent's, silently.

        Letting go closes the child's copies of the descriptors and nothing more: the parent's
        connections go on. Keyed by pid, it also holds under a bare C fork (uWSGI's default), which
        runs no hook of Python's.
        """
        pid = os.getpid()
        shelf = self._shelves.get(pid)
        if shelf is None:
            inherited = [theirs for owner, theirs in list(self._shelves.items()) if owner != pid]
            shelf = self._shelves.setdefault(pid, _Shelf(self.size))
            self._shelves = {pid: shelf}
            for theirs in inherited:
                theirs.let_go()
        return shelf
