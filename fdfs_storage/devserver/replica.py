"""What a storage does when a peer tells it of a change (storage_sync.c, storage_service.c).

Each line of the binlog makes a file, or the part that it is about, what it is at the peer now: so a line
may be repeated, as after a crash, where the mark is behind, and may tell of a change that never came to be.
What the peer has no longer was deleted later, and is passed over.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from fdfs_storage.fastdfs.file_id import FileId

from .binlog import APPEND, CREATE, DELETE, LINK, MODIFY, RENAME, TRUNCATE, UPDATE, Record
from .volume import PIECE_BYTES, Volume


async def replay(record: Record, peer: Volume, volume: Volume) -> None:
    """Do to a volume what was done at its peer, and note it; a disk that fails is an OSError."""
    await _REPLAYED[record.letter](record, peer, volume)
    volume.last_sync_update = int(time.time())
    volume.synced[peer.source] = record.timestamp
    volume.binlog.append(record.replayed())


async def _create(record: Record, peer: Volume, volume: Volume) -> None:
    original, place = _places(record.name, peer, volume)
    with contextlib.suppress(FileNotFoundError):
        # storage_sync_copy_file: what is there and has the size is the file.
        if original.is_symlink() or (place.is_file() and place.stat().st_size == original.stat().st_size):
            return
    await _copy(peer, volume, original, place)


async def _update(record: Record, peer: Volume, volume: Volume) -> None:
    await _copy(peer, volume, *_places(record.name, peer, volume))


async def _write(record: Record, peer: Volume, volume: Volume) -> None:
    original, place = _places(record.name, peer, volume)
    start, count = _numbers(record)
    await _copy_part(peer, volume, original, place, start, count)


async def _truncate(record: Record, peer: Volume, volume: Volume) -> None:
    original, place = _places(record.name, peer, volume)
    _, size = _numbers(record)
    with contextlib.suppress(FileNotFoundError):
        size = min(size, original.stat().st_size)
        if place.is_file():
            os.truncate(place, size)
        await _copy_part(peer, volume, original, place, size, original.stat().st_size - size)


async def _delete(record: Record, peer: Volume, volume: Volume) -> None:
    """Remove what the peer has no longer.

    What is there again is taken over now: the line that tells of its creation would take what is here for it,
    a file of the same size or any link. What came from others meanwhile goes, as in FastDFS, which deletes
    now and copies then.
    """
    original, place = _places(record.name, peer, volume)
    if original.is_symlink():
        way = _way(place, peer.name_of(Path(os.path.normpath(original.parent / original.readlink()))), volume)
        place.unlink(missing_ok=True)
        place.symlink_to(way)
    elif original.exists():
        await _copy(peer, volume, original, place)
    else:
        place.unlink(missing_ok=True)


async def _link(record: Record, peer: Volume, volume: Volume) -> None:
    original, place = _places(record.name, peer, volume)
    if original.is_symlink():
        with contextlib.suppress(FileExistsError):
            place.symlink_to(_way(place, record.extra, volume))


def _way(link: Path, target: str, volume: Volume) -> str:
    """Return what a link holds that leads to a file of this name; that need not be there."""
    return os.path.relpath(volume.place_for(FileId(volume.group, target)), link.parent)


async def _rename(record: Record, peer: Volume, volume: Volume) -> None:
    """Take the file over under its new name.

    storage_sync_rename_file renames the file that is there, and so keeps content that changed last before
    it was renamed, which no later line tells.
    """
    await _copy(peer, volume, *_places(record.name, peer, volume))
    original, old = _places(record.extra, peer, volume)
    if not original.exists():
        old.unlink(missing_ok=True)


_REPLAYED: dict[str, Callable[[Record, Volume, Volume], Awaitable[None]]] = {
    CREATE: _create,
    UPDATE: _update,
    APPEND: _write,
    MODIFY: _write,
    TRUNCATE: _truncate,
    DELETE: _delete,
    LINK: _link,
    RENAME: _rename,
}


def _numbers(record: Record) -> tuple[int, int]:
    first, second = map(int, record.extra.split())
    if first < 0 or second < 0:
        raise ValueError(f"not sizes: {record.extra}")
    return first, second


def _places(name: str, peer: Volume, volume: Volume) -> tuple[Path, Path]:
    """Return where a file lies at the peer, and where it is to lie here."""
    file_id = FileId(volume.group, name)
    return peer.place_for(file_id), volume.place_for(file_id)


async def _copy(peer: Volume, volume: Volume, original: Path, place: Path) -> None:
    """Take a file over as a whole, with its time; none, where the peer has it no longer."""
    try:
        source = original.open("rb", buffering=0)
    except FileNotFoundError:
        return
    with source, volume.receive(volume.index_of(place), counted=False) as incoming:
        while piece := source.read(PIECE_BYTES):
            incoming.write(piece)
            _count(peer, volume, len(piece))
            await _breathe(len(piece) == PIECE_BYTES)
        incoming.replace(place, modified=int(os.fstat(source.fileno()).st_mtime))


async def _copy_part(
    peer: Volume, volume: Volume, original: Path, place: Path, start: int, count: int
) -> None:
    """Take part of a file over; all of it, where what comes before the part is not here."""
    if not place.is_file() or place.stat().st_size < start:
        await _copy(peer, volume, original, place)
        return
    try:
        source = original.open("rb", buffering=0)
    except FileNotFoundError:
        return
    with source, place.open("r+b", buffering=0) as target:
        source.seek(start)
        target.seek(start)
        while piece := source.read(min(PIECE_BYTES, count)):
            target.write(piece)
            _count(peer, volume, len(piece))
            count -= len(piece)
            await _breathe(count)
        modified = int(os.fstat(source.fileno()).st_mtime)
        os.utime(target.fileno(), (modified, modified))


def _count(peer: Volume, volume: Volume, size: int) -> None:
    peer.tally.add("sync_out_bytes", size)
    volume.tally.add("sync_in_bytes", size)


async def _breathe(more: int) -> None:
    """Let others pass between two pieces of a large file."""
    if more:
        await asyncio.sleep(0)
