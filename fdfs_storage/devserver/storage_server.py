"""A storage on its port, with what a test may ask of it and do to it."""

from __future__ import annotations

import time

from fdfs_storage.fastdfs.protocol import Address

from .daemon_server import DaemonServer
from .http import HttpServer
from .replication import Replication
from .shape import StoragePlan
from .sockets import Connection, LoopThread
from .storage import Storage
from .volume import Volume


class StorageServer(DaemonServer):
    """One of `EmbeddedCluster.storages`: `storages[1].stop()`, `storages[0].read_only = True`."""

    http_server: HttpServer
    """The HTTP server beside it, which runs on when the storage is stopped."""

    def __init__(
        self,
        storage: Storage,
        plan: StoragePlan,
        loop: LoopThread,
        timeout: float,
        replication: Replication,
        check_active_interval: float,
    ) -> None:
        super().__init__("storage", storage, loop, plan.host, plan.port, timeout)
        self.volume: Volume = storage.volume
        self._storage = storage
        self._replication = replication
        self._stopped_at = time.time()
        storage.check_active_interval = check_active_interval
        storage.last_heart_beat = lambda: time.time() if self.listening else self._stopped_at
        storage.load = lambda: self.load

    @property
    def group(self) -> str:
        return self.volume.group

    @property
    def id(self) -> str:
        """Its server id where the cluster uses ids, else its address."""
        return self.volume.source

    @property
    def base_url(self) -> str:
        return f"http://{self.http_server.address}"

    @property
    def read_only(self) -> bool:
        """Whether the trackers send no writes here (`rw=read` in storage_ids.conf); may be set at any time.

        As in FastDFS, the storage itself takes what is sent to it all the same.
        """
        return self._storage.read_only

    @read_only.setter
    def read_only(self, value: bool) -> None:
        self._storage.read_only = value

    @property
    def full(self) -> bool:
        """Whether no store path has room left, as it seems; may be set at any time.

        The storage then refuses uploads with 28, and trackers find no room in its group.
        """
        return all(path.full for path in self.volume.paths)

    @full.setter
    def full(self, value: bool) -> None:
        for path in self.volume.paths:
            path.full = value

    def start(self) -> None:
        """Take the port, and what the peers have to tell since it was stopped."""
        super().start()
        self._storage.address = Address(self.host, self.port)
        if self._replication.has_links:
            self._loop.call(self._replication.resume())

    def stop(self) -> None:
        """Close the port and every connection; the trackers notice after `check_active_interval` seconds.

        What changes meanwhile waits until it is started again.
        """
        if self.listening:
            self._stopped_at = time.time()
        super().stop()

    async def settle(self, connection: Connection) -> None:
        if self._replication.is_behind:
            await connection.pause(0)  # the client's time limit does not run while it waits for the peers
            await self._replication.settle()
