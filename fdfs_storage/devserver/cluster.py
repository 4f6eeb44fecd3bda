"""A whole FastDFS on loopback: trackers, storage and the HTTP server beside it, in one thread."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
import tempfile
import weakref
from pathlib import Path

from fdfs_storage.fastdfs.file_id import valid_group
from fdfs_storage.fastdfs.protocol import Address, Width

from .daemon_server import DaemonServer
from .http import HttpServer
from .server import Server
from .sockets import LoopThread
from .storage import Storage
from .tracker import Tracker
from .view import Peer
from .volume import Volume


class EmbeddedCluster:
    """One storage, one or more trackers, one HTTP server; for development and tests.

    Without `data` the files live in a temporary folder that `stop()` removes. Port 0 is any free port;
    several trackers on a fixed port take the ports that follow it. A cluster that was stopped starts
    again on the same ports. A client that leaves a request unfinished is dropped after `timeout` seconds.
    """

    trackers: list[str]
    """`host:port` of each tracker, as FDFS_TRACKERS wants them."""
    base_url: str
    data: Path
    volume: Volume
    tracker_servers: list[DaemonServer]
    storage_server: DaemonServer
    http_server: HttpServer

    def __init__(
        self,
        data: Path | str | None = None,
        *,
        host: str = "127.0.0.1",
        tracker_port: int = 0,
        storage_port: int = 0,
        http_port: int = 0,
        group: str = "group1",
        trackers: int = 1,
        wide: bool = False,
        timeout: float = 60.0,
        allow_public: bool = False,
    ) -> None:
        _check_host(host, allow_public=allow_public)
        if not valid_group(group):
            raise ValueError(f"not a group name (1-16 letters and digits): {group!r}")
        if trackers < 1:
            raise ValueError("a cluster needs a tracker")
        self.host = host
        self.group = group
        self.storage_port = storage_port
        self.http_port = http_port
        self._tracker_ports = [tracker_port and tracker_port + index for index in range(trackers)]
        self._data = data
        self._width = Width.WIDE if wide else Width.NARROW
        self._timeout = timeout
        self._stack: contextlib.ExitStack | None = None

    @property
    def tracker_port(self) -> int:
        return self._tracker_ports[0]

    def start(self) -> EmbeddedCluster:
        """Come up; whoever connects when this has returned is served. A taken port is an OSError."""
        if self._stack:
            return self
        with contextlib.ExitStack() as stack:
            self.data = Path(self._data) if self._data is not None else self._temporary_folder(stack)
            self.volume = Volume(self.data, group=self.group, source=self.host)
            self.volume.open()
            stack.callback(self.volume.close)
            loop = LoopThread(f"fdfs-cluster-{self.group}")
            stack.callback(loop.stop)
            self._start_servers(loop, stack)
            self._stack = stack.pop_all()
        _running.add(self)
        return self

    def stop(self) -> None:
        """Go down; when this has returned nothing is left but the files, where `data` was given."""
        stack, self._stack = self._stack, None
        _running.discard(self)
        if stack:
            stack.close()

    def __enter__(self) -> EmbeddedCluster:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _temporary_folder(self, stack: contextlib.ExitStack) -> Path:
        path = Path(tempfile.mkdtemp(prefix="fdfs-"))
        # Also at exit, if nobody stops the cluster; but never by a forked child, whose exit runs this too.
        stack.callback(weakref.finalize(self, _remove_folder, path, os.getpid()))
        return path

    def _start_servers(self, loop: LoopThread, stack: contextlib.ExitStack) -> None:
        storage = Storage(self.volume)
        self.storage_server = server = DaemonServer(
            "storage", storage, loop, self.host, self.storage_port, self._timeout
        )
        self.tracker_servers = [
            DaemonServer("tracker", tracker, loop, self.host, port, self._timeout)
            for tracker, port in zip(self._trackers_of(storage), self._tracker_ports, strict=True)
        ]
        self.http_server = HttpServer(self.volume, loop, self.host, self.http_port, self._timeout)
        for each in self._servers:
            each.start()
            stack.callback(each.stop)
        storage.address = Address(server.host, server.port)
        storage.load = lambda: server.load
        self._tracker_ports = [each.port for each in self.tracker_servers]
        self.storage_port = server.port
        self.http_port = self.http_server.port
        self.trackers = [each.address for each in self.tracker_servers]
        self.base_url = f"http://{self.http_server.address}"

    def _trackers_of(self, storage: Storage) -> list[Tracker]:
        return [
            Tracker(storage, width=self._width, index=index, trackers=self._peers)
            for index in range(len(self._tracker_ports))
        ]

    def _peers(self) -> list[Peer]:
        return [
            Peer(Address(each.host, each.port), each.up_time, each.listening, each.load)
            for each in self.tracker_servers
        ]

    @property
    def _servers(self) -> list[Server]:
        return [self.storage_server, *self.tracker_servers, self.http_server]

    def _abandon(self) -> None:
        """Let go of what a forked child inherited: the cluster is its parent's, and lives there."""
        self._stack = None
        for server in self._servers:
            server.abandon()
        self.volume.abandon()


def _check_host(host: str, *, allow_public: bool) -> None:
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError as error:
        # The names of the files carry it, in four bytes.
        raise ValueError(f"the host must be an IPv4 address, like 127.0.0.1: {host!r}") from error
    if not (address.is_loopback or allow_public):
        raise ValueError(
            f"{host} is not a loopback address: whoever reaches the cluster can delete its files"
        )


def _remove_folder(path: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)


_running: set[EmbeddedCluster] = set()


def _abandon_all() -> None:
    for cluster in _running:
        cluster._abandon()
    _running.clear()


os.register_at_fork(after_in_child=_abandon_all)
