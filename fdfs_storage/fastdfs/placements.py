"""Where new files go: the tracker's policy, remembered for a while."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .errors import EINVAL, ENOENT, ENOSPC, FastDFSError, NoServerError, ServerError
from .protocol import Address, Command, Placement, pack_group
from .resting import Resting
from .trackers import Trackers

# Enough to show the tracker's rotation over servers and paths, few enough for one packet.
_ANSWERS = 4
# What a storage says when it is the wrong place: no such path, or full.
_DISPLACED = (ENOENT, EINVAL, ENOSPC)


@dataclass(frozen=True)
class _Batch:
    """Answers to one question, put several times at `at` (monotonic seconds)."""

    at: float
    rotations: Iterator[tuple[Placement, ...]]
    """All of them without end, each time beginning with the next one."""

    @classmethod
    def of(cls, placements: Sequence[Placement]) -> _Batch:
        ways = [(*placements[first:], *placements[:first]) for first in range(len(placements))]
        return cls(time.monotonic(), itertools.cycle(ways))


class Placements:
    """Asks where a new file goes, and rotates over the answers as given for `ttl` seconds (0: never)."""

    def __init__(self, trackers: Trackers, resting: Resting, ttl: float) -> None:
        self._trackers = trackers
        self._resting = resting
        self._ttl = ttl
        self._batches: dict[str | None, _Batch] = {}

    def candidates(self, group: str | None) -> Iterator[Placement]:
        """Give places for a new file, the best first: remembered ones, then what the tracker says now.

        Where no group is pinned, the other groups follow. Places that failed a moment ago come last.
        """
        batch = self._batches.get(group)
        if batch and time.monotonic() - batch.at < self._ttl:
            # The generator behind them is hardly ever started.
            return itertools.chain(self._awake(next(batch.rotations)), self._asked(group))
        return self._asked(group)

    def _asked(self, group: str | None) -> Iterator[Placement]:
        fresh = next(self._ask(group).rotations)
        yield from self._awake(fresh)
        if group is None:
            yield from self._elsewhere({placement.group for placement in fresh})
        yield from fresh

    def failed(self, address: Address, path: int | None, error: FastDFSError) -> None:
        """Note that an upload failed there: nothing goes there for a while."""
        if isinstance(error, ServerError) and error.status in _DISPLACED:
            self._resting.note((address, path))

    def _awake(self, placements: tuple[Placement, ...]) -> Iterable[Placement]:
        return filter(self._is_awake, placements) if self._resting else placements

    def _is_awake(self, placement: Placement) -> bool:
        address = placement.address
        return address not in self._resting and (address, placement.store_path) not in self._resting

    def _elsewhere(self, tried: set[str]) -> Iterator[Placement]:
        for group in self._trackers.groups():
            if group.name not in tried and group.writable_count:
                try:
                    yield from self._awake(next(self._ask(group.name).rotations))
                except (NoServerError, ServerError):
                    continue  # full, or its storages are down: the next one

    def _ask(self, group: str | None) -> _Batch:
        times = _ANSWERS if self._ttl else 1
        try:
            if group is None:
                command, body = Command.QUERY_STORE_WITHOUT_GROUP_ONE, b""
            else:
                command, body = Command.QUERY_STORE_WITH_GROUP_ONE, pack_group(group)
            answers = self._trackers.ask_often(Placement.unpack, command, body, times=times)
        except ServerError as error:
            if error.status != ENOENT:
                raise
            where = f"group {group} is unknown or" if group else "the cluster"
            message = f"{where} has no active storage that takes uploads; see the tracker's log"
            raise NoServerError(message, {str(error.peer): error}) from error
        batch = _Batch.of(answers)
        if self._ttl:
            self._batches[group] = batch
        return batch
