"""The tracker's commands about who is who: server ids and addresses (PROTOCOL 4.5).

Where several storages share an address, the cluster runs as with `use_storage_id = true` and
`id_type_in_filename = id`, and with a storage_ids.conf that has an address and a port for each id.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from fdfs_storage.fastdfs.errors import EINVAL, ENOENT
from fdfs_storage.fastdfs.file_id import GROUP_BYTES
from fdfs_storage.fastdfs.monitoring import ServerCommand, StorageBrief
from fdfs_storage.fastdfs.protocol import Address, pack_group

from .dispatch import BUFFER_BYTES
from .refusal import EOPNOTSUPP, RefusedError
from .replies import Reply, Request
from .storage import Storage
from .view import View, check_length

_ADDRESS_BYTES = 52
_ADDRESS = re.compile(rb"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+)):([0-9]{1,10})")
_IP_BYTES = 46
_ENAMETOOLONG = 36
_IDS_REQUEST = struct.Struct(">iB")
_IDS_REPLY = struct.Struct(">ii")
_LONGEST_LINE = 128
_MY_IP = struct.Struct(">17si")
_PORT = struct.Struct(">i")


def _storage_status(view: View, request: Request) -> Reply:
    check_length(request, GROUP_BYTES + 1, GROUP_BYTES + _ADDRESS_BYTES)
    group, (host, port) = view.group_of(request), _address(request)
    # Without server ids, no two storages of a group share an address, and the port says nothing.
    storage = group.at(Address(host, port)) if view.roster.uses_ids else group.find(host)
    if storage is None:
        raise RefusedError(ENOENT)
    brief = StorageBrief(storage.status, storage.address.port, storage.id, storage.address.host)
    return Reply(body=brief.pack())


def _server_id(view: View, request: Request) -> Reply:
    """Answer with the id; where the cluster has no others, that is the address, known or not."""
    check_length(request, GROUP_BYTES + 1, GROUP_BYTES + _ADDRESS_BYTES)
    address = _address(request)
    if not view.roster.uses_ids:
        return Reply(body=address.host.encode("ascii"))
    storage = view.group_of(request).at(address)
    if storage is None:
        raise RefusedError(ENOENT)
    return Reply(body=storage.id.encode("ascii"))


def _address(request: Request) -> Address:
    """Return the address that stands behind the group."""
    match = _ADDRESS.fullmatch(request.body[GROUP_BYTES:].partition(b"\0")[0])
    if not match or not match[0].isascii():
        raise RefusedError(EINVAL)
    return Address((match[1] or match[2]).decode("ascii"), int(match[3]))


def _storage_ids(view: View, request: Request) -> Reply:
    """List the lines of storage_ids.conf from one on, as many as fit."""
    check_length(request, _IDS_REQUEST.size)
    start, allow_empty = _IDS_REQUEST.unpack(request.body)
    if not view.roster.uses_ids:
        if not allow_empty:
            raise RefusedError(EOPNOTSUPP)
        return Reply(body=bytes(_IDS_REPLY.size))  # none in all, none here
    storages = sorted(view.roster.storages, key=lambda storage: storage.id)
    if not 0 <= start < len(storages):
        raise RefusedError(EINVAL)
    lines: list[bytes] = []
    room = BUFFER_BYTES - _LONGEST_LINE
    for line in map(_line, storages[start:]):
        if room < 0:
            break
        lines.append(line)
        room -= len(line)
    return Reply(body=_IDS_REPLY.pack(len(storages), len(lines)) + b"".join(lines))


def _line(storage: Storage) -> bytes:
    mode = " rw=read" if storage.read_only else ""
    return f"{storage.id} {storage.volume.group} {storage.address}{mode}\n".encode("ascii")


def _my_ip(view: View, request: Request) -> Reply:
    """Tell a storage its address: as storage_ids.conf has it, which is where it comes from."""
    check_length(request, _MY_IP.size)
    return Reply(body=request.client.encode("ascii"))


def _group_name(view: View, request: Request) -> Reply:
    """Tell a storage its group, by its address and port, or by its port on the address that it comes from."""
    if not view.roster.uses_ids:
        raise RefusedError(EOPNOTSUPP)
    host, port = request.body[: -_PORT.size], request.body[-_PORT.size :]
    if len(port) < _PORT.size:
        raise RefusedError(EINVAL)
    if len(host) >= _IP_BYTES:
        raise RefusedError(_ENAMETOOLONG)
    named = host.partition(b"\0")[0].decode("latin-1") or request.client
    address = Address(named, _PORT.unpack(port)[0])
    for group in view.roster.groups:
        if group.at(address):
            return Reply(body=pack_group(group.name))
    raise RefusedError(ENOENT)


COMMANDS: dict[int, Callable[[View, Request], Reply]] = {
    ServerCommand.STORAGE_STATUS: _storage_status,
    ServerCommand.GET_SERVER_ID: _server_id,
    ServerCommand.FETCH_STORAGE_IDS: _storage_ids,
    ServerCommand.GET_MY_IP: _my_ip,
    ServerCommand.GET_GROUP_NAME: _group_name,
}
