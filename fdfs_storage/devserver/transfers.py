"""Requests whose body is a file's content: it comes in pieces, since nothing here ever holds a whole file."""

from __future__ import annotations

import abc
from collections.abc import Callable

from fdfs_storage.fastdfs.file_id import FileId
from fdfs_storage.fastdfs.protocol import pack_file_id

from .incoming import Incoming
from .refusal import RefusedError, status_of
from .replies import Reply


class Transfer(abc.ABC):
    """A request whose head is in: write() until nothing is missing, then finish(); at any time discard()."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._came = 0
        self._failure: OSError | None = None

    @property
    def missing(self) -> int:
        """How many bytes are still to come; none after the disk failed."""
        return 0 if self._failure else self._size - self._came

    def write(self, piece: bytes | memoryview) -> None:
        """Take the next piece; what the disk says to it, finish() tells."""
        try:
            self._take(piece)
            self._came += len(piece)
        except OSError as error:
            self._failure = error

    def finish(self) -> Reply:
        """Do what was asked with all that came, and answer; never raises."""
        try:
            if self._failure:
                raise self._failure
            return self._complete()
        except (RefusedError, OSError) as error:
            return Reply(status_of(error))
        finally:
            self.discard()

    @abc.abstractmethod
    def discard(self) -> None:
        """Drop what came, unless it was finished or dropped before."""

    @abc.abstractmethod
    def _take(self, piece: bytes | memoryview) -> None: ...

    @abc.abstractmethod
    def _complete(self) -> Reply: ...


class Upload(Transfer):
    """A new file; `keep` names it when it is complete."""

    def __init__(self, incoming: Incoming, size: int, keep: Callable[[Incoming], FileId]) -> None:
        super().__init__(size)
        self._incoming = incoming
        self._keep = keep

    def discard(self) -> None:
        self._incoming.discard()

    def _take(self, piece: bytes | memoryview) -> None:
        self._incoming.write(piece)

    def _complete(self) -> Reply:
        return Reply(body=pack_file_id(self._keep(self._incoming)))
