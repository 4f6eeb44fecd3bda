"""The head of an HTTP request, as far as nginx would take it; no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

_HEADERS = 100
_REQUEST_LINE = re.compile(rb"([A-Z]+) (/[!-~]*) HTTP/1\.([01])")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\0\r\n]*)")
# Twice they could mean two things to two servers.
_ONCE = {"host", "content-length", "transfer-encoding"}


class HttpError(Exception):
    """The request is answered with this status."""

    def __init__(self, status: HTTPStatus, **headers: str) -> None:
        super().__init__(status)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class HttpRequest(NamedTuple):
    """A request's head; header names are in lower case, and the first of several equal ones counts."""

    method: str
    target: str
    version: int
    headers: Mapping[str, str]

    @classmethod
    def parse(cls, head: bytes) -> HttpRequest:
        """Read a head with its final empty line; raise HttpError where it is none that nginx would take."""
        first, *lines = head[:-4].split(b"\r\n")
        line = _REQUEST_LINE.fullmatch(first)
        if not line or len(lines) > _HEADERS:
            raise HttpError(HTTPStatus.BAD_REQUEST)
        headers: dict[str, str] = {}
        for match in map(_HEADER.fullmatch, lines):
            name = match[1].decode("ascii").lower() if match else ""
            if not match or (name in headers and name in _ONCE):
                raise HttpError(HTTPStatus.BAD_REQUEST)
            headers.setdefault(name, match[2].strip(b" \t").decode("latin-1"))
        return cls(line[1].decode("ascii"), line[2].decode("ascii"), int(line[3]), headers)

    @property
    def has_body(self) -> bool:
        return "transfer-encoding" in self.headers or self.headers.get("content-length", "0") != "0"

    @property
    def keeps_alive(self) -> bool:
        connection = self.headers.get("connection", "").lower()
        return self.version == 1 and "close" not in connection and not self.has_body

    def check(self) -> None:
        """Raise HttpError unless this asks for a file, and for nothing else."""
        if self.method not in ("GET", "HEAD"):
            raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, Allow="GET, HEAD")
        if self.has_body or (self.version == 1 and "host" not in self.headers):
            raise HttpError(HTTPStatus.BAD_REQUEST)
