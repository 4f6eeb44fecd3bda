"""The storages of each group, as trackers list them: what turns a file's source into an address."""

from __future__ import annotations

import functools
import logging
import time
from dataclasses import dataclass

from .errors import FastDFSError, ProtocolError
from .file_id import FileId
from .statistics import StorageStat
from .trackers import Trackers

logger = logging.getLogger(__name__)

_LIST_SECONDS = 60.0
_MISS_SECONDS = 5.0
# FastDFS has at most 512 groups; the names asked for here come from ids, so from anybody.
_LISTED_GROUPS = 512


@dataclass(frozen=True)
class _Listed:
    """A group's storages as a tracker listed them at `at` (monotonic seconds)."""

    at: float
    storages: tuple[StorageStat, ...] = ()

    def find(self, source: str) -> StorageStat | None:
        """Find a file's source: by server id first, then by address."""
        return self._by_id.get(source) or self._by_ip.get(source)

    @functools.cached_property
    def _by_id(self) -> dict[str, StorageStat]:
        return {storage.id: storage for storage in self.storages}

    @functools.cached_property
    def _by_ip(self) -> dict[str, StorageStat]:
        return {storage.ip: storage for storage in self.storages}


class Directory:
    """Remembers each group's list for a minute; asks again at most every 5 s for what it lacks.

    What was known stays good while no tracker answers, so reads go on without trackers.
    """

    def __init__(self, trackers: Trackers) -> None:
        self._trackers = trackers
        self._listed: dict[str, _Listed] = {}
        self._refreshing: set[str] = set()

    def source(self, file_id: FileId) -> StorageStat | None:
        """Return the storage that a file came to, if the list of its group confirms it."""
        listed = self._listed.get(file_id.group)
        found = listed.find(file_id.source) if listed else None
        age = time.monotonic() - listed.at if listed else float("inf")
        if age <= (_LIST_SECONDS if found else _MISS_SECONDS):
            return found
        if listed and file_id.group in self._refreshing:
            return found  # another thread is at it
        return self._refresh(file_id.group, listed).find(file_id.source)

    def storages(self, group: str) -> tuple[StorageStat, ...]:
        """Return what is known of a group, without asking."""
        listed = self._listed.get(group)
        return listed.storages if listed else ()

    def _refresh(self, group: str, known: _Listed | None) -> _Listed:
        self._refreshing.add(group)
        try:
            storages = tuple(filter(_dialable, self._trackers.storages(group)))
        except FastDFSError as error:
            logger.debug("cannot list the storages of %s: %s", group, error)
            storages = known.storages if known else ()
        finally:
            self._refreshing.discard(group)
        if len(self._listed) >= _LISTED_GROUPS:
            self._listed = {}
        # Stamped now: the answer may have taken longer than it is to hold.
        self._listed[group] = listed = _Listed(time.monotonic(), storages)
        return listed


def _dialable(storage: StorageStat) -> bool:
    try:
        return bool(storage.address)
    except ProtocolError:  # one odd record must not hide the others
        return False
