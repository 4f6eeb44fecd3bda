"""The tracker's records about groups and storages, in the layouts of every release from 5.x to 6.16.

A list is a run of records of one length, and the length of the body names the release's layout: of up
to 32 storages no two layouts have the same length, of groups only multiples of 105 (PROTOCOL, sections
4.2 and 4.3). Part of the wire protocol, like
`protocol`, but with a reason of its own to change: each release of FastDFS may add a layout.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, TypeVar

from .errors import ProtocolError
from .protocol import Address, Width, checked_address, fixed, text


class Status(enum.IntEnum):
    """What a tracker knows about a storage; only ACTIVE ones are asked for files."""

    INIT = 0
    WAIT_SYNC = 1
    SYNCING = 2
    IP_CHANGED = 3
    DELETED = 4
    OFFLINE = 5
    ONLINE = 6
    ACTIVE = 7
    RECOVERY = 9
    NONE = 99


READABLE = 4
WRITABLE = 2

Record = TypeVar("Record")


class Layout(NamedTuple):
    """A record's columns, in wire order: the name and struct's code of each; `…s` is NUL-padded text."""

    packer: struct.Struct
    columns: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, *columns: tuple[str, str]) -> Layout:
        return cls(struct.Struct(">" + "".join(code for _, code in columns)), columns)

    def read(self, body: bytes) -> list[dict[str, Any]]:
        return [
            {
                name: text(value) if isinstance(value, bytes) else value
                for (name, _), value in zip(self.columns, row, strict=True)
            }
            for row in self.packer.iter_unpack(body)
        ]

    def write(self, record: object) -> bytes:
        values = ((getattr(record, name), code) for name, code in self.columns)
        return self.packer.pack(
            *(fixed(value, int(code[:-1])) if code.endswith("s") else value for value, code in values)
        )


def _unpack(layouts: Sequence[Layout], body: bytes, what: str) -> list[dict[str, Any]]:
    for layout in layouts:
        if len(body) % layout.packer.size == 0:
            return layout.read(body)
    sizes = ", ".join(str(layout.packer.size) for layout in layouts)
    raise ProtocolError(f"{what} of {len(body)} bytes fits no known release (records of {sizes} bytes)")


# --- groups -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GroupStat:
    """One group, as LIST_ONE_GROUP and LIST_ALL_GROUPS describe it.

    Total and free space are those of its storage with the least free space, in MB. None stands for
    what the server's release does not tell: the two layouts of 105 bytes (up to 6.12, and 6.13.0)
    have the same length and differ in one field, which is therefore left out of both.
    """

    name: str
    total_mb: int
    free_mb: int
    trunk_free_mb: int
    storage_count: int
    port: int
    writable_count: int
    """Active storages that take writes."""
    current_write_server: int
    store_path_count: int
    subdir_count: int
    current_trunk_file: int
    reserved_mb: int | None = None
    readable_count: int | None = None

    def pack(self) -> bytes:
        return _GROUP_CURRENT.write(self)


_GROUP_START = [("name", "17s"), ("total_mb", "q"), ("free_mb", "q")]
_GROUP_END = [
    ("writable_count", "q"),
    ("current_write_server", "q"),
    ("store_path_count", "q"),
    ("subdir_count", "q"),
    ("current_trunk_file", "q"),
]
_GROUP_CURRENT = Layout.of(
    *_GROUP_START,
    ("reserved_mb", "q"),
    ("trunk_free_mb", "q"),
    ("storage_count", "q"),
    ("port", "q"),
    ("readable_count", "q"),
    *_GROUP_END,
)
_GROUP_OLD = Layout.of(
    *_GROUP_START,
    ("trunk_free_mb", "q"),
    ("storage_count", "q"),
    ("port", "q8x"),  # http port up to 6.12, readable servers in 6.13.0
    *_GROUP_END,
)
_GROUP_LAYOUTS = (_GROUP_CURRENT, _GROUP_OLD)


def unpack_groups(body: bytes) -> list[GroupStat]:
    """Read LIST_ONE_GROUP's or LIST_ALL_GROUPS' reply: any number of records of 113 or 105 bytes."""
    return [GroupStat(**row) for row in _unpack(_GROUP_LAYOUTS, body, "a group list")]


# --- storages -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class StorageStat:
    """One storage, as LIST_STORAGE describes it; sizes in MB, times in unix seconds.

    Of each pair `…_total`, `…_success` the first counts what was asked, the second what worked. None
    stands for what the server's release does not tell.
    """

    status: int
    id: str
    """The dotted address, or the decimal id where the cluster uses server ids."""
    ip: str
    sync_source: str
    version: str
    join_time: int
    up_time: int
    total_mb: int
    free_mb: int
    upload_priority: int
    store_path_count: int
    subdir_count: int
    current_write_path: int
    port: int
    upload_total: int
    upload_success: int
    append_total: int
    append_success: int
    modify_total: int
    modify_success: int
    truncate_total: int
    truncate_success: int
    set_metadata_total: int
    set_metadata_success: int
    delete_total: int
    delete_success: int
    download_total: int
    download_success: int
    get_metadata_total: int
    get_metadata_success: int
    create_link_total: int
    create_link_success: int
    delete_link_total: int
    delete_link_success: int
    upload_bytes_total: int
    upload_bytes_success: int
    append_bytes_total: int
    append_bytes_success: int
    modify_bytes_total: int
    modify_bytes_success: int
    download_bytes_total: int
    download_bytes_success: int
    sync_in_bytes_total: int
    sync_in_bytes_success: int
    sync_out_bytes_total: int
    sync_out_bytes_success: int
    file_open_total: int
    file_open_success: int
    file_read_total: int
    file_read_success: int
    file_write_total: int
    file_write_success: int
    last_source_update: int
    last_sync_update: int
    last_synced: int
    last_heart_beat: int
    is_trunk_server: int
    rw_mode: int = READABLE | WRITABLE
    reserved_mb: int | None = None
    domain: str | None = None
    http_port: int | None = None
    connections_allocated: int | None = None
    connections_current: int | None = None
    connections_max: int | None = None

    @property
    def address(self) -> Address:
        """Where it listens, as the tracker names it; raises ProtocolError for what nobody can dial."""
        return checked_address(self.ip, self.port)

    @property
    def readable(self) -> bool:
        """Whether reads may be sent to it."""
        return self.status == Status.ACTIVE and bool(self.rw_mode & READABLE)

    @property
    def writable(self) -> bool:
        """Whether uploads, updates and deletes may be sent to it."""
        return self.status == Status.ACTIVE and bool(self.rw_mode & WRITABLE)

    def pack(self, width: Width = Width.NARROW) -> bytes:
        """Lay it out as 6.15 and later do for this width of addresses."""
        return _STORAGE_CURRENT[width].write(self)


_names = [field.name for field in fields(StorageStat)]
_TALLIES = [
    (name, "q") for name in _names[_names.index("upload_total") : _names.index("last_heart_beat") + 1]
]


def _storage_layout(
    *,
    ip: int,
    version: int = 8,
    rw_mode: bool = False,
    domain: bool = False,
    reserved: bool = False,
    connections: bool = True,
) -> Layout:
    """Releases differ in the width of two fields and in the presence of four others.

    The domain name and the HTTP port came and went together.
    """
    columns = [("status", "B"), ("rw_mode", "B") if rw_mode else None]
    columns += [("id", "16s"), ("ip", f"{ip}s"), ("domain", "128s") if domain else None]
    columns += [("sync_source", "16s"), ("version", f"{version}s"), ("join_time", "q"), ("up_time", "q")]
    columns += [("total_mb", "q"), ("free_mb", "q"), ("reserved_mb", "q") if reserved else None]
    columns += [(name, "q") for name in ("upload_priority", "store_path_count", "subdir_count")]
    columns += [("current_write_path", "q"), ("port", "q"), ("http_port", "q") if domain else None]
    if connections:
        columns += [(f"connections_{what}", "i") for what in ("allocated", "current", "max")]
    columns += [*_TALLIES, ("is_trunk_server", "B")]
    return Layout.of(*(column for column in columns if column))


_STORAGE_CURRENT = {
    Width.NARROW: _storage_layout(ip=16, rw_mode=True, reserved=True),  # 6.15+ narrow: 487 bytes
    Width.WIDE: _storage_layout(ip=46, rw_mode=True, reserved=True),  # 6.13.1-6.14, and 6.15+ wide: 517
}
_STORAGE_LAYOUTS = (
    *_STORAGE_CURRENT.values(),
    _storage_layout(ip=46, rw_mode=True),  # 6.13.0: 509
    _storage_layout(ip=46, domain=True),  # 6.12: 644
    _storage_layout(ip=46, domain=True, version=6),  # 6.11: 642
    _storage_layout(ip=16, domain=True, version=6),  # 5.04-6.10: 612
    _storage_layout(ip=16, domain=True, version=6, connections=False),  # up to 5.03: 600
)


def unpack_storages(body: bytes) -> list[StorageStat]:
    """Read LIST_STORAGE's reply: any number of records of any release."""
    return [StorageStat(**row) for row in _unpack(_STORAGE_LAYOUTS, body, "a storage list")]
