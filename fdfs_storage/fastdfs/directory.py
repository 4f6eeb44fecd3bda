"""The storages of each group, as trackers list them: what turns a file's source into an address."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import NamedTuple

from .errors import FastDFSError, ProtocolError
from .file_id import SOURCE_MARK, FileId
from .protocol import Address
from .statistics import StorageStat
from .trackers import Trackers

logger = logging.getLogger(__name__)

_LIST_SECONDS = 60.0
_MISS_SECONDS = 5.0
# FastDFS has at most 512 groups; the names asked for here come from ids, so from anybody.
_LISTED_GROUPS = 512


class Listed(NamedTuple):
    """A storage as a tracker lists it: where it is, and what may be sent to it."""

    address: Address
    readable: bool
    writable: bool


class _Group:
    """A group's storages as a tracker listed them at `at` (monotonic seconds)."""

    def __init__(self, at: float, storages: Iterable[StorageStat] = ()) -> None:
        self.at = at
        self._by_id: dict[str, Listed] = {}
        self._by_ip: dict[str, Listed] = {}
        self._by_mark: dict[str, Listed] = {}
        """Sources that were found, by what stands in their files' names: a few for each storage."""
        for storage in storages:
            listed = Listed(storage.address, storage.readable, storage.writable)
            self._by_id[storage.id] = self._by_ip[storage.ip] = listed

    @property
    def storages(self) -> tuple[Listed, ...]:
        return tuple(self._by_id.values())

    def source(self, file_id: FileId) -> Listed | None:
        """Find a file's source: by server id first, then by address."""
        mark = file_id.name[SOURCE_MARK]
        found = self._by_mark.get(mark)
        if not found:
            source = file_id.source
            found = self._by_id.get(source) or self._by_ip.get(source)
            if found:
                self._by_mark[mark] = found
        return found


class Directory:
    """Remembers each group's list for a minute; asks again at most every 5 s for what it lacks.

    What was known stays good while no tracker answers, so reads go on without trackers.
    """

    def __init__(self, trackers: Trackers) -> None:
        self._trackers = trackers
        self._groups: dict[str, _Group] = {}
        self._refreshing: set[str] = set()

    def source(self, file_id: FileId) -> Listed | None:
        """Return the storage that a file came to, if the list of its group confirms it."""
        known, found = self._groups.get(file_id.group), None
        if known:
            found = known.source(file_id)
            if time.monotonic() - known.at <= (_LIST_SECONDS if found else _MISS_SECONDS):
                return found
            if file_id.group in self._refreshing:
                return found  # another thread is at it
        return self._refresh(file_id.group, known).source(file_id)

    def storages(self, group: str) -> tuple[Listed, ...]:
        """Return what is known of a group, without asking."""
        known = self._groups.get(group)
        return known.storages if known else ()

    def _refresh(self, group: str, known: _Group | None) -> _Group:
        self._refreshing.add(group)
        try:
            fresh = _Group(0, filter(_dialable, self._trackers.storages(group)))
        except FastDFSError as error:
            logger.debug("cannot list the storages of %s: %s", group, error)
            fresh = known or _Group(0)
        finally:
            self._refreshing.discard(group)
        if len(self._groups) >= _LISTED_GROUPS:
            self._groups = {}
        # Stamped now: the answer may have taken longer than it is to hold.
        fresh.at = time.monotonic()
        self._groups[group] = fresh
        return fresh


def _dialable(storage: StorageStat) -> bool:
    try:
        return bool(storage.address)
    except ProtocolError:  # one odd record must not hide the others
        return False
