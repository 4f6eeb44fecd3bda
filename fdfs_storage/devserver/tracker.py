"""A tracker as a function: a request in, a reply out, no sockets (PROTOCOL 1.3, 4)."""

from __future__ import annotations

from collections.abc import Callable

from fdfs_storage.fastdfs.protocol import HEADER_BYTES, Command, Header, Width

from . import identities, monitor, queries
from .dispatch import BUFFER_BYTES, active_test, begin
from .replies import Reply, Request
from .roster import Roster
from .view import Peer, View

TRACKER_COMMANDS: dict[int, Callable[[View, Request], Reply]] = {
    Command.ACTIVE_TEST: active_test,
    **queries.COMMANDS,
    **monitor.COMMANDS,
    **identities.COMMANDS,
}


class Tracker:
    """One tracker of a cluster; `trackers` tells of all of them, in the order of `index`."""

    def __init__(
        self,
        roster: Roster,
        *,
        width: Width = Width.NARROW,
        index: int = 0,
        trackers: Callable[[], list[Peer]],
    ) -> None:
        self._view = View(roster, width, index, trackers)

    def expects(self, header: Header) -> int | None:
        """Return how much of the body is to be read; None: close without an answer (PROTOCOL 1.2)."""
        length = (header.length + (1 << 31)) % (1 << 32) - (1 << 31)  # as C cuts it to an int
        return length if 0 <= length <= BUFFER_BYTES - HEADER_BYTES else None

    def closes_after(self, reply: Reply) -> bool:
        """A tracker's connection stays open whatever the answer."""
        return False

    def begin(self, request: Request) -> Reply:
        """Answer; never raises."""
        return begin(self._view, TRACKER_COMMANDS, request)

    def answer(self, command: int, body: bytes = b"", status: int = 0) -> Reply:
        """Answer a request that is all there."""
        return self.begin(Request.of(command, body, status))
