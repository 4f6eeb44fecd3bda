"""What a tracker of the embedded cluster knows: groups and storages, and the trackers, itself among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fdfs_storage.fastdfs.errors import EINVAL, ENOENT
from fdfs_storage.fastdfs.file_id import GROUP_BYTES
from fdfs_storage.fastdfs.protocol import Address, Width

from .dispatch import Load
from .locating import Locating
from .placing import Placing
from .refusal import RefusedError
from .replies import Request
from .roster import Group, Roster
from .storage import Storage


@dataclass(frozen=True)
class Peer:
    """One of the cluster's trackers."""

    address: Address
    up_time: int
    listening: bool
    load: Load


class View:
    """The cluster as one of its trackers sees it; the first that listens is the leader."""

    def __init__(self, roster: Roster, width: Width, index: int, trackers: Callable[[], list[Peer]]) -> None:
        self.roster = roster
        self.width = width
        self.index = index
        """Which of the trackers this is."""
        self.trackers = trackers
        self.placing = Placing(roster)
        self.locating = Locating(roster, self.placing)

    @property
    def leader(self) -> int:
        """Which of the trackers leads."""
        return next((index for index, peer in enumerate(self.trackers()) if peer.listening), self.index)

    def group_of(self, request: Request) -> Group:
        """Return the group whose name the body begins with; it ends at the first NUL, as in C."""
        named = request.body[:GROUP_BYTES].partition(b"\0")[0].decode("latin-1")
        group = self.roster.find(named)
        if group is None:
            raise RefusedError(ENOENT)
        return group

    def storage_of(self, request: Request) -> Storage:
        """Return the storage whose id stands behind the group."""
        group, wanted = (
            self.group_of(request),
            request.body[GROUP_BYTES:].partition(b"\0")[0].decode("latin-1"),
        )
        storage = next((each for each in group.storages if each.id == wanted), None)
        if storage is None:
            raise RefusedError(ENOENT)
        return storage


def check_length(request: Request, least: int, most: int | None = None) -> None:
    """Refuse a body that has not exactly `least` bytes, or not `least` to `most`."""
    if not least <= len(request.body) <= (least if most is None else most):
        raise RefusedError(EINVAL)
