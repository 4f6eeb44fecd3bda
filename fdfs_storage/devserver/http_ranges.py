"""Byte ranges: what is asked for, and how several of them are sent (PROTOCOL 9); no I/O."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import NamedTuple

from .http_request import HttpError

# ngx_http_fastdfs_module.c, ngx_http_fastdfs_handler: the value lands in a buffer of 64 bytes.
_HEADER_BYTES = 63
_RANGES = 5
_RANGE = re.compile(r"([0-9]*)-([0-9]*)")


class ByteRange(NamedTuple):
    """A part of a file that exists and is not empty."""

    start: int
    length: int

    def told(self, size: int) -> str:
        """Return the value of Content-Range."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


def byte_ranges(header: str, size: int) -> list[ByteRange]:
    """Return the ranges that a Range header asks for; none: the whole file is the answer.

    Raises HttpError 416 where the file does not have all of them or there are more than five, and 400 for
    a header of more than 63 bytes.
    """
    if len(header) > _HEADER_BYTES:
        raise HttpError(HTTPStatus.BAD_REQUEST)
    unit, equals, wanted = header.partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return []
    ranges = [_range(each, size) for each in wanted.split(",")]
    found = [each for each in ranges if each]
    if len(found) < len(ranges) or len(found) > _RANGES:
        raise HttpError(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, Content_Range=f"bytes */{size}")
    return found


def _range(wanted: str, size: int) -> ByteRange | None:
    match = _RANGE.fullmatch(wanted.strip())
    first, last = match.groups() if match else ("", "")
    if first:
        start, end = int(first), int(last or size)
    else:
        start, end = size - int(last or 0), size
    start, end = max(start, 0), min(end, size - 1)
    return ByteRange(start, end - start + 1) if start <= end else None


class Multipart(NamedTuple):
    """The frame around several ranges, laid out as the module does: its header names, CRLF first."""

    boundary: str
    """Twenty digits at most; the module takes the time, of which content could be made."""
    kind: str
    """The file's own content type."""

    @property
    def content_type(self) -> str:
        return f"multipart/byteranges; boundary={self.boundary}"

    @property
    def end(self) -> bytes:
        """What follows the last part."""
        return f"\r\n--{self.boundary}--\r\n".encode("ascii")

    def lead(self, part: ByteRange, size: int) -> bytes:
        """Return what precedes a part."""
        lines = [
            "",
            f"--{self.boundary}",
            f"Content-type: {self.kind}",
            f"Content-range: {part.told(size)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
