"""A port and those who come to it; what is common to tracker, storage and HTTP server."""

from __future__ import annotations

import abc
import asyncio
import errno
import logging
import socket
import struct
import time

from .dispatch import Load
from .sockets import Connection, LoopThread

logger = logging.getLogger("fdfs_storage.devserver")

_BACKLOG = 512
_ACCEPT_PAUSE_SECONDS = 0.1
_RESET = struct.pack("ii", 1, 0)  # close at once, and tell the peer so with a RST


class PortError(OSError):
    """A server cannot have its port; `server` is one of "tracker", "storage", "HTTP server"."""

    server: str
    port: int


class Server(abc.ABC):
    """Listens on one address from `start()` to `stop()`; can be started again, on the same port."""

    def __init__(self, what: str, loop: LoopThread, host: str, port: int, timeout: float) -> None:
        self.host = host
        self.port = port
        self.connections = 0
        """How many connections were accepted so far."""
        self.peak = 0
        self.up_time = 0
        """When it was started last, in unix seconds."""
        self._what = what
        self._loop = loop
        self._timeout = timeout
        self._listener = socket.socket()
        self._listener.close()
        self._present: dict[asyncio.Task[None], Connection] = {}

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def current(self) -> int:
        """How many connections are open."""
        return len(self._present)

    @property
    def load(self) -> Load:
        return Load(self.current, self.peak)

    @property
    def listening(self) -> bool:
        return self._listener.fileno() >= 0

    def start(self) -> None:
        """Take the port; whoever connects when this has returned is served."""
        if not self._loop.running:
            raise RuntimeError("the cluster is stopped; start that")
        if not self.listening:
            self._bind()
            self.up_time = int(time.time())
            self._loop.call(self._open())

    def stop(self) -> None:
        """Close the port and every connection; nothing of it is left when this has returned."""
        if self.listening:
            self._loop.call(self._close())

    def abandon(self) -> None:
        """Close a forked child's copies of all descriptors."""
        for connection in self._present.values():
            connection.close()
        self._listener.close()

    @abc.abstractmethod
    async def serve(self, connection: Connection) -> None:
        """Talk to one client until it or the server has enough; EOFError and OSError end it as well."""

    def refuses(self) -> bool:
        """Say whether the connection that was accepted just now is to be reset."""
        return False

    def _bind(self) -> None:
        try:
            self._listener = socket.create_server((self.host, self.port), backlog=_BACKLOG)
        except OSError as error:
            raise self._port_error(error) from error
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]

    def _port_error(self, error: OSError) -> PortError:
        reason = "another program has the port" if error.errno == errno.EADDRINUSE else error.strerror
        refused = PortError(error.errno, f"the {self._what} cannot listen on {self.address}: {reason}")
        refused.server, refused.port = self._what, self.port
        return refused

    async def _open(self) -> None:
        # A callback and not a task: one that is cancelled could lose a client it had just accepted.
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    async def _close(self) -> None:
        loop, tasks = asyncio.get_running_loop(), list(self._present)
        loop.remove_reader(self._listener)
        self._listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self) -> None:
        try:
            sock, (host, port) = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # the client has gone
            return
        except OSError as error:  # too many open files, say: there is no point in trying again at once
            logger.warning("the %s cannot accept a connection: %s", self._what, error)
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._listener)
            loop.call_later(_ACCEPT_PAUSE_SECONDS, self._resume)
            return
        if self.refuses():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            sock.close()
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._greet(Connection(sock, f"{host}:{port}", self._timeout))

    def _resume(self) -> None:
        if self.listening:
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _greet(self, connection: Connection) -> None:
        connection.task = task = asyncio.create_task(self._attend(connection))
        self._present[task] = connection
        self.connections += 1
        self.peak = max(self.peak, self.current)
        # A task that is cancelled before it ran has no `finally` to do this.
        task.add_done_callback(lambda task: self._present.pop(task).close())

    async def _attend(self, connection: Connection) -> None:
        try:
            await self.serve(connection)
        except (EOFError, OSError):
            pass
        except Exception:
            logger.exception("the %s failed a client", self._what)
