"""FastDFS's files on disk, and the names that a storage gives them.

`<base>/data/HH/HH/<name>` is what FastDFS has below a store path (PROTOCOL 7.4, 11), so a plain nginx
can serve the same folder. A file is received beside its final place and linked to its name when it is
complete: a name leads to the whole file or to nothing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from fdfs_storage.fastdfs.errors import EBUSY, EEXIST, EINVAL, ENOENT, ENOSPC, InvalidFileIdError
from fdfs_storage.fastdfs.file_id import FileId, stem

from .names import METADATA_SUFFIX, relative, tail, tail_of
from .refusal import RefusedError
from .tally import Tally

_TRIES = 10
PIECE_BYTES = 1 << 18
"""Files are read and written in pieces of this size, FastDFS's buff_size: its counters count them."""
_MEGABYTE = 1 << 20


class Space(NamedTuple):
    """The disk below the volume, in MB."""

    total_mb: int
    free_mb: int


def space_of(path: Path) -> Space:
    """Ask the file system."""
    disk = os.statvfs(path)
    return Space(disk.f_blocks * disk.f_frsize // _MEGABYTE, disk.f_bavail * disk.f_frsize // _MEGABYTE)


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
        self.incoming = self.data / ".incoming"
        """What is not complete: beside the folders of the names, because a link cannot leave its disk."""
        self._state = base / "storage_stat.json"
        self._lock = -1

    # --- its life ---

    def open(self) -> None:
        """Lock the folder, take up where the last run ended, sweep what a crash left half received."""
        self.base.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            make_folder(self.data)
            make_folder(self.incoming)
            for leftover in self.incoming.iterdir():
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

    def find(self, name: bytes, *, folder: int = EINVAL, follow: bool = True) -> Path:
        """Return the path of an existing file; `folder` is the status where the name means a directory.

        With `follow` a link is there if its target is, without if the link is.
        """
        inner = relative(name)
        path = self.data / os.fsdecode(inner)
        # FastDFS makes all its folders at once, this volume when they are needed: whether one of the
        # names for the folder itself or its parent exists must not depend on that.
        if inner[6:] in (b"", b".", b"..") or path.is_dir():
            raise RefusedError(folder)
        if not path.is_file() and (follow or not path.is_symlink()):
            raise RefusedError(ENOENT)
        return path

    def checksum(self, path: Path) -> int:
        """Return the CRC32 of a file's content, read in pieces."""
        checksum = 0
        self.tally.add("file_open")
        with path.open("rb", buffering=0) as file:
            while piece := file.read(PIECE_BYTES):
                self.tally.add("file_read")
                checksum = crc32(piece, checksum)
        return checksum

    def delete(self, path: Path) -> None:
        """Remove a file or link, and its metadata where it has any."""
        with self.tally.counting("delete_link" if path.is_symlink() else "delete"):
            path.unlink()
            metadata_path(path).unlink(missing_ok=True)
        self.touch()

    @contextlib.contextmanager
    def open_appender(self, path: Path) -> Iterator[int]:
        """Open an existing file for writing; gives its descriptor."""
        with self.tally.counting("file_open"):
            descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def replace(self, path: Path, content: bytes) -> None:
        """Write a small file as a whole: under its name is the old content or the new, never a part."""
        with self.receive(counted=False) as incoming:
            incoming.write(content)
            incoming.replace(path)
        self.touch()

    def rename(self, path: Path, size: int, checksum: int) -> FileId:
        """Give a file the name of a normal one with this content, of now, in its folder."""
        folder = path.parent.relative_to(self.data).as_posix()
        for _ in range(_TRIES):
            base = self.stem_for(size, checksum, int(time.time()))
            new = path.with_name(base + tail_of(path.name))
            if not new.exists():
                path.rename(new)
                self.touch()
                return FileId(self.group, f"M00/{folder}/{new.name}")
        raise RefusedError(EBUSY)

    def touch(self) -> None:
        """Note that a client changed something just now."""
        self.last_update = int(time.time())

    def receive(self, *, counted: bool = True) -> Incoming:
        """Start to take in a file; `counted` is what a client uploads."""
        return Incoming(self, self.incoming, counted=counted)

    def name_for(
        self, size: int, checksum: int, created: int, extension: str, appender: bool = False
    ) -> FileId:
        """Return a new name for content that is complete; no two calls are likely to give the same."""
        base = self.stem_for(size, checksum, created, appender=appender)
        return FileId(self.group, f"M00/{self.rotation.take()}/{base}{tail(extension)}")

    def stem_for(self, size: int, checksum: int, created: int, *, appender: bool = False) -> str:
        """Return the part of a new name that tells of the file."""
        bits = secrets.randbits(23)
        return stem(self.source, created, size, checksum, random_bits=bits, appender=appender)

    def admit(self, received: Path, name: FileId) -> None:
        """Link what was received to its name, unless the name is taken (FileExistsError)."""
        self.place_for(name).hardlink_to(received)

    def link(self, target: Path, name: FileId) -> None:
        """Make a name a link to a file of this volume, unless it is taken (FileExistsError).

        The link is relative, so that it survives the folder's move; FastDFS's is absolute.
        """
        place = self.place_for(name)
        place.symlink_to(os.path.relpath(target, place.parent))
        self.touch()

    def target_of(self, link: Path) -> Path:
        """Return the file of this volume that a link leads to; FileNotFoundError where it leads nowhere."""
        target = link.resolve(strict=True)
        if self.data.resolve() not in target.parents:
            raise FileNotFoundError(errno.ENOENT, "the link leads out of the volume", str(link))
        return target

    def place_for(self, name: FileId) -> Path:
        """Return where a new name leads, its folders made."""
        final = self.data / name.name[4:]
        make_folder(final.parent.parent)
        make_folder(final.parent)
        return final


class Incoming:
    """A file on its way in: `keep()` makes it one of the volume's, leaving the `with` block drops it."""

    def __init__(self, volume: Volume, folder: Path, *, counted: bool) -> None:
        self._descriptor, path = tempfile.mkstemp(dir=folder)
        self._path = Path(path)
        self._volume = volume
        self._counted = counted
        self._kept = False
        self.size = 0
        self.crc32 = 0
        self._count("file_open")

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.discard()

    def write(self, piece: bytes | memoryview) -> None:
        self.crc32 = crc32(piece, self.crc32)
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
            self._count("file_write")
        self.size += len(piece)

    def read(self, start: int, count: int) -> bytes:
        """Return at most `count` bytes of what came, from `start` on."""
        return os.pread(self._descriptor, count, start)

    def keep(self, extension: str, *, appender: bool = False) -> FileId:
        """Give the complete file a name of its own; the time in it is the file's own."""
        size, created = 0 if appender else self.size, int(os.fstat(self._descriptor).st_mtime)
        for _ in range(_TRIES):  # as many as FastDFS makes (PROTOCOL 7.4)
            name = self._volume.name_for(size, self.crc32, created, extension, appender)
            with contextlib.suppress(FileExistsError):
                return self.keep_as(name)
        raise RefusedError(EEXIST)

    def keep_as(self, name: FileId) -> FileId:
        """Give the complete file this name; raise FileExistsError where it is taken."""
        os.fchmod(self._descriptor, 0o644)
        self._volume.admit(self._path, name)
        self._volume.touch()
        self._kept = True
        return name

    def replace(self, path: Path) -> None:
        """Put the complete file in the place of another, or where there was none."""
        os.fchmod(self._descriptor, 0o644)
        self._path.replace(path)

    def discard(self) -> None:
        """Remove the temporary file; a kept file keeps its name."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._path.unlink(missing_ok=True)
            self._count("upload")
            self._count("upload_bytes", self.size)

    def _count(self, what: str, amount: int = 1) -> None:
        if self._counted:
            worked = self._kept or what.startswith("file_")
            self._volume.tally.add(what, amount, worked=worked)


def metadata_path(path: Path) -> Path:
    """Return where a file's metadata lies, if it has any."""
    return path.with_name(path.name + METADATA_SUFFIX)


def make_folder(path: Path) -> None:
    """Create a directory that others may read, whatever the umask: another user's nginx serves it."""
    try:
        path.mkdir()
    except FileExistsError:
        return
    path.chmod(0o755)
