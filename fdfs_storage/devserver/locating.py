"""Where a file is: tracker_mem.c, tracker_mem_get_storage_by_filename (PROTOCOL 4.6).

FastDFS guesses from times whether a replica has a file, since trackers hear of progress with the heart
beats only. Here a storage has what its peers no longer have to tell it: it is named when the file is there,
not some seconds later, and never before.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from fdfs_storage.fastdfs.errors import ENOENT, InvalidFileIdError
from fdfs_storage.fastdfs.file_id import NORMAL_NAME_BYTES, FileId, Kind

from .placing import Placing
from .policy import SOURCE_FIRST
from .refusal import RefusedError
from .roster import Group, Roster
from .storage import Storage


class Clue(NamedTuple):
    """What a name tells a tracker; one that no storage gives tells nothing, and is answered all the same."""

    source: str = ""
    created: int = 0
    is_normal: bool = True

    @classmethod
    def of(cls, name: bytes) -> Clue:
        try:
            file_id = FileId.parse(f"group/{name.partition(bytes(1))[0].decode('ascii')}")
            created = int(file_id.created.timestamp())
        except (InvalidFileIdError, UnicodeDecodeError):
            return cls()
        # To a tracker, what is too short for a normal name is no slave either.
        short_slave = file_id.kind is Kind.SLAVE and len(file_id.name) < NORMAL_NAME_BYTES
        return cls(file_id.source, created, short_slave or file_id.kind in (Kind.NORMAL, Kind.TRUNK))


class Locating:
    """One tracker's answers; reads go round the storages in turn."""

    def __init__(self, roster: Roster, placing: Placing) -> None:
        self._roster = roster
        self._placing = placing
        self._readers: dict[str, int] = defaultdict(int)

    def for_reading(self, group: Group, name: bytes) -> Storage:
        """Choose one storage that has the file."""
        readable, clue = group.readable, Clue.of(name)
        if not readable:
            raise RefusedError(ENOENT)
        source = group.find(clue.source)
        source_first = not clue.is_normal or self._roster.policy.download_server == SOURCE_FIRST
        if source_first and source is not None and source.readable:
            return source
        if clue.is_normal:
            first = self._readers[group.name]
            for index in range(first, first + len(readable)):
                storage = readable[index % len(readable)]
                if self._has(group, storage, source, clue):
                    self._readers[group.name] = (index + 1) % len(readable)
                    return storage
        return self._store_server(group)

    def for_all(self, group: Group, name: bytes) -> list[Storage]:
        """Return every storage that has the file."""
        readable, clue = group.readable, Clue.of(name)
        if not readable:
            raise RefusedError(ENOENT)
        source = group.find(clue.source)
        if clue.is_normal:
            holders = [storage for storage in readable if self._has(group, storage, source, clue)]
        else:
            holders = [source] if source is not None and source.readable else []
        return holders or [self._store_server(group)]

    def for_update(self, group: Group, name: bytes) -> Storage:
        """Choose the storage that is to change the file: its source, else any that takes writes."""
        source = group.find(Clue.of(name).source)
        if source is not None and source.writable:
            return source
        return self._placing.server(group)

    def _has(self, group: Group, storage: Storage, source: Storage | None, clue: Clue) -> bool:
        tellers = [source] if source else group.storages
        waiting = (self._roster.pending(each.id, storage.id) for each in tellers if each is not storage)
        return all(since is None or clue.created < since for since in waiting)

    @staticmethod
    def _store_server(group: Group) -> Storage:
        storage = group.first_writable
        if storage is None:
            raise RefusedError(ENOENT)
        return storage
