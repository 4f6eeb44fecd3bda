"""A file on its way into a storage: received beside its final place, and linked to its name when complete."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from fdfs_storage.fastdfs.errors import EEXIST
from fdfs_storage.fastdfs.file_id import FileId

from .refusal import RefusedError

if TYPE_CHECKING:
    from .volume import Volume

TRIES = 10
"""How often a name may turn out to be taken, as in FastDFS (PROTOCOL 7.4)."""


class Incoming:
    """`keep()` makes it one of the volume's files, leaving the `with` block drops it."""

    def __init__(self, volume: Volume, store_path: int, *, counted: bool) -> None:
        self._descriptor, path = tempfile.mkstemp(dir=volume.paths[store_path].incoming)
        self._path = Path(path)
        self._volume = volume
        self._store_path = store_path
        self._counted = counted
        self._kept = False
        self._digest = hashlib.sha256() if volume.dedupe and counted else None
        self.size = 0
        self.crc32 = 0
        self._count("file_open")

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.discard()

    def write(self, piece: bytes | memoryview) -> None:
        self.crc32 = crc32(piece, self.crc32)
        if self._digest:
            self._digest.update(piece)
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
            self._count("file_write")
        self.size += len(piece)

    def read(self, start: int, count: int) -> bytes:
        """Return at most `count` bytes of what came, from `start` on."""
        return os.pread(self._descriptor, count, start)

    @property
    def signature(self) -> bytes:
        """What only equal content has; b"" where the storage keeps no file once for all."""
        return self._digest.digest() if self._digest else b""

    def uncounted(self) -> None:
        """Count no upload: what becomes of the content counts for itself."""
        self._counted = False

    def keep(self, extension: str, *, appender: bool = False) -> FileId:
        """Give the complete file a name of its own; the time in it is the file's own."""
        size, created = 0 if appender else self.size, self._modified()
        for _ in range(TRIES):
            name = self._volume.name_for(size, self.crc32, created, extension, appender, self._store_path)
            with contextlib.suppress(FileExistsError):
                return self.keep_as(name, created)
        raise RefusedError(EEXIST)

    def keep_as(self, name: FileId, created: int | None = None) -> FileId:
        """Give the complete file this name; raise FileExistsError where it is taken."""
        os.fchmod(self._descriptor, 0o644)
        self._volume.admit(self._path, name, self._modified() if created is None else created)
        self._kept = True
        return name

    def replace(self, path: Path, modified: int | None = None) -> None:
        """Put the complete file in the place of another, or where there was none; set its time if given."""
        os.fchmod(self._descriptor, 0o644)
        if modified is not None:
            os.utime(self._descriptor, (modified, modified))
        self._path.replace(path)

    def discard(self) -> None:
        """Remove the temporary file; a kept file keeps its name."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._path.unlink(missing_ok=True)
            self._count("upload")
            self._count("upload_bytes", self.size)

    def _modified(self) -> int:
        return int(os.fstat(self._descriptor).st_mtime)

    def _count(self, what: str, amount: int = 1) -> None:
        if self._counted:
            worked = self._kept or what.startswith("file_")
            self._volume.tally.add(what, amount, worked=worked)
