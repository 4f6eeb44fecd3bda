"""Tracker and storage as functions: a request in, a reply out, no sockets.

Each daemon is a table of commands. What the table does not name, and whatever a function refuses, is
answered with a status (PROTOCOL 1.3, 4.1, 5). An upload is answered with an `Upload` first: its body
comes in pieces, since nothing here ever holds a whole file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from fdfs_storage.fastdfs.errors import EINVAL, EISDIR, ENOENT, ProtocolError
from fdfs_storage.fastdfs.file_id import GROUP_BYTES, valid_extension
from fdfs_storage.fastdfs.protocol import (
    HEADER_BYTES,
    STORE_PATH_ANY,
    UPLOAD_HEAD_BYTES,
    Address,
    Command,
    DownloadRequest,
    FileInfo,
    Header,
    InfoFlag,
    Location,
    Placement,
    UploadHead,
    Width,
    pack_file_id,
    unpack_group,
)
from fdfs_storage.fastdfs.statistics import GroupStat, Status, StorageStat

from .refusal import RefusedError, status_of
from .replies import Content, Reply, Request
from .volume import STORE_PATHS, FileFacts, Incoming, Volume, checksum_of

BUFFER_BYTES = 262144
"""Both daemons' default buff_size: what a tracker takes in all, what a storage takes before it decides."""
VERSION = "6.16.1"
_DOWNLOAD_HEAD_BYTES = 16 + GROUP_BYTES
_QUERIED_NAME_BYTES = range(22, 128)  # PROTOCOL 4.1
_STORAGE_ID_BYTES = 15
_SHORTEST_INFO_NAME = 37  # PROTOCOL 5.7
Daemon = TypeVar("Daemon")
Outcome = TypeVar("Outcome")


class Load(NamedTuple):
    """A server's connections: now, and at most."""

    current: int = 0
    peak: int = 0


def _active_test(_daemon: object, request: Request) -> Reply:
    if request.body:
        raise RefusedError(EINVAL)
    return Reply()


def _begin(
    daemon: Daemon, table: Mapping[int, Callable[[Daemon, Request], Outcome]], request: Request
) -> Outcome | Reply:
    """Look the command up and run it; whatever goes wrong in it becomes a status."""
    command = table.get(request.header.command)
    try:
        return command(daemon, request) if command else Reply(EINVAL)
    except (RefusedError, ProtocolError, OSError) as error:
        return Reply(status_of(error))


# --- storage ------------------------------------------------------------------------------------


class Storage:
    """The storage: answers from and to its volume."""

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self.address = Address(volume.source, 0)
        """Where the tracker says that it listens."""
        self.load: Callable[[], Load] = Load

    def expects(self, header: Header) -> int | None:
        """Return how much of the body comes before the decision; None: close without an answer."""
        return None if header.length < 0 else min(header.length, BUFFER_BYTES - HEADER_BYTES)

    def closes_after(self, reply: Reply) -> bool:
        """Say whether the connection ends with this reply (PROTOCOL 1.2)."""
        return reply.status == EINVAL

    def begin(self, request: Request) -> Reply | Upload:
        """Answer, or take in what follows; never raises."""
        return _begin(self, STORAGE_COMMANDS, request)

    def answer(self, command: int, body: bytes = b"", status: int = 0) -> Reply:
        """Answer a request that is all there."""
        outcome = self.begin(Request.of(command, body, status))
        return outcome.finish() if isinstance(outcome, Upload) else outcome

    def stat(self) -> StorageStat:
        """Describe this storage as the tracker knows it from its heart beats."""
        volume, space, load = self.volume, self.volume.space(), self.load()
        return StorageStat(
            status=Status.ACTIVE,
            id=volume.source,
            ip=volume.source,
            sync_source="",
            version=VERSION,
            join_time=volume.join_time,
            up_time=volume.up_time,
            total_mb=space.total_mb,
            free_mb=space.free_mb,
            reserved_mb=volume.reserved_mb,
            upload_priority=10,
            store_path_count=STORE_PATHS,
            subdir_count=volume.rotation.subdirs,
            current_write_path=0,
            port=self.address.port,
            connections_allocated=load.peak,
            connections_current=load.current,
            connections_max=load.peak,
            last_source_update=volume.last_update,
            last_sync_update=0,
            last_synced=0,
            last_heart_beat=int(time.time()),
            is_trunk_server=0,
            **volume.tally.counts(),  # type: ignore[arg-type]  # counts are never a domain name
        )

    def _upload(self, request: Request) -> Upload:
        head = UploadHead.unpack(request.body[:UPLOAD_HEAD_BYTES])
        # Path, size, extension, room: the order of storage_service.c (PROTOCOL 5.2).
        if head.store_path != STORE_PATH_ANY and head.store_path >= STORE_PATHS:
            raise RefusedError(EINVAL)
        if head.size != request.header.length - UPLOAD_HEAD_BYTES:
            raise RefusedError(EINVAL)
        if not valid_extension(head.extension):
            raise RefusedError(EINVAL)
        self.volume.check_room(head.size)
        upload = Upload(self.volume.receive(), head)
        upload.write(request.body[UPLOAD_HEAD_BYTES:])
        return upload

    def _download(self, request: Request) -> Reply:
        name = self._name(request, _DOWNLOAD_HEAD_BYTES)
        asked = DownloadRequest.unpack(request.body[:_DOWNLOAD_HEAD_BYTES])
        if asked.offset < 0 or asked.count < 0:
            raise RefusedError(EINVAL)
        path = self.volume.find(name, folder=EISDIR)
        left = path.stat().st_size - asked.offset
        if left <= 0:  # so an empty file cannot be downloaded (PROTOCOL 5.6)
            raise RefusedError(EINVAL)
        count = min(asked.count or left, left)
        return Reply(content=Content(path, asked.offset, count, on_close=self._count_download))

    def _count_download(self, content: Content) -> None:
        whole = content.sent == content.count
        self.volume.tally.add("file_open")
        self.volume.tally.add("file_read", -(-content.sent // BUFFER_BYTES))
        self.volume.tally.add("download", worked=whole)
        self.volume.tally.add("download_bytes", content.sent, worked=whole)

    def _info(self, request: Request) -> Reply:
        name = self._name(request, GROUP_BYTES)
        path = self.volume.find(name)
        if len(name) < _SHORTEST_INFO_NAME:
            raise RefusedError(EINVAL)
        facts, checksum = FileFacts.of(path, name), 0
        if facts.crc32 is not None:
            checksum = facts.crc32
        elif not request.header.status & InfoFlag.SKIP_CRC:
            checksum = checksum_of(path)
        return Reply(body=FileInfo(facts.size, facts.modified, checksum, facts.source).pack())

    def _delete(self, request: Request) -> Reply:
        self.volume.delete(self.volume.find(self._name(request, GROUP_BYTES)))
        return Reply()

    def _name(self, request: Request, at: int) -> bytes:
        """Return the file name from `at` to the end of the body; before it stands this storage's group."""
        if request.header.length != len(request.body) or len(request.body) <= at:
            raise RefusedError(EINVAL)
        if unpack_group(request.body[at - GROUP_BYTES : at]) != self.volume.group:
            raise RefusedError(EINVAL)
        return request.body[at:]


STORAGE_COMMANDS: dict[int, Callable[[Storage, Request], Reply | Upload]] = {
    Command.ACTIVE_TEST: _active_test,
    Command.UPLOAD_FILE: Storage._upload,
    Command.DELETE_FILE: Storage._delete,
    Command.DOWNLOAD_FILE: Storage._download,
    Command.QUERY_FILE_INFO: Storage._info,
}


class Upload:
    """An upload whose head is in: write() until nothing is missing, then finish(); at any time discard()."""

    def __init__(self, incoming: Incoming, head: UploadHead) -> None:
        self._incoming = incoming
        self._head = head
        self._failure: OSError | None = None

    @property
    def missing(self) -> int:
        """How many bytes are still to come; none after the disk failed."""
        return 0 if self._failure else self._head.size - self._incoming.size

    def write(self, piece: bytes | memoryview) -> None:
        """Take the next piece; what the disk says to it, finish() tells."""
        try:
            self._incoming.write(piece)
        except OSError as error:
            self._failure = error

    def finish(self) -> Reply:
        """Name the file and answer with its id; never raises."""
        try:
            if self._failure:
                raise self._failure
            return Reply(body=pack_file_id(self._incoming.keep(self._head.extension)))
        except (RefusedError, OSError) as error:
            return Reply(status_of(error))
        finally:
            self.discard()

    def discard(self) -> None:
        """Drop what came, unless it was finished or dropped before."""
        self._incoming.discard()


# --- tracker ------------------------------------------------------------------------------------


class Tracker:
    """The tracker of a cluster whose one storage is always there, always up to date and always named.

    It goes on naming the storage when that is stopped, as FastDFS does for the first two minutes.
    """

    def __init__(self, storage: Storage, *, width: Width = Width.NARROW) -> None:
        self._storage = storage
        self._width = width

    @property
    def _group(self) -> str:
        return self._storage.volume.group

    def expects(self, header: Header) -> int | None:
        """Return how much of the body is to be read; None: close without an answer (PROTOCOL 1.2)."""
        length = (header.length + (1 << 31)) % (1 << 32) - (1 << 31)  # as C cuts it to an int
        return length if 0 <= length <= BUFFER_BYTES - HEADER_BYTES else None

    def closes_after(self, reply: Reply) -> bool:
        """A tracker's connection stays open whatever the answer."""
        return False

    def begin(self, request: Request) -> Reply:
        """Answer; never raises."""
        return _begin(self, TRACKER_COMMANDS, request)

    def answer(self, command: int, body: bytes = b"", status: int = 0) -> Reply:
        """Answer a request that is all there."""
        return self.begin(Request.of(command, body, status))

    def _place(self, request: Request) -> Reply:
        self._check_length(request, 0)
        return self._placement()

    def _place_in_group(self, request: Request) -> Reply:
        self._check_length(request, GROUP_BYTES)
        self._check_group(request)
        return self._placement()

    def _placement(self) -> Reply:
        self._storage.volume.check_room()
        return Reply(body=Placement(self._group, self._storage.address, 0).pack(self._width))

    def _locate(self, request: Request) -> Reply:
        # Whether the file exists, and even whether its name makes sense, is nothing to a tracker.
        if len(request.body) - GROUP_BYTES not in _QUERIED_NAME_BYTES:
            raise RefusedError(EINVAL)
        self._check_group(request)
        return Reply(body=Location(self._group, self._storage.address).pack(self._width))

    def _list_one_group(self, request: Request) -> Reply:
        self._check_length(request, GROUP_BYTES)
        self._check_group(request)
        return Reply(body=self._group_stat().pack())

    def _list_all_groups(self, request: Request) -> Reply:
        self._check_length(request, 0)
        return Reply(body=self._group_stat().pack())

    def _list_storage(self, request: Request) -> Reply:
        if not 0 <= len(request.body) - GROUP_BYTES <= _STORAGE_ID_BYTES:
            raise RefusedError(EINVAL)
        self._check_group(request)
        wanted = request.body[GROUP_BYTES:].partition(b"\0")[0]
        stat = self._storage.stat()
        if len(request.body) > GROUP_BYTES and wanted != stat.id.encode("ascii"):
            raise RefusedError(ENOENT)
        return Reply(body=stat.pack(self._width))

    def _group_stat(self) -> GroupStat:
        storage = self._storage.stat()
        return GroupStat(
            name=self._group,
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

    def _check_length(self, request: Request, length: int) -> None:
        if len(request.body) != length:
            raise RefusedError(EINVAL)

    def _check_group(self, request: Request) -> None:
        """Compare as C does: up to the first NUL."""
        if request.body[:GROUP_BYTES].partition(b"\0")[0] != self._group.encode("ascii"):
            raise RefusedError(ENOENT)


TRACKER_COMMANDS: dict[int, Callable[[Tracker, Request], Reply]] = {
    Command.ACTIVE_TEST: _active_test,
    Command.QUERY_STORE_WITHOUT_GROUP_ONE: Tracker._place,
    Command.QUERY_STORE_WITH_GROUP_ONE: Tracker._place_in_group,
    Command.QUERY_FETCH_ONE: Tracker._locate,
    Command.QUERY_UPDATE: Tracker._locate,
    Command.LIST_ONE_GROUP: Tracker._list_one_group,
    Command.LIST_ALL_GROUPS: Tracker._list_all_groups,
    Command.LIST_STORAGE: Tracker._list_storage,
}
