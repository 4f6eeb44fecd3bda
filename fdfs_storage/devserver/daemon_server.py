"""Tracker and storage on their ports: requests in, replies out, faults on request."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Protocol

from fdfs_storage.fastdfs.protocol import HEADER_BYTES, Command, Header

from .faults import Answer, AnswerStatus, Delay, Drop, DropReply, Fault, Faults
from .replies import Reply, Request
from .server import Server, logger
from .sockets import PIECE_BYTES, Connection, LoopThread
from .transfers import Transfer

_REMEMBERED_REQUESTS = 10_000


class Daemon(Protocol):
    """What a server needs of a tracker or a storage."""

    def expects(self, header: Header) -> int | None: ...

    def begin(self, request: Request) -> Reply | Transfer: ...

    def closes_after(self, reply: Reply) -> bool: ...


class DaemonServer(Server):
    """Serves a daemon; remembers what was asked, and fails as it is told to."""

    def __init__(
        self, what: str, daemon: Daemon, loop: LoopThread, host: str, port: int, timeout: float
    ) -> None:
        super().__init__(what, loop, host, port, timeout)
        self._daemon = daemon
        self._requests: deque[int] = deque(maxlen=_REMEMBERED_REQUESTS)
        self._faults = Faults()

    @property
    def requests(self) -> list[int]:
        """The commands of the last 10,000 requests, oldest first."""
        return list(self._requests)

    # --- faults; each strikes one request ---

    def drop_next(self, after_bytes: int = 0) -> None:
        """Close the next request's connection when so many of its bytes, header included, have arrived.

        0 means at the first byte; more bytes than the request has, when it is complete. There is no reply.
        """
        self._faults.add(Drop(after_bytes))

    def drop_next_reply(self, after_bytes: int = 0, command: Command | None = None) -> None:
        """Carry the next request out, but close after so many bytes of the reply, header included."""
        self._faults.add(DropReply(after_bytes), command)

    def answer_next(self, raw: bytes, command: Command | None = None) -> None:
        """Read the next request, send these bytes instead of carrying it out, and close."""
        self._faults.add(Answer(raw), command)

    def answer_status_next(self, status: int, command: Command | None = None) -> None:
        """Read the next request, and refuse it with this status instead of carrying it out."""
        self._faults.add(AnswerStatus(status), command)

    def refuse_next(self) -> None:
        """Reset the next connection as soon as it is accepted."""
        self._faults.refuse()

    def delay_next(self, seconds: float, command: Command | None = None) -> None:
        """Let the next request wait before it is carried out."""
        self._faults.add(Delay(seconds), command)

    def forget_faults(self) -> None:
        """Let the requests to come go well: faults that have not struck are forgotten."""
        self._faults.clear()

    def refuses(self) -> bool:
        return self._faults.take_refusal()

    # --- conversation ---

    async def settle(self, connection: Connection) -> None:
        """Do what a request leaves to be done before its answer."""

    async def serve(self, connection: Connection) -> None:
        answered = False
        while True:
            # Who was answered once may rest as long as it likes; a silent newcomer may not (PROTOCOL 1.2).
            first = await connection.read_some(1, rest=answered)
            if drop := self._faults.take_drop():
                await _drop(connection, first, drop.after_bytes)
                return
            header = Header.unpack(first + await connection.read(HEADER_BYTES - 1))
            self._requests.append(header.command)
            expected = self._daemon.expects(header)
            if expected is None:
                return
            request = Request(header, await connection.read(expected), connection.host)
            if header.command == Command.QUIT or await self._answer(connection, request):
                return
            answered = True

    async def _answer(self, connection: Connection, request: Request) -> bool:
        """Answer one request; return whether that was the connection's last."""
        started = time.perf_counter()
        fault = self._faults.take(request.header.command)
        if isinstance(fault, Answer):
            await connection.skip(request.header.length - len(request.body))
            await connection.send(fault.raw)
            return True
        if isinstance(fault, Delay):
            await connection.pause(fault.seconds)
        reply = await self._reply(connection, request, fault)
        if isinstance(fault, DropReply):
            connection.allow(fault.after_bytes)
        await _send(connection, reply)
        _log(self._what, connection, request.header.command, reply, time.perf_counter() - started)
        return isinstance(fault, DropReply) or self._daemon.closes_after(reply)

    async def _reply(self, connection: Connection, request: Request, fault: Fault | None) -> Reply:
        if isinstance(fault, AnswerStatus):
            await connection.skip(request.header.length - len(request.body))
            return Reply(fault.status)
        reply = await _carry_out(connection, self._daemon, request)
        try:
            await self.settle(connection)
        except BaseException:
            reply.close()
            raise
        return reply


async def _drop(connection: Connection, first: bytes, after_bytes: int) -> None:
    if after_bytes > 1:
        head = first + await connection.read(min(after_bytes, HEADER_BYTES) - 1)
        if after_bytes > HEADER_BYTES:
            await connection.skip(min(after_bytes - HEADER_BYTES, Header.unpack(head).length))


async def _carry_out(connection: Connection, daemon: Daemon, request: Request) -> Reply:
    outcome = daemon.begin(request)
    if isinstance(outcome, Reply):
        return outcome
    try:
        while outcome.missing:
            outcome.write(await connection.read_some(min(outcome.missing, PIECE_BYTES)))
            await asyncio.sleep(0)  # others are waiting
        return outcome.finish()
    finally:
        outcome.discard()


async def _send(connection: Connection, reply: Reply) -> None:
    try:
        if reply.content:
            await connection.send_content(reply.head(), reply.content)
        else:
            await connection.send(reply.head())
    finally:
        reply.close()


def _log(what: str, connection: Connection, command: int, reply: Reply, seconds: float) -> None:
    size = reply.content.sent if reply.content else len(reply.body)
    facts = (what, connection.peer, _name(command), reply.status, size, seconds * 1000)
    logger.info("%s %s %s: status %d, %d bytes, %.1f ms", *facts)


def _name(command: int) -> str:
    try:
        return Command(command).name
    except ValueError:
        return f"command {command}"
