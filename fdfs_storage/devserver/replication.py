"""What storages tell their peers, and when: each change after the lag, one after the other (PROTOCOL 8).

A link is one direction between two storages of a group. What it has to tell is in the binlog of the one,
from the place on that the mark of the other names: so it is found again after any end of the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from .binlog import Mark, Position, Record
from .replica import replay
from .volume import Volume

logger = logging.getLogger("fdfs_storage.devserver")

_RETRY_SECONDS = 1.0
_MOST_CHANGES = 10_000


class Link:
    """From a storage to a peer; `up` says whether one of them is."""

    def __init__(self, source: Volume, peer: Volume, mark: Path, up: Callable[[Volume], bool]) -> None:
        self.source = source
        self.peer = peer
        self._up = up
        self._mark = Mark(mark)
        self._seen = Position()
        self._changes: deque[tuple[float, Position]] = deque()
        self._busy = asyncio.Lock()

    def open(self) -> None:
        """Find what is still to be told; each change counts from when it was made."""
        self._mark.open()
        binlog, wall, clock = self.source.binlog, time.time(), time.monotonic()
        if self._mark.position > binlog.end:  # somebody else's binlog
            self._mark.rewind()
        for record, end in binlog.read(self._mark.position):
            # Whole seconds: the change may have come at the end of the one that the line names.
            made = record.timestamp + 1 if record and not self._mark.is_new else 0
            self._add(clock - max(wall - made, 0), end)
        self._seen = binlog.end
        self._mark.save()

    def close(self) -> None:
        self._mark.close()

    @property
    def ready(self) -> bool:
        return self._up(self.source) and self._up(self.peer)

    @property
    def position(self) -> Position:
        """The place up to which the peer was told."""
        return self._mark.position

    @property
    def is_behind(self) -> bool:
        return self._mark.position < self.source.binlog.end

    def look(self, now: float) -> None:
        """Take in what was changed since the last look: it was changed now."""
        if (end := self.source.binlog.end) > self._seen:
            self._seen = end
            self._add(now, end)

    def _add(self, made: float, end: Position) -> None:
        last = self._changes[-1][0] if self._changes else None
        # Where a peer is down for long, the last of many changes waits for the next.
        if made == last or len(self._changes) >= _MOST_CHANGES:
            self._changes.pop()
        self._changes.append((made, end))

    def due_at(self, lag: float) -> float | None:
        """Return when the next change is to be told; None where there is nothing to tell."""
        while self._changes and self._changes[0][1] <= self._mark.position:
            self._changes.popleft()
        return self._changes[0][0] + lag if self._changes else None

    def due(self, before: float) -> Position:
        """Return up to where the changes were made before some time."""
        ends = [end for made, end in self._changes if made <= before]
        return ends[-1] if ends else self._mark.position

    def waits_since(self) -> int | None:
        """Return the time of the oldest change that the peer has not been told."""
        for record, end in self.source.binlog.read(self._mark.position):
            if record and record.is_own:
                return record.timestamp
            if not self._busy.locked():
                self._mark.advance(end, synced=False)
        return None

    async def tell(self, until: Position) -> None:
        """Tell all up to a place; stops where one of the two is stopped."""
        async with self._busy:
            try:
                for record, end in self.source.binlog.read(self._mark.position):
                    if end > until or not self.ready:
                        break
                    await self._replay(record)
                    self._mark.advance(end, synced=bool(record and record.is_own))
            finally:
                self._mark.save()

    async def _replay(self, record: Record | None) -> None:
        try:
            if record is None:
                raise ValueError("not a line of a binlog")  # noqa: TRY301 -- as one that cannot be carried out
            if record.is_own:
                await replay(record, self.source, self.peer)
        except (ValueError, IndexError) as error:
            folder = self.source.binlog.folder
            logger.error("a damaged line in %s is left out: %s", folder, error)  # noqa: TRY400 -- says it all


class Replication:
    """All links of a cluster, on its event loop."""

    def __init__(self, lag: float) -> None:
        self._lag = lag
        self._links: dict[tuple[str, str], Link] = {}
        self._failed = False
        self._timer: asyncio.TimerHandle | None = None
        self._worker: asyncio.Task[None] | None = None

    @property
    def lag(self) -> float:
        return self._lag

    async def set_lag(self, lag: float) -> None:
        """Change it for all changes, also those that wait already; with none, they are told on return."""
        self._lag = lag
        await self.resume()

    async def resume(self) -> None:
        """As `settle()`, where other links may be ready or due than before."""
        self._disarm()
        await self.settle()

    async def start(self, links: Iterable[Link]) -> None:
        """Begin; what is due by now is told when this has returned."""
        self._links = {(link.source.source, link.peer.source): link for link in links}
        for link in self._links.values():
            link.open()
        await self._tell_due()
        self._arm()

    async def stop(self) -> None:
        """End in the middle of whatever is being told; it is told again by the next run."""
        self._disarm()
        worker, self._worker = self._worker, None
        if worker:
            worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await worker
        self.abandon()

    def abandon(self) -> None:
        """Drop the descriptors of the marks."""
        for link in self._links.values():
            link.close()
        self._links = {}

    @property
    def has_links(self) -> bool:
        return bool(self._links)

    @property
    def is_behind(self) -> bool:
        return any(link.is_behind for link in self._links.values())

    def waits_since(self, source: str, peer: str) -> int | None:
        """As Link.waits_since; no two storages of a cluster have the same id."""
        link = self._links.get((source, peer))
        return link.waits_since() if link and link.is_behind else None

    async def settle(self) -> None:
        """Take in what changed; with no lag it is told when this has returned, else in its time."""
        now = time.monotonic()
        for link in self._links.values():
            link.look(now)
        if not self._lag:
            await self._tell_due()
        if not self._timer:  # what was changed now is due after what it waits for
            self._arm()

    async def flush(self) -> None:
        """Tell everything that waits, whatever the lag."""
        now = time.monotonic()
        for link in self._links.values():
            link.look(now)
        await self._tell(now)

    async def _tell_due(self) -> None:
        await self._tell(time.monotonic() - self._lag)

    async def _tell(self, before: float) -> None:
        self._failed = False
        for link in list(self._links.values()):
            if link.is_behind and link.ready:
                try:
                    await link.tell(link.due(before))
                except OSError as error:
                    self._failed = True
                    logger.warning("%s does not get its changes: %s", link.peer.base, error)

    def _arm(self) -> None:
        """Wake up when the next change is due; after a while where a disk was full."""
        self._disarm()
        dues = [link.due_at(self._lag) for link in self._links.values() if link.ready]
        times = [due for due in dues if due is not None]
        if times and not self._worker:
            delay = max(min(times) - time.monotonic(), _RETRY_SECONDS if self._failed else 0)
            self._timer = asyncio.get_running_loop().call_later(delay, self._wake)

    def _disarm(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        self._timer = None
        self._worker = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            await self._tell_due()
        finally:
            self._worker = None
        self._arm()


def links(
    volumes: Sequence[Volume], mark: Callable[[Volume, Volume], Path], up: Callable[[Volume], bool]
) -> Iterator[Link]:
    """Connect each storage with each other of its group."""
    for source in volumes:
        for peer in volumes:
            if source is not peer and source.group == peer.group:
                yield Link(source, peer, mark(source, peer), up)
