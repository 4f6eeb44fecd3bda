"""The tracker's commands for clients: where a file goes, where it is, what there is (PROTOCOL 4)."""

from __future__ import annotations

from collections.abc import Callable

from fdfs_storage.fastdfs.file_id import GROUP_BYTES
from fdfs_storage.fastdfs.holders import Holders
from fdfs_storage.fastdfs.monitoring import ServerCommand
from fdfs_storage.fastdfs.protocol import Command, Location, Placement
from fdfs_storage.fastdfs.statistics import GroupStat

from .replies import Reply, Request
from .roster import Group
from .view import View, check_length

_SHORTEST_NAME, _LONGEST_NAME = 22, 127  # PROTOCOL 4.1
STORAGE_ID_BYTES = 15


# --- where it goes ------------------------------------------------------------------------------


def _place(view: View, request: Request) -> Reply:
    return _placement(view, _any_group(view, request))


def _place_in_group(view: View, request: Request) -> Reply:
    return _placement(view, _named_group(view, request))


def _place_on_all(view: View, request: Request) -> Reply:
    return _placements(view, _any_group(view, request))


def _place_on_all_in_group(view: View, request: Request) -> Reply:
    return _placements(view, _named_group(view, request))


def _any_group(view: View, request: Request) -> Group:
    check_length(request, 0)
    return view.placing.any_group()


def _named_group(view: View, request: Request) -> Group:
    check_length(request, GROUP_BYTES)
    return view.placing.checked(view.group_of(request))


def _placement(view: View, group: Group) -> Reply:
    storage = view.placing.server(group)
    path = view.placing.path(storage)
    return Reply(body=Placement(group.name, storage.address, path).pack(view.width))


def _placements(view: View, group: Group) -> Reply:
    """Name all servers, and the path that is right for the first: the reply has room for one."""
    writable = group.writable
    servers = Holders(group.name, tuple(storage.address for storage in writable)).pack(view.width)
    return Reply(body=servers + bytes((view.placing.path(writable[0]),)))


# --- where it is --------------------------------------------------------------------------------


def _locate_for_reading(view: View, request: Request) -> Reply:
    group, name = _file(view, request)
    return Reply(body=Location(group.name, view.locating.for_reading(group, name).address).pack(view.width))


def _locate_for_update(view: View, request: Request) -> Reply:
    group, name = _file(view, request)
    return Reply(body=Location(group.name, view.locating.for_update(group, name).address).pack(view.width))


def _locate_all(view: View, request: Request) -> Reply:
    group, name = _file(view, request)
    addresses = tuple(storage.address for storage in view.locating.for_all(group, name))
    return Reply(body=Holders(group.name, addresses).pack(view.width))


def _file(view: View, request: Request) -> tuple[Group, bytes]:
    # Whether the file exists, and even whether its name makes sense, is nothing to a tracker.
    check_length(request, GROUP_BYTES + _SHORTEST_NAME, GROUP_BYTES + _LONGEST_NAME)
    return view.group_of(request), request.body[GROUP_BYTES:]


# --- what there is ------------------------------------------------------------------------------


def _list_one_group(view: View, request: Request) -> Reply:
    check_length(request, GROUP_BYTES)
    return Reply(body=_group_stat(view, view.group_of(request)).pack())


def _list_all_groups(view: View, request: Request) -> Reply:
    check_length(request, 0)
    return Reply(body=b"".join(_group_stat(view, group).pack() for group in view.roster.groups))


def _list_storage(view: View, request: Request) -> Reply:
    check_length(request, GROUP_BYTES, GROUP_BYTES + STORAGE_ID_BYTES)
    group = view.group_of(request)
    storages = [view.storage_of(request)] if len(request.body) > GROUP_BYTES else group.storages
    stats = (
        storage.stat(view.placing.current_path(storage), group.last_synced(storage)) for storage in storages
    )
    return Reply(body=b"".join(stat.pack(view.width) for stat in stats))


def _group_stat(view: View, group: Group) -> GroupStat:
    space, first = group.space, group.storages[0]
    return GroupStat(
        name=group.name,
        total_mb=space.total_mb,
        free_mb=space.free_mb,
        reserved_mb=group.reserved_mb,
        trunk_free_mb=0,
        storage_count=len(group.storages),
        port=first.address.port,
        readable_count=len(group.readable),
        writable_count=len(group.writable),
        current_write_server=view.placing.current_server(group),
        store_path_count=len(first.volume.paths),
        subdir_count=first.volume.rotation.subdirs,
        current_trunk_file=-1,
    )


COMMANDS: dict[int, Callable[[View, Request], Reply]] = {
    Command.QUERY_STORE_WITHOUT_GROUP_ONE: _place,
    Command.QUERY_STORE_WITH_GROUP_ONE: _place_in_group,
    ServerCommand.QUERY_STORE_WITHOUT_GROUP_ALL: _place_on_all,
    ServerCommand.QUERY_STORE_WITH_GROUP_ALL: _place_on_all_in_group,
    Command.QUERY_FETCH_ONE: _locate_for_reading,
    Command.QUERY_UPDATE: _locate_for_update,
    Command.QUERY_FETCH_ALL: _locate_all,
    Command.LIST_ONE_GROUP: _list_one_group,
    Command.LIST_ALL_GROUPS: _list_all_groups,
    Command.LIST_STORAGE: _list_storage,
}
