"""The storage's command for links (PROTOCOL 5.8): a second name for a file.

Storages that keep equal files once send it to one another; clients have no use for it.
"""

from __future__ import annotations

import secrets
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fdfs_storage.fastdfs.errors import EBUSY, EINVAL
from fdfs_storage.fastdfs.file_id import GROUP_BYTES, NAME_BYTES, FileId, valid_extension
from fdfs_storage.fastdfs.monitoring import ServerCommand
from fdfs_storage.fastdfs.protocol import pack_file_id, text
from fdfs_storage.fastdfs.updates import valid_prefix

from .names import slave_name, split_name
from .refusal import RefusedError
from .replies import Reply, Request
from .transfers import Transfer
from .volume import Volume

_HEAD = struct.Struct(f">qqq{GROUP_BYTES}s16s6s")
_SIGNATURE_BYTES = range(1, 64)
_VARIABLE_BYTES = 256
_TRIES = 10


class LinkRequest(NamedTuple):
    """The body of CREATE_LINK; without a master the link gets a name of its own, else that of a slave."""

    group: str
    prefix: str
    extension: str
    master: str
    source: str

    @classmethod
    def unpack(cls, body: bytes) -> LinkRequest:
        if len(body) <= _HEAD.size:
            raise RefusedError(EINVAL)
        master, source, signature, *fields = _HEAD.unpack_from(body)
        if not (0 <= master <= NAME_BYTES and 0 < source <= NAME_BYTES and signature in _SIGNATURE_BYTES):
            raise RefusedError(EINVAL)
        rest = body[_HEAD.size :]
        if len(rest) != master + source + signature or len(rest) > _VARIABLE_BYTES:
            raise RefusedError(EINVAL)
        group, prefix, extension = map(text, fields)
        names = text(rest[:master]), text(rest[master : master + source])
        return cls(group, prefix, extension, *names)


def _create(volume: Volume, request: Request) -> Reply:
    asked = LinkRequest.unpack(request.body)
    if not request.is_whole or asked.group != volume.group:
        raise RefusedError(EINVAL)
    # The C storage takes any prefix and extension here, also those that lead into another folder.
    if not valid_extension(asked.extension) or (asked.prefix and not valid_prefix(asked.prefix)):
        raise RefusedError(EINVAL)
    with volume.tally.counting("create_link"):
        return Reply(body=pack_file_id(_link(volume, asked)))


def _link(volume: Volume, asked: LinkRequest) -> FileId:
    source = volume.find(asked.source.encode("ascii"), follow=False)
    if source.is_symlink():
        raise RefusedError(EINVAL)
    if not asked.master:
        return link_anew(volume, source, asked.extension)
    store_path, _ = split_name(asked.master.encode("ascii"), len(volume.paths))
    if store_path != volume.index_of(source):
        raise RefusedError(EINVAL)
    name = FileId(volume.group, slave_name(asked.master, asked.prefix, asked.extension))
    volume.link(source, name)
    return name


def link_anew(volume: Volume, source: Path, extension: str) -> FileId:
    """Give the link a normal name: the source's size, the present time, and for a CRC32 a random number."""
    for _ in range(_TRIES):
        size, now = source.stat().st_size, int(time.time())
        place = volume.index_of(source)
        name = volume.name_for(size, secrets.randbits(32), now, extension, False, place)
        try:
            volume.link(source, name)
        except FileExistsError:
            continue
        return name
    raise RefusedError(EBUSY)


COMMANDS: dict[int, Callable[[Volume, Request], Reply | Transfer]] = {ServerCommand.CREATE_LINK: _create}
