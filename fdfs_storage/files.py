"""FastDFSFile: a file in FastDFS that is read by range, as far as it is read, or appended to."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.files.base import File

from .appending import AppendStream
from .fastdfs import Client, FileId, Kind

if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined]

_BINARY = ("rb", "br")
_TEXT = ("r", "rt", "tr")
_APPENDING = ("ab", "ba")
# One request fetches this much ahead: what reads a header, then a little more, asks once.
_BLOCK_BYTES = 256 * 1024


class _RangeReader(io.RawIOBase):
    """Part of the content as a raw stream: each read is one ranged download, but of what is known already."""

    def __init__(self, client: Client, file_id: FileId, start: int, size: int, head: bytes = b"") -> None:
        self._client = client
        self._file_id = file_id
        self._start = start
        self._size = size
        self._head = head
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        bases = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}
        if whence not in bases:
            raise io.UnsupportedOperation(f"cannot seek from {whence}")
        base = bases[whence]
        if base + offset < 0:
            raise ValueError(f"cannot seek to {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        content = self._read(len(view))
        view[: len(content)] = content
        return len(content)

    def readall(self) -> bytes:
        content = self._read(self._size - self._position)
        return content + self._read(self._size - self._position) if self._head else content

    def _read(self, length: int) -> bytes:
        length = min(length, self._size - self._position)
        if length <= 0:
            return b""
        known = self._head[self._position : self._position + length]
        content = known or self._client.download(self._file_id, self._start + self._position, length)
        self._position += len(content)
        return content


class TextForm(NamedTuple):
    """How text is read, with the meaning that the built-in open() gives the names."""

    encoding: str | None = None
    errors: str | None = None
    newline: str | None = None


class FastDFSFile(File):  # type: ignore[type-arg]  # generic in its stubs, not at run time
    """A file opened for reading, in binary or (mode `r`, `rt`) as text, UTF-8 unless told otherwise.

    Nothing is fetched before the first read, and then in blocks of 256 KiB. It can seek, be reopened
    after close(), and be given to whatever takes a file: zipfile, Pillow, csv, FileResponse. An
    appender file opened with mode `ab` takes what is written at its end: see AppendStream.
    """

    def __init__(
        self,
        client: Client,
        file_id: FileId,
        size: int,
        mode: str = "rb",
        text: TextForm | None = None,
        head: bytes = b"",
    ) -> None:
        self._client = client
        self._file_id = file_id
        self._size = size
        self._text = text or TextForm()
        self._head = head
        super().__init__(self._stream(mode), str(file_id))
        self.mode = mode

    @property
    def size(self) -> int:
        """The content's length in bytes when the file was opened, and what was appended since."""
        stream: Any = self.file
        return self._size + (stream.appended if isinstance(stream, AppendStream) else 0)

    def open(  # type: ignore[override]  # without what only a file on disk can be asked for
        self,
        mode: str | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> FastDFSFile:
        """Go back to the start, opening the file again if it was closed or is to be read otherwise."""
        wanted = mode or self.mode
        require_mode(wanted)
        text = TextForm(encoding, errors, newline)
        if self.closed or wanted != self.mode or any(text):
            self.close()
            if any(text) or wanted not in _TEXT:
                self._text = text
            if self._file_id.size is None:  # it may have changed
                self._size = self._client.info(self._file_id, crc=False).size
            self.file = self._stream(wanted)
            self.mode = wanted
        elif wanted not in _APPENDING:
            self.seek(0)
        return self

    def open_stream(self, start: int = 0, length: int | None = None) -> io.BufferedReader:
        """Return part of the content as a binary stream of its own, for answers to range requests.

        `start` and `length` count bytes; None means to the end, and what lies behind the end is left
        out. Nothing is fetched before the first read; this file's own position stays where it is.
        """
        if start < 0 or (length is not None and length < 0):
            raise ValueError(f"start and length must not be negative, but are {start} and {length}")
        rest = max(self.size - start, 0)
        part = rest if length is None else min(length, rest)
        reader = _RangeReader(self._client, self._file_id, start, part)
        return io.BufferedReader(reader, max(min(part, _BLOCK_BYTES), 1))

    def close(self) -> None:
        """Close the file; of a file that is appended to, what is still to be appended goes out first."""
        if self.file is not None:
            self.file.close()

    def __iter__(self) -> Iterator[Any]:
        """Yield lines from the start on; of text, lines as the `newline` that was asked for has them."""
        if self.mode not in _TEXT:
            yield from super().__iter__()
        else:
            self.seek(0)
            yield from self.file or ()

    def _stream(self, mode: str) -> Any:
        if mode not in _TEXT and any(self._text):
            raise ValueError("binary mode takes no encoding, errors or newline")
        if mode in _APPENDING:
            _require_appender(self._file_id)
            return AppendStream(self._client, self._file_id, self._size)
        reader = _RangeReader(self._client, self._file_id, 0, self._size, self._head)
        buffered = io.BufferedReader(reader, _BLOCK_BYTES)
        if mode in _BINARY:
            return buffered
        encoding, errors, newline = self._text
        return io.TextIOWrapper(buffered, encoding or "utf-8", errors, newline)


def require_mode(mode: str) -> None:
    """Raise io.UnsupportedOperation, with the way that works, for what FastDFS opens no file for."""
    if mode not in (*_BINARY, *_TEXT, *_APPENDING):
        raise io.UnsupportedOperation(
            f"mode {mode!r}: files in FastDFS are not written in place; save the new content with "
            'storage.save(), which gives it a name of its own, or open an appender file with "ab"'
        )


def _require_appender(file_id: FileId) -> None:
    if file_id.kind is not Kind.APPENDER:
        raise io.UnsupportedOperation(
            f"{file_id} is not an appender file; storage.client.upload_appender() makes one, and "
            "storage.save() saves the new content under a name of its own"
        )
