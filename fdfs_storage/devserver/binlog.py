"""A storage's binlog, and how far each peer has it, in FastDFS's own format (PROTOCOL 11, storage_sync.c).

`sync/binlog.000` has a line for each change: `<unix time> <letter> <name>[ extra]`. The letter is upper
case where a client asked this storage, lower case where the change came from a peer. A mark tells the
place of the next line that a peer has not had.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CREATE, UPDATE, DELETE, APPEND, MODIFY, TRUNCATE, LINK, RENAME = "CUDAMTLR"

_FILE_BYTES = 1 << 30  # SYNC_BINLOG_FILE_MAX_SIZE
_LINE_BYTES = 512  # FastDFS's own are at most 256, but two long names of a link are more
_MARK_BYTES = 4096
_INDEX = "binlog_index.dat"


class Position(NamedTuple):
    """A place in a binlog: the number of the file, and the offset in it."""

    file: int = 0
    offset: int = 0


class Record(NamedTuple):
    """One change."""

    timestamp: int
    letter: str
    name: str
    """Of the file, from `Mxx/` on."""
    extra: str = ""
    """Start and length of what was written; the old and the new size; the file that a link leads to."""

    @classmethod
    def parse(cls, line: bytes) -> Record:
        """Read a line without its end; raise ValueError where it is none."""
        timestamp, letter, name, *extra = line.decode("ascii").split(" ", 3)
        if letter.upper() not in "CUDAMTLR" or len(letter) != 1:
            raise ValueError(f"not an operation of a binlog: {letter!r}")
        return cls(int(timestamp), letter, name, *extra)

    def pack(self) -> bytes:
        extra = f" {self.extra}" if self.extra else ""
        return f"{self.timestamp} {self.letter} {self.name}{extra}\n".encode("ascii", "replace")

    @property
    def is_own(self) -> bool:
        """Whether a client asked for it here, so that the peers must hear of it."""
        return self.letter.isupper()

    def replayed(self) -> Record:
        """Return what a peer notes when it has done the same."""
        return self._replace(letter=self.letter.lower())


class Binlog:
    """Lines are added at the end and never changed; open from `open()` to `close()`."""

    def __init__(self, folder: Path, file_bytes: int = _FILE_BYTES) -> None:
        self.folder = folder
        self._file_bytes = file_bytes
        self._index = self._offset = 0
        self._descriptor = -1

    @property
    def end(self) -> Position:
        return Position(self._index, self._offset)

    def open(self) -> None:
        """Take up where the last run ended; a line that a crash cut off was nobody's answer, and goes."""
        # The names of all files are nobody's business, and the folder is below one that nginx may serve.
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._index = self._recall_index()
        self._open_file()
        self._offset = os.fstat(self._descriptor).st_size
        if tail := os.pread(self._descriptor, _LINE_BYTES, max(self._offset - _LINE_BYTES, 0)):
            self._offset -= len(tail) - (tail.rfind(b"\n") + 1)
            os.ftruncate(self._descriptor, self._offset)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def append(self, record: Record) -> None:
        """Add a line, whole or not at all."""
        line = record.pack()
        if self._offset + len(line) > self._file_bytes:
            self._rotate()
        written = os.write(self._descriptor, line)
        if written < len(line):  # the disk is full: what fitted must go, the error comes with the rest
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._offset)
            raise OSError(28, "no space left for the binlog", str(self.folder))
        self._offset += written

    def mark_of(self, peer: str, port: int | None) -> Path:
        """Return the file of the mark for a peer: `<id>.mark`, or `<address>_<port>.mark`.

        One under another port is given the new name: the port may have been any free one.
        """
        if port is None:
            return self.folder / f"{peer}.mark"
        path = self.folder / f"{peer}_{port}.mark"
        for other in self.folder.glob(f"{peer}_*.mark"):
            if not path.exists():
                other.rename(path)
        return path

    def read(self, start: Position) -> Iterator[tuple[Record | None, Position]]:
        """Yield each record from a place on, None for a damaged line, and the place behind it."""
        while start < self.end:
            # A file that somebody removed has nothing more to tell.
            with contextlib.suppress(FileNotFoundError), self._path(start.file).open("rb") as file:
                file.seek(start.offset)
                for line in file:
                    start = Position(start.file, start.offset + len(line))
                    yield _parsed(line), start
            if start.file >= self._index:
                return
            start = Position(start.file + 1)

    def _path(self, index: int) -> Path:
        return self.folder / f"binlog.{index:03d}"

    def _rotate(self) -> None:
        self.close()
        self._index, self._offset = self._index + 1, 0
        self._open_file()

    def _open_file(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        self._descriptor = os.open(self._path(self._index), flags, 0o644)
        if self._index or not os.fstat(self._descriptor).st_size:
            note = f"current_write={self._index}\ncurrent_compress=0\n"
            (self.folder / _INDEX).write_text(note)

    def _recall_index(self) -> int:
        """Return the number of the last file; the files themselves tell, whatever the note says."""
        numbers = (path.suffix[1:] for path in self.folder.iterdir() if path.stem == "binlog")
        return max((int(number) for number in numbers if number.isdecimal()), default=0)


def _parsed(line: bytes) -> Record | None:
    try:
        return Record.parse(line.rstrip(b"\n"))
    except (ValueError, TypeError):
        return None


class Mark:
    """How far one peer has a binlog; kept in a file that each change overwrites in place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.is_new = True
        """Whether the peer was never told anything before."""
        self.position = Position()
        self._scanned = self._synced = self._length = 0
        self._descriptor = -1

    def open(self) -> None:
        """Read it; where it makes no sense the peer hears all again, which does no harm."""
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        text = os.pread(self._descriptor, _MARK_BYTES, 0).decode("ascii", "replace")
        self._length = len(text)
        known = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        with contextlib.suppress(KeyError, ValueError):
            self._scanned, self._synced = int(known["scan_row_count"]), int(known["sync_row_count"])
            file, offset = int(known["binlog_index"]), int(known["binlog_offset"])
            self.position, self.is_new = Position(max(file, 0), max(offset, 0)), False

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def rewind(self) -> None:
        """Begin again: the peer hears all from the first line on."""
        self.position = Position()

    def advance(self, position: Position, *, synced: bool) -> None:
        """Note that the line before this place is done; `synced` where the peer had to hear of it."""
        self.position = position
        self._scanned += 1
        self._synced += synced

    def save(self) -> None:
        """Write it; one call of the system, so that a crash leaves the old or the new."""
        facts = {
            "binlog_index": self.position.file,
            "binlog_offset": self.position.offset,
            "need_sync_old": 0,
            "sync_old_done": 0,
            "until_timestamp": 0,
            "scan_row_count": self._scanned,
            "sync_row_count": self._synced,
        }
        text = "".join(f"{name}={value}\n" for name, value in facts.items())
        os.pwrite(self._descriptor, text.encode("ascii"), 0)
        if self._length > len(text):  # the place is in the next file, where offsets are short again
            os.ftruncate(self._descriptor, len(text))
        self._length, self.is_new = len(text), False
