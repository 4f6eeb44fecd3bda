"""The tracker's commands for servers, monitors and administrators (PROTOCOL 4.4, 4.5).

There are no server ids, no trunk files, and no storages that join: the one there is belongs to the cluster.
"""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Callable

from fdfs_storage.fastdfs.errors import EBUSY, EINVAL, ENOENT
from fdfs_storage.fastdfs.file_id import GROUP_BYTES
from fdfs_storage.fastdfs.monitoring import (
    ServerCommand,
    StorageBrief,
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
from fdfs_storage.fastdfs.statistics import Status

from .dispatch import VERSION
from .queries import STORAGE_ID_BYTES, check_storage
from .refusal import EACCES, EOPNOTSUPP, RefusedError
from .replies import Reply, Request
from .view import Peer, View, check_length

_ADDRESS_BYTES = 52
_ADDRESS = re.compile(rb"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+)):[0-9]+")
_IDS = struct.Struct(">iB")
_MY_IP_BYTES = 21
# In the order of tracker_service.c; what has no meaning here has the values of an untouched tracker.conf.
_PARAMETERS = """\
use_storage_id=0
id_type_in_filename=ip
trust_storage_server_id=1
response_ip_addr_size={address_bytes}
storage_ip_changed_auto_adjust=1
storage_sync_file_max_delay=86400
store_path=0
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
    volume = view.storage.volume
    known = _PARAMETERS.format(address_bytes=view.width + 1, reserved_mb=volume.reserved_mb)
    return Reply(body=known.encode("ascii"))


# --- groups and storages ------------------------------------------------------------------------


def _storage_stat(view: View, request: Request) -> Reply:
    asked, stat = StorageFilter.unpack(request.body), view.storage.stat()
    record = StorageRecord(
        id=stat.id,
        host=str(view.storage.address),
        is_trunk_server=0,
        status=stat.status,
        connections_allocated=stat.connections_allocated or 0,
        connections_current=stat.connections_current or 0,
        connections_max=stat.connections_max or 0,
        version=stat.version,
        up_time=stat.up_time,
        last_heart_beat=stat.last_heart_beat,
    )
    return Reply(body=pack_storage_records([record] if asked.matches(record) else []))


def _volume_stat(view: View, request: Request) -> Reply:
    asked, volume = VolumeFilter.unpack(request.body), view.storage.volume
    space = volume.space()
    available = max(space.free_mb - volume.reserved_mb, 0)
    record = VolumeRecord(
        group=view.group,
        total_mb=space.total_mb,
        free_mb=space.free_mb,
        reserved_mb=volume.reserved_mb,
        available_mb=available,
        trunk_free_mb=0,
        disk_available=available > 0,
        trunk_available=0,
    )
    return Reply(body=pack_volumes([record] if asked.matches(record) else []))


def _storage_status(view: View, request: Request) -> Reply:
    check_length(request, GROUP_BYTES + 1, GROUP_BYTES + _ADDRESS_BYTES)
    view.check_group(request)
    host, port = view.storage.address
    if _host(request) != host:  # without server ids, no two storages of a group share an address
        raise RefusedError(ENOENT)
    return Reply(body=StorageBrief(Status.ACTIVE, port, host, host).pack())


def _server_id(view: View, request: Request) -> Reply:
    """Answer with the address that was asked about: it is the id, where the cluster has no others."""
    check_length(request, GROUP_BYTES + 1, GROUP_BYTES + _ADDRESS_BYTES)
    return Reply(body=_host(request).encode("ascii"))


def _host(request: Request) -> str:
    """Return the address that stands before a port behind the group."""
    match = _ADDRESS.fullmatch(request.body[GROUP_BYTES:].partition(b"\0")[0])
    if not match or not match[0].isascii():
        raise RefusedError(EINVAL)
    return (match[1] or match[2]).decode("ascii")


def _storage_ids(view: View, request: Request) -> Reply:
    check_length(request, _IDS.size)
    if not _IDS.unpack(request.body)[1]:
        raise RefusedError(EOPNOTSUPP)
    return Reply(body=bytes(8))  # none in all, none here


def _my_ip(view: View, request: Request) -> Reply:
    check_length(request, _MY_IP_BYTES)
    return Reply(body=request.client.encode("ascii"))


# --- what is refused, one way or the other ------------------------------------------------------


def _delete_storage(view: View, request: Request) -> Reply:
    check_length(request, GROUP_BYTES + 1, GROUP_BYTES + STORAGE_ID_BYTES)
    view.check_group(request)
    check_storage(view, request)
    raise RefusedError(EBUSY)  # it is active


def _delete_group(view: View, request: Request) -> Reply:
    check_length(request, GROUP_BYTES)
    view.check_group(request)
    raise RefusedError(EBUSY)  # it has a storage


def _set_trunk_server(view: View, request: Request) -> Reply:
    check_length(request, GROUP_BYTES, GROUP_BYTES + STORAGE_ID_BYTES)
    view.check_group(request)
    raise RefusedError(EOPNOTSUPP)


def _group_name(_view: View, _request: Request) -> Reply:
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
    ServerCommand.STORAGE_STATUS: _storage_status,
    ServerCommand.GET_SERVER_ID: _server_id,
    ServerCommand.FETCH_STORAGE_IDS: _storage_ids,
    ServerCommand.GET_MY_IP: _my_ip,
    ServerCommand.DELETE_STORAGE: _delete_storage,
    ServerCommand.DELETE_GROUP: _delete_group,
    ServerCommand.SET_TRUNK_SERVER: _set_trunk_server,
    ServerCommand.GET_GROUP_NAME: _group_name,
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
