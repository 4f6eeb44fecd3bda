"""The records in which the package fdfs-client-py3 describes groups and storages, filled in from ours."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fdfs_client.tracker_client import Group_info, Storage_info
from fdfs_client.utils import appromix

from .fastdfs.statistics import GroupStat, StorageStat

_SPACE = 2  # appromix counts from B; the servers' sizes are MB


def group_info(group: GroupStat) -> Any:
    """Fill in the published record, whose field for the HTTP port is 0 where servers no longer tell it."""
    info = Group_info()
    info.group_name = group.name.encode()
    info.totalMB, info.freeMB = appromix(group.total_mb, _SPACE), appromix(group.free_mb, _SPACE)
    info.trunk_freeMB = appromix(group.trunk_free_mb, _SPACE)
    info.count, info.storage_port = group.storage_count, group.port
    info.active_count, info.curr_write_server = group.writable_count, group.current_write_server
    info.store_path_count, info.subdir_count_per_path = group.store_path_count, group.subdir_count
    info.curr_trunk_file_id = group.current_trunk_file
    return info


# Their names for our fields, where it is not the same word.
_WORDS = {"setmeta": "set_metadata", "getmeta": "get_metadata", "del": "delete", "del_link": "delete_link"}
_COUNTED = (
    *("upload", "append", "modify", "truncate", "setmeta", "del"),
    *("download", "getmeta", "create_link", "del_link", "file_open", "file_read", "file_write"),
)
_COUNTED_BYTES = ("upload", "append", "modify", "download", "sync_in", "sync_out")


def storage_info(storage: StorageStat) -> Any:
    """Fill in the published record; what this release of the servers does not tell is 0 or empty."""
    info = Storage_info()
    info.status, info.if_trunk_server = storage.status, storage.is_trunk_server
    info.id, info.src_id = storage.id.encode(), storage.sync_source.encode()
    info.ip_addr, info.version = storage.ip.encode(), storage.version.encode()
    info.domain_name = (storage.domain or "").encode()
    info.totalMB, info.freeMB = appromix(storage.total_mb, _SPACE), appromix(storage.free_mb, _SPACE)
    info.upload_prio, info.store_path_count = storage.upload_priority, storage.store_path_count
    info.subdir_count_per_path = storage.subdir_count
    info.curr_write_path, info.storage_port = storage.current_write_path, storage.port
    info.storage_http_port = storage.http_port or 0
    info.alloc_count = storage.connections_allocated or 0
    info.current_count, info.max_count = storage.connections_current or 0, storage.connections_max or 0
    _fill_times(info, storage)
    for unit, names in (("count", _COUNTED), ("bytes", _COUNTED_BYTES)):
        middle = "_bytes" if unit == "bytes" else ""
        for name in names:
            ours = f"{_WORDS.get(name, name)}{middle}"
            setattr(info, f"total_{name}_{unit}", getattr(storage, f"{ours}_total"))
            setattr(info, f"success_{name}_{unit}", getattr(storage, f"{ours}_success"))
    return info


def _fill_times(info: Any, storage: StorageStat) -> None:
    for theirs_name, seconds in (
        ("join_time", storage.join_time),
        ("up_time", storage.up_time),
        ("last_source_sync", storage.last_source_update),
        ("last_sync_update", storage.last_sync_update),
        ("last_synced_time", storage.last_synced),
        ("last_heartbeat_time", storage.last_heart_beat),
    ):
        setattr(info, theirs_name, datetime.fromtimestamp(seconds).isoformat())
