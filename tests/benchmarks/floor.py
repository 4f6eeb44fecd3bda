"""The floor: what plain sockets take for the same exchanges, checking nothing.

As fast as Python gets over this protocol: header and small body in one send, two receives, persistent
connections, the placement remembered, sendfile and recv_into. No deadline, no CRC32, no retry. Sockets
have a timeout, as any client's must; without one each call would cost a system call less.
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path

Address = tuple[str, int]

_HEADER = struct.Struct(">qBB")
_TIMEOUT = 30.0
_PIECE_BYTES = 256 * 1024
_SENDFILE_BYTES = 4 * 1024 * 1024
_ANSWERS = 4


class Floor:
    """Uploads, downloads and deletes; knows where its own files are, and no others."""

    def __init__(self, tracker: str) -> None:
        host, _, port = tracker.partition(":")
        self._tracker = (host, int(port))
        self._idle: defaultdict[Address, deque[socket.socket]] = defaultdict(deque)
        self._home: dict[str, Address] = {}
        placements = [self._placement() for _ in range(_ANSWERS)]
        self._turn = itertools.cycle(placements)

    def upload(self, content: bytes) -> str:
        address, path = next(self._turn)
        sock = self._take(address)
        size = len(content)
        sock.sendall(_HEADER.pack(15 + size, 11, 0) + struct.pack(">Bq6s", path, size, b"bin") + content)
        return self._stored(sock, address)

    def upload_file(self, path: Path) -> str:
        address, store_path = next(self._turn)
        sock = self._take(address)
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            sock.sendall(_HEADER.pack(15 + size, 11, 0) + struct.pack(">Bq6s", store_path, size, b"bin"))
            done = 0
            while done < size:
                done += sock.sendfile(file, done, min(_SENDFILE_BYTES, size - done))
        return self._stored(sock, address)

    def download(self, file_id: str) -> bytes:
        sock, length = self._asked(file_id)
        body = _exactly(sock, length)
        self._idle[self._home[file_id]].append(sock)
        return bytes(body)

    def download_to(self, file_id: str, write: Callable[[memoryview], object]) -> None:
        sock, left = self._asked(file_id)
        view = memoryview(bytearray(_PIECE_BYTES))
        while left:
            count = sock.recv_into(view[:left])
            write(view[:count])
            left -= count
        self._idle[self._home[file_id]].append(sock)

    def delete(self, file_id: str) -> None:
        address = self._home.pop(file_id)
        sock = self._take(address)
        body = _file_query(file_id)
        sock.sendall(_HEADER.pack(len(body), 12, 0) + body)
        _reply_length(sock)
        self._idle[address].append(sock)

    def close(self) -> None:
        for sockets in self._idle.values():
            for sock in sockets:
                sock.close()

    def _asked(self, file_id: str) -> tuple[socket.socket, int]:
        sock = self._take(self._home[file_id])
        body = struct.pack(">qq", 0, 0) + _file_query(file_id)
        sock.sendall(_HEADER.pack(len(body), 14, 0) + body)
        return sock, _reply_length(sock)

    def _stored(self, sock: socket.socket, address: Address) -> str:
        body = _exactly(sock, _reply_length(sock))
        self._idle[address].append(sock)
        file_id = f"{body[:16].rstrip(bytes(1)).decode()}/{body[16:].decode()}"
        self._home[file_id] = address
        return file_id

    def _placement(self) -> tuple[Address, int]:
        sock = self._take(self._tracker)
        sock.sendall(_HEADER.pack(0, 101, 0))
        body = _exactly(sock, _reply_length(sock))
        self._idle[self._tracker].append(sock)
        host, (port, path) = body[16:-9].partition(b"\0")[0], struct.unpack(">qB", body[-9:])
        return (host.decode(), port), path

    def _take(self, address: Address) -> socket.socket:
        try:
            return self._idle[address].pop()
        except IndexError:
            sock = socket.create_connection(address, _TIMEOUT)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock


def _file_query(file_id: str) -> bytes:
    group, _, name = file_id.partition("/")
    return group.encode().ljust(16, b"\0") + name.encode()


def _reply_length(sock: socket.socket) -> int:
    length, _, status = _HEADER.unpack(_exactly(sock, _HEADER.size))
    if status:
        raise OSError(status, os.strerror(status))
    return int(length)


def _exactly(sock: socket.socket, count: int) -> bytearray:
    """Read a body whole: in one receive where it has arrived."""
    body = bytearray(count)
    view, have = memoryview(body), 0
    while have < count:
        got = sock.recv_into(view[have:])
        if not got:
            raise ConnectionError("the peer closed in the middle of a reply")
        have += got
    return body
