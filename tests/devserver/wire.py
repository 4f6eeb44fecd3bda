"""The protocol spoken by hand: sockets and struct, nothing of the code under test."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

HEADER = struct.Struct(">qBB")
# No server here takes this long; a test that waits for nothing to happen sets its own time.
PATIENCE_SECONDS = 20

UPLOAD, DELETE, DOWNLOAD, INFO = 11, 12, 14, 22
QUIT, ACTIVE_TEST = 82, 111
LIST_ONE_GROUP, LIST_ALL_GROUPS, LIST_STORAGE = 90, 91, 92
STORE, FETCH, UPDATE, STORE_IN_GROUP = 101, 102, 103, 104


class Answer(NamedTuple):
    status: int
    body: bytes


def packet(command: int, body: bytes = b"", *, status: int = 0, length: int | None = None) -> bytes:
    """Return a request; `length` announces another length than the body has."""
    return HEADER.pack(len(body) if length is None else length, command, status) + body


def group(name: str = "group1") -> bytes:
    return name.encode().ljust(16, b"\0")


def upload(content: bytes, ext: str = "jpg", *, path: int = 0, size: int | None = None) -> bytes:
    """Return the body of an upload."""
    return struct.pack(">Bq6s", path, len(content) if size is None else size, ext.encode()) + content


def download(name: bytes, offset: int = 0, count: int = 0, *, within: bytes | None = None) -> bytes:
    return struct.pack(">qq", offset, count) + (group() if within is None else within) + name


class Wire(socket.socket):
    """One connection to a server, `host:port`."""

    def __init__(self, address: str) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self.settimeout(PATIENCE_SECONDS)
        host, port = address.split(":")
        try:
            self.connect((host, int(port)))
        except OSError:
            self.close()
            raise

    def read(self, count: int) -> bytes:
        """Return `count` bytes, or fewer where the server closed."""
        data = b""
        while len(data) < count:
            try:
                piece = self.recv(count - len(data))
            except ConnectionResetError:
                break
            if not piece:
                break
            data += piece
        return data

    def read_raw(self) -> bytes:
        """Return one reply, header included; b"" where the server closed without any."""
        head = self.read(HEADER.size)
        return head + self.read(HEADER.unpack(head)[0]) if head else b""

    def read_answer(self) -> Answer:
        raw = self.read_raw()
        length, command, status = HEADER.unpack(raw[: HEADER.size])
        assert command == 100
        assert len(raw) - HEADER.size == length
        return Answer(status, raw[HEADER.size :])

    def ask(self, command: int, body: bytes = b"", *, status: int = 0) -> Answer:
        self.sendall(packet(command, body, status=status))
        return self.read_answer()

    def ends(self) -> bool:
        """Say whether the server closes without another byte."""
        return self.read(1) == b""

    def lives(self) -> bool:
        """Say whether the server still answers on this connection."""
        try:
            return self.ask(ACTIVE_TEST) == (0, b"")
        except (OSError, struct.error):
            return False

    def store(self, content: bytes, ext: str = "jpg") -> bytes:
        """Upload, and return the file name without the group."""
        answer = self.ask(UPLOAD, upload(content, ext))
        assert answer.status == 0
        assert answer.body[:16] == group()
        return answer.body[16:]
