"""What an upload sends: bytes, a path, or any binary stream; never a whole file in memory.

The protocol wants the size first. It is taken from the bytes, the descriptor or the stream itself;
a stream that cannot tell is spooled to disk and counted.
"""

from __future__ import annotations

import abc
import io
import os
import shutil
import stat
import tempfile
import zlib
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Union, cast

from .connection import Connection
from .deadline import Deadline
from .errors import InvalidArgumentError
from .file_id import content_mark

Content = Union[bytes, bytearray, memoryview, "os.PathLike[str]", BinaryIO]
"""What `Client.upload` takes. A str is refused: it could be meant as a path or as content."""

_PIECE_BYTES = 256 * 1024
# Up to here a body leaves in one send with its header.
_SMALL_BYTES = 64 * 1024
# The kernel's buffers hold about as much, so that the storage is busy while the checksum is reckoned.
_SLICE_BYTES = 1024 * 1024
# The protocol counts in signed 64-bit numbers, and what stands before the content counts, too.
_MOST_BYTES = 1 << 62


class Checksum:
    """The CRC32 of what was sent, reckoned as it is sent."""

    crc32 = 0
    mark = ""
    """What the new id must show, once `foresee` told it; the empty text is in no id."""

    def update(self, piece: bytes | bytearray | memoryview) -> None:
        self.crc32 = zlib.crc32(piece, self.crc32)

    def restart(self) -> None:
        self.crc32 = 0

    def foresee(self, size: int) -> None:
        """Reckon what the id of these many bytes shows: while the storage is at work, that is for nothing."""
        self.mark = content_mark(size, self.crc32)


class Source(abc.ABC):
    """Content of known size that can be sent at least once; a `with` block closes what was opened for it."""

    size: int
    rewindable = True
    """Whether `send` can be called again after a failure."""
    opened: tuple[ExitStack, ...] = ()
    """What is to be closed with it."""

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for stack in self.opened:
            stack.close()

    @abc.abstractmethod
    def send(
        self, head: bytes, connection: Connection, deadline: Deadline, checksum: Checksum | None = None
    ) -> None:
        """Send the request's head and all of the content, and reckon its checksum where one is given."""


class _Bytes(Source):
    def __init__(self, content: bytes | bytearray | memoryview) -> None:
        self._content = content if type(content) is bytes else _viewed(content)
        self.size = len(self._content)

    def send(
        self, head: bytes, connection: Connection, deadline: Deadline, checksum: Checksum | None = None
    ) -> None:
        if self.size <= _SMALL_BYTES:
            connection.send(head + self._content, deadline)
        else:
            view = memoryview(self._content)
            connection.send(head + view[:_SMALL_BYTES], deadline)
            connection.send(view[_SMALL_BYTES:], deadline)
        if checksum:
            checksum.restart()
            checksum.update(self._content)


def _viewed(content: bytes | bytearray | memoryview) -> memoryview:
    view = memoryview(content)
    if not view.c_contiguous:
        raise InvalidArgumentError("cannot upload a memoryview with gaps: give bytes(view)")
    return view.cast("B")


class _Descriptor(Source):
    """A regular file, from its present position to its end; larger ones go by sendfile."""

    def __init__(self, file: io.FileIO | io.BufferedReader | io.BufferedRandom) -> None:
        self._file = file
        self._start = file.tell()
        self.size = max(0, os.fstat(file.fileno()).st_size - self._start)

    def send(
        self, head: bytes, connection: Connection, deadline: Deadline, checksum: Checksum | None = None
    ) -> None:
        if checksum:
            checksum.restart()
        if self.size <= _SMALL_BYTES:
            content = os.pread(self._file.fileno(), self.size, self._start)
            _require_all(len(content), self.size)
            connection.send(head + content, deadline)
            if checksum:
                checksum.update(content)
        else:
            connection.send(head, deadline)
            self._send_slices(connection, deadline, checksum)

    def _send_slices(self, connection: Connection, deadline: Deadline, checksum: Checksum | None) -> None:
        """Let the kernel copy; reckon the checksum of a slice while the storage takes it off the wire."""
        done = 0
        while done < self.size:
            count = min(self.size - done, _SLICE_BYTES)
            sent = connection.send_file(self._file, self._start + done, count, deadline)
            _require_all(done + sent, done + count)
            if checksum:
                checksum.update(os.pread(self._file.fileno(), count, self._start + done))
            done += count


class _Stream(Source):
    """Any object with read(); of a size that it told or that the caller knows."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._start = stream.tell() if _seekable(stream) else None
        self.size = size
        self.rewindable = self._start is not None

    def send(
        self, head: bytes, connection: Connection, deadline: Deadline, checksum: Checksum | None = None
    ) -> None:
        if self._start is not None:
            self._stream.seek(self._start)
        if checksum:
            checksum.restart()
        left = self.size
        while head or left:
            piece = self._next_piece(left)
            deadline.renew()  # a slow source is not a slow storage
            connection.send(head + piece if head else piece, deadline)
            if checksum:
                checksum.update(piece)
            head = b""
            left -= len(piece)

    def _next_piece(self, left: int) -> bytes:
        """Read the next piece; a stream of another length than promised never gets its last one sent.

        What cannot be rewound is not read beyond its promise: a socket would wait for more.
        """
        piece = self._stream.read(min(left, _PIECE_BYTES)) if left else b""
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            raise InvalidArgumentError(f"read() gave {type(piece).__name__}: give a binary stream")
        if left and not piece:
            _require_all(self.size - left, self.size)
        if len(piece) > left or (len(piece) == left and self.rewindable and self._stream.read(1)):
            raise InvalidArgumentError(f"the content goes on after the {self.size} bytes that it promised")
        return bytes(piece)


def _require_all(sent: int, promised: int) -> None:
    if sent != promised:
        raise InvalidArgumentError(
            f"the content ended after {sent} of {promised} bytes; was it truncated while it was uploaded?"
        )


def opened(content: Content, size: int | None = None) -> Source:
    """Give the content as a Source, from its present position; for a `with` block.

    `size` is needed only for a stream that cannot tell and that should not be spooled. Raises
    InvalidArgumentError for what is no binary content, OSError for a path that cannot be read.
    """
    if isinstance(content, (bytes, bytearray, memoryview)):
        return _of_size(_Bytes(content), size)
    if isinstance(content, os.PathLike):
        source = _of_path(Path(content), size)
    elif _reads_bytes(content):
        source = _of_stream(content, size)
    else:
        raise InvalidArgumentError(
            f"cannot upload a {type(content).__name__}: give bytes, a pathlib.Path or a binary file"
        )
    if not 0 <= source.size <= _MOST_BYTES:
        with source:
            raise InvalidArgumentError(f"not a size of a file: {source.size}")
    return source


def _of_size(source: Source, size: int | None) -> Source:
    if size is not None and size != source.size:
        raise InvalidArgumentError(f"the content has {source.size} bytes, not the {size} that were promised")
    return source


def _of_path(path: Path, size: int | None) -> Source:
    with ExitStack() as stack:
        source = _of_stream(stack.enter_context(path.open("rb")), size)
        source.opened += (stack.pop_all(),)
    return source


def _of_stream(stream: BinaryIO, size: int | None) -> Source:
    plain = _plain_file(stream)
    if plain is not None:
        return _of_size(_Descriptor(plain), size)
    if size is not None:
        return _Stream(stream, size)
    if _seekable(stream) and (measured := _measure(stream)):
        return _Stream(stream, measured)
    return _spooled(stream)


def _spooled(stream: BinaryIO) -> Source:
    with ExitStack() as stack:
        spool = stack.enter_context(tempfile.TemporaryFile())
        shutil.copyfileobj(stream, spool, _PIECE_BYTES)
        spool.seek(0)
        source = _Descriptor(spool)
        source.opened = (stack.pop_all(),)
    return source


def _plain_file(stream: Any) -> io.FileIO | io.BufferedReader | io.BufferedRandom | None:
    """Return the stream itself if its bytes are those of its descriptor, from its position on.

    A GzipFile has a descriptor too, with other bytes behind it, so only the plain classes count.
    """
    if isinstance(stream, tempfile._TemporaryFileWrapper):
        stream = stream.file
    if type(stream) not in (io.FileIO, io.BufferedReader, io.BufferedRandom):
        return None
    if not isinstance(getattr(stream, "raw", stream), io.FileIO):
        return None
    if isinstance(stream, io.BufferedRandom):
        stream.flush()
    status = os.fstat(stream.fileno())
    # A pipe has no size, and a file of /proc says 0 whatever it holds.
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        return None
    return cast("io.BufferedReader", stream)


def _reads_bytes(stream: Any) -> bool:
    return hasattr(stream, "read") and not isinstance(stream, io.TextIOBase)


def _seekable(stream: Any) -> bool:
    return bool(getattr(stream, "seekable", lambda: False)())


def _measure(stream: BinaryIO) -> int:
    """Return the bytes up to the end; 0 where that cannot be told (files of /proc)."""
    start = stream.tell()
    try:
        stream.seek(0, io.SEEK_END)
    except OSError:
        return 0
    end = stream.tell()
    stream.seek(start)
    return max(0, end - start)
