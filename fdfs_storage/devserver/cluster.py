"""A whole FastDFS on loopback: trackers, storages and the HTTP servers beside them, in one thread."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

from fdfs_storage.fastdfs.file_id import FileId
from fdfs_storage.fastdfs.protocol import Address

from .daemon_server import DaemonServer
from .dedupe import Dedupe
from .elsewhere import elsewhere
from .http import HttpServer
from .http_options import HttpOptions
from .layout import Layout
from .policy import Policy
from .replication import Link, Replication, links
from .roster import Roster
from .server import Server
from .shape import StoragePlan, plan, require_seconds
from .sockets import LoopThread
from .storage import Storage
from .storage_server import StorageServer
from .tracker import Tracker
from .view import Peer
from .volume import Volume


class EmbeddedCluster:
    """Groups of storages with an HTTP server each, and trackers; for development and tests.

    Without `data` the files live in a temporary folder that `stop()` removes. Port 0 is any free port;
    several servers on a fixed port take the ports that follow it. A cluster that was stopped starts again on
    the same ports. A client that leaves a request unfinished is dropped after `timeout` seconds.

    - `groups`: a number, names, or names with their numbers of storages; `group`: the name of the only one.
    - `storages`, `store_paths`: how many each group, and each storage, has.
    - `storage_hosts`: an address for each storage, in the order of the groups. Where two storages share one,
      the cluster uses server ids, and the names of files carry these.
    - `lag`: after so many seconds the other storages of a group have what one was sent; with 0, before the
      client has its answer.
    - `dedupe`: equal files are kept once, as with check_file_duplicate = 1.
    - `wide`: addresses in the trackers' answers have 46 bytes instead of 16; for all, or for each tracker.
    - `check_active_interval`: so many seconds trackers go on naming a storage that was stopped.
    - `store_lookup`, `store_group`, `store_server`, `store_path`, `download_server`: as in tracker.conf, with
      its numbers.
    - `http`: tokens, and the form of URLs.

    What makes no sense is a ValueError.
    """

    trackers: list[str]
    """`host:port` of each tracker, as FDFS_TRACKERS wants them."""
    data: Path
    tracker_servers: list[DaemonServer]
    storages: list[StorageServer]
    """All storages, in the order of the groups."""
    _stack: contextlib.ExitStack | None = None

    def __init__(
        self,
        data: Path | str | None = None,
        *,
        host: str = "127.0.0.1",
        tracker_port: int = 0,
        storage_port: int = 0,
        http_port: int = 0,
        group: str = "group1",
        groups: int | Sequence[str] | Mapping[str, int] = 1,
        storages: int = 1,
        store_paths: int = 1,
        storage_hosts: Sequence[str] | None = None,
        trackers: int = 1,
        wide: bool | Sequence[bool] = False,
        timeout: float = 60.0,
        lag: float = 0.0,
        dedupe: bool = False,
        check_active_interval: float = 120.0,
        store_lookup: int = 0,
        store_group: str = "",
        store_server: int = 0,
        store_path: int = 0,
        download_server: int = 0,
        http: HttpOptions | None = None,
        allow_public: bool = False,
    ) -> None:
        self._shape = plan(
            host=host,
            allow_public=allow_public,
            group=group,
            groups=groups,
            storages=storages,
            store_paths=store_paths,
            storage_hosts=storage_hosts,
            trackers=trackers,
            wide=wide,
            tracker_port=tracker_port,
            storage_port=storage_port,
            http_port=http_port,
        )
        self._policy = Policy(store_lookup, store_group, store_server, store_path, download_server)
        self._policy.check(self._shape.groups)
        self.host = host
        self._data = data
        self._dedupe = bool(dedupe)
        self._http = _checked(http)
        self._timeout = require_seconds("timeout", timeout)
        self._lag = require_seconds("lag", lag, zero=True)
        self._check_active_interval = require_seconds("check_active_interval", check_active_interval)

    # --- its first storage, and what several share ---

    @property
    def group(self) -> str:
        """The group of the first storage."""
        return self._shape.storages[0].group

    @property
    def tracker_port(self) -> int:
        return self._shape.tracker_ports[0]

    @property
    def storage_port(self) -> int:
        return self._shape.storages[0].port

    @property
    def http_port(self) -> int:
        return self._shape.storages[0].http_port

    @property
    def storage_server(self) -> StorageServer:
        return self.storages[0]

    @property
    def http_server(self) -> HttpServer:
        return self.storages[0].http_server

    @property
    def volume(self) -> Volume:
        return self.storages[0].volume

    @property
    def base_url(self) -> str:
        """The HTTP server of the first storage, which serves the files of all."""
        return self.storages[0].base_url

    @property
    def http(self) -> HttpOptions:
        """How its HTTP servers serve."""
        return self._http

    # --- replication ---

    @property
    def lag(self) -> float:
        """Seconds until the other storages of a group have what one was sent; may be changed at any time."""
        return self._lag

    @lag.setter
    def lag(self, seconds: float) -> None:
        self._lag = require_seconds("lag", seconds, zero=True)
        if self._stack:
            self._loop.call(self._replication.set_lag(self._lag))

    def replicate(self) -> None:
        """Let all storages have at once what they wait for; those that are stopped go on waiting."""
        if self._stack:
            self._loop.call(self._replication.flush())

    # --- its life ---

    def start(self) -> EmbeddedCluster:
        """Come up; whoever connects when this has returned is served. A taken port is an OSError.

        A folder that holds the files of a cluster of another shape is a ValueError.
        """
        if self._stack:
            return self
        with contextlib.ExitStack() as stack:
            self.data = Path(self._data) if self._data is not None else self._temporary_folder(stack)
            volumes = self._open_volumes(stack)
            self._loop = LoopThread(f"fdfs-cluster-{self.group}")
            stack.callback(self._loop.stop)
            self._replication = Replication(self._lag)
            stack.callback(self._stop_replication)
            self._start_servers(volumes, stack)
            if between := self._links():
                self._loop.call(self._replication.start(between))
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

    def _open_volumes(self, stack: contextlib.ExitStack) -> list[Volume]:
        self._layout = layout = Layout(self.data, self._shape)
        layout.open()
        stack.callback(layout.close)
        volumes = []
        for each in self._shape.storages:
            volume = Volume(
                layout.base(each), group=each.group, source=each.id, paths=layout.store_paths(each)
            )
            volume.hosts = {plan.id: plan.host for plan in self._shape.storages}
            volume.open()
            stack.callback(volume.close)
            volumes.append(volume)
        self._open_dedupe(volumes, stack)
        return volumes

    def _open_dedupe(self, volumes: list[Volume], stack: contextlib.ExitStack) -> None:
        self._equal_files = Dedupe(self.data / "dedupe.sqlite3", self._holder)
        if self._dedupe:
            self._equal_files.open()
            stack.callback(self._equal_files.close)
            for volume in volumes:
                volume.dedupe = self._equal_files

    def _start_servers(self, volumes: list[Volume], stack: contextlib.ExitStack) -> None:
        storages = [Storage(volume) for volume in volumes]
        self.storages = [
            StorageServer(
                storage, each, self._loop, self._timeout, self._replication, self._check_active_interval
            )
            for storage, each in zip(storages, self._shape.storages, strict=True)
        ]
        for server, each in zip(self.storages, self._shape.storages, strict=True):
            server.http_server = self._http_server(server, each)
        self.tracker_servers = self._trackers_of(storages)
        for each_server in self._servers:
            each_server.start()
            stack.callback(each_server.stop)
        self._shape = self._shape.settled(
            [server.port for server in self.tracker_servers],
            [server.port for server in self.storages],
            [server.http_server.port for server in self.storages],
        )
        self.trackers = [server.address for server in self.tracker_servers]

    def _http_server(self, server: StorageServer, each: StoragePlan) -> HttpServer:
        ask = None if len(self._shape.storages) == 1 else elsewhere(server, self.storages)
        return HttpServer(
            server.volume, self._loop, each.host, each.http_port, self._timeout, self._http, ask
        )

    def _trackers_of(self, storages: list[Storage]) -> list[DaemonServer]:
        roster = Roster.of(
            storages,
            uses_ids=self._shape.uses_ids,
            policy=self._policy,
            pending=self._replication.waits_since,
        )
        plans = zip(self._shape.widths, self._shape.tracker_ports, strict=True)
        return [
            DaemonServer(
                "tracker",
                Tracker(roster, width=width, index=index, trackers=self._peers),
                self._loop,
                self.host,
                port,
                self._timeout,
            )
            for index, (width, port) in enumerate(plans)
        ]

    def _stop_replication(self) -> None:
        if self._replication.has_links:
            self._loop.call(self._replication.stop())

    def _links(self) -> list[Link]:
        servers = {server.id: server for server in self.storages}

        def mark(source: Volume, peer: Volume) -> Path:
            port = None if self._shape.uses_ids else servers[peer.source].port
            return source.binlog.mark_of(peer.source, port)

        volumes = [server.volume for server in self.storages]
        return list(links(volumes, mark, lambda volume: servers[volume.source].listening))

    def _holder(self, file_id: FileId) -> Volume | None:
        """Return a storage that is up and has the file: its source, or a replica."""
        able = [server for server in self.storages if server.listening]
        able.sort(key=lambda server: server.id != file_id.source)
        return next((server.volume for server in able if server.volume.path_of(str(file_id))), None)

    def _peers(self) -> list[Peer]:
        return [
            Peer(Address(each.host, each.port), each.up_time, each.listening, each.load)
            for each in self.tracker_servers
        ]

    @property
    def _servers(self) -> list[Server]:
        https = [server.http_server for server in self.storages]
        return [*self.storages, *self.tracker_servers, *https]

    def _abandon(self) -> None:
        """Let go of what a forked child inherited: the cluster is its parent's, and lives there."""
        self._stack = None
        for server in self._servers:
            server.abandon()
        for storage in self.storages:
            storage.volume.abandon()
        self._replication.abandon()
        self._equal_files.close()
        self._layout.abandon()


def _checked(http: HttpOptions | None) -> HttpOptions:
    if not isinstance(http, (HttpOptions, type(None))):
        raise ValueError(f"http is an HttpOptions: {http!r}")  # noqa: TRY004 -- as for every other argument
    return http or HttpOptions()


def _remove_folder(path: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)


_running: set[EmbeddedCluster] = set()


def _abandon_all() -> None:
    for cluster in _running:
        cluster._abandon()
    _running.clear()


os.register_at_fork(after_in_child=_abandon_all)
