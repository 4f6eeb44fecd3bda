"""FastDFS's files on disk, and the names that a storage gives them.

`<base>/data/HH/HH/<name>` is what FastDFS has below a store path (PROTOCOL 7.4, 11), so a plain nginx
can serve the same folder. A file is received beside its final place and linked to its name when it is
complete: a name leads to the whole file or to nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from fdfs_storage.fastdfs.errors import EEXIST, EINVAL, ENOENT, ENOSPC, InvalidFileIdError
from fdfs_storage.fastdfs.file_id import NAME_BYTES, FileId, stem

from .refusal import RefusedError
from .tally import Tally

METADATA_SUFFIX = "-m"
STORE_PATHS = 1
_FOLDERS = re.compile(rb"[0-9A-F]{2}/[0-9A-F]{2}/")
_STORE_PATH = re.compile(rb"M([0-9A-Fa-f]{2})/")
_PREFIX_BYTES = 10  # Mxx/HH/HH/
_TAIL_BYTES = 7
_TRIES = 10
_PIECE_BYTES = 1 << 18
_MEGABYTE = 1 << 20


class Space(NamedTuple):
    """The disk below the volume, in MB."""

    total_mb: int
    free_mb: int


def space_of(path: Path) -> Space:
    """Ask the file system."""
    disk = os.statvfs(path)
    return Space(disk.f_blocks * disk.f_frsize // _MEGABYTE, disk.f_bavail * disk.f_frsize // _MEGABYTE)


def tail(extension: str) -> str:
    """Return the seven characters that end a name: random digits, a dot, the extension (PROTOCOL 7.3)."""
    ending = f".{extension}" if extension else ""
    digits = _TAIL_BYTES - len(ending)
    return (f"{secrets.randbelow(10**digits):0{digits}}" if digits else "") + ending


class Rotation:
    """Which folder gets the next name: each takes 100, then comes the next (PROTOCOL 7.4, mode 0)."""

    def __init__(self, subdirs: int = 256, names_each: int = 100, *, folder: int = 0, names: int = 0) -> None:
        self.subdirs = subdirs
        self._names_each = names_each
        self.folder = folder % subdirs**2
        self.names = names

    def take(self) -> str:
        """Return the folder of one more name, `HH/HH`."""
        if self.names >= self._names_each:
            self.folder, self.names = (self.folder + 1) % self.subdirs**2, 0
        self.names += 1
        high, low = divmod(self.folder, self.subdirs)
        return f"{high:02X}/{low:02X}"


class Volume:
    """One store path of one storage; open from `open()` to `close()`, for one process at a time."""

    def __init__(
        self,
        base: Path,
        *,
        group: str = "group1",
        source: str = "127.0.0.1",
        rotation: Rotation | None = None,
        space: Callable[[Path], Space] = space_of,
    ) -> None:
        self.base = base
        self.data = base / "data"
        self.group = group
        self.source = source
        self.rotation = rotation or Rotation()
        self.reserved_mb = 0
        """Room that uploads leave alone: without more than this, the storage is full."""
        self.tally = Tally()
        self.join_time = self.up_time = self.last_update = 0
        self._space = space
        # Beside the folders of the names, because a link cannot leave its file system.
        self._incoming = self.data / ".incoming"
        self._state = base / "storage_stat.json"
        self._lock = -1

    # --- its life ---

    def open(self) -> None:
        """Lock the folder, take up where the last run ended, sweep what a crash left half received."""
        self.base.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            make_folder(self.data)
            make_folder(self._incoming)
            for leftover in self._incoming.iterdir():
                leftover.unlink()
            self._recall()
        except BaseException:
            self.abandon()
            raise

    def close(self) -> None:
        """Remember the counts and the position, and let the folder go."""
        if self._lock >= 0:
            with contextlib.suppress(OSError):  # the folder may have been removed, or its disk be full
                self._remember()
            fcntl.flock(self._lock, fcntl.LOCK_UN)
            self.abandon()

    def abandon(self) -> None:
        """Drop the lock's descriptor and nothing else: in a forked child the folder is the parent's."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _take_lock(self) -> None:
        # flock and not lockf: it also tells two clusters of one process apart.
        lock = os.open(self.base / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            if not isinstance(error, BlockingIOError):
                raise
            reason = f"another embedded cluster keeps its files in {self.base}"
            raise BlockingIOError(error.errno, reason) from error
        self._lock = lock

    def _recall(self) -> None:
        self.up_time = self.join_time = int(time.time())
        try:
            state = json.loads(self._state.read_text())
            self.rotation.folder = int(state["folder"]) % self.rotation.subdirs**2
            self.rotation.names = int(state["names"])
            self.join_time = int(state["join_time"])
            self.last_update = int(state["last_update"])
            self.tally = Tally({str(name): int(count) for name, count in state["counts"].items()})
        except FileNotFoundError:
            pass
        except (ValueError, TypeError, KeyError, AttributeError):
            pass  # a damaged note costs the counts, never the files

    def _remember(self) -> None:
        state = {
            "folder": self.rotation.folder,
            "names": self.rotation.names,
            "join_time": self.join_time,
            "last_update": self.last_update,
            "counts": self.tally.counts(),
        }
        draft = self._state.with_suffix(".tmp")
        draft.write_text(json.dumps(state, indent=1))
        draft.replace(self._state)

    # --- what it holds ---

    def space(self) -> Space:
        return self._space(self.data)

    def check_room(self, size: int = 0) -> None:
        """Refuse with 28 unless `size` bytes fit and leave the reserve alone."""
        if self.space().free_mb - size // _MEGABYTE <= self.reserved_mb:
            raise RefusedError(ENOSPC)

    def files(self) -> Iterator[Path]:
        """Every stored file, metadata included, in the order of the names."""
        yield from sorted(self.data.glob("[0-9A-F][0-9A-F]/[0-9A-F][0-9A-F]/*"))

    def path_of(self, file_id: str) -> Path | None:
        """Return where the file lies, or None where there is no such file."""
        try:
            parsed = FileId.parse(file_id)
            return self.find(parsed.name.encode()) if parsed.group == self.group else None
        except (InvalidFileIdError, RefusedError):
            return None

    def find(self, name: bytes, *, folder: int = EINVAL) -> Path:
        """Return the path of an existing file; `folder` is the status where the name means a directory."""
        relative = _relative(name)
        path = self.data / os.fsdecode(relative)
        # FastDFS makes all its folders at once, this volume when they are needed: whether one of the
        # names for the folder itself or its parent exists must not depend on that.
        if relative[6:] in (b"", b".", b"..") or path.is_dir():
            raise RefusedError(folder)
        if not path.is_file():
            raise RefusedError(ENOENT)
        return path

    def delete(self, path: Path) -> None:
        """Remove a file, and its metadata where it has any."""
        try:
            path.unlink()
            path.with_name(path.name + METADATA_SUFFIX).unlink(missing_ok=True)
        except OSError:
            self.tally.add("delete", worked=False)
            raise
        self.tally.add("delete")
        self.touch()

    def touch(self) -> None:
        """Note that a client changed something just now."""
        self.last_update = int(time.time())

    def receive(self) -> Incoming:
        """Start to take in a file."""
        return Incoming(self, self._incoming)

    def name_for(self, size: int, checksum: int, created: int, extension: str) -> FileId:
        """Return a new name for content that is complete; no two calls are likely to give the same."""
        base = stem(self.source, created, size, checksum, random_bits=secrets.randbits(23))
        return FileId(self.group, f"M00/{self.rotation.take()}/{base}{tail(extension)}")

    def admit(self, received: Path, name: FileId) -> None:
        """Link what was received to its name, unless the name is taken (FileExistsError)."""
        final = self.data / name.name[4:]
        make_folder(final.parent.parent)
        make_folder(final.parent)
        final.hardlink_to(received)


class Incoming:
    """A file on its way in: `keep()` makes it one of the volume's, leaving the `with` block drops it."""

    def __init__(self, volume: Volume, folder: Path) -> None:
        self._descriptor, path = tempfile.mkstemp(dir=folder)
        self._path = Path(path)
        self._volume = volume
        self._kept = False
        self.size = 0
        self.crc32 = 0
        volume.tally.add("file_open")

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.discard()

    def write(self, piece: bytes | memoryview) -> None:
        self.crc32 = crc32(piece, self.crc32)
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
            self._volume.tally.add("file_write")
        self.size += len(piece)

    def keep(self, extension: str) -> FileId:
        """Give the complete file its name; the time in it is the file's own."""
        os.fchmod(self._descriptor, 0o644)
        created = int(os.fstat(self._descriptor).st_mtime)
        for _ in range(_TRIES):  # as many as FastDFS makes (PROTOCOL 7.4)
            name = self._volume.name_for(self.size, self.crc32, created, extension)
            try:
                self._volume.admit(self._path, name)
            except FileExistsError:
                continue
            self._volume.touch()
            self._kept = True
            return name
        raise RefusedError(EEXIST)

    def discard(self) -> None:
        """Remove the temporary file; a kept file keeps its name."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._path.unlink(missing_ok=True)
            self._volume.tally.add("upload", worked=self._kept)
            self._volume.tally.add("upload_bytes", self.size, worked=self._kept)


def _relative(name: bytes) -> bytes:
    """Check a name as the storage does, in its order (PROTOCOL 5.1), and cut off the store path."""
    # The C storage overruns its buffers with longer names; they are refused here (PROTOCOL, section 2).
    if not _PREFIX_BYTES < len(name) <= NAME_BYTES:
        raise RefusedError(EINVAL)
    if name.startswith(b"M"):
        match = _STORE_PATH.match(name)
        if not match or int(match[1], 16) >= STORE_PATHS:
            raise RefusedError(EINVAL)
        name = name[match.end() :]
    name = name.partition(b"\0")[0]
    if not _FOLDERS.match(name) or b"/" in name[6:]:
        raise RefusedError(EINVAL)
    return name


class FileFacts(NamedTuple):
    """What a file's name and the file system say of it."""

    path: Path
    size: int
    modified: int
    created: int | None
    """The time in the name, where it is the file's own."""
    crc32: int | None
    """From the name, where that tells."""
    source: str
    """The address in the name, where it has one."""

    @classmethod
    def of(cls, path: Path, name: bytes) -> FileFacts:
        stat = path.stat()
        try:
            prefix = "" if name.startswith(b"M") else "M00/"  # the old form (PROTOCOL 5.1)
            file_id = FileId.parse(f"group/{prefix}{name.decode('ascii')}")
        except (InvalidFileIdError, UnicodeDecodeError):  # no storage gave it this name
            return cls(path, stat.st_size, int(stat.st_mtime), None, None, "")
        created = int(file_id.created.timestamp()) if file_id.size is not None else None
        # A server id could only be resolved with storage_ids.conf.
        source = file_id.source if "." in file_id.source else ""
        return cls(path, stat.st_size, int(stat.st_mtime), created, file_id.crc32, source)


def checksum_of(path: Path) -> int:
    """Return the CRC32 of a file's content, read in pieces."""
    checksum = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            checksum = crc32(piece, checksum)
    return checksum


def make_folder(path: Path) -> None:
    """Create a directory that others may read, whatever the umask: another user's nginx serves it."""
    try:
        path.mkdir()
    except FileExistsError:
        return
    path.chmod(0o755)
