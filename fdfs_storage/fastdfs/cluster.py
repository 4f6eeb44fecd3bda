"""Which server? Placement of new files, routing to existing ones.

Nothing is ever dialled that no tracker named: the source in a file id is only a key into the storage
list of its group (ids come from rows, URLs and pasted text).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from .address_map import AddressMap
from .directory import Directory
from .errors import ENOENT, FastDFSError, NoServerError, ServerError, refusal
from .file_id import FileId
from .holders import Holders
from .placements import Placements
from .protocol import Address, Command, Location, Placement, pack_file_id
from .servers import Candidate, Limits, Operation, Servers
from .trackers import Trackers

TRACKER_PORT = 22122

T = TypeVar("T")


class Cluster:
    """The servers of one FastDFS cluster, as seen from the given trackers."""

    def __init__(
        self, trackers: Sequence[Address], limits: Limits, address_map: AddressMap | None = None
    ) -> None:
        self.servers = Servers(limits, trackers, address_map or AddressMap({}))
        self.trackers = Trackers(trackers, self.servers)
        self._directory = Directory(self.trackers)
        self._placements = Placements(self.trackers, self.servers.resting, limits.placement_ttl)

    def __repr__(self) -> str:
        return f"<Cluster {', '.join(map(str, self.trackers.addresses))}>"

    # --- uploads ------------------------------------------------------------------------------

    def place(self, group: str | None, upload: Callable[[Placement], Operation[T]]) -> T:
        """Run an upload on the storage that a tracker chooses; on another one if that one fails.

        Goes on only after failures that are marked retriable.
        """

        def candidate(placement: Placement) -> Candidate[T]:
            return placement.address, placement.store_path, upload(placement)

        candidates = map(candidate, self._placements.candidates(group))
        return self.servers.first_success(
            "no storage takes the upload",
            candidates,
            repeatable=False,
            failed=self._placements.failed,
        )

    # --- existing files -----------------------------------------------------------------------

    def route(
        self, file_id: FileId, operation: Operation[T], *, update: bool = False, repeatable: bool = True
    ) -> T:
        """Run an operation on a storage that holds the file.

        The source is asked first, where the group's storage list confirms it, then other storages
        that are known to be readable if the source does not answer, then the server that a tracker
        names; so a file counts as missing only when a tracker's choice says so as well. Raises
        FileMissingError for that, NoServerError when it cannot be told.
        """
        unreachable: set[Address] = set()
        holders = self._holders(file_id, unreachable, update=update)
        candidates = zip(holders, itertools.repeat(None), itertools.repeat(operation))

        def failed(address: Address, path: int | None, error: FastDFSError) -> None:
            if not isinstance(error, ServerError):
                unreachable.add(address)

        return self.servers.first_success(
            "no storage answers for", candidates, about=file_id, repeatable=repeatable, failed=failed
        )

    def holders(self, file_id: FileId) -> tuple[Address, ...]:
        """Ask a tracker for every server that holds the file; it does not look whether the file exists."""
        query = pack_file_id(file_id)
        return self.trackers.ask(Holders.unpack, Command.QUERY_FETCH_ALL, query).addresses

    def _holders(self, file_id: FileId, unreachable: set[Address], *, update: bool) -> Iterator[Address]:
        known = self._directory.source(file_id)
        source = known.address if known and (known.writable if update else known.readable) else None
        if source is None or source in self.servers.resting:
            return self._others(file_id, source, None, unreachable, update=update)
        # The generator behind it is hardly ever started.
        others = self._others(file_id, source, source, unreachable, update=update)
        return itertools.chain((source,), others)

    def _others(
        self,
        file_id: FileId,
        source: Address | None,
        asked: Address | None,
        unreachable: set[Address],
        *,
        update: bool,
    ) -> Iterator[Address]:
        if asked and asked not in unreachable:
            source = None  # it answered, so only a tracker can overrule it
        if source and not update:
            yield from self._replicas(file_id.group, source)
        try:
            yield self._located(file_id, update=update)
        except NoServerError:
            if not source:
                raise
        if source:
            yield source  # it rested, and is the last hope

    def _replicas(self, group: str, source: Address) -> Iterator[Address]:
        """Yield the group's other readable storages that are not known to be down."""
        for storage in self._directory.storages(group):
            if storage.readable and storage.address != source and storage.address not in self.servers.resting:
                yield storage.address

    def _located(self, file_id: FileId, *, update: bool) -> Address:
        command = Command.QUERY_UPDATE if update else Command.QUERY_FETCH_ONE
        try:
            return self.trackers.ask(Location.unpack, command, pack_file_id(file_id)).address
        except ServerError as error:
            if error.status != ENOENT:
                raise
            # Status 2 says "unknown group" and "no storage of it is up" alike; only one means absent.
            names = [group.name for group in self.trackers.groups()]
            if names and file_id.group not in names:
                raise refusal(ENOENT, str(file_id), error.peer) from error
            kind = "writable" if update else "readable"
            message = f"group {file_id.group} has no {kind} storage at present"
            raise NoServerError(message, {str(error.peer): error}) from error
