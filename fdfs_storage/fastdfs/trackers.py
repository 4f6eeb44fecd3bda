"""Trackers: equal for clients, asked in turn until one answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from .connection import Connection
from .deadline import Deadline
from .errors import InvalidArgumentError, ProtocolError, refusal
from .monitoring import TrackerFilter, TrackerRecord, unpack_trackers
from .protocol import Address, Command, StorageQuery, checked_address, request, text
from .servers import Servers
from .statistics import GroupStat, StorageStat, unpack_groups, unpack_storages

T = TypeVar("T")


class Trackers:
    """Asks the trackers of one cluster."""

    def __init__(self, addresses: Sequence[Address], servers: Servers) -> None:
        self.addresses = tuple(addresses)
        self._servers = servers
        self._first = 0
        # The round as a whole takes no longer than one server may.
        self._timeout = servers.limits.network_timeout / len(self.addresses)

    def ask(
        self,
        unpack: Callable[[bytes], T],
        command: Command,
        body: bytes = b"",
        *,
        tracker: Address | None = None,
    ) -> T:
        """Return a tracker's answer: the given tracker's, or the first that makes sense.

        A refusal counts only when every tracker at hand refuses, since one that just started knows no
        groups yet. Raises NoServerError when none answers, ServerError when all refuse; the error of
        the one tracker where it was given.
        """
        return self.ask_often(unpack, command, body, times=1, tracker=tracker)[0]

    def ask_often(
        self,
        unpack: Callable[[bytes], T],
        command: Command,
        body: bytes = b"",
        *,
        times: int,
        tracker: Address | None = None,
    ) -> list[T]:
        """Put one question several times, in one write: trackers answer pipelined requests in order."""
        packet = request(command, body) * times

        def exchange(connection: Connection, deadline: Deadline) -> list[T]:
            connection.send(packet, deadline)
            replies = [connection.receive_reply(deadline, left) for left in reversed(range(times))]
            for status, _ in replies:
                if status:
                    raise refusal(status, peer=f"tracker {connection.address}")
            return [unpack(body) for _, body in replies]

        if tracker:
            return self._servers.on(tracker, exchange, repeatable=True)
        return self._servers.first_success(
            "no tracker answers",
            ((address, None, exchange) for address in self._in_turn()),
            repeatable=True,
            timeout=self._timeout,
        )

    def _in_turn(self) -> Iterator[Address]:
        """Begin with the one that answered last; those that just failed come last."""
        count = len(self.addresses)
        order = [(self._first + offset) % count for offset in range(count)]
        for index in sorted(order, key=lambda index: self.addresses[index] in self._servers.resting):
            self._first = index
            yield self.addresses[index]

    def groups(self, tracker: Address | None = None) -> list[GroupStat]:
        """List all groups."""
        return self.ask(unpack_groups, Command.LIST_ALL_GROUPS, tracker=tracker)

    def storages(self, group: str, tracker: Address | None = None) -> list[StorageStat]:
        """List a group's storages; raise ServerError with status 2 where the group is unknown."""
        return self.ask(unpack_storages, Command.LIST_STORAGE, StorageQuery(group).pack(), tracker=tracker)

    def peers(self) -> list[TrackerRecord]:
        """List all trackers, as their leader knows them; raise ServerError before FastDFS 6.15."""
        leader = self.ask(_leader, Command.GET_LEADER)
        return self.ask(unpack_trackers, Command.TRACKER_CLUSTER_STAT, TrackerFilter().pack(), tracker=leader)


def _leader(body: bytes) -> Address:
    try:
        host, port = Address.parse(text(body), 0)
    except InvalidArgumentError as error:
        raise ProtocolError(f"the tracker names its leader {body!r}") from error
    return checked_address(host, port)
