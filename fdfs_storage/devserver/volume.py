"""The files of one storage on its store paths, the names that it gives them, and its notes of each change.

A name leads to the whole file or to nothing. A change is first noted in the binlog, then made, then
answered (FastDFS makes it first): so wherever the process ends, the peers of the storage hear of everything
that may have changed, and take it over as it is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from fdfs_storage.fastdfs.errors import EBUSY, EINVAL, ENOENT, ENOSPC, InvalidFileIdError
from fdfs_storage.fastdfs.file_id import FileId, stem

from .binlog import CREATE, DELETE, LINK, RENAME, UPDATE, Binlog, Record
from .folder_lock import FolderLock
from .incoming import TRIES, Incoming
from .names import METADATA_SUFFIX, split_name, tail, tail_of
from .refusal import RefusedError
from .state_file import StateFile
from .store_path import Rotation, Space, StorePath, make_folder, space_of
from .tally import Tally

if TYPE_CHECKING:
    from .dedupe import Dedupe

PIECE_BYTES = 1 << 18
"""Files are read and written in pieces of this size, FastDFS's buff_size: its counters count them."""


class Volume:
    """All files of one storage; open from `open()` to `close()`, for one process at a time.

    `base` is FastDFS's base_path, for what the storage remembers; without `paths` it is the one store
    path as well. `source` is what the names carry: an address, or a server id.
    """

    def __init__(
        self,
        base: Path,
        *,
        group: str = "group1",
        source: str = "127.0.0.1",
        paths: Sequence[Path] = (),
        rotation: Rotation | None = None,
        space: Callable[[Path], Space] = space_of,
    ) -> None:
        self.base = base
        self.group = group
        self.source = source
        self.paths = [StorePath(folder, space) for folder in paths or (base,)]
        self.rotation = rotation or Rotation()
        self.reserved_mb = 0
        """Room that uploads leave alone, over all store paths; without more, the storage is full."""
        self.tally = Tally()
        self.binlog = Binlog(base / "data" / "sync")
        self.hosts: Mapping[str, str] = {}
        """The address of each server id of the cluster."""
        self.dedupe: Dedupe | None = None
        """Where equal files are kept once."""
        self.join_time = self.up_time = self.last_update = self.last_sync_update = 0
        self.synced: dict[str, int] = {}
        """The time of the last change that came from each peer, in unix seconds."""
        self._next_path = 0
        self._state = StateFile(base / "storage_stat.json")
        self._lock = FolderLock(base)

    @property
    def data(self) -> Path:
        """The files of the first store path."""
        return self.paths[0].data

    @property
    def incoming(self) -> Path:
        return self.paths[0].incoming

    # --- its life ---

    def open(self) -> None:
        """Lock the folder, take up where the last run ended, sweep what a crash left half received."""
        self.base.mkdir(parents=True, exist_ok=True)
        self._lock.take()
        try:
            for path in self.paths:
                path.open()
            make_folder(self.base / "data")
            self.binlog.open()
            self._recall()
        except BaseException:
            self.abandon()
            raise

    def close(self) -> None:
        """Remember the counts and the position, and let the folder go."""
        if self._lock.held:
            with contextlib.suppress(OSError):  # the folder may have been removed, or its disk be full
                self._state.save(self._remembered())
            self.binlog.close()
            self._lock.release()

    def abandon(self) -> None:
        """Drop the descriptors and nothing else: in a forked child the folder is the parent's."""
        self.binlog.close()
        self._lock.abandon()

    def _recall(self) -> None:
        self.up_time = self.join_time = int(time.time())
        state = self._state.load()
        # A damaged note costs the counts, never the files.
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
            self.rotation.folder = int(state["folder"]) % self.rotation.subdirs**2
            self.rotation.names = int(state["names"])
            self.join_time = int(state["join_time"])
            self.last_update = int(state["last_update"])
            self.tally = Tally({str(name): int(count) for name, count in state["counts"].items()})
            self.last_sync_update = int(state["last_sync_update"])
            self.synced = {str(peer): int(when) for peer, when in state["synced"].items()}

    def _remembered(self) -> dict[str, Any]:
        return {
            "folder": self.rotation.folder,
            "names": self.rotation.names,
            "join_time": self.join_time,
            "last_update": self.last_update,
            "counts": self.tally.counts(),
            "last_sync_update": self.last_sync_update,
            "synced": self.synced,
        }

    # --- room ---

    @property
    def path_reserved_mb(self) -> int:
        """Each store path's share of the reserve."""
        return self.reserved_mb // len(self.paths)

    def space(self) -> Space:
        """Sum up the store paths."""
        spaces = [path.space() for path in self.paths]
        return Space(sum(space.total_mb for space in spaces), sum(space.free_mb for space in spaces))

    def check_room(self, size: int = 0, store_path: int = 0) -> None:
        """Refuse with 28 unless `size` bytes fit there and leave the reserve alone."""
        if not self.paths[store_path].has_room(self.path_reserved_mb, size):
            raise RefusedError(ENOSPC)

    def choose_path(self) -> int:
        """Return the store path for an upload that names none: in turn, passing over those that are full."""
        count = len(self.paths)
        for offset in range(count):
            index = (self._next_path + offset) % count
            if self.paths[index].has_room(self.path_reserved_mb):
                self._next_path = (index + 1) % count
                return index
        raise RefusedError(ENOSPC)

    # --- what it holds ---

    def files(self) -> Iterator[Path]:
        """Every stored file, metadata included: by store path, then in the order of the names."""
        for path in self.paths:
            yield from path.files()

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
        index, inner = split_name(name, len(self.paths))
        path = self.paths[index].data / os.fsdecode(inner)
        # FastDFS makes all its folders at once, this volume when they are needed: whether one of the
        # names for the folder itself or its parent exists must not depend on that.
        if inner[6:] in (b"", b".", b"..") or path.is_dir():
            raise RefusedError(folder)
        if not path.is_file() and (follow or not path.is_symlink()):
            raise RefusedError(ENOENT)
        return path

    def name_of(self, path: Path) -> str:
        """Return the name of a file that lies at this path, from `Mxx/` on."""
        high, low, name = path.parts[-3:]
        return f"M{self.index_of(path):02X}/{high}/{low}/{name}"

    def index_of(self, path: Path) -> int:
        """Return which store path this file lies on."""
        data = path.parents[2]
        return next((index for index, store in enumerate(self.paths) if store.data == data), 0)

    def checksum(self, path: Path) -> int:
        """Return the CRC32 of a file's content, read in pieces."""
        checksum = 0
        self.tally.add("file_open")
        with path.open("rb", buffering=0) as file:
            while piece := file.read(PIECE_BYTES):
                self.tally.add("file_read")
                checksum = crc32(piece, checksum)
        return checksum

    # --- what changes it ---

    def note(self, letter: str, name: str, extra: str = "", *, timestamp: int | None = None) -> None:
        """Write to the binlog what is to be changed for a client now."""
        self.last_update = now = int(time.time())
        self.binlog.append(Record(now if timestamp is None else timestamp, letter, name, extra))

    def delete(self, path: Path) -> None:
        """Remove a file or link, and its metadata where it has any."""
        with self.tally.counting("delete_link" if path.is_symlink() else "delete"):
            self.drop(path)
            with contextlib.suppress(FileNotFoundError):
                self.drop(metadata_path(path))

    def drop(self, path: Path) -> None:
        """Remove just this one file or link."""
        path.lstat()
        self.note(DELETE, self.name_of(path))
        path.unlink()

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
        letter = UPDATE if path.exists() else CREATE
        with self.receive(self.index_of(path), counted=False) as incoming:
            incoming.write(content)
            self.note(letter, self.name_of(path))
            incoming.replace(path)

    def rename(self, path: Path, size: int, checksum: int) -> FileId:
        """Give a file the name of a normal one with this content, of now, in its folder."""
        for _ in range(TRIES):
            base = self.stem_for(size, checksum, int(time.time()))
            new = path.with_name(base + tail_of(path.name))
            if not new.exists():
                name = self.name_of(new)
                self.note(RENAME, name, self.name_of(path))
                path.rename(new)
                return FileId(self.group, name)
        raise RefusedError(EBUSY)

    def receive(self, store_path: int = 0, *, counted: bool = True) -> Incoming:
        """Start to take in a file; `counted` is what a client uploads."""
        return Incoming(self, store_path, counted=counted)

    def admit(self, received: Path, name: FileId, created: int) -> None:
        """Link what was received to its name, unless the name is taken (FileExistsError)."""
        place = self.place_for(name)
        self.note(CREATE, name.name, timestamp=created)
        place.hardlink_to(received)

    def link(self, target: Path, name: FileId) -> None:
        """Make a name a link to a file of this volume, unless it is taken (FileExistsError).

        The link is relative, so that it survives the folder's move; FastDFS's is absolute.
        """
        place = self.place_for(name)
        self.note(LINK, name.name, self.name_of(target))
        place.symlink_to(os.path.relpath(target, place.parent))

    # --- names ---

    def name_for(
        self,
        size: int,
        checksum: int,
        created: int,
        extension: str,
        appender: bool = False,
        store_path: int = 0,
    ) -> FileId:
        """Return a new name for content that is complete; no two calls are likely to give the same."""
        base = self.stem_for(size, checksum, created, appender=appender)
        return FileId(self.group, f"M{store_path:02X}/{self.rotation.take()}/{base}{tail(extension)}")

    def stem_for(self, size: int, checksum: int, created: int, *, appender: bool = False) -> str:
        """Return the part of a new name that tells of the file."""
        bits = secrets.randbits(23)
        return stem(self.source, created, size, checksum, random_bits=bits, appender=appender)

    def target_of(self, link: Path) -> Path:
        """Return the file of this volume that a link leads to; FileNotFoundError where it leads nowhere."""
        target = link.resolve(strict=True)
        for store in self.paths:
            if (data := store.data.resolve()) in target.parents:
                return store.data / target.relative_to(data)
        raise FileNotFoundError(errno.ENOENT, "the link leads out of the volume", str(link))

    def place_for(self, name: FileId) -> Path:
        """Return where a new name leads, its folders made."""
        final = self.paths[name.store_path].data / name.name[4:]
        make_folder(final.parent.parent)
        make_folder(final.parent)
        return final


def metadata_path(path: Path) -> Path:
    """Return where a file's metadata lies, if it has any."""
    return path.with_name(path.name + METADATA_SUFFIX)
