"""AppendStream: what is written goes to the end of an appender file."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, BinaryIO, cast

from .fastdfs import Client, FileId
from .fastdfs.errors import FastDFSError, ServerError

if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined]

# One request appends this much.
_BLOCK_BYTES = 1024 * 1024


class AppendError(FastDFSError):
    """Part of what was written did not get to the file, or may not have.

    `appended` bytes are there for certain. The `unsure` bytes after them may be there as a whole; 0
    says that they are not. What was written after them was not sent.
    """

    def __init__(self, message: str, appended: int, unsure: int) -> None:
        super().__init__(message, appended, unsure)
        self.appended = appended
        self.unsure = unsure

    def __str__(self) -> str:
        return str(self.args[0])


class _Once:
    """A block that cannot be rewound: the client then sends it at most once, so it cannot be there twice."""

    def __init__(self, block: bytes) -> None:
        self._block = io.BytesIO(block)

    def read(self, count: int = -1) -> bytes:
        return self._block.read(count)

    def seekable(self) -> bool:
        return False


class AppendStream(io.RawIOBase):
    """A binary stream that can only be written to; it sends blocks of 1 MiB, the rest at flush or close.

    Raises AppendError where a block cannot be appended, and again at each later write: a block whose
    outcome is unknown is not sent twice. A stream that is dropped without close() sends nothing more,
    and a ResourceWarning says how much is lost.
    """

    def __init__(self, client: Client, file_id: FileId, size: int) -> None:
        self._client = client
        self._file_id = file_id
        self._start = size
        self._pending = bytearray()
        self._failure: AppendError | None = None
        self.appended = 0
        """Bytes of which the storage said that it has them."""

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        """Return how long the file is with all that was written, if nobody else writes to it."""
        return self._start + self.appended + len(self._pending)

    def write(self, data: Buffer) -> int:
        self._require_usable()
        with memoryview(data).cast("B") as view:
            self._pending += view
            written = len(view)
        if len(self._pending) >= _BLOCK_BYTES:
            self._send()
        return written

    def flush(self) -> None:
        """Append what is still to be appended."""
        self._require_usable()
        self._send()

    def close(self) -> None:
        """Append the rest; a failure that was raised before is not raised again."""
        if self.closed:
            return
        try:
            if not self._failure:
                self._send()
        finally:
            self._pending.clear()
            self._failure = None
            super().close()

    def __del__(self) -> None:
        if not self.closed and self._pending and not self._failure:
            warnings.warn(
                f"{len(self._pending)} bytes for {self._file_id} are lost: it was not closed",
                ResourceWarning,
                stacklevel=2,
            )

    def _require_usable(self) -> None:
        if self.closed:
            raise ValueError("write to closed file")
        if self._failure:
            raise self._failure

    def _send(self) -> None:
        if not self._pending:
            return
        block = bytes(self._pending)
        self._pending.clear()
        try:
            self._client.append(self._file_id, cast("BinaryIO", _Once(block)), size=len(block))
        except FastDFSError as error:
            self._failure = self._told(len(block), error)
            raise self._failure from error
        self.appended += len(block)

    def _told(self, count: int, error: FastDFSError) -> AppendError:
        certain = error.retriable or isinstance(error, ServerError)
        fate = "were not" if certain else "may have been"
        message = f"{self.appended} bytes were appended to {self._file_id}, the next {count} {fate}: {error}"
        return AppendError(message, self.appended, 0 if certain else count)
