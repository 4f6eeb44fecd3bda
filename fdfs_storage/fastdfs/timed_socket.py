"""A connected socket whose calls end in time, by the kernel's clock where that can be had.

Python keeps a socket's timeout with a poll before each call, which doubles the system calls of a small
exchange. Linux keeps one itself (SO_RCVTIMEO, SO_SNDTIMEO, socket(7)), and then a receive may also wait
for all of a file's piece at once. Where the socket is not Python's own, as under gevent, which switches
to another greenlet in its place, Python's timeout stays.
"""

from __future__ import annotations

import io
import os
import socket
import struct
import sys
import time

from .deadline import Deadline

# Giving a socket its timeout is a system call: one that is off by no more than this is left as it is.
_TOLERANCE = 0.01
_TIMEVAL = struct.Struct("@ll")


class TimedSocket:
    """A socket with Python's timeout; `send`, `recv` and `recv_into` are its own methods.

    They raise OSError as a socket's do: TimeoutError, or BlockingIOError from the kernel, when the time
    is up.
    """

    wait_all = 0
    """The flag with which a receive waits until its buffer is full, or its time up; 0 where none does."""

    def __init__(self, sock: socket.socket) -> None:
        self.close = sock.close
        self.fileno = sock.fileno
        self.send = sock.send
        self.recv = sock.recv
        self.recv_into = sock.recv_into
        self._sock = sock
        # None yet: no number of seconds lies between these.
        self._least, self._most = 1.0, 0.0

    def limit(self, deadline: Deadline) -> None:
        """Give each call the time that is left, unless it has about that; raise TimeoutError without any."""
        seconds = deadline.at - time.monotonic()
        if not self._least <= seconds <= self._most:
            if seconds <= 0:
                raise TimeoutError
            self._set(seconds)
            self._least, self._most = seconds * (1 - _TOLERANCE), seconds * (1 + _TOLERANCE)

    def send_file(self, file: io.BufferedIOBase | io.RawIOBase, offset: int, count: int) -> int:
        """Let the kernel copy from a file with a descriptor; return the bytes sent, 0 at its end."""
        return self._sock.sendfile(file, offset, count)

    def _set(self, seconds: float) -> None:
        self._sock.settimeout(seconds)


class KernelTimedSocket(TimedSocket):
    """A blocking socket with the kernel's timeout."""

    wait_all = socket.MSG_WAITALL

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        sock.settimeout(None)

    def send_file(self, file: io.BufferedIOBase | io.RawIOBase, offset: int, count: int) -> int:
        # Python's own sendfile() takes the end of the kernel's timeout for a reason to go on waiting.
        return os.sendfile(self._sock.fileno(), file.fileno(), offset, count)

    def _set(self, seconds: float) -> None:
        # Not less than a microsecond: zero is "for ever" to the kernel.
        whole, rest = divmod(max(1, int(seconds * 1_000_000)), 1_000_000)
        value = _TIMEVAL.pack(whole, rest)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)


def timed(sock: socket.socket) -> TimedSocket:
    """Choose the clock for a connected socket."""
    own = type(sock).__module__ == "socket"
    return KernelTimedSocket(sock) if own and sys.platform == "linux" else TimedSocket(sock)
