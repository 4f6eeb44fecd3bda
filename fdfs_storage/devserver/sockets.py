"""An event loop in a thread of its own, and the connections on it.

The loop's `sock_…` calls read what is asked for and nothing ahead, as FastDFS does: a fault can strike at
a given byte, and what a server has not read is still the kernel's.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from .replies import Content

PIECE_BYTES = 262144
_SMALL_BYTES = 65536
Result = TypeVar("Result")


class LoopThread:
    """An event loop in a daemon thread, until `stop()`."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        return not self._loop.is_closed()

    def call(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine on the loop and wait for its result, from another thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        """End the loop and join its thread; its tasks must have ended."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Connection:
    """One accepted socket, served by one task.

    Each wait for the peer has a time limit, except where the peer may rest; the limit that runs out
    cancels the task. Where the peer has closed, or nothing more may be sent, EOFError is raised.
    """

    def __init__(self, sock: socket.socket, peer: str, timeout: float) -> None:
        self.peer = peer
        self.task: asyncio.Task[None] | None = None
        self._sock = sock
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ahead = b""
        self._allowance: int | None = None

    @property
    def host(self) -> str:
        """The peer's address."""
        return self.peer.rpartition(":")[0]

    # --- reading ---

    async def read_some(self, limit: int, *, rest: bool = False) -> bytes:
        """Return 1 to `limit` bytes; with `rest` the peer may take its time."""
        self._limit_time(None if rest else self._timeout)
        piece = await self._loop.sock_recv(self._sock, limit)
        if not piece:
            raise EOFError
        return piece

    async def read(self, count: int) -> bytes:
        """Return exactly `count` bytes."""
        pieces = []
        while count:
            piece = await self.read_some(min(count, PIECE_BYTES))
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    async def skip(self, count: int) -> None:
        """Read `count` bytes and forget them."""
        while count > 0:
            count -= len(await self.read_some(min(count, PIECE_BYTES)))
            await asyncio.sleep(0)  # a fast peer must not starve the others

    async def read_until(self, end: bytes, limit: int) -> bytes:
        """Return what comes up to and with `end`, all of it within the time of one wait.

        Raises ValueError where it is more than `limit` bytes.
        """
        head, self._ahead = self._ahead, b""
        self._limit_time(self._timeout)
        while end not in head:
            if len(head) > limit:
                raise ValueError(f"more than {limit} bytes")
            piece = await self._loop.sock_recv(self._sock, limit)
            if not piece:
                raise EOFError
            head += piece
        found, _, self._ahead = head.partition(end)
        return found + end

    # --- writing ---

    async def pause(self, seconds: float) -> None:
        """Let the peer wait."""
        self._limit_time(None)
        await asyncio.sleep(seconds)

    def allow(self, count: int) -> None:
        """Let only so many more bytes be sent; the last of them ends the connection."""
        self._allowance = count

    async def send(self, data: bytes) -> None:
        rest = memoryview(data)[: self._allowance]
        while rest:
            self._limit_time(self._timeout)
            await self._loop.sock_sendall(self._sock, rest[:PIECE_BYTES])
            rest = rest[PIECE_BYTES:]
        if self._allowance is not None:
            self._allowance -= len(data)
            if self._allowance <= 0:
                raise EOFError

    async def send_content(self, head: bytes, content: Content) -> None:
        """Send a head, and part of a file behind it; small ones leave in one packet."""
        if not 0 < content.count <= _SMALL_BYTES:
            await self.send(head)
            head = b""
        while left := content.count - content.sent:
            piece = content.read(content.sent, min(left, PIECE_BYTES))
            if not piece:  # the file shrank: the length that was announced cannot be kept
                raise EOFError
            await self.send(head + piece)
            content.sent += len(piece)
            head = b""
            await asyncio.sleep(0)

    # --- its end ---

    async def linger(self, limit: int) -> None:
        """Read on a little, so that bytes left unread do not make the kernel take back the last answer."""
        self._sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(EOFError):
            await self.skip(limit)

    def close(self) -> None:
        """Give the descriptor back; in a forked child, the child's copy of it."""
        if self._timer:
            self._timer.cancel()
        self._sock.close()

    def _limit_time(self, seconds: float | None) -> None:
        """Move the deadline; the one timer looks at it when it fires, which is cheaper than to move that."""
        self._deadline = None if seconds is None else self._loop.time() + seconds
        if self._deadline and not self._timer:
            self._timer = self._loop.call_at(self._deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        if self._deadline is None or self.task is None:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._expire)
        else:
            self.task.cancel()
