"""The URL of a request: nginx's path, and the parameters as fastdfs-nginx-module reads them; no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote_plus, unquote_to_bytes

from .http_request import HttpError

# common.c, fdfs_http_request_handler: the decoded path with the query as it came.
_URL_BYTES = range(16, 511)
# What ngx_http_fastdfs_module.c adds when it sends a request on.
_REDIRECT_BYTES = len("&redirect=1")
_BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})|%00")
_TOKEN = re.compile(r"(?<=[?&]token=)[^&]*")


class Url(NamedTuple):
    """What a request asks for."""

    path: bytes
    """Decoded, with neither `//` nor dot segments."""
    parameters: Mapping[str, str]
    """The first value of each; a name counts as it is written, its value is decoded."""
    length: int
    """As the module counts it: the path, and the query with its question mark."""

    @classmethod
    def parse(cls, target: str) -> Url:
        """Read a request's target; raise HttpError 400 where nginx or the module would not take it."""
        raw, _, query = target.partition("?")
        encoded = raw.encode("ascii")
        if _BAD_PERCENT.search(encoded):
            raise HttpError(HTTPStatus.BAD_REQUEST)
        path = _resolve(unquote_to_bytes(encoded))
        length = len(path) + (len(query) + 1 if query else 0)
        if length not in _URL_BYTES:
            raise HttpError(HTTPStatus.BAD_REQUEST)
        return cls(path, _parameters(query), length)

    @property
    def may_be_sent_on(self) -> bool:
        """Whether another server would take it: it was not sent on before, and has room for saying so."""
        return "redirect" not in self.parameters and self.length + _REDIRECT_BYTES in _URL_BYTES


def without_token(target: str) -> str:
    """Return a target that a log may keep: the token opens the file for whoever reads it."""
    return _TOKEN.sub("...", target)


def _resolve(path: bytes) -> bytes:
    """Return the path as nginx has it before any location sees it."""
    kept: list[bytes] = []
    parts = path.split(b"/")[1:]
    if parts[-1] in (b".", b".."):
        parts.append(b"")
    last = parts.pop()
    for part in parts:
        if part == b"..":
            if not kept:
                raise HttpError(HTTPStatus.BAD_REQUEST)
            kept.pop()
        elif part not in (b"", b"."):
            kept.append(part)
    return b"/" + b"/".join([*kept, last])


def _parameters(query: str) -> Mapping[str, str]:
    parameters: dict[str, str] = {}
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if name and equals:
            parameters.setdefault(name, unquote_plus(value, errors="replace"))
    return parameters
