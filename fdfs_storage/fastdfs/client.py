"""Client: a method per operation of FastDFS."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from .cluster import TRACKER_PORT, Cluster, Limits, Operation
from .connection import Connection, Deadline, Reply
from .errors import (
    EINVAL,
    ENOENT,
    ConnectionLostError,
    InvalidArgumentError,
    InvalidRequestError,
    NetworkError,
    ProtocolError,
    refusal,
)
from .file_id import FileId
from .protocol import (
    Address,
    Command,
    DownloadRequest,
    FileInfo,
    FileQuery,
    InfoFlag,
    Placement,
    UploadHead,
    pack_group,
    request,
    unpack_file_id,
)
from .source import Content, Source, opened
from .statistics import GroupStat, StorageStat

logger = logging.getLogger(__name__)

_PIECE_BYTES = 256 * 1024


class Client:
    """A FastDFS client for any number of threads and for forked processes.

    `trackers` are addresses `host:port` (port 22122 where it is left out), tried in turn. Nothing is
    dialled before the first operation. Every method raises NoServerError when no server could do it,
    and ServerError (FileMissingError, NoSpaceError, …) when the servers refused.
    """

    def __init__(
        self, trackers: Sequence[str], *, group: str | None = None, limits: Limits | None = None
    ) -> None:
        if isinstance(trackers, str) or not trackers:
            raise InvalidArgumentError(f"trackers must be a list of one or more host:port, not {trackers!r}")
        if group is not None:
            pack_group(group)
        self._group = group
        self._cluster = Cluster(
            [Address.parse(where, TRACKER_PORT) for where in trackers], limits or Limits()
        )

    def __repr__(self) -> str:
        return f"<Client of {self._cluster!r}>"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def trackers(self) -> tuple[Address, ...]:
        return self._cluster.trackers

    def close(self) -> None:
        """Close every connection, busy ones as they come back; a later operation opens new ones."""
        self._cluster.close()

    # --- storing ------------------------------------------------------------------------------

    def upload(
        self, content: Content, extension: str = "", *, size: int | None = None, group: str | None = None
    ) -> FileId:
        """Store content from its present position on, and return the id that the storage chose.

        `content`: bytes, a pathlib.Path, or a binary stream; a stream that cannot tell its size is
        spooled to disk unless `size` (bytes) is given. `extension`: at most six characters, no dot in
        front. Failures before the storage can have the file are repeated on another storage if the
        content can be rewound; ConnectionLostError means that it may have been stored, under an id
        that nobody got to know.
        """
        _require_extension(extension)
        with opened(content, size) as source:
            return self._cluster.place(group or self._group, lambda at: _upload(at, source, extension))

    def delete(self, file_id: FileId) -> None:
        """Delete a file and its metadata; raise FileMissingError where it is not there."""
        packet = request(Command.DELETE_FILE, FileQuery.of(file_id).pack())
        uncertain = False

        def operation(connection: Connection, deadline: Deadline) -> None:
            nonlocal uncertain
            try:
                reply = _exchange(connection, packet, deadline)
            except NetworkError:
                uncertain = True
                raise
            # Behind a lost reply, "missing" says that the delete had worked.
            if reply.status and not (uncertain and reply.status == ENOENT):
                raise refusal(reply.status, str(file_id), str(connection.address))

        self._cluster.route(file_id, operation, update=True)

    # --- reading ------------------------------------------------------------------------------

    def download(self, file_id: FileId, offset: int = 0, length: int | None = None) -> bytes:
        """Return the content from `offset` on: `length` bytes, or fewer where the file ends before.

        Both count bytes and must not be negative; None means to the end.
        """
        sink = bytearray()
        self._download(file_id, offset, length, sink.extend)
        return bytes(sink)

    def download_to(
        self, file_id: FileId, target: os.PathLike[str] | BinaryIO, offset: int = 0, length: int | None = None
    ) -> int:
        """Write the content to a path or a binary stream, and return its length in bytes.

        A path appears only when it is complete; what stood there before is replaced. A stream gets
        the bytes as they come.
        """
        if not isinstance(target, os.PathLike):
            return self._download(file_id, offset, length, target.write)
        path = Path(target)
        partial = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}")
        try:
            with partial.open("xb") as file:
                count = self._download(file_id, offset, length, file.write)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return count

    def _download(
        self, file_id: FileId, offset: int, length: int | None, write: Callable[[memoryview], object]
    ) -> int:
        if offset < 0 or (length is not None and length < 0):
            raise InvalidArgumentError(f"cannot read {length} bytes from {offset}: both must not be negative")
        if file_id.size == 0:
            # Storages since 6.15.4 refuse to send an empty file (PROTOCOL 5.6); ask whether it is there.
            self.info(file_id, crc=False)
            return 0
        transfer = _Transfer(file_id, offset, length, write)
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
        packet = request(Command.QUERY_FILE_INFO, FileQuery.of(file_id).pack(), status=flags)

        def operation(connection: Connection, deadline: Deadline) -> FileInfo:
            reply = _exchange(connection, packet, deadline)
            if reply.status:
                raise refusal(reply.status, str(file_id), str(connection.address))
            return FileInfo.unpack(reply.body)

        return self._cluster.route(file_id, operation)

    # --- the cluster --------------------------------------------------------------------------

    def groups(self, *, tracker: Address | None = None) -> list[GroupStat]:
        """List all groups, as the given tracker or the first that answers knows them."""
        return self._cluster.groups(tracker)

    def storages(self, group: str, *, tracker: Address | None = None) -> list[StorageStat]:
        """List a group's storages; raise ServerError with status 2 where the group is unknown."""
        return self._cluster.storages(group, tracker)

    def active_test(self, server: Address) -> None:
        """Return if the server, a tracker or one that a tracker named, answers; raise NetworkError if not."""

        def operation(connection: Connection, deadline: Deadline) -> None:
            reply = _exchange(connection, request(Command.ACTIVE_TEST), deadline)
            if reply.status:
                raise refusal(reply.status, peer=str(server))

        self._cluster.on(server, operation, repeatable=True)


def _require_extension(extension: str) -> None:
    if extension.startswith("."):  # storages take it, and call the file `…..jpg`
        raise InvalidArgumentError(f"give the extension without its dot: {extension[1:]!r}")
    UploadHead(0, 0, extension).pack()


def _exchange(connection: Connection, packet: bytes, deadline: Deadline) -> Reply:
    """Send a request without a file and read its reply."""
    connection.send(packet, deadline)
    reply = connection.receive_reply(deadline)
    if reply.status == EINVAL:
        connection.close()  # a storage closes after this status (PROTOCOL 1.2)
    return reply


def _upload(placement: Placement, source: Source, extension: str) -> Operation[FileId]:
    """The exchange of one upload; marks as retriable what the storage cannot have stored."""
    head = UploadHead(placement.store_path, source.size, extension).pack()
    packet = request(Command.UPLOAD_FILE, head, data_bytes=source.size)

    def operation(connection: Connection, deadline: Deadline) -> FileId:
        try:
            source.send(packet, connection, deadline)
        except NetworkError as error:
            # A storage discards what it did not get whole (PROTOCOL 5.2).
            error.retriable = source.rewindable
            raise
        reply = _upload_reply(connection, deadline, rewindable=source.rewindable)
        if reply.status:
            # Behind a refused body, the rest of it may be read as a request (PROTOCOL 1.2).
            connection.close()
            refused = refusal(reply.status, peer=str(connection.address))
            refused.retriable = source.rewindable
            raise refused
        return unpack_file_id(reply.body)

    return operation


def _upload_reply(connection: Connection, deadline: Deadline, *, rewindable: bool) -> Reply:
    try:
        return connection.receive_reply(deadline)
    except ConnectionLostError as error:
        # An idle connection that the storage was just closing: most likely it read nothing of this.
        if error.unanswered and connection.exchanges and rewindable:
            logger.warning(
                "%s closed an idle connection under an upload; it is sent again, and may have left an orphan",
                connection.address,
            )
            error.retriable = True
        raise


class _Transfer:
    """A download that goes on where it broke off, on whichever storage is asked next."""

    def __init__(
        self, file_id: FileId, offset: int, length: int | None, write: Callable[[memoryview], object]
    ) -> None:
        self.done = 0
        self._file_id = file_id
        self._offset = offset
        self._length = length
        self._write = write

    @property
    def position(self) -> int:
        """The offset in the file at which the next byte is due."""
        return self._offset + self.done

    def clamp(self, rest: int) -> bool:
        """Ask for no more than `rest` bytes from here on; say whether that is less than before."""
        shorter = self._length is not None and self._length - self.done > rest
        self._length = self.done + rest
        return shorter

    def __call__(self, connection: Connection, deadline: Deadline) -> int:
        # On the wire, a count of 0 means "to the end".
        count = 0 if self._length is None else self._length - self.done
        if self._length is not None and not count:
            return self.done
        packet = DownloadRequest(self.position, count, FileQuery.of(self._file_id)).pack()
        connection.send(request(Command.DOWNLOAD_FILE, packet), deadline)
        header = connection.receive_header(deadline)
        if header.status:
            connection.close()
            raise refusal(header.status, str(self._file_id), str(connection.address))
        if count and header.length > count:
            raise ProtocolError(
                f"{connection.address} sends {header.length} bytes where {count} were asked for"
            )
        self._receive(connection, header.length, deadline)
        return self.done

    def _receive(self, connection: Connection, left: int, deadline: Deadline) -> None:
        with memoryview(bytearray(min(left, _PIECE_BYTES))) as buffer:
            while left:
                count = connection.receive_into(buffer[:left], deadline)
                self._write_all(buffer[:count])
                self.done += count
                left -= count
        connection.settle()

    def _write_all(self, piece: memoryview) -> None:
        """Write a piece; an unbuffered file may take less of it at a time."""
        while piece:
            written = self._write(piece)
            piece = piece[written if isinstance(written, int) else len(piece) :]
