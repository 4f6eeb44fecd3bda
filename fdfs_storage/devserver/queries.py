"""The tracker's commands for clients: where a file goes, where it is, what there is (PROTOCOL 4).

The one storage is always there, always up to date and always named; also when it is stopped, as FastDFS
goes on naming it for the first two minutes.
"""

from __future__ import annotations

from collections.abc import Callable

from fdfs_storage.fastdfs.errors import ENOENT
from fdfs_storage.fastdfs.file_id import GROUP_BYTES
from fdfs_storage.fastdfs.holders import Holders
from fdfs_storage.fastdfs.monitoring import ServerCommand
from fdfs_storage.fastdfs.protocol import Command, Location, Placement
from fdfs_storage.fastdfs.statistics import GroupStat

from .refusal import RefusedError
from .replies import Reply, Request
from .view import View, check_length

_SHORTEST_NAME, _LONGEST_NAME = 22, 127  # PROTOCOL 4.1
STORAGE_ID_BYTES = 15


def _place(view: View, request: Request) -> Reply:
    check_length(request, 0)
    return _placement(view)


def _place_in_group(view: View, request: Request) -> Reply:
    check_length(request, GROUP_BYTES)
    view.check_group(request)
    return _placement(view)


def _placement(view: View) -> Reply:
    # With one storage, the answers that name one and all have the same layout.
    view.storage.volume.check_room()
    return Reply(body=Placement(view.group, view.storage.address, 0).pack(view.width))


def _locate(view: View, request: Request) -> Reply:
    _check_file(view, request)
    return Reply(body=Location(view.group, view.storage.address).pack(view.width))


def _locate_all(view: View, request: Request) -> Reply:
    _check_file(view, request)
    return Reply(body=Holders(view.group, (view.storage.address,)).pack(view.width))


def _check_file(view: View, request: Request) -> None:
    # Whether the file exists, and even whether its name makes sense, is nothing to a tracker.
    check_length(request, GROUP_BYTES + _SHORTEST_NAME, GROUP_BYTES + _LONGEST_NAME)
    view.check_group(request)


def _list_one_group(view: View, request: Request) -> Reply:
    check_length(request, GROUP_BYTES)
    view.check_group(request)
    return Reply(body=_group_stat(view).pack())


def _list_all_groups(view: View, request: Request) -> Reply:
    check_length(request, 0)
    return Reply(body=_group_stat(view).pack())


def _list_storage(view: View, request: Request) -> Reply:
    check_length(request, GROUP_BYTES, GROUP_BYTES + STORAGE_ID_BYTES)
    view.check_group(request)
    if len(request.body) > GROUP_BYTES:
        check_storage(view, request)
    return Reply(body=view.storage.stat().pack(view.width))


def check_storage(view: View, request: Request) -> None:
    """Refuse unless what follows the group is the id of the one storage."""
    wanted = request.body[GROUP_BYTES:].partition(b"\0")[0]
    if wanted != view.storage.volume.source.encode("ascii"):
        raise RefusedError(ENOENT)


def _group_stat(view: View) -> GroupStat:
    storage = view.storage.stat()
    return GroupStat(
        name=view.group,
        total_mb=storage.total_mb,
        free_mb=storage.free_mb,
        reserved_mb=storage.reserved_mb,
        trunk_free_mb=0,
        storage_count=1,
        port=storage.port,
        readable_count=1,
        writable_count=1,
        current_write_server=0,
        store_path_count=storage.store_path_count,
        subdir_count=storage.subdir_count,
        current_trunk_file=-1,
    )


COMMANDS: dict[int, Callable[[View, Request], Reply]] = {
    Command.QUERY_STORE_WITHOUT_GROUP_ONE: _place,
    Command.QUERY_STORE_WITH_GROUP_ONE: _place_in_group,
    ServerCommand.QUERY_STORE_WITHOUT_GROUP_ALL: _place,
    ServerCommand.QUERY_STORE_WITH_GROUP_ALL: _place_in_group,
    Command.QUERY_FETCH_ONE: _locate,
    Command.QUERY_UPDATE: _locate,
    Command.QUERY_FETCH_ALL: _locate_all,
    Command.LIST_ONE_GROUP: _list_one_group,
    Command.LIST_ALL_GROUPS: _list_all_groups,
    Command.LIST_STORAGE: _list_storage,
}
