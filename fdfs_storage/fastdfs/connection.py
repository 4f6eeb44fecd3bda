"""One socket to one server: connect, send, read exactly, all within a deadline.

The only module that sees OSError: what leaves it is a NetworkError or a ProtocolError.
"""

from __future__ import annotations

import io
import select
import socket
import time
import weakref
from typing import NamedTuple

from .errors import ConnectError, ConnectionLostError, DeadlineExceededError, NetworkError, ProtocolError
from .protocol import HEADER_BYTES, Address, Command, Header

# The reply to an upload, a query or a small download arrives with its header in one recv.
_EARLY_BYTES = 16 * 1024
_SENDFILE_BYTES = 4 * 1024 * 1024
# Bodies of other replies than downloads: the longest legal one is a list of 512 groups.
MAX_REPLY_BYTES = 1024 * 1024
_FIRST_BODY_BYTES = 1024 * 1024
# A transfer of any length stays alive as long as this much moves within each network timeout.
_PROGRESS_BYTES = 16 * 1024
# Giving a socket its timeout is a system call: one that is off by no more than this is left as it is.
_TIMEOUT_TOLERANCE = 0.01


class Deadline:
    """The moment at which an operation gives up: made once, at the top, and handed down.

    Moving data renews it, so it bounds silence rather than the length of a transfer, while a peer
    that drips single bytes still runs into it.
    """

    __slots__ = ("_at", "_moved", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._moved = 0
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left; raise DeadlineExceededError when there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise DeadlineExceededError(f"no answer within {self._seconds:g} s")
        return left

    def remaining(self) -> float:
        """Return the seconds that are left, zero or less when there are none."""
        return self._at - time.monotonic()

    def renew(self) -> None:
        """Begin anew, when it was not the peer that was slow."""
        self._moved = 0
        self._at = time.monotonic() + self._seconds

    def moved(self, count: int) -> None:
        """Note that `count` bytes of a file went through."""
        self._moved += count
        if self._moved >= _PROGRESS_BYTES:
            self.renew()


def _connected(address: Address, timeout: float) -> socket.socket:
    """Try a host's addresses in turn, each for its share of the time that is left."""
    end = time.monotonic() + timeout
    found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    for index, (family, kind, protocol, _, where) in enumerate(found):
        share = max(0.001, end - time.monotonic()) / (len(found) - index)
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(share)
            sock.connect(where)
        except BaseException as error:
            sock.close()
            if index == len(found) - 1 or not isinstance(error, OSError):
                raise
        else:
            return sock
    raise OSError("the name has no address")


class Reply(NamedTuple):
    """A status and the whole body; the body of a refusal is empty."""

    status: int
    body: bytes


class Connection:
    """A connected socket; `settled` says that the peer waits for the next request.

    Only a settled connection may be used again: whoever starts an exchange unsettles it, and only a
    reply read to its end settles it, whatever exception flies in between.
    """

    def __init__(self, address: Address, sock: socket.socket) -> None:
        self.address = address
        self.settled = True
        self.exchanges = 0
        self._sock = sock
        self._timeout = 0.0
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        # Replies begin here; made once, since clearing it for each would cost more than the reply.
        self._buffer = memoryview(bytearray(_EARLY_BYTES))
        self._early = memoryview(b"")
        # A client that is dropped takes its idle connections along; that is no leak to warn about.
        self._dropped = weakref.finalize(self, sock.close)

    @classmethod
    def open(cls, address: Address, timeout: float) -> Connection:
        """Connect within `timeout` seconds, or raise ConnectError.

        A host name's addresses share the time; looking the name up is the resolver's own affair.
        """
        try:
            sock = _connected(address, timeout)
        except (OSError, UnicodeError) as error:  # UnicodeError: a host name that IDNA cannot encode
            raise ConnectError(f"cannot connect to {address}: {error}") from error
        # Header and body leave in one send; a body behind them must not wait for an acknowledgement.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(address, sock)

    def __repr__(self) -> str:
        state = "settled" if self.settled else "unsettled"
        return f"<Connection {self.address} {state}, {self.exchanges} exchanges>"

    @property
    def stale(self) -> bool:
        """Whether the idle peer has something to say: it closed, or it broke the protocol."""
        try:
            # The poll object knows a number, which may be another's socket once this one is closed.
            return self._sock.fileno() < 0 or bool(self._poll.poll(0))
        except OSError:
            return True

    def close(self) -> None:
        self.settled = False
        self._dropped()

    # --- sending ----------------------------------------------------------------------------

    def send(self, data: bytes | memoryview, deadline: Deadline) -> None:
        """Hand all of `data` to the kernel."""
        self.settled = False
        rest = data
        while rest:
            left = deadline.left()
            try:
                self._limit(left)
                sent = self._sock.send(rest)
            except OSError as error:
                raise self._translated(error) from error
            deadline.moved(sent)
            if sent == len(rest):
                break
            rest = memoryview(rest)[sent:]

    def send_file(
        self, file: io.BufferedIOBase | io.RawIOBase, offset: int, count: int, deadline: Deadline
    ) -> int:
        """Let the kernel copy from a file with a descriptor; return the bytes sent, fewer only at its end."""
        self.settled = False
        done = 0
        while done < count:
            left = deadline.left()
            try:
                self._limit(left)
                sent = self._sock.sendfile(file, offset + done, min(count - done, _SENDFILE_BYTES))
            except OSError as error:
                raise self._translated(error) from error
            deadline.moved(sent)
            if not sent:
                break
            done += sent
        return done

    # --- receiving --------------------------------------------------------------------------

    def receive_header(self, deadline: Deadline, body_bytes: int = 0) -> Header:
        """Read the header of the reply; what came along with it waits for `receive_into`.

        `body_bytes`: what is expected behind it. More than fits is left to the kernel for now, so that
        it goes straight to where it belongs.
        """
        self.settled = False
        view, have = self._buffer, len(self._early)
        view[:have] = self._early
        if body_bytes > _EARLY_BYTES - HEADER_BYTES:
            view = view[: max(have, HEADER_BYTES)]
        while have < HEADER_BYTES:
            try:
                have += self._receive(view[have:], deadline)
            except ConnectionLostError as error:
                error.unanswered = not have
                raise
        header = Header.unpack(bytes(view[:HEADER_BYTES]))
        if header.command != Command.RESPONSE or header.length < 0:
            raise ProtocolError(f"{self.address} sent {bytes(view[:HEADER_BYTES])!r} where a reply begins")
        self._early = view[HEADER_BYTES:have]
        return header

    def receive_into(self, view: memoryview, deadline: Deadline) -> int:
        """Read at least one byte of a file, and at most as many as `view` holds."""
        count = self._next(view, deadline)
        deadline.moved(count)
        return count

    def receive_body(self, length: int, deadline: Deadline) -> bytes:
        """Read a body of known length; memory grows with what arrives, not with what was announced."""
        if length <= len(self._early):  # as for all but long lists
            body, self._early = bytes(self._early[:length]), self._early[length:]
            return body
        buffer, have = bytearray(min(length, _FIRST_BODY_BYTES)), 0
        while have < length:
            if have == len(buffer):
                buffer.extend(bytes(min(have, length - have)))
            with memoryview(buffer) as view:
                have += self._next(view[have:], deadline)
        return bytes(buffer)

    def settle(self, expected: int = 0) -> None:
        """Note that a reply was read to its end, and that so many more are expected.

        Bytes behind the last one make the peer a liar.
        """
        if self._early and not expected:
            raise ProtocolError(f"{self.address} sent more than it announced")
        self.settled = not expected
        self.exchanges += 1

    def receive_reply(self, deadline: Deadline, expected: int = 0) -> Reply:
        """Read a whole reply that is not a file; `expected` more were asked for and follow it."""
        header = self.receive_header(deadline)
        if header.length > MAX_REPLY_BYTES:
            raise ProtocolError(f"{self.address} announced a reply of {header.length} bytes")
        body = self.receive_body(header.length, deadline)
        self.settle(expected)
        return Reply(header.status, body)

    def _next(self, view: memoryview, deadline: Deadline) -> int:
        if not self._early:
            return self._receive(view, deadline)
        count = min(len(self._early), len(view))
        view[:count] = self._early[:count]
        self._early = self._early[count:]
        return count

    def _receive(self, view: memoryview, deadline: Deadline) -> int:
        left = deadline.left()
        try:
            self._limit(left)
            count = self._sock.recv_into(view)
        except OSError as error:
            raise self._translated(error) from error
        if not count:
            raise ConnectionLostError(f"{self.address} closed the connection")
        return count

    def _limit(self, left: float) -> None:
        """Give the socket so many seconds, unless it has about that already."""
        if abs(self._timeout - left) > left * _TIMEOUT_TOLERANCE:
            self._sock.settimeout(left)
            self._timeout = left

    def _translated(self, error: OSError) -> NetworkError:
        if isinstance(error, TimeoutError):
            return DeadlineExceededError(f"{self.address} fell silent")
        return ConnectionLostError(f"the connection to {self.address} broke: {error}")
