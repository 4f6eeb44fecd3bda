"""The answer to a request: a status, headers, and a body of files' parts and text."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from .http_conditions import http_date, unmet_condition, wants_ranges
from .http_names import content_type, disposition
from .http_ranges import ByteRange, Multipart, byte_ranges
from .http_request import HttpError, HttpRequest
from .names import FileFacts
from .replies import Content

_BOUNDARIES = 10**20


@dataclass
class HttpResponse:
    """What goes back; its open files are closed by whoever was given it."""

    status: HTTPStatus
    headers: dict[str, str] = field(default_factory=dict)
    parts: Sequence[tuple[bytes, Content]] = ()
    """Parts of files, each with the bytes before it."""
    text: bytes = b""
    """What follows the parts."""

    @classmethod
    def of(cls, error: HttpError) -> HttpResponse:
        text = f"{error.status.value} {error.status.phrase}\n".encode("ascii")
        headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(text))}
        return cls(error.status, headers | error.headers, text=text)

    def close(self) -> None:
        for _, content in self.parts:
            content.close()

    def head(self, *, keeps_alive: bool) -> bytes:
        fixed = {
            "Server": "fdfs_storage",
            "Date": http_date(int(time.time())),
            "X-Content-Type-Options": "nosniff",
            "Connection": "keep-alive" if keeps_alive else "close",
        }
        lines = [f"{name}: {value}" for name, value in (fixed | self.headers).items()]
        first = f"HTTP/1.1 {self.status.value} {self.status.phrase}"
        return ("\r\n".join([first, *lines]) + "\r\n\r\n").encode("latin-1")


def file_response(request: HttpRequest, facts: FileFacts, download_name: str) -> HttpResponse:
    """Answer with a file, whole or in part, or with what the request's conditions make of it.

    Raises HttpError where the file does not have the range, and OSError where it cannot be opened.
    """
    modified = facts.created or facts.modified
    headers = {"Last-Modified": http_date(modified), "Accept-Ranges": "bytes"}
    if download_name:
        headers["Content-Disposition"] = disposition(download_name)
    unmet = unmet_condition(request.headers, modified)
    if unmet is HTTPStatus.NOT_MODIFIED:
        return HttpResponse(unmet, headers)
    if unmet:
        raise HttpError(unmet)
    ranges: list[ByteRange] = []
    if request.method == "GET" and wants_ranges(request.headers, modified):
        ranges = byte_ranges(request.headers.get("range", ""), facts.size)
    return _body(headers, facts, ranges)


def picture_response(path: Path) -> HttpResponse:
    """Answer with a file that is none of the cluster's; no cache may take it for one."""
    content = Content(path, 0, path.stat().st_size)
    headers = {
        "Content-Type": content_type(path.name),
        "Content-Length": str(content.count),
        "Cache-Control": "no-store",
    }
    return HttpResponse(HTTPStatus.OK, headers, [(b"", content)])


def _body(headers: dict[str, str], facts: FileFacts, ranges: list[ByteRange]) -> HttpResponse:
    kind = content_type(facts.path.name)
    if len(ranges) > 1:
        return _several(headers, facts, ranges, Multipart(f"{secrets.randbelow(_BOUNDARIES):020}", kind))
    part = ranges[0] if ranges else ByteRange(0, facts.size)
    headers |= {"Content-Type": kind, "Content-Length": str(part.length)}
    if ranges:
        headers["Content-Range"] = part.told(facts.size)
    status = HTTPStatus.PARTIAL_CONTENT if ranges else HTTPStatus.OK
    return HttpResponse(status, headers, [(b"", Content(facts.path, *part))])


def _several(
    headers: dict[str, str], facts: FileFacts, ranges: list[ByteRange], frame: Multipart
) -> HttpResponse:
    leads = [frame.lead(part, facts.size) for part in ranges]
    length = sum(map(len, leads)) + sum(part.length for part in ranges) + len(frame.end)
    headers |= {"Content-Type": frame.content_type, "Content-Length": str(length)}
    parts = []
    with contextlib.ExitStack() as opened:  # the file may be removed between two of them
        for lead, part in zip(leads, ranges, strict=True):
            content = Content(facts.path, *part)
            opened.callback(content.close)
            parts.append((lead, content))
        opened.pop_all()
    return HttpResponse(HTTPStatus.PARTIAL_CONTENT, headers, parts, frame.end)
