"""Connections to one server: shared by threads, owned by a process, kept for the next exchange."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from .connection import Connection
from .deadline import Deadline
from .errors import PoolTimeoutError, ProtocolError
from .protocol import Address

T = TypeVar("T")

# A waiter looks this often whether a place became free without a word: by a signal at an odd moment.
_LOOK_SECONDS = 1.0


class _Place:
    """The right to open a connection."""


class _Turn:
    """Somebody who waits: for a connection, or for the right to open one."""

    def __init__(self) -> None:
        self.given: Connection | _Place | None = None
        self.came = threading.Lock()
        """Released when something is given. An Event takes steps between which a signal can do harm."""
        self.came.acquire()


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
        shelf = self.shelf()
        return f"<Pool {self.address} {shelf.busy} busy, {len(shelf.idle)} idle of {self.size}>"

    def run(
        self, operation: Callable[[Connection, Deadline], T], deadline: Deadline, *, fresh: bool = False
    ) -> T:
        """Run an operation on a connection; `fresh`: not on one that stood idle until now.

        The connection is kept only if every exchange ended well and none was a ProtocolError; else it is
        closed. Raises ConnectError, PoolTimeoutError when all stayed busy, and what the operation raises.
        """
        shelf = self.shelf()
        connection = shelf.take(self, deadline, fresh)
        try:
            return operation(connection, deadline)
        except ProtocolError:
            connection.close()
            raise
        finally:
            shelf.give_back(connection)

    def close(self) -> None:
        """Close what is idle now, and what is busy when it comes back; a later use starts anew."""
        shelf = self._shelves.pop(os.getpid(), None)
        if shelf is not None:
            shelf.close()

    def shelf(self) -> _Shelf:
        """Return this process's shelf; a child lets go of its parent's, silently.

        Letting go closes the child's copies of the descriptors and nothing more: the parent's
        connections go on. Keyed by pid, it also holds under a bare C fork (uWSGI's default), which
        runs no hook of Python's.
        """
        pid = os.getpid()
        shelf = self._shelves.get(pid)
        if shelf is None:
            for owner in [owner for owner in list(self._shelves) if owner != pid]:
                with contextlib.suppress(KeyError):  # another thread was first
                    self._shelves.pop(owner).close()
            shelf = self._shelves.setdefault(pid, _Shelf(pid, self.size))
        return shelf


class _Shelf:
    """What one process owns: nothing of it, not even the lock, is used across a fork.

    Whoever is alive has a place: a connection, or the right to open one. So none is lost for good,
    whatever a signal handler raises and where: what that drops dies, with the traceback at the latest,
    and its place is free. Taking a connection that is there and giving it back needs no lock, since each
    step on the deque is whole.
    """

    def __init__(self, pid: int, size: int) -> None:
        self._pid = pid
        self._size = size
        self._lock = threading.Lock()
        self._waiting: deque[_Turn] = deque()
        self._alive: weakref.WeakSet[Connection | _Place] = weakref.WeakSet()
        self._closed = False
        self.idle: deque[Connection] = deque()

    @property
    def busy(self) -> int:
        return len(self._alive) - len(self.idle)

    def take(self, pool: Pool, deadline: Deadline, fresh: bool = False) -> Connection:
        """Return a connection that is fit for an exchange: the one used last, or else a new one."""
        if fresh:  # the one before was dead, so its neighbours are, too
            self._let_go()
        if not self._waiting:  # first come, first served
            connection = self._used_last(time.monotonic() - pool.idle_seconds)
            if connection:
                return connection
        given = self._wait(deadline)
        if given is None:
            raise PoolTimeoutError(
                f"all {pool.size} connections to {pool.address} stayed busy; "
                "raise pool_size, or look for what holds them"
            )
        if isinstance(given, Connection) and not self._dead(given):
            return given
        return self._opened(pool, deadline, given)

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next exchange, or close it where its last one did not end well."""
        if connection.settled:
            connection.idle_since = time.monotonic()
            self.idle.append(connection)
        else:
            self._retire(connection)
        if self._waiting or self._closed:
            self._tend()

    def close(self) -> None:
        """Close what is idle now and what comes back, without the lock: a parent's may be held for ever."""
        self._closed = True
        self._tend()

    def _used_last(self, oldest: float) -> Connection | None:
        """Return the connection used last; close those that stood idle since before `oldest`, or died.

        A thread that looks at the first but gets the second closes one too many, no more.
        """
        idle, last = self.idle, None
        try:
            while idle[0].idle_since < oldest:
                self._retire(idle.popleft())
            while True:
                last = idle.pop()
                if not last.stale:
                    return last
                self._retire(last)
        except IndexError:  # empty
            return None
        except BaseException:
            self._drop(last)
            raise

    def _dead(self, connection: Connection) -> bool:
        """Say whether a connection that was handed over is dead: then it is closed, and keeps its place."""
        try:
            dead = connection.stale
        except BaseException:
            self._drop(connection)
            raise
        if dead:
            connection.close()
        return dead

    def _drop(self, connection: Connection | None) -> None:
        """Free the place of what we held when gevent's kill, say, struck: the traceback keeps it alive."""
        if connection:
            self._retire(connection)
            self._tend()

    def _wait(self, deadline: Deadline) -> Connection | _Place | None:
        """Wait for a connection or a place, first come, first served; None where there was none in time."""
        turn = _Turn()
        try:
            with self._lock:
                self._waiting.append(turn)
                self._hand_out()
            while not turn.came.acquire(timeout=min(_LOOK_SECONDS, max(0.0, deadline.remaining()))):
                with self._lock:
                    self._hand_out()
                    if turn.given or deadline.remaining() <= 0:
                        self._leave(turn)
                        return turn.given
        except BaseException:
            self._forgo(turn)
            raise
        return turn.given

    def _leave(self, turn: _Turn) -> None:
        if turn in self._waiting:
            self._waiting.remove(turn)

    def _forgo(self, turn: _Turn) -> None:
        if self._pid == os.getpid():
            with self._lock:
                self._leave(turn)
        if isinstance(turn.given, Connection):
            self.give_back(turn.given)
        elif turn.given:
            self._alive.discard(turn.given)
            self._tend()

    def _opened(self, pool: Pool, deadline: Deadline, place: _Place | Connection) -> Connection:
        """Return a new connection, which takes over a place; a dead one may hold that until now."""
        try:
            connection = Connection.open(pool.address, min(pool.connect_timeout, deadline.left()))
        except BaseException:
            self._alive.discard(place)
            self._tend()
            raise
        self._alive.add(connection)
        self._alive.discard(place)
        self._tend()  # for a moment we held two
        return connection

    def _tend(self) -> None:
        """Serve those who wait; nobody does in a forked child, whose lock may be held for ever."""
        if self._closed:
            self._let_go()
        if self._waiting and self._pid == os.getpid():
            with self._lock:
                self._hand_out()

    def _hand_out(self) -> None:
        """Give what there is to those who wait; in this order, so that a waiter sees what it was given
        even where something strikes between two steps.
        """
        if self._pid != os.getpid():  # greenlets that waited go on in a forked child
            self.close()
        while self._waiting:
            turn = self._waiting[0]
            if not turn.given:
                try:
                    turn.given = self.idle.pop()
                except IndexError:
                    if len(self._alive) >= self._size:
                        return
                    self._alive.add(place := _Place())
                    turn.given = place
            self._waiting.popleft()
            turn.came.release()

    def _let_go(self) -> None:
        while True:
            try:
                connection = self.idle.pop()
            except IndexError:
                return
            self._retire(connection)

    def _retire(self, connection: Connection) -> None:
        connection.close()
        self._alive.discard(connection)
