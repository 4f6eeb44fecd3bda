"""The tracker's commands for servers, monitors and administrators (PROTOCOL 4.4, 4.5).

There are no trunk files, and no storages that join or leave: those there are belong to the cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from fdfs_storage.fastdfs.errors import EBUSY
from fdfs_storage.fastdfs.file_id import GROUP_BYTES
from fdfs_storage.fastdfs.monitoring import (
    ServerCommand,
    StorageFilter,
    StorageRecord,
    TrackerFilter,
    TrackerRecord,
    TrackerStatus,
    VolumeFilter,
    VolumeRecord,
    pack_storage_records,
    pack_trackers,
    pack_volumes,
)
from fdfs_storage.fastdfs.protocol import Command

from .dispatch import VERSION
from .queries import STORAGE_ID_BYTES
from .refusal import EACCES, EOPNOTSUPP, RefusedError
from .replies import Reply, Request
from .roster import Group
from .storage import Storage
from .view import Peer, View, check_length

# In the order of tracker_service.c; what has no meaning here has the values of an untouched tracker.conf.
_PARAMETERS = """\
use_storage_id={uses_ids:d}
id_type_in_filename={id_type}
trust_storage_server_id=1
response_ip_addr_size={address_bytes}
storage_ip_changed_auto_adjust=1
storage_sync_file_max_delay=86400
store_path={store_path}
reserved_storage_space={reserved_mb} MB
use_trunk_file=0
slot_min_size=256
slot_max_size=1048576
trunk_alloc_alignment_size=256
trunk_file_size=67108864
trunk_create_file_advance=0
trunk_create_file_time_base=02:00
trunk_create_file_interval=86400
trunk_create_file_space_threshold=21474836480
trunk_init_check_occupying=0
trunk_init_reload_from_binlog=0
trunk_free_space_merge=1
delete_unused_trunk_files=0
trunk_compress_binlog_min_interval=86400
trunk_compress_binlog_interval=86400
trunk_compress_binlog_time_base=03:00
trunk_binlog_max_backups=7
store_slave_file_use_link=0
"""


# --- trackers -----------------------------------------------------------------------------------


def _leader(view: View, request: Request) -> Reply:
    check_length(request, 0)
    return Reply(body=str(view.trackers()[view.leader].address).encode("ascii"))


def _tracker_stat(view: View, request: Request) -> Reply:
    asked = TrackerFilter.unpack(request.body)
    if view.leader != view.index:
        raise RefusedError(EOPNOTSUPP)
    records = [_tracker_record(peer, index == view.index) for index, peer in enumerate(view.trackers())]
    return Reply(body=pack_trackers(record for record in records if asked.matches(record)))


def _tracker_record(peer: Peer, is_leader: bool) -> TrackerRecord:
    return TrackerRecord(
        host=str(peer.address),
        is_leader=is_leader,
        is_active=peer.listening,
        connections_allocated=peer.load.peak,
        connections_current=peer.load.current,
        connections_max=peer.load.peak,
        version=VERSION,
        up_time=peer.up_time,
        # The leader is where the others' heart beats arrive: it has none of its own.
        last_heart_beat=int(time.time()) if peer.listening and not is_leader else 0,
    )


def _tracker_status(view: View, request: Request) -> Reply:
    check_length(request, 0)
    running = int(time.time()) - view.trackers()[view.index].up_time
    return Reply(body=TrackerStatus(view.leader == view.index, running, restart_interval=0).pack())


def _parameters(view: View, request: Request) -> Reply:
    check_length(request, 0)
    known = _PARAMETERS.format(
        uses_ids=view.roster.uses_ids,
        id_type="id" if view.roster.uses_ids else "ip",
        address_bytes=view.width + 1,
        store_path=view.roster.policy.store_path,
        reserved_mb=max(group.reserved_mb for group in view.roster.groups),
    )
    return Reply(body=known.encode("ascii"))


# --- groups and storages ------------------------------------------------------------------------


def _storage_stat(view: View, request: Request) -> Reply:
    asked = StorageFilter.unpack(request.body)
    records = [record for record in map(_storage_record, view.roster.storages) if asked.matches(record)]
    return Reply(body=pack_storage_records(records, uses_ids=view.roster.uses_ids))


def _storage_record(storage: Storage) -> StorageRecord:
    stat = storage.stat()
    return StorageRecord(
        id=stat.id,
        host=str(storage.address),
        is_trunk_server=0,
        status=stat.status,
        connections_allocated=stat.connections_allocated or 0,
        connections_current=stat.connections_current or 0,
        connections_max=stat.connections_max or 0,
        version=stat.version,
        up_time=stat.up_time,
        last_heart_beat=stat.last_heart_beat,
    )


def _volume_stat(view: View, request: Request) -> Reply:
    asked = VolumeFilter.unpack(request.body)
    records = (record for record in map(_volume_record, view.roster.groups) if asked.matches(record))
    return Reply(body=pack_volumes(records))


def _volume_record(group: Group) -> VolumeRecord:
    space, reserved = group.space, group.reserved_mb
    available = max(space.free_mb - reserved, 0)
    return VolumeRecord(
        group=group.name,
        total_mb=space.total_mb,
        free_mb=space.free_mb,
        reserved_mb=reserved,
        available_mb=available,
        trunk_free_mb=0,
        disk_available=available > 0,
        trunk_available=0,
    )


# --- what is refused, one way or the other ------------------------------------------------------


def _delete_storage(view: View, request: Request) -> Reply:
    check_length(request, GROUP_BYTES + 1, GROUP_BYTES + STORAGE_ID_BYTES)
    view.storage_of(request)
    raise RefusedError(EBUSY)  # it is active, or will be again: it is the cluster's


def _delete_group(view: View, request: Request) -> Reply:
    check_length(request, GROUP_BYTES)
    view.group_of(request)
    raise RefusedError(EBUSY)  # it has a storage


def _set_trunk_server(view: View, request: Request) -> Reply:
    check_length(request, GROUP_BYTES, GROUP_BYTES + STORAGE_ID_BYTES)
    view.group_of(request)
    raise RefusedError(EOPNOTSUPP)


def _not_joined(_view: View, _request: Request) -> Reply:
    raise RefusedError(EACCES)


COMMANDS: dict[int, Callable[[View, Request], Reply]] = {
    Command.GET_LEADER: _leader,
    Command.TRACKER_CLUSTER_STAT: _tracker_stat,
    ServerCommand.TRACKER_STATUS: _tracker_status,
    ServerCommand.PARAMETERS: _parameters,
    ServerCommand.STORAGE_CLUSTER_STAT: _storage_stat,
    ServerCommand.VOLUME_STAT: _volume_stat,
    ServerCommand.DELETE_STORAGE: _delete_storage,
    ServerCommand.DELETE_GROUP: _delete_group,
    ServerCommand.SET_TRUNK_SERVER: _set_trunk_server,
    **dict.fromkeys(
        (
            ServerCommand.BEAT,
            ServerCommand.REPORT_DISK_USAGE,
            ServerCommand.REPLICA_CHANGE,
            ServerCommand.SYNC_DESTINATION,
            ServerCommand.SYNC_REPORT,
            ServerCommand.CHANGE_STATUS,
            ServerCommand.REPORT_TRUNK_FREE_SPACE,
            ServerCommand.FETCH_TRUNK_FILE_ID,
            ServerCommand.REPORT_TRUNK_FILE_ID,
        ),
        _not_joined,
    ),
}
