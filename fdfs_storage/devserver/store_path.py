"""A store path of a storage: FastDFS's folders of files on one disk (PROTOCOL 7.4, 11).

`<folder>/data/HH/HH/<name>` is what FastDFS has there, so a plain nginx can serve the same folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

MEGABYTE = 1 << 20


class Space(NamedTuple):
    """The disk below a store path, in MB."""

    total_mb: int
    free_mb: int


def space_of(path: Path) -> Space:
    """Ask the file system."""
    disk = os.statvfs(path)
    return Space(disk.f_blocks * disk.f_frsize // MEGABYTE, disk.f_bavail * disk.f_frsize // MEGABYTE)


class StorePath:
    """The files of one `Mxx`, and the room for more."""

    def __init__(self, folder: Path, space: Callable[[Path], Space] = space_of) -> None:
        self.data = folder / "data"
        self.incoming = self.data / ".incoming"
        """What is not complete: beside the folders of the names, because a link cannot leave its disk."""
        self.full = False
        """Whether to behave as if the disk had no room left."""
        self._space = space

    def open(self) -> None:
        """Make the folders that lack; sweep what a crash left half received."""
        self.data.parent.mkdir(parents=True, exist_ok=True)
        make_folder(self.data)
        make_folder(self.incoming)
        for leftover in self.incoming.iterdir():
            leftover.unlink()

    def space(self) -> Space:
        space = self._space(self.data)
        return space._replace(free_mb=0) if self.full else space

    def has_room(self, reserved_mb: int, size: int = 0) -> bool:
        """Say whether `size` bytes fit and leave the reserve alone."""
        return self.space().free_mb - size // MEGABYTE > reserved_mb

    def files(self) -> Iterator[Path]:
        """Every stored file, metadata included, in the order of the names."""
        yield from sorted(self.data.glob("[0-9A-F][0-9A-F]/[0-9A-F][0-9A-F]/*"))


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


def make_folder(path: Path) -> None:
    """Create a directory that others may read, whatever the umask: another user's nginx serves it."""
    try:
        path.mkdir()
    except FileExistsError:
        return
    path.chmod(0o755)
