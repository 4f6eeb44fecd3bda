"""Downloads: content as it comes, going on elsewhere where it broke off."""

from __future__ import annotations

import abc
from collections.abc import Callable

from .connection import Connection
from .deadline import Deadline
from .errors import IntegrityError, InvalidArgumentError, ProtocolError, refusal
from .file_id import FileId
from .protocol import download_request

_PIECE_BYTES = 256 * 1024
# Memory is taken for what arrives, and for no more than this of what is only announced.
_MOST_AHEAD_BYTES = 1024 * 1024
_HIGHEST_OFFSET = (1 << 63) - 1


class Transfer(abc.ABC):
    """A download of `length` bytes from `offset` on, or up to the end (None).

    An operation for any storage that has the file: run again, it goes on where it broke off.
    """

    def __init__(self, file_id: FileId, offset: int, length: int | None) -> None:
        if not 0 <= offset <= _HIGHEST_OFFSET or (length is not None and not 0 <= length <= _HIGHEST_OFFSET):
            raise InvalidArgumentError(f"cannot read {length} bytes from {offset}: not a place in a file")
        self.done = 0
        self.size = file_id.size
        """The file's length, or None where its name does not tell."""
        self._file_id = file_id
        self._offset = offset
        self._length = length

    @abc.abstractmethod
    def take(self, content: bytes) -> None:
        """Take content that is there already."""

    @abc.abstractmethod
    def _receive(self, connection: Connection, left: int, deadline: Deadline) -> None:
        """Take `left` bytes off the connection, and count in `done` what is safe."""

    @property
    def position(self) -> int:
        """The offset in the file at which the next byte is due."""
        return self._offset + self.done

    def clamp(self, rest: int) -> bool:
        """Ask for no more than `rest` bytes from here on; say whether that is less than before."""
        shorter = self._length is not None and self._length - self.done > rest
        self._length = self.done + rest
        return shorter

    def __call__(self, connection: Connection, deadline: Deadline) -> int:
        # On the wire, a count of 0 means "to the end".
        count = 0 if self._length is None else self._length - self.done
        if self._length is not None and not count:
            return self.done
        position = self._offset + self.done
        connection.send(download_request(position, count, self._file_id), deadline)
        length, status = connection.receive_header(deadline, count or self.size or 0)
        if status:
            connection.close()
            raise refusal(status, str(self._file_id), str(connection.address))
        self._check(length, position, count, connection)
        self._receive(connection, length, deadline)
        connection.settle()
        return self.done

    def _check(self, announced: int, position: int, count: int, connection: Connection) -> None:
        """Hold the announced length against what was asked for, and against the size in the id."""
        if count and announced > count:
            raise ProtocolError(f"{connection.address} sends {announced} bytes where {count} were asked for")
        size = self.size
        if size is None or (announced == size and not position):
            return
        due = max(0, size - position)
        if announced != (min(count, due) if count else due):
            connection.close()
            raise IntegrityError(
                f"{connection.address} has {position + announced} bytes of {self._file_id}, "
                f"which says that it has {size}: its copy is damaged"
            )


class Gathered(Transfer):
    """A download into memory; `content()` is what came."""

    def __init__(self, file_id: FileId, offset: int, length: int | None) -> None:
        super().__init__(file_id, offset, length)
        self._pieces: list[bytes] = []

    def content(self) -> bytes:
        return b"".join(self._pieces)  # of one piece, that is the piece itself

    def take(self, content: bytes) -> None:
        self._pieces.append(content)
        self.done += len(content)

    def _receive(self, connection: Connection, left: int, deadline: Deadline) -> None:
        while left:
            piece = connection.receive_piece(min(left, _MOST_AHEAD_BYTES), deadline)
            self._pieces.append(piece)
            self.done += len(piece)
            left -= len(piece)
            if left:
                deadline.moved(len(piece))


class Filling(Transfer):
    """A download into a buffer, which is as long as the download at most."""

    def __init__(self, file_id: FileId, offset: int, view: memoryview) -> None:
        super().__init__(file_id, offset, len(view))
        self._view = view

    def take(self, content: bytes) -> None:
        end = self.done + len(content)
        self._view[self.done : end] = content
        self.done = end

    def _receive(self, connection: Connection, left: int, deadline: Deadline) -> None:
        end = self.done + left
        while self.done < end:
            self.done += connection.receive_into(self._view[self.done : end], deadline)


class Writing(Transfer):
    """A download handed on piece by piece.

    `write` is given a view of a buffer that is used again: what it keeps, it must copy.
    """

    def __init__(
        self, file_id: FileId, offset: int, length: int | None, write: Callable[[memoryview], object]
    ) -> None:
        super().__init__(file_id, offset, length)
        self._write = write

    def take(self, content: bytes) -> None:
        with memoryview(content) as piece:
            self._write_rest(piece, self._write(piece))
        self.done += len(content)

    def _receive(self, connection: Connection, left: int, deadline: Deadline) -> None:
        with memoryview(bytearray(min(left, _PIECE_BYTES))) as buffer:
            while left:
                count = connection.receive_into(buffer if left >= len(buffer) else buffer[:left], deadline)
                piece = buffer[:count]
                written = self._write(piece)
                if written != count and written is not None:
                    self._write_rest(piece, written)
                self.done += count
                left -= count

    def _write_rest(self, piece: memoryview, written: object) -> None:
        """Write what is left of a piece: an unbuffered file may take less of it at a time."""
        while isinstance(written, int) and written < len(piece):
            if not written:
                raise InvalidArgumentError("the target takes no bytes; open it in blocking mode")
            piece = piece[written:]
            written = self._write(piece)


def require_whole(offset: int, length: int | None) -> None:
    """Raise InvalidArgumentError where a checksum could not be compared with the one in the id."""
    if offset or length is not None:
        raise InvalidArgumentError("only a whole file can be verified")
