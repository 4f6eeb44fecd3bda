"""A tracker that says what a test wants it to say, of storages that are real."""

from __future__ import annotations

import itertools
import socketserver
import threading
from collections.abc import Iterable
from dataclasses import replace

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs import Client, Limits, protocol
from fdfs_storage.fastdfs.protocol import Address, Command, Header, Location, Placement
from fdfs_storage.fastdfs.statistics import GroupStat, StorageStat


class ScriptedTracker(socketserver.ThreadingTCPServer):
    """Knows the given clusters' storages; each answer can be changed while it runs."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *clusters: EmbeddedCluster) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.asked: list[int] = []
        self.storages: list[StorageStat] = []
        self.groups: list[GroupStat] = []
        self._turn = itertools.count()
        for cluster in clusters:
            with Client(cluster.trackers) as client:
                self.groups += [group for group in client.groups() if group.name not in self._names()]
                self.storages += client.storages(cluster.group)
        self.placements = [Placement(self.groups[0].name, storage.address, 0) for storage in self.storages]
        self.locations: list[Address] = [storage.address for storage in self.storages]
        self.refusals: dict[int, int] = {}
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def address(self) -> str:
        return str(Address(*self.server_address[:2]))

    def _names(self) -> Iterable[str]:
        return [group.name for group in self.groups]

    def answer(self, command: int, body: bytes) -> bytes:
        self.asked.append(command)
        if status := self.refusals.get(command):
            return protocol.refusal(status)
        group = protocol.text(body[:16])
        if command == Command.LIST_ALL_GROUPS:
            return protocol.reply(b"".join(stat.pack() for stat in self.groups))
        if command == Command.LIST_STORAGE:
            return protocol.reply(b"".join(stat.pack() for stat in self.storages))
        if command in (Command.QUERY_FETCH_ONE, Command.QUERY_UPDATE):
            return protocol.reply(Location(group, self.locations[0]).pack())
        fitting = [placement for placement in self.placements if group in ("", placement.group)]
        if command == Command.QUERY_STORE_WITHOUT_GROUP_ONE:
            fitting = [placement for placement in fitting if placement.group == self.placements[0].group]
        if not fitting:
            return protocol.refusal(2)
        return protocol.reply(fitting[next(self._turn) % len(fitting)].pack())

    def mark(self, index: int, **changes: object) -> None:
        """Change what is listed of one storage."""
        self.storages[index] = replace(self.storages[index], **changes)

    def client(self, **limits: float) -> Client:
        return Client([self.address], limits=Limits(**{"connect_timeout": 2, "network_timeout": 5, **limits}))


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while raw := self.rfile.read(10):
            header = Header.unpack(raw)
            self.wfile.write(self.server.answer(header.command, self.rfile.read(header.length)))
