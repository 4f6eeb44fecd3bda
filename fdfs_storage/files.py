"""FastDFSFile: a file in FastDFS that is read by range, as far as it is read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from django.core.files.base import File

from .fastdfs import Client, FileId

if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined]

_READING = ("r", "rb", "br", "rt", "tr")
# One request fetches this much ahead: what reads a header, then a little more, asks once.
_BLOCK_BYTES = 256 * 1024


class _RangeReader(io.RawIOBase):
    """The content as a raw stream: each read is one ranged download."""

    def __init__(self, client: Client, file_id: FileId, size: int) -> None:
        self._client = client
        self._file_id = file_id
        self._size = size
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
        return self._read(self._size - self._position)

    def _read(self, length: int) -> bytes:
        length = min(length, self._size - self._position)
        if length <= 0:
            return b""
        content = self._client.download(self._file_id, self._position, length)
        self._position += len(content)
        return content


class FastDFSFile(File):  # type: ignore[type-arg]  # generic in its stubs, not at run time
    """A file opened for reading, in binary or (mode `r`, `rt`) as UTF-8 text.

    Nothing is fetched before the first read. It can seek, be reopened after close(), and be given to
    whatever takes a file: zipfile, Pillow, csv, FileResponse.
    """

    def __init__(self, client: Client, file_id: FileId, size: int, mode: str = "rb") -> None:
        self._client = client
        self._file_id = file_id
        self._size = size
        super().__init__(self._stream(mode), str(file_id))
        self.mode = mode

    @property
    def size(self) -> int:
        """The content's length in bytes when the file was opened."""
        return self._size

    def open(self, mode: str | None = None, *_: Any, **__: Any) -> FastDFSFile:
        """Go back to the start, opening the file again if it was closed."""
        wanted = mode or self.mode
        require_reading(wanted)
        if self.closed or wanted != self.mode:
            self.close()
            self.file = self._stream(wanted)
            self.mode = wanted
        else:
            self.seek(0)
        return self

    def close(self) -> None:
        if self.file is not None:
            self.file.close()

    def _stream(self, mode: str) -> Any:
        reader = _RangeReader(self._client, self._file_id, self._size)
        buffered = io.BufferedReader(reader, _BLOCK_BYTES)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding="utf-8")


def require_reading(mode: str) -> None:
    """Raise io.UnsupportedOperation for a mode that writes: FastDFS overwrites nothing."""
    if mode not in _READING:
        raise io.UnsupportedOperation(
            f"mode {mode!r}: files in FastDFS are not written in place; "
            "save the new content with storage.save(), which gives it a name of its own"
        )
