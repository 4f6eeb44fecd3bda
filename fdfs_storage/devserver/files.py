"""The storage's commands for whole files: upload, slave, download, info, delete.

PROTOCOL 5.2, 5.3, 5.6-5.8.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from fdfs_storage.fastdfs.errors import EEXIST, EINVAL, EISDIR
from fdfs_storage.fastdfs.file_id import GROUP_BYTES, FileId, valid_extension
from fdfs_storage.fastdfs.protocol import (
    STORE_PATH_ANY,
    UPLOAD_HEAD_BYTES,
    Command,
    DownloadRequest,
    FileInfo,
    InfoFlag,
    UploadHead,
    unpack_group,
)
from fdfs_storage.fastdfs.updates import SlaveHead, valid_prefix

from .incoming import Incoming
from .names import FileFacts, is_slave, slave_name, split_name
from .refusal import RefusedError
from .replies import Content, Reply, Request
from .transfers import Transfer, Upload
from .volume import PIECE_BYTES, Volume

_DOWNLOAD_HEAD_BYTES = 16 + GROUP_BYTES
_SHORTEST_INFO_NAME = 37  # PROTOCOL 5.7


def name_in(volume: Volume, request: Request, at: int) -> bytes:
    """Return the file name from `at` to the end of the body; before it stands this storage's group."""
    if not request.is_whole or len(request.body) <= at:
        raise RefusedError(EINVAL)
    if unpack_group(request.body[at - GROUP_BYTES : at]) != volume.group:
        raise RefusedError(EINVAL)
    return request.body[at:]


# --- upload -------------------------------------------------------------------------------------


def _upload(volume: Volume, request: Request) -> Transfer:
    return _receive(volume, request, appender=False)


def _upload_appender(volume: Volume, request: Request) -> Transfer:
    return _receive(volume, request, appender=True)


def _receive(volume: Volume, request: Request, *, appender: bool) -> Transfer:
    head = UploadHead.unpack(request.body[:UPLOAD_HEAD_BYTES])
    # Path, size, extension, room: the order of storage_service.c (PROTOCOL 5.2).
    store_path = volume.choose_path() if head.store_path == STORE_PATH_ANY else head.store_path
    if store_path >= len(volume.paths):
        raise RefusedError(EINVAL)
    if head.size != request.header.length - UPLOAD_HEAD_BYTES:
        raise RefusedError(EINVAL)
    if not valid_extension(head.extension):
        raise RefusedError(EINVAL)
    volume.check_room(head.size, store_path)

    def keep(incoming: Incoming) -> FileId:
        if volume.dedupe and not appender:
            return volume.dedupe.keep(incoming, head.extension, volume)
        return incoming.keep(head.extension, appender=appender)

    return _begun(Upload(volume.receive(store_path), head.size, keep), request.body[UPLOAD_HEAD_BYTES:])


def _upload_slave(volume: Volume, request: Request) -> Transfer:
    head, content = SlaveHead.unpack(request.body)
    if head.size < 0 or head.size - len(content) != request.header.length - len(request.body):
        raise RefusedError(EINVAL)
    if not valid_prefix(head.prefix) or not valid_extension(head.extension):
        raise RefusedError(EINVAL)
    name = _slave_of(volume, head)

    def keep(incoming: Incoming) -> FileId:
        return incoming.keep_as(name)

    return _begun(Upload(volume.receive(name.store_path), head.size, keep), content)


def _slave_of(volume: Volume, head: SlaveHead) -> FileId:
    """Check master, room and target in the order of storage_service.c; return the slave's name."""
    store_path, _ = split_name(head.master.encode("ascii"), len(volume.paths))
    volume.check_room(head.size, store_path)
    master = volume.find(head.master.encode("ascii"), follow=False)
    name = FileId(volume.group, slave_name(head.master, head.prefix, head.extension))
    if master.with_name(Path(name.name).name).exists():
        raise RefusedError(EEXIST)
    return name


def _begun(transfer: Transfer, content: bytes) -> Transfer:
    transfer.write(content)
    return transfer


# --- download, info, delete ---------------------------------------------------------------------


def _download(volume: Volume, request: Request) -> Reply:
    name = name_in(volume, request, _DOWNLOAD_HEAD_BYTES)
    asked = DownloadRequest.unpack(request.body[:_DOWNLOAD_HEAD_BYTES])
    if asked.offset < 0 or asked.count < 0:
        raise RefusedError(EINVAL)
    path = volume.find(name, folder=EISDIR)
    left = path.stat().st_size - asked.offset
    if left <= 0:  # so an empty file cannot be downloaded (PROTOCOL 5.6)
        raise RefusedError(EINVAL)
    count = min(asked.count or left, left)

    def note(content: Content) -> None:
        whole = content.sent == content.count
        volume.tally.add("file_open")
        volume.tally.add("file_read", -(-content.sent // PIECE_BYTES))
        volume.tally.add("download", worked=whole)
        volume.tally.add("download_bytes", content.sent, worked=whole)

    return Reply(content=Content(path, asked.offset, count, on_close=note))


def _info(volume: Volume, request: Request) -> Reply:
    name = name_in(volume, request, GROUP_BYTES)
    path = volume.find(name)
    if len(name) < _SHORTEST_INFO_NAME:
        raise RefusedError(EINVAL)
    facts, checksum = FileFacts.of(path, name), 0
    if facts.crc32 is not None:
        checksum = facts.crc32
    elif not request.header.status & InfoFlag.SKIP_CRC:
        checksum = volume.checksum(path)
    # Empty where the name has an id that no server of the cluster has (PROTOCOL 5.7).
    source = facts.source if "." in facts.source else volume.hosts.get(facts.source, "")
    return Reply(body=FileInfo(facts.size, facts.modified, checksum, source).pack())


def _delete(volume: Volume, request: Request) -> Reply:
    name = name_in(volume, request, GROUP_BYTES)
    path = volume.find(name, follow=False)
    is_link = path.is_symlink()
    if is_link and is_slave(name):
        # FastDFS keeps a slave as a link to a file of its own (store_slave_file_use_link), so whatever
        # a slave's link leads to goes with it: storage_service.c, storage_server_delete_file.
        with contextlib.suppress(FileNotFoundError):
            volume.drop(volume.target_of(path))
    volume.delete(path)
    if is_link and volume.dedupe:
        volume.dedupe.release(volume.name_of(path), volume)
    return Reply()


COMMANDS: dict[int, Callable[[Volume, Request], Reply | Transfer]] = {
    Command.UPLOAD_FILE: _upload,
    Command.UPLOAD_APPENDER_FILE: _upload_appender,
    Command.UPLOAD_SLAVE_FILE: _upload_slave,
    Command.DOWNLOAD_FILE: _download,
    Command.QUERY_FILE_INFO: _info,
    Command.DELETE_FILE: _delete,
}
