"""Which server? Trackers in turn, placement, routing, and the one retry loop.

Nothing is ever dialled that no tracker named: the source in a file id is only a key into the storage
list of its group (ids come from rows, URLs and pasted text).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .connection import Connection, Deadline
from .errors import (
    ENOENT,
    ConnectionLostError,
    FastDFSError,
    NetworkError,
    NoServerError,
    ProtocolError,
    ServerError,
    refusal,
)
from .file_id import FileId
from .pool import Pool
from .protocol import (
    Address,
    Command,
    FileQuery,
    Location,
    Placement,
    StorageQuery,
    pack_group,
    request,
)
from .statistics import GroupStat, StorageStat, unpack_groups, unpack_storages

logger = logging.getLogger(__name__)

TRACKER_PORT = 22122
# A tracker that has not noticed yet that a storage is gone may name it again.
_PLACEMENT_TRIES = 4
_LIST_SECONDS = 60.0
_MISS_SECONDS = 5.0
# FastDFS has at most 512 groups; the names asked for here come from ids, so from anybody.
_LISTED_GROUPS = 512

T = TypeVar("T")
Operation = Callable[[Connection, Deadline], T]


@dataclass(frozen=True)
class Limits:
    """Bounds of every exchange: seconds and connections per server."""

    connect_timeout: float = 5.0
    network_timeout: float = 30.0
    pool_size: int = 16
    # Storages and firewalls drop idle connections, old storages after 60 s.
    idle_seconds: float = 50.0


@dataclass(frozen=True)
class _Listed:
    """A group's storages as a tracker listed them at `at` (monotonic seconds)."""

    at: float
    storages: tuple[StorageStat, ...] = ()

    def find(self, source: str) -> StorageStat | None:
        """Find a file's source: by server id first, then by address."""
        by_id = {storage.id: storage for storage in self.storages}
        by_ip = {storage.ip: storage for storage in self.storages}
        return by_id.get(source) or by_ip.get(source)


def _dialable(storage: StorageStat) -> bool:
    try:
        return bool(storage.address)
    except ProtocolError:  # one odd record must not hide the others
        return False


class Cluster:
    """The servers of one FastDFS cluster, as seen from the given trackers."""

    def __init__(self, trackers: Sequence[Address], limits: Limits) -> None:
        self.trackers = tuple(trackers)
        self._limits = limits
        self._pools: dict[Address, Pool] = {}
        self._listed: dict[str, _Listed] = {}
        self._answering = 0

    def __repr__(self) -> str:
        return f"<Cluster {', '.join(map(str, self.trackers))}>"

    def close(self) -> None:
        """Close every idle connection, and busy ones as they come back; a later use opens new ones."""
        for pool in list(self._pools.values()):
            pool.close()

    # --- trackers -----------------------------------------------------------------------------

    def ask(
        self,
        unpack: Callable[[bytes], T],
        command: Command,
        body: bytes = b"",
        tracker: Address | None = None,
    ) -> T:
        """Return a tracker's answer: the given tracker's, or the first that makes sense.

        A refusal counts only when every tracker refuses, since one that just started knows no groups
        yet. Raises NoServerError when none answers, ServerError when all refuse; the error of the one
        tracker where it was given.
        """
        packet = request(command, body)

        def exchange(connection: Connection, deadline: Deadline) -> T:
            connection.send(packet, deadline)
            reply = connection.receive_reply(deadline)
            if reply.status:
                raise refusal(reply.status, peer=f"tracker {connection.address}")
            return unpack(reply.body)

        if tracker:
            return self.on(tracker, exchange, repeatable=True)
        candidates = ((address, exchange) for address in self._trackers_in_turn())
        return self._first_success("no tracker answers", candidates, repeatable=True)

    def _trackers_in_turn(self) -> Iterator[Address]:
        """Begin with the one that answered last, so that a dead one is not dialled each time."""
        first = self._answering
        for offset in range(len(self.trackers)):
            self._answering = (first + offset) % len(self.trackers)
            yield self.trackers[self._answering]

    def groups(self, tracker: Address | None = None) -> list[GroupStat]:
        """List all groups."""
        return self.ask(unpack_groups, Command.LIST_ALL_GROUPS, tracker=tracker)

    def storages(self, group: str, tracker: Address | None = None) -> list[StorageStat]:
        """List a group's storages; raise ServerError with status 2 where the group is unknown."""
        return self.ask(unpack_storages, Command.LIST_STORAGE, StorageQuery(group).pack(), tracker)

    # --- uploads ------------------------------------------------------------------------------

    def place(self, group: str | None, upload: Callable[[Placement], Operation[T]]) -> T:
        """Run an upload on the storage that a tracker chooses; on another one if that one fails.

        Goes on only after failures that are marked retriable.
        """
        candidates = (
            (placement.address, upload(placement))
            for placement in (self._placement(group) for _ in range(_PLACEMENT_TRIES))
        )
        return self._first_success("no storage takes the upload", candidates, repeatable=False)

    def _placement(self, group: str | None) -> Placement:
        try:
            if group is None:
                return self.ask(Placement.unpack, Command.QUERY_STORE_WITHOUT_GROUP_ONE)
            return self.ask(Placement.unpack, Command.QUERY_STORE_WITH_GROUP_ONE, pack_group(group))
        except ServerError as error:
            if error.status != ENOENT:
                raise
            where = f"group {group} is unknown or" if group else "the cluster"
            message = f"{where} has no active storage that takes uploads; see the tracker's log"
            raise NoServerError(message, {str(error.peer): error}) from error

    # --- existing files -----------------------------------------------------------------------

    def route(self, file_id: FileId, operation: Operation[T], *, update: bool = False) -> T:
        """Run a repeatable operation on a storage that holds the file.

        The source is asked first, where the group's storage list confirms it, then the server that a
        tracker names; so a file counts as missing only when a tracker's choice says so as well.
        Raises FileMissingError for that, NoServerError when it cannot be told.
        """
        candidates = ((address, operation) for address in self._holders(file_id, update=update))
        return self._first_success(f"no storage answers for {file_id}", candidates, repeatable=True)

    def _holders(self, file_id: FileId, *, update: bool) -> Iterator[Address]:
        source = self._source(file_id)
        if source is not None and (source.writable if update else source.readable):
            yield source.address
        yield self._located(file_id, update=update)

    def _located(self, file_id: FileId, *, update: bool) -> Address:
        command = Command.QUERY_UPDATE if update else Command.QUERY_FETCH_ONE
        try:
            return self.ask(Location.unpack, command, FileQuery.of(file_id).pack()).address
        except ServerError as error:
            if error.status != ENOENT:
                raise
            # Status 2 says "unknown group" and "no storage of it is up" alike; only one means absent.
            names = [group.name for group in self.groups()]
            if names and file_id.group not in names:
                raise refusal(ENOENT, str(file_id), error.peer) from error
            kind = "writable" if update else "readable"
            message = f"group {file_id.group} has no {kind} storage at present"
            raise NoServerError(message, {str(error.peer): error}) from error

    def _source(self, file_id: FileId) -> StorageStat | None:
        now = time.monotonic()
        listed = self._listed.get(file_id.group)
        found = listed.find(file_id.source) if listed else None
        if listed is None or now - listed.at > (_LIST_SECONDS if found else _MISS_SECONDS):
            listed = self._list(file_id.group, now, listed)
            found = listed.find(file_id.source)
        return found

    def _list(self, group: str, now: float, known: _Listed | None) -> _Listed:
        """Refresh a group's list; what was known stays good while no tracker answers."""
        try:
            storages = tuple(filter(_dialable, self.storages(group)))
        except FastDFSError as error:
            logger.debug("cannot list the storages of %s: %s", group, error)
            storages = known.storages if known else ()
        if len(self._listed) >= _LISTED_GROUPS:
            self._listed = {}
        self._listed[group] = listed = _Listed(now, storages)
        return listed

    # --- the one retry loop -------------------------------------------------------------------

    def _first_success(
        self, what: str, candidates: Iterable[tuple[Address, Operation[T]]], *, repeatable: bool
    ) -> T:
        """Try candidates in turn; go on only after what cannot have happened or may happen twice.

        Raises the last refusal when every server refused, else NoServerError with all attempts.
        """
        attempts: dict[str, FastDFSError] = {}
        try:
            for address, operation in candidates:
                if str(address) in attempts:
                    continue
                try:
                    return self.on(address, operation, repeatable=repeatable)
                except (NetworkError, ProtocolError, ServerError) as error:
                    if not (error.retriable or repeatable):
                        raise
                    attempts[str(address)] = error
        except NoServerError as error:
            raise NoServerError(error.args[0], {**attempts, **error.attempts}) from error
        refusals = [error for error in attempts.values() if isinstance(error, ServerError)]
        if attempts and len(refusals) == len(attempts):
            raise refusals[-1]
        raise NoServerError(what, attempts)

    def on(self, address: Address, operation: Operation[T], *, repeatable: bool) -> T:
        """Run an operation on one server; once more if a connection that stood idle turns out dead."""
        pool = self._pool(address)
        deadline = Deadline(self._limits.network_timeout)
        with pool.connection(deadline) as connection:
            reused = connection.exchanges > 0
            try:
                return operation(connection, deadline)
            except ConnectionLostError as error:
                if not reused or not (error.retriable or repeatable):
                    raise
        deadline = Deadline(self._limits.network_timeout)
        with pool.connection(deadline, fresh=True) as connection:
            return operation(connection, deadline)

    def _pool(self, address: Address) -> Pool:
        pool = self._pools.get(address)
        if pool is None:
            limits = self._limits
            pool = self._pools.setdefault(
                address,
                Pool(
                    address,
                    size=limits.pool_size,
                    connect_timeout=limits.connect_timeout,
                    idle_seconds=limits.idle_seconds,
                ),
            )
        return pool
