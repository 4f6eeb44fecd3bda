"""Client: a method per operation of FastDFS."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from .address_map import AddressMap
from .cluster import TRACKER_PORT, Cluster
from .connection import Connection
from .deadline import Deadline
from .errors import (
    ENOENT,
    FastDFSError,
    FileMissingError,
    InvalidArgumentError,
    InvalidRequestError,
    NetworkError,
)
from .file_id import FileId
from .integrity import Integrity
from .monitoring import TrackerRecord
from .protocol import (
    Address,
    Command,
    FileInfo,
    FileQuery,
    InfoFlag,
    Placement,
    pack_file_id,
    pack_group,
    request,
    unpack_file_id,
    upload_request,
)
from .receiving import Filling, Gathered, Transfer, Writing, require_whole
from .sending import asking, exchange, missing_if_invalid, require_extension, sending
from .servers import Limits, Operation
from .source import Checksum, Content, Source, opened
from .statistics import GroupStat, StorageStat
from .updates import (
    AppendHead,
    MetadataFlag,
    ModifyHead,
    SetMetadata,
    SlaveHead,
    TruncateRequest,
    pack_metadata,
    require_prefix,
    unpack_metadata,
)

logger = logging.getLogger(__name__)

_ITERATED_BYTES = 1024 * 1024


class Client:
    """A FastDFS client for any number of threads and for forked processes.

    `trackers` are addresses `host:port` (port 22122 where it is left out), tried in turn. `group`:
    uploads go there; None lets the tracker choose. `address_map`: see AddressMap. `verify`: compare
    the size and CRC32 in each new id with what was sent. Nothing is dialled before the first
    operation. Every method raises NoServerError when no server could do it, and ServerError
    (FileMissingError, NoSpaceError, …) when the servers refused.
    """

    def __init__(
        self,
        trackers: Sequence[str],
        *,
        group: str | None = None,
        limits: Limits | None = None,
        address_map: Mapping[str, str] | None = None,
        verify: bool = True,
    ) -> None:
        if isinstance(trackers, str) or not trackers:
            raise InvalidArgumentError(f"trackers must be a list of one or more host:port, not {trackers!r}")
        if group is not None:
            pack_group(group)
        self._group = group
        self._verify = verify
        addresses = [Address.parse(where, TRACKER_PORT) for where in trackers]
        self._cluster = Cluster(addresses, limits or Limits(), AddressMap(address_map or {}))
        self._integrity = Integrity(
            lambda file_id, write: self._download(Writing(file_id, 0, None, write), file_id)
        )

    def __repr__(self) -> str:
        return f"<Client of {self._cluster!r}>"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def trackers(self) -> tuple[Address, ...]:
        return self._cluster.trackers.addresses

    def close(self) -> None:
        """Close every connection, busy ones as they come back; a later operation opens new ones."""
        self._cluster.servers.close()

    # --- storing ------------------------------------------------------------------------------

    def upload(
        self,
        content: Content,
        extension: str = "",
        *,
        size: int | None = None,
        group: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> FileId:
        """Store content from its present position on, and return the id that the storage chose.

        `content`: bytes, a pathlib.Path, or a binary stream; a stream that cannot tell its size is
        spooled to disk unless `size` (bytes) is given. `extension`: at most six characters, no dot in
        front. Failures before the storage can have the file are repeated on another storage if the
        content can be rewound; ConnectionLostError means that it may have been stored, under an id
        that nobody got to know. Where the metadata cannot be set, the file is deleted again.
        """
        if metadata:
            pack_metadata(metadata)
        file_id = self._store(Command.UPLOAD_FILE, content, extension, size, group)
        if metadata:
            try:
                self.set_metadata(file_id, metadata)
            except BaseException:
                self._take_back(file_id)
                raise
        return file_id

    def _take_back(self, file_id: FileId) -> None:
        try:
            self.delete(file_id)
        except FastDFSError:  # the first error is the caller's to see; this one must not hide the orphan
            logger.exception("%s was stored without its metadata and could not be deleted again", file_id)

    def upload_appender(
        self, content: Content, extension: str = "", *, size: int | None = None, group: str | None = None
    ) -> FileId:
        """Store a file that can be appended to, modified and truncated; otherwise as `upload`."""
        return self._store(Command.UPLOAD_APPENDER_FILE, content, extension, size, group)

    def upload_slave(
        self, master: FileId, prefix: str, content: Content, extension: str = "", *, size: int | None = None
    ) -> FileId:
        """Store a file under a name made of its master's: `<stem><prefix>.<extension>`, beside it.

        `prefix`: 1-16 of A-Z, a-z, 0-9, `._-`. Raises FileTakenError where that name exists, and
        FileMissingError without the master.
        """
        require_extension(extension)
        require_prefix(prefix, extension)
        with opened(content, size) as source:
            head = SlaveHead(master.name, source.size, prefix, extension).pack()
            file_id = unpack_file_id(self._change(Command.UPLOAD_SLAVE_FILE, head, source, master))
            if self._verify:
                self._integrity.check_size(file_id, source.size, self.info(file_id, crc=False).size)
            return file_id

    def _store(
        self, command: Command, content: Content, extension: str, size: int | None, group: str | None
    ) -> FileId:
        require_extension(extension)
        checksum = Checksum() if self._verify else None
        with opened(content, size) as source:

            def upload(placement: Placement) -> Operation[bytes]:
                packet = upload_request(command, placement.store_path, source.size, extension)
                return sending(packet, source, checksum, orphan_at_worst=True)

            file_id = unpack_file_id(self._cluster.place(group or self._group, upload))
            if checksum:
                self._integrity.check_upload(file_id, source.size, checksum.crc32, checksum.mark)
            return file_id

    def delete(self, file_id: FileId) -> None:
        """Delete a file and its metadata; raise FileMissingError where it is not there."""
        packet = request(Command.DELETE_FILE, pack_file_id(file_id))
        unanswered: set[Address] = set()

        def operation(connection: Connection, deadline: Deadline) -> None:
            try:
                status, _ = exchange(connection, packet, deadline)
            except NetworkError:
                unanswered.add(connection.address)
                raise
            # Behind its own lost reply, a server's "missing" says that the delete had worked.
            if status and not (status == ENOENT and connection.address in unanswered):
                raise missing_if_invalid(status, file_id, connection)

        self._cluster.route(file_id, operation, update=True)

    # --- reading ------------------------------------------------------------------------------

    def download(
        self, file_id: FileId, offset: int = 0, length: int | None = None, *, verify: bool = False
    ) -> bytes:
        """Return the content from `offset` on: `length` bytes, or fewer where the file ends before.

        Both count bytes and must not be negative; None means to the end. `verify`, for a whole file:
        raise IntegrityError where the content has not the CRC32 in the id.
        """
        transfer = Gathered(file_id, offset, length)
        self._download(transfer, file_id)
        content = transfer.content()
        if verify:
            require_whole(offset, length)
            checksum = Checksum()
            checksum.update(content)
            self._integrity.check_download(file_id, checksum.crc32)
        return content

    def download_into(self, file_id: FileId, buffer: bytearray | memoryview, offset: int = 0) -> int:
        """Fill a buffer with content from `offset` on; return the bytes written, fewer at the file's end."""
        with memoryview(buffer).cast("B") as view:
            return self._download(Filling(file_id, offset, view), file_id)

    def download_to(
        self,
        file_id: FileId,
        target: str | os.PathLike[str] | BinaryIO,
        offset: int = 0,
        length: int | None = None,
        *,
        verify: bool = False,
    ) -> int:
        """Write the content to a path or a binary stream, and return its length in bytes.

        A path appears only when it is complete, and with `verify` only when it is what its id says;
        what stood there before is replaced. A stream gets the bytes as they come.
        """
        if not isinstance(target, (str, os.PathLike)):
            return self._download_to(file_id, target, offset, length, verify=verify)
        path = Path(target)
        partial = path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            with partial.open("xb") as file:
                count = self._download_to(file_id, file, offset, length, verify=verify)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return count

    def iterate(self, file_id: FileId, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the content in pieces of 1 MiB; no connection is held between two of them."""
        left = length
        while left is None or left > 0:
            wanted = _ITERATED_BYTES if left is None else min(left, _ITERATED_BYTES)
            piece = self.download(file_id, offset, wanted)
            if piece:
                yield piece
            if len(piece) < wanted:
                return
            offset += len(piece)
            left = None if left is None else left - len(piece)

    def _download_to(
        self, file_id: FileId, target: BinaryIO, offset: int, length: int | None, *, verify: bool
    ) -> int:
        if not verify:
            return self._download(Writing(file_id, offset, length, target.write), file_id)
        require_whole(offset, length)
        checksum = Checksum()

        def write(piece: memoryview) -> int:
            written = target.write(piece)
            checksum.update(piece[:written])
            return written

        count = self._download(Writing(file_id, 0, None, write), file_id)
        self._integrity.check_download(file_id, checksum.crc32)
        return count

    def _download(self, transfer: Transfer, file_id: FileId) -> int:
        if transfer.size == 0:
            # Storages since 6.15.4 refuse to send an empty file (PROTOCOL 5.6); ask whether it is there.
            self.info(file_id, crc=False)
            return 0
        try:
            return self._cluster.route(file_id, transfer)
        except InvalidRequestError:
            # Reading at or over the end is refused, by old storages also where a part is there.
            rest = self.info(file_id, crc=False).size - transfer.position
            if rest < 0 or (rest and not transfer.clamp(rest)):
                raise
            return self._cluster.route(file_id, transfer) if rest else transfer.done

    def info(self, file_id: FileId, *, crc: bool = True) -> FileInfo:
        """Ask a storage for size, time and CRC32 of the file as it is now.

        `crc=False` spares the storage reading a whole slave or appender file; the CRC32 is then 0.
        Raises FileMissingError where the file is not there.
        """
        flags = InfoFlag.SILENT | (InfoFlag.NONE if crc else InfoFlag.SKIP_CRC)
        packet = request(Command.QUERY_FILE_INFO, pack_file_id(file_id), status=flags)

        def operation(connection: Connection, deadline: Deadline) -> FileInfo:
            status, body = exchange(connection, packet, deadline)
            if status:
                raise missing_if_invalid(status, file_id, connection)
            return FileInfo.unpack(body)

        return self._cluster.route(file_id, operation)

    # --- appender files -----------------------------------------------------------------------

    def append(self, file_id: FileId, content: Content, *, size: int | None = None) -> None:
        """Add content to the end of an appender file; InvalidRequestError for any other kind.

        ConnectionLostError means that it may have been added.
        """
        with opened(content, size) as source:
            self._change(Command.APPEND_FILE, AppendHead(file_id.name, source.size).pack(), source, file_id)

    def modify(self, file_id: FileId, offset: int, content: Content, *, size: int | None = None) -> None:
        """Overwrite an appender file from `offset` (at most its size) on; content over its end extends it."""
        if not 0 <= offset < 1 << 63:
            raise InvalidArgumentError(f"not an offset in a file: {offset}")
        with opened(content, size) as source:
            head = ModifyHead(file_id.name, offset, source.size).pack()
            self._change(Command.MODIFY_FILE, head, source, file_id)

    def truncate(self, file_id: FileId, size: int = 0) -> None:
        """Cut an appender file to `size` bytes, or extend it to them with NUL bytes."""
        if not 0 <= size < 1 << 63:
            raise InvalidArgumentError(f"not a size of a file: {size}")
        body = TruncateRequest(file_id.name, size).pack()
        self._cluster.route(file_id, asking(request(Command.TRUNCATE_FILE, body), file_id), update=True)

    def regenerate(self, file_id: FileId) -> FileId:
        """Turn an appender file into a normal one, and return its new id; the old one is gone.

        Metadata stays behind under the old name, as FastDFS has it. ConnectionLostError means that
        the file may have a new name that nobody got to know.
        """
        packet = request(Command.REGENERATE_APPENDER_FILENAME, file_id.name.encode("ascii"))
        operation = asking(packet, file_id)
        return unpack_file_id(self._cluster.route(file_id, operation, update=True, repeatable=False))

    def _change(self, command: Command, head: bytes, source: Source, file_id: FileId) -> bytes:
        """Send content for a file that is there; return the reply's body, which may tell nothing."""
        # To an empty change, the reply carries the request back (PROTOCOL 5.4).
        packet = request(command, head, data_bytes=source.size)
        operation = sending(packet, source, file_id=file_id)
        return self._cluster.route(file_id, operation, update=True, repeatable=False)

    # --- metadata -----------------------------------------------------------------------------

    def get_metadata(self, file_id: FileId) -> dict[str, str]:
        """Return a file's metadata, {} where it has none; raise FileMissingError without the file."""
        packet = request(Command.GET_METADATA, pack_file_id(file_id))
        try:
            return unpack_metadata(self._cluster.route(file_id, asking(packet, file_id), update=True))
        except FileMissingError:
            self.info(file_id, crc=False)  # a file without metadata has the same status as no file
            return {}

    def set_metadata(self, file_id: FileId, metadata: Mapping[str, str], *, merge: bool = False) -> None:
        """Replace a file's metadata; with `merge`, keep the keys that are not given.

        Keys have at most 64 bytes in UTF-8, values 256; InvalidArgumentError for others.
        """
        flag = MetadataFlag.MERGE if merge else MetadataFlag.OVERWRITE
        body = SetMetadata(FileQuery.of(file_id), flag.value, pack_metadata(metadata)).pack()
        self._cluster.route(file_id, asking(request(Command.SET_METADATA, body), file_id), update=True)

    # --- the cluster --------------------------------------------------------------------------

    def groups(self, *, tracker: Address | None = None) -> list[GroupStat]:
        """List all groups, as the given tracker or the first that answers knows them."""
        return self._cluster.trackers.groups(tracker)

    def storages(self, group: str, *, tracker: Address | None = None) -> list[StorageStat]:
        """List a group's storages; raise ServerError with status 2 where the group is unknown."""
        return self._cluster.trackers.storages(group, tracker)

    def tracker_records(self) -> list[TrackerRecord]:
        """List all trackers with leader, state, version and load; raise ServerError before FastDFS 6.15."""
        return self._cluster.trackers.peers()

    def holders(self, file_id: FileId) -> tuple[Address, ...]:
        """Return every storage that should have the file, as a tracker knows it; the file need not exist."""
        return self._cluster.holders(file_id)

    def active_test(self, server: Address) -> None:
        """Return if the server, a tracker or one that a tracker named, answers; raise NetworkError if not."""
        self._cluster.servers.on(server, asking(request(Command.ACTIVE_TEST)), repeatable=True)
