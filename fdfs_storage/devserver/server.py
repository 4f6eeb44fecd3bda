"""A port and those who come to it; what is common to tracker, storage and HTTP server."""

from __future__ import annotations

import abc
import asyncio
import logging
import os
import socket

from .sockets import Connection, LoopThread

logger = logging.getLogger("fdfs_storage.devserver")

_BACKLOG = 512
_ACCEPT_PAUSE_SECONDS = 0.1


class Server(abc.ABC):
    """Listens on one address from `start()` to `stop()`; can be started again, on the same port."""

    def __init__(self, what: str, loop: LoopThread, host: str, port: int, timeout: float) -> None:
        self.host = host
        self.port = port
        self.connections = 0
        """How many connections were accepted so far."""
        self.peak = 0
        self._what = what
        self._loop = loop
        self._timeout = timeout
        self._sock: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._present: dict[asyncio.Task[None], Connection] = {}

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def current(self) -> int:
        """How many connections are open."""
        return len(self._present)

    def start(self) -> None:
        """Take the port; whoever connects when this has returned is served."""
        if not self._sock:
            self._bind()
            self._loop.call(self._open())

    def stop(self) -> None:
        """Close the port and every connection; nothing of it is left when this has returned."""
        if self._sock:
            self._loop.call(self._close())

    def abandon(self) -> None:
        """Close a forked child's copies of all descriptors."""
        for connection in self._present.values():
            connection.close()
        if self._sock:
            self._sock.close()

    @abc.abstractmethod
    async def serve(self, connection: Connection) -> None:
        """Talk to one client until it or the server has enough; EOFError and OSError end it as well."""

    def _bind(self) -> None:
        try:
            self._sock = socket.create_server((self.host, self.port), backlog=_BACKLOG)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise OSError(
                error.errno, f"the {self._what} cannot listen on {self.address}: {reason}"
            ) from error
        self._sock.setblocking(False)
        self.port = self._sock.getsockname()[1]

    async def _open(self) -> None:
        self._accepting = asyncio.create_task(self._accept())

    async def _close(self) -> None:
        tasks = [*self._present, self._accepting]
        for task in filter(None, tasks):
            task.cancel()
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)
        if self._sock:
            self._sock.close()
            self._sock = None

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while self._sock:
            try:
                sock, (host, port) = await loop.sock_accept(self._sock)
            except OSError:  # too many open files, say; or the client has gone
                logger.exception("the %s cannot accept a connection", self._what)
                await asyncio.sleep(_ACCEPT_PAUSE_SECONDS)
            else:
                self._greet(sock, f"{host}:{port}")

    def _greet(self, sock: socket.socket, peer: str) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock, peer, self._timeout)
        connection.task = task = asyncio.create_task(self._attend(connection))
        self._present[task] = connection
        self.connections += 1
        self.peak = max(self.peak, len(self._present))
        # Also closes what was cancelled before it ran.
        task.add_done_callback(lambda task: self._present.pop(task).close())

    async def _attend(self, connection: Connection) -> None:
        try:
            await self.serve(connection)
        except (EOFError, OSError):
            pass
        except Exception:
            logger.exception("the %s failed a client", self._what)
