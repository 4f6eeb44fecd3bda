"""Django before 5.1 opens an image again as soon as it is uploaded, for its width and height.

The first bytes of what this thread has just uploaded answer that: saving a form stays one request.
"""

from __future__ import annotations

import mimetypes
import threading
import time
from typing import BinaryIO

import django

needed = django.VERSION < (5, 1)
_HEAD_BYTES = 256 * 1024
_SECONDS = 1.0


class _Last(threading.local):
    key: tuple[int, str] = (0, "")
    head: bytes = b""
    until: float = 0.0


_last = _Last()


def head_of(name: str, stream: BinaryIO) -> bytes:
    """Return the first bytes of an image that is about to be uploaded; the stream stays at its start."""
    _last.head = b""
    if not needed or not (mimetypes.guess_type(name)[0] or "").startswith("image/"):
        return b""
    head = stream.read(_HEAD_BYTES)
    stream.seek(0)
    return head


def remember(storage: object, file_id: str, head: bytes) -> None:
    """Keep them for the next second, for this thread alone."""
    _last.key, _last.head, _last.until = (id(storage), file_id), head, time.monotonic() + _SECONDS


def take(storage: object, file_id: str) -> bytes:
    """Return the first bytes of a file that was saved just now and neither opened nor deleted since."""
    head, _last.head = _last.head, b""
    return head if _last.key == (id(storage), file_id) and time.monotonic() < _last.until else b""
