"""Tracker and storage as functions: a request in, a reply out, no sockets.

Each daemon is a table of commands. What the table does not name, and whatever a function refuses, is
answered with a status (PROTOCOL 1.3, 4.1, 5). An upload is answered with an `Upload` first: its body
comes in pieces, since nothing here ever holds a whole file.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from ..fastdfs.errors import EINVAL, EISDIR, ENOENT, ProtocolError
from ..fastdfs.file_id import GROUP_BYTES, FileId
from ..fastdfs.protocol import (
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
    StorageQuery,
    UploadHead,
    Width,
    pack_file_id,
    unpack_group,
)
from ..fastdfs.statistics import GroupStat, Status, StorageStat
from .refusal import RefusedError, status_of
from .replies import Content, Reply, Request
from .volume import STORE_PATHS, Volume, facts_of

BUFFER_BYTES = 262144
"""Both daemons' default buff_size: what a tracker takes in all, what a storage takes before it decides."""
VERSION = "6.16.1"
_DOWNLOAD_HEAD_BYTES = 16 + GROUP_BYTES
_QUERIED_NAME_BYTES = range(22, 128)  # PROTOCOL 4.1
_STORAGE_ID_BYTES = 15
_SHORTEST_INFO_NAME = 37  # PROTOCOL 5.7


class Load(NamedTuple):
    """A server's connections: now, and at most."""

    current: int = 0
    peak: int = 0


def _active_test(_daemon: object, request: Request) -> Reply:
    if request.header.length:
        raise RefusedError(EINVAL)
    return Reply()


def _begin(daemon: Any, table: dict[int, Any], request: Request) -> Any:
    """Look the command up and run it; whatever goes wrong in it becomes a status."""
    command = table.get(request.header.command)
    try:
        return command(daemon, request) if command else Reply(EINVAL)
    except (RefusedError, ProtocolError, OSError) as error:
        return Reply(status_of(error))


# --- storage ------------------------------------------------------------------------------------


class Storage:
    """The storage: answers from and to its volume."""

    closes_after = frozenset({EINVAL})  # PROTOCOL 1.2

    def __init__(self, volume: Volume, *, load: Callable[[], Load] = Load) -> None:
        self.volume = volume
        self.address = Address(volume.source, 0)
        self._load = load

    def expects(self, header: Header) -> int | None:
        """Return how much of the body comes before the decision; None: the connection is to be closed."""
        return None if header.length < 0 else min(header.length, BUFFER_BYTES - len(header.pack()))

    def begin(self, request: Request) -> Reply | Upload:
        """Answer, or take in what follows; never raises."""
        outcome: Reply | Upload = _begin(self, _STORAGE, request)
        return outcome

    def answer(self, command: int, body: bytes = b"", status: int = 0) -> Reply:
        """Answer a request that is complete."""
        outcome = self.begin(Request.of(command, body, status))
        return outcome.finish() if isinstance(outcome, Upload) else outcome

    def stat(self) -> StorageStat:
        """Describe this storage as the tracker has it from its heart beats."""
        volume, space, load = self.volume, self.volume.space(), self._load()
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
            **volume.tally.counts(),
        )

    # --- the commands ---

    def _upload(self, request: Request) -> Upload:
        head = UploadHead.unpack(request.body[:UPLOAD_HEAD_BYTES])
        # The order of storage_service.c: path, size, extension, room (PROTOCOL 5.2).
        if head.store_path not in (STORE_PATH_ANY, *range(STORE_PATHS)):
            raise RefusedError(EINVAL)
        if head.size < 0 or head.size != request.header.length - UPLOAD_HEAD_BYTES:
            raise RefusedError(EINVAL)
        head.pack()  # raises where the extension is none that storages take
        self.volume.check_room(head.size)
        return Upload(self.volume, head, request.body[UPLOAD_HEAD_BYTES:])

    def _download(self, request: Request) -> Reply:
        asked = DownloadRequest.unpack(request.body[:_DOWNLOAD_HEAD_BYTES])
        name = self._name(request, _DOWNLOAD_HEAD_BYTES)
        if asked.offset < 0 or asked.count < 0:
            raise RefusedError(EINVAL)
        path = self.volume.find(name, folder=EISDIR)
        left = path.stat().st_size - asked.offset
        if left <= 0:  # which makes an empty file one that cannot be downloaded (PROTOCOL 5.6)
            raise RefusedError(EINVAL)
        count = min(asked.count or left, left)
        return Reply(content=Content(path, asked.offset, count, self._count_download))

    def _count_download(self, content: Content) -> None:
        tally = self.volume.tally
        tally.add("file_open")
        tally.add("file_read", -(-content.sent // BUFFER_BYTES))
        tally.add("download", worked=content.sent == content.count)
        tally.add("download_bytes", content.sent, worked=content.sent if content.sent == content.count else 0)

    def _info(self, request: Request) -> Reply:
        name = self._name(request, GROUP_BYTES)
        path = self.volume.find(name)
        if len(name) < _SHORTEST_INFO_NAME:
            raise RefusedError(EINVAL)
        facts = facts_of(path, name, crc=not request.header.status & InfoFlag.SKIP_CRC)
        return Reply(body=FileInfo(*facts).pack())

    def _delete(self, request: Request) -> Reply:
        path = self.volume.find(self._name(request, GROUP_BYTES))
        try:
            self.volume.delete(path)
        except OSError:
            self.volume.tally.add("delete", worked=False)
            raise
        self.volume.tally.add("delete")
        return Reply()

    def _name(self, request: Request, at: int) -> bytes:
        """Return the file name that stands at the end of the body, behind this storage's group."""
        if not request.complete or len(request.body) <= at:
            raise RefusedError(EINVAL)
        if unpack_group(request.body[at - GROUP_BYTES : at]) != self.volume.group:
            raise RefusedError(EINVAL)
        return request.body[at:]


class Upload:
    """An upload whose head is in: write() until nothing is missing, then finish(); or discard()."""

    def __init__(self, volume: Volume, head: UploadHead, first: bytes) -> None:
        self._volume = volume
        self._head = head
        self._incoming = volume.receive()
        self._pieces = 0
        self._failed: OSError | None = None
        if first:
            self.write(first)

    @property
    def missing(self) -> int:
        """How many bytes are still to come; none after the disk failed."""
        return 0 if self._failed else self._head.size - self._incoming.size

    def write(self, piece: bytes | memoryview) -> None:
        self._pieces += 1
        try:
            self._incoming.write(piece)
        except OSError as error:  # finish() answers with it
            self._failed = error

    def finish(self) -> Reply:
        """Name the file and answer with its id; never raises."""
        try:
            if self._failed or self.missing:
                raise self._failed or RefusedError(EINVAL)
            file_id = self._incoming.keep(self._head.extension)
        except (RefusedError, OSError) as error:
            return Reply(status_of(error))
        else:
            self._count(worked=True)
            return Reply(body=pack_file_id(file_id))
        finally:
            self.discard()

    def discard(self) -> None:
        """Drop what came, unless it was kept or dropped before."""
        if self._incoming.open:
            self._incoming.discard()
