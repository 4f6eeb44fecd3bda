"""The Range header of a request: one range of bytes is served (RFC 9110, section 14); pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


class Part(NamedTuple):
    """A part of a file; a length of 0 says that the file has nothing there."""

    start: int
    length: int

    def told(self, size: int) -> str:
        """Return the value of Content-Range."""
        span = f"{self.start}-{self.start + self.length - 1}" if self.length else "*"
        return f"bytes {span}/{size}"


def requested_part(header: str, size: int) -> Part | None:
    """Return the part of a file of `size` bytes that is asked for; None: the whole file is the answer.

    That is so without a header, and for one that asks for several ranges or in another unit, or makes no
    sense: a server may ignore it.
    """
    match = _RANGE.fullmatch(header)
    first, last = match.groups() if match else ("", "")
    if first:
        end = int(last) if last else size - 1
        if last and end < int(first):
            return None
        return Part(int(first), max(min(end, size - 1) - int(first) + 1, 0))
    if not last or (size == 0 and int(last)):
        return None
    length = min(int(last), size)
    return Part(size - length, length)
