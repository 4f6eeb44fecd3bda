"""One socket to one server: connect, send, read exactly, all within a deadline.

The only module that sees OSError: what leaves it is a NetworkError or a ProtocolError.
"""

from __future__ import annotations

import io
import select
import socket
import time
import weakref

from .deadline import PROGRESS_BYTES, Deadline
from .errors import ConnectError, ConnectionLostError, DeadlineExceededError, NetworkError, ProtocolError
from .protocol import HEADER_BYTES, Address, Command, unpack_header
from .timed_socket import timed

_RESPONSE = int(Command.RESPONSE)
# The reply to an upload, a query or a small download arrives with its header in one recv.
_EARLY_BYTES = 16 * 1024
_SENDFILE_BYTES = 4 * 1024 * 1024
# Bodies of other replies than downloads: the longest legal one is a list of 512 groups.
MAX_REPLY_BYTES = 1024 * 1024
_PIECE_BYTES = 64 * 1024


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


class Connection:
    """A connected socket; `settled` says that the peer waits for the next request.

    Only a settled connection may be used again: whoever starts an exchange unsettles it, and only a
    reply read to its end settles it, whatever exception flies in between.
    """

    def __init__(self, address: Address, sock: socket.socket) -> None:
        self.address = address
        self.settled = True
        self.idle_since = 0.0
        """When it was last given back after an exchange, in monotonic seconds; 0 if it never was."""
        self._sock = timed(sock)
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._early = b""
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
        return f"<Connection {self.address} {state}>"

    @property
    def stale(self) -> bool:
        """Whether the idle peer has something to say: it closed, or it broke the protocol."""
        try:
            # The poll object knows a number, which may be another's socket once this one is closed.
            return not self.settled or bool(self._poll.poll(0))
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
            try:
                self._sock.limit(deadline)
                sent = self._sock.send(rest)
            except OSError as error:
                raise self._translated(error, deadline) from error
            if sent == len(rest) < PROGRESS_BYTES:  # a request, as nearly always
                break
            deadline.moved(sent)
            rest = memoryview(rest)[sent:]

    def send_file(
        self, file: io.BufferedIOBase | io.RawIOBase, offset: int, count: int, deadline: Deadline
    ) -> int:
        """Let the kernel copy from a file with a descriptor; return the bytes sent, fewer only at its end."""
        self.settled = False
        done = 0
        while done < count:
            try:
                self._sock.limit(deadline)
                sent = self._sock.send_file(file, offset + done, min(count - done, _SENDFILE_BYTES))
            except OSError as error:
                raise self._translated(error, deadline) from error
            deadline.moved(sent)
            if not sent:
                break
            done += sent
        return done

    # --- receiving --------------------------------------------------------------------------

    def receive_header(self, deadline: Deadline, body_bytes: int = 0) -> tuple[int, int]:
        """Return a reply's length and status; what came along with them waits for what reads the body.

        `body_bytes`: what is expected behind it. More than fits is left to the kernel for now, so that
        it goes straight to where it belongs.
        """
        self.settled = False
        room = _EARLY_BYTES if body_bytes <= _EARLY_BYTES - HEADER_BYTES else HEADER_BYTES
        raw = self._early
        if not raw:
            try:
                raw = self._receive(room, deadline)
            except ConnectionLostError as error:
                error.unanswered = True
                raise
        while len(raw) < HEADER_BYTES:
            raw += self._receive(room - len(raw), deadline)
        length, command, status = unpack_header(raw)
        if command != _RESPONSE or length < 0:
            raise ProtocolError(f"{self.address} sent {raw[:HEADER_BYTES]!r} where a reply begins")
        self._early = raw[HEADER_BYTES:]
        return length, status

    def receive_piece(self, most: int, deadline: Deadline) -> bytes:
        """Read at least one byte of a file, and at most `most`: all of them, where the system can wait."""
        if self._early:
            piece, self._early = self._early[:most], self._early[most:]
        else:
            piece = self._receive(most, deadline, self._sock.wait_all)
        return piece

    def receive_into(self, view: memoryview, deadline: Deadline) -> int:
        """Read at least one byte of a file into a buffer; return how many came.

        A long transfer goes faster where each piece is handed on as it comes.
        """
        if self._early:
            count = min(len(self._early), len(view))
            view[:count], self._early = self._early[:count], self._early[count:]
            return count
        try:
            self._sock.limit(deadline)
            count = self._sock.recv_into(view)
        except OSError as error:
            raise self._translated(error, deadline) from error
        if not count:
            raise self._closed()
        deadline.moved(count)
        return count

    def receive_body(self, length: int, deadline: Deadline) -> bytes:
        """Read a body of known length; memory grows with what arrives, not with what was announced."""
        body, self._early = self._early[:length], self._early[length:]
        if len(body) < length:  # a long list
            pieces, left = [body], length - len(body)
            while left:
                pieces.append(self._receive(min(left, _PIECE_BYTES), deadline, self._sock.wait_all))
                left -= len(pieces[-1])
            return b"".join(pieces)
        return body

    def settle(self, expected: int = 0) -> None:
        """Note that a reply was read to its end, and that so many more are expected.

        Bytes behind the last one make the peer a liar.
        """
        if self._early and not expected:
            raise ProtocolError(f"{self.address} sent more than it announced")
        self.settled = not expected

    def receive_reply(self, deadline: Deadline, expected: int = 0) -> tuple[int, bytes]:
        """Return status and body of a reply that is not a file; `expected` more were asked for and follow.

        The body of a refusal is empty.
        """
        length, status = self.receive_header(deadline)
        if length > MAX_REPLY_BYTES:
            raise ProtocolError(f"{self.address} announced a reply of {length} bytes")
        body = self._early
        if length == len(body) and not expected:  # it came along, as nearly always
            self._early, self.settled = b"", True
            return status, body
        body = self.receive_body(length, deadline)
        self.settle(expected)
        return status, body

    def _receive(self, most: int, deadline: Deadline, flags: int = 0) -> bytes:
        try:
            self._sock.limit(deadline)
            piece = self._sock.recv(most, flags)
        except OSError as error:
            raise self._translated(error, deadline) from error
        if not piece:
            raise self._closed()
        return piece

    def _closed(self) -> ConnectionLostError:
        return self._lost(f"{self.address} closed the connection")

    def _lost(self, message: str) -> ConnectionLostError:
        error = ConnectionLostError(message)
        error.reused = self.idle_since > 0
        return error

    def _translated(self, error: OSError, deadline: Deadline) -> NetworkError:
        if isinstance(error, (TimeoutError, BlockingIOError)):  # the latter is the kernel's
            return DeadlineExceededError(f"no progress with {self.address} within {deadline.seconds:g} s")
        return self._lost(f"the connection to {self.address} broke: {error}")
