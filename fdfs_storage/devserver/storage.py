"""The storage as a function: a request in, a reply out, no sockets.

What the table of commands does not name, and whatever a command refuses, is answered with a status
(PROTOCOL 1.3, 5). A request with a file's content is answered with a `Transfer` first.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from fdfs_storage.fastdfs.errors import EINVAL
from fdfs_storage.fastdfs.protocol import HEADER_BYTES, Address, Command, Header
from fdfs_storage.fastdfs.statistics import READABLE, WRITABLE, Status, StorageStat

from . import appenders, files, links, metadata
from .dispatch import BUFFER_BYTES, VERSION, Load, active_test, begin
from .replies import Reply, Request
from .transfers import Transfer
from .volume import Volume

STORAGE_COMMANDS: dict[int, Callable[[Volume, Request], Reply | Transfer]] = {
    Command.ACTIVE_TEST: active_test,
    **files.COMMANDS,
    **appenders.COMMANDS,
    **metadata.COMMANDS,
    **links.COMMANDS,
}


class Storage:
    """The storage: answers from and to its volume."""

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self.address = Address(volume.source, 0)
        """Where the tracker says that it listens."""
        self.load: Callable[[], Load] = Load
        self.last_heart_beat: Callable[[], float] = time.time
        """When it told the trackers last that it lives, in unix seconds."""
        self.check_active_interval = 120.0
        """After so many seconds without a heart beat the trackers take it for dead."""
        self.read_only = False
        """Whether storage_ids.conf has `rw=read` for it: trackers then send no writes here.

        The storage itself knows nothing of that, in FastDFS as here: it takes what is sent to it.
        """

    @property
    def id(self) -> str:
        """What the trackers call it: its server id, or its address."""
        return self.volume.source

    @property
    def is_alive(self) -> bool:
        return time.time() - self.last_heart_beat() < self.check_active_interval

    @property
    def status(self) -> Status:
        return Status.ACTIVE if self.is_alive else Status.OFFLINE

    @property
    def rw_mode(self) -> int:
        return READABLE if self.read_only else READABLE | WRITABLE

    @property
    def readable(self) -> bool:
        return self.is_alive

    @property
    def writable(self) -> bool:
        return self.is_alive and not self.read_only

    def expects(self, header: Header) -> int | None:
        """Return how much of the body comes before the decision; None: close without an answer."""
        return None if header.length < 0 else min(header.length, BUFFER_BYTES - HEADER_BYTES)

    def closes_after(self, reply: Reply) -> bool:
        """Say whether the connection ends with this reply (PROTOCOL 1.2)."""
        return reply.status == EINVAL

    def begin(self, request: Request) -> Reply | Transfer:
        """Answer, or take in what follows; never raises."""
        return begin(self.volume, STORAGE_COMMANDS, request)

    def answer(self, command: int, body: bytes = b"", status: int = 0) -> Reply:
        """Answer a request that is all there."""
        outcome = self.begin(Request.of(command, body, status))
        return outcome.finish() if isinstance(outcome, Transfer) else outcome

    def stat(self, current_write_path: int = 0, last_synced: int = 0) -> StorageStat:
        """Describe this storage as a tracker knows it from its heart beats."""
        volume, space, load = self.volume, self.volume.space(), self.load()
        return StorageStat(
            status=self.status,
            rw_mode=self.rw_mode,
            id=self.id,
            ip=self.address.host,
            sync_source="",
            version=VERSION,
            join_time=volume.join_time,
            up_time=volume.up_time if self.is_alive else 0,
            total_mb=space.total_mb,
            free_mb=space.free_mb,
            reserved_mb=volume.reserved_mb,
            upload_priority=10,
            store_path_count=len(volume.paths),
            subdir_count=volume.rotation.subdirs,
            current_write_path=current_write_path,
            port=self.address.port,
            connections_allocated=load.peak,
            connections_current=load.current,
            connections_max=load.peak,
            last_source_update=volume.last_update,
            last_sync_update=volume.last_sync_update,
            last_synced=last_synced,
            last_heart_beat=int(self.last_heart_beat()),
            is_trunk_server=0,
            **volume.tally.counts(),  # type: ignore[arg-type]  # counts are never a domain name
        )
