"""What a tracker of the embedded cluster knows: the one storage, and the trackers, itself among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fdfs_storage.fastdfs.errors import EINVAL, ENOENT
from fdfs_storage.fastdfs.file_id import GROUP_BYTES
from fdfs_storage.fastdfs.protocol import Address, Width

from .dispatch import Load
from .refusal import RefusedError
from .replies import Request
from .storage import Storage


@dataclass(frozen=True)
class Peer:
    """One of the cluster's trackers."""

    address: Address
    up_time: int
    listening: bool
    load: Load


@dataclass(frozen=True)
class View:
    """The cluster as one of its trackers sees it; the first that listens is the leader."""

    storage: Storage
    width: Width
    index: int
    """Which of the trackers this is."""
    trackers: Callable[[], list[Peer]]

    @property
    def group(self) -> str:
        return self.storage.volume.group

    @property
    def leader(self) -> int:
        """Which of the trackers leads."""
        return next((index for index, peer in enumerate(self.trackers()) if peer.listening), self.index)

    def check_group(self, request: Request) -> None:
        """Refuse unless the body begins with the one group's name; compare as C does, up to the first NUL."""
        if request.body[:GROUP_BYTES].partition(b"\0")[0] != self.group.encode("ascii"):
            raise RefusedError(ENOENT)


def check_length(request: Request, least: int, most: int | None = None) -> None:
    """Refuse a body that has not exactly `least` bytes, or not `least` to `most`."""
    if not least <= len(request.body) <= (least if most is None else most):
        raise RefusedError(EINVAL)
