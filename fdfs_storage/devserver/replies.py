"""What the daemons answer: values, which the sockets turn into bytes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fdfs_storage.fastdfs import protocol
from fdfs_storage.fastdfs.protocol import Header


class Request(NamedTuple):
    """A header, and as much of the body as a daemon sees before it decides."""

    header: Header
    body: bytes
    client: str = "127.0.0.1"
    """The address that it comes from."""

    @property
    def is_whole(self) -> bool:
        """Whether this is all of the body."""
        return len(self.body) == self.header.length

    @classmethod
    def of(cls, command: int, body: bytes = b"", status: int = 0) -> Request:
        """Build a request whose body is all there."""
        return cls(Header(len(body), command, status), body)


class Content:
    """Part of an open file, to be sent behind a header; closed by whoever was given it."""

    def __init__(
        self, path: Path, offset: int, count: int, on_close: Callable[[Content], None] | None = None
    ) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self.offset = offset
        self.count = count
        self.sent = 0
        self._on_close = on_close

    def read(self, start: int, count: int) -> bytes:
        """Return at most `count` bytes from `start` within the part; none where the file ends before."""
        return os.pread(self._descriptor, count, self.offset + start)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            if self._on_close:
                self._on_close(self)


@dataclass(frozen=True)
class Reply:
    """A status, and with status 0 a body: bytes, then perhaps part of a file."""

    status: int = 0
    body: bytes = b""
    content: Content | None = None

    def head(self) -> bytes:
        """Return all but the content; a refusal is a bare header (PROTOCOL 1)."""
        if self.status:
            return protocol.refusal(self.status)
        return protocol.reply(self.body, data_bytes=self.content.count if self.content else 0)

    def close(self) -> None:
        if self.content:
            self.content.close()
