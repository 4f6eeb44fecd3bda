"""The protocol spoken by hand: sockets and struct, nothing of the code under test."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import NamedTuple

HEADER = struct.Struct(">qBB")
# No server here takes this long; a test that waits for nothing to happen sets its own time.
PATIENCE_SECONDS = 20

UPLOAD, DELETE, DOWNLOAD, INFO = 11, 12, 14, 22
SET_METADATA, GET_METADATA = 13, 15
LINK, SLAVE, APPENDER = 20, 21, 23
APPEND, MODIFY, TRUNCATE, REGENERATE = 24, 34, 36, 38
QUIT, ACTIVE_TEST = 82, 111
LIST_ONE_GROUP, LIST_ALL_GROUPS, LIST_STORAGE = 90, 91, 92
STORE, FETCH, UPDATE, STORE_IN_GROUP = 101, 102, 103, 104
FETCH_ALL, STORE_ALL, STORE_ALL_IN_GROUP = 105, 106, 107
LEADER, TRACKER_STAT, STORAGE_STAT, VOLUME_STAT = 95, 96, 97, 98
MY_IP, TRACKER_STATUS, STORAGE_IDS, SERVER_ID, STORAGE_STATUS, PARAMETERS = 60, 64, 69, 70, 71, 75
DELETE_STORAGE, SET_TRUNK_SERVER, DELETE_GROUP, GROUP_NAME = 93, 94, 108, 109

Body = Callable[[bytes], bytes]
"""A request's body for the file of this name."""


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


def slave(
    master: bytes, content: bytes, prefix: str = "_s", ext: str = "jpg", *, size: int | None = None
) -> bytes:
    """Return the body of a slave's upload."""
    size = len(content) if size is None else size
    return struct.pack(">qq16s6s", len(master), size, prefix.encode(), ext.encode()) + master + content


def append(name: bytes, content: bytes, *, size: int | None = None) -> bytes:
    return struct.pack(">qq", len(name), len(content) if size is None else size) + name + content


def modify(name: bytes, offset: int, content: bytes, *, size: int | None = None) -> bytes:
    size = len(content) if size is None else size
    return struct.pack(">qqq", len(name), offset, size) + name + content


def truncate(name: bytes, size: int) -> bytes:
    return struct.pack(">qq", len(name), size) + name


def metadata(name: bytes, block: bytes, flag: bytes = b"O", *, within: bytes | None = None) -> bytes:
    """Return the body of SET_METADATA."""
    head = struct.pack(">qqc", len(name), len(block), flag)
    return head + (group() if within is None else within) + name + block


def link(
    source: bytes, *, master: bytes = b"", prefix: str = "", ext: str = "jpg", signature: bytes = b"S" * 24
) -> bytes:
    lengths = struct.pack(">qqq", len(master), len(source), len(signature))
    names = struct.pack("16s6s", prefix.encode(), ext.encode())
    return lengths + group() + names + master + source + signature


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

    def store(self, content: bytes, ext: str = "jpg", *, command: int = UPLOAD) -> bytes:
        """Upload, and return the file name without the group."""
        return self.name(command, upload(content, ext))

    def name(self, command: int, body: bytes) -> bytes:
        """Ask for what is answered with a file, and return its name without the group."""
        answer = self.ask(command, body)
        assert answer.status == 0
        assert answer.body[:16] == group()
        return answer.body[16:]

    def content(self, name: bytes) -> bytes:
        """Download a file."""
        answer = self.ask(DOWNLOAD, download(name))
        assert answer.status == 0
        return answer.body
