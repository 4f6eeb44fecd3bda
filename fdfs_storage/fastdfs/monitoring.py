"""What only servers, monitors and administrators ask: request codes, and the tracker's records.

Part of the wire protocol, like `protocol` (PROTOCOL, sections 4.4 and 4.5); apart from it because no
client of files has use for them.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from .errors import ProtocolError
from .protocol import fixed, text, unpack
from .statistics import Layout


class ServerCommand(enum.IntEnum):
    """Request codes that no client of files sends."""

    CREATE_LINK = 20
    REPORT_TRUNK_FREE_SPACE = 59
    GET_MY_IP = 60
    TRACKER_STATUS = 64
    FETCH_STORAGE_IDS = 69
    GET_SERVER_ID = 70
    STORAGE_STATUS = 71
    FETCH_TRUNK_FILE_ID = 72
    REPORT_TRUNK_FILE_ID = 73
    CHANGE_STATUS = 74
    PARAMETERS = 75
    BEAT = 83
    REPORT_DISK_USAGE = 84
    REPLICA_CHANGE = 85
    SYNC_DESTINATION = 87
    SYNC_REPORT = 89
    DELETE_STORAGE = 93
    SET_TRUNK_SERVER = 94
    STORAGE_CLUSTER_STAT = 97
    VOLUME_STAT = 98
    QUERY_STORE_WITHOUT_GROUP_ALL = 106
    QUERY_STORE_WITH_GROUP_ALL = 107
    DELETE_GROUP = 108
    GET_GROUP_NAME = 109


_HOST_BYTES = 52
_CONNECTIONS = [(f"connections_{what}", "i") for what in ("allocated", "current", "max")]
_LIFE = [("version", "8s"), ("up_time", "q"), ("last_heart_beat", "q")]


# --- trackers (96) ------------------------------------------------------------------------------


class TrackerFilter(NamedTuple):
    """The body of TRACKER_CLUSTER_STAT: which trackers are meant; None where both kinds are."""

    active: bool | None = None
    leader: bool | None = None

    def pack(self) -> bytes:
        by = (self.active is not None) | (self.leader is not None) << 1
        return bytes((by, bool(self.active), bool(self.leader)))

    @classmethod
    def unpack(cls, body: bytes) -> TrackerFilter:
        by, active, leader = unpack(_TRACKER_FILTER, body, "a filter of trackers")
        return cls(active == 1 if by & 1 else None, leader == 1 if by & 2 else None)

    def matches(self, record: TrackerRecord) -> bool:
        return self.active in (None, bool(record.is_active)) and self.leader in (None, bool(record.is_leader))


_TRACKER_FILTER = struct.Struct("BBB")


@dataclass(frozen=True)
class TrackerRecord:
    """One tracker, as the leader knows it; times in unix seconds."""

    host: str
    """`ip:port`."""
    is_leader: int
    is_active: int
    connections_allocated: int
    connections_current: int
    connections_max: int
    version: str
    up_time: int
    last_heart_beat: int


_TRACKER = Layout.of(
    ("host", f"{_HOST_BYTES}s"), ("is_leader", "B"), ("is_active", "B"), *_CONNECTIONS, *_LIFE
)


def pack_trackers(records: Iterable[TrackerRecord]) -> bytes:
    """The reply to TRACKER_CLUSTER_STAT."""
    packed = [_TRACKER.write(record) for record in records]
    return bytes((len(packed),)) + b"".join(packed)


def unpack_trackers(body: bytes) -> list[TrackerRecord]:
    count = body[0] if body else 0
    return [TrackerRecord(**row) for row in _TRACKER.read(_counted(_TRACKER, body[1:], count))]


# --- storages (97) ------------------------------------------------------------------------------


class StorageFilter(NamedTuple):
    """The body of STORAGE_CLUSTER_STAT: `by` is a sum of 1, for `is_trunk_server`, and 2, for `status`.

    The status is to be the one that is named (`=`), or another (`!`); no other operator matches anything.
    """

    by: int = 0
    operator: int = ord("=")
    status: int = 0
    is_trunk_server: int = 0

    def pack(self) -> bytes:
        return _STORAGE_FILTER.pack(*self)

    @classmethod
    def unpack(cls, body: bytes) -> StorageFilter:
        return cls(*unpack(_STORAGE_FILTER, body, "a filter of storages"))

    def matches(self, record: StorageRecord) -> bool:
        """Compare as a cluster without trunk files does, where nobody is asked for the trunk server."""
        if not self.by & 2:
            return True
        wanted = {ord("="): True, ord("!"): False}.get(self.operator)
        return wanted is not None and (record.status == self.status) == wanted


_STORAGE_FILTER = struct.Struct("BBBB")
_STORAGE_HEAD = struct.Struct(">BBi")


@dataclass(frozen=True)
class StorageRecord:
    """One storage, in short; see `statistics.StorageStat` for the fields."""

    id: str
    host: str
    """`ip:port`."""
    is_trunk_server: int
    status: int
    connections_allocated: int
    connections_current: int
    connections_max: int
    version: str
    up_time: int
    last_heart_beat: int


_STORAGE = Layout.of(
    ("id", "16s"),
    ("host", f"{_HOST_BYTES}s"),
    ("is_trunk_server", "B"),
    ("status", "B"),
    *_CONNECTIONS,
    *_LIFE,
)


def pack_storage_records(records: Iterable[StorageRecord], *, uses_ids: bool = False) -> bytes:
    """The reply to STORAGE_CLUSTER_STAT, of a cluster without trunk files."""
    packed = [_STORAGE.write(record) for record in records]
    return _STORAGE_HEAD.pack(uses_ids, 0, len(packed)) + b"".join(packed)


def unpack_storage_records(body: bytes) -> list[StorageRecord]:
    head, rest = body[: _STORAGE_HEAD.size], body[_STORAGE_HEAD.size :]
    _, _, count = unpack(_STORAGE_HEAD, head, "the head of a list of storages")
    return [StorageRecord(**row) for row in _STORAGE.read(_counted(_STORAGE, rest, count))]


# --- groups (98) --------------------------------------------------------------------------------


class VolumeFilter(NamedTuple):
    """The body of VOLUME_STAT: `by` is a sum of 1, 2 and 4, for the three that follow."""

    by: int = 0
    disk_available: int = 0
    trunk_available: int = 0
    space_available: int = 0

    def pack(self) -> bytes:
        return bytes(self)

    @classmethod
    def unpack(cls, body: bytes) -> VolumeFilter:
        return cls(*unpack(_VOLUME_FILTER, body, "a filter of groups"))

    def matches(self, record: VolumeRecord) -> bool:
        """Compare as a cluster without trunk files does, which has nothing to compare with the second."""
        wanted = {1: self.disk_available, 4: self.space_available}
        return all(value == record.disk_available for bit, value in wanted.items() if self.by & bit)


_VOLUME_FILTER = struct.Struct("BBBB")
_VOLUME_HEAD = struct.Struct(">Bi")


@dataclass(frozen=True)
class VolumeRecord:
    """One group's space, in MB."""

    group: str
    total_mb: int
    free_mb: int
    reserved_mb: int
    available_mb: int
    trunk_free_mb: int
    disk_available: int
    trunk_available: int


_VOLUME = Layout.of(
    ("group", "17s"),
    *((f"{what}_mb", "q") for what in ("total", "free", "reserved", "available", "trunk_free")),
    ("disk_available", "B"),
    ("trunk_available", "B"),
)


def pack_volumes(records: Iterable[VolumeRecord]) -> bytes:
    """The reply to VOLUME_STAT, of a cluster without trunk files."""
    packed = [_VOLUME.write(record) for record in records]
    return _VOLUME_HEAD.pack(0, len(packed)) + b"".join(packed)


def unpack_volumes(body: bytes) -> list[VolumeRecord]:
    head, rest = body[: _VOLUME_HEAD.size], body[_VOLUME_HEAD.size :]
    _, count = unpack(_VOLUME_HEAD, head, "the head of a list of groups")
    return [VolumeRecord(**row) for row in _VOLUME.read(_counted(_VOLUME, rest, count))]


def _counted(layout: Layout, body: bytes, count: int) -> bytes:
    if len(body) != count * layout.packer.size:
        raise ProtocolError(f"{len(body)} bytes for {count} records of {layout.packer.size}")
    return body


# --- one storage's state (71), one tracker's (64) -----------------------------------------------


_BRIEF = struct.Struct(">Bi16s")
_BRIEF_ADDRESS_BYTES = (16, 46)


class StorageBrief(NamedTuple):
    """The reply to STORAGE_STATUS: 67 bytes since 6.11, whatever the width of other addresses; before, 37."""

    status: int
    port: int
    id: str
    ip: str

    def pack(self) -> bytes:
        return _BRIEF.pack(self.status, self.port, fixed(self.id, 16)) + fixed(self.ip, 46)

    @classmethod
    def unpack(cls, body: bytes) -> StorageBrief:
        if len(body) - _BRIEF.size not in _BRIEF_ADDRESS_BYTES:
            raise ProtocolError(f"a storage's state of {len(body)} bytes instead of 37 or 67")
        status, port, server = _BRIEF.unpack_from(body)
        return cls(status, port, text(server), text(body[_BRIEF.size :]))


_STATUS = struct.Struct(">Bqq")


class TrackerStatus(NamedTuple):
    """The reply to TRACKER_STATUS."""

    is_leader: int
    running_seconds: int
    restart_interval: int
    """Seconds between its last end and its last start."""

    def pack(self) -> bytes:
        return _STATUS.pack(*self)

    @classmethod
    def unpack(cls, body: bytes) -> TrackerStatus:
        return cls(*unpack(_STATUS, body, "a tracker's state"))
