"""PublishedClient: the published package fdfs-client-py3, unmodified, behind Client's interface.

The package's Tracker_client and Storage_client lay out every request and read every reply. They get
their connections from us, in the place where they expect their own pool, and so lose what is wrong
with that one: it ends the process (sys.exit) when no server answers, reads a closed connection for
ever at full load, wants a header in one piece, uses dead connections again and shares them with
forked children. Its class Fdfs_client on top is left out: it would make pools of its own, and it
loses the offsets of modify_* and download_*.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, cast

from fdfs_client import exceptions as theirs
from fdfs_client.fdfs_protol import (
    TRACKER_QUERY_STORAGE_FETCH_BODY_LEN,
    TRACKER_QUERY_STORAGE_STORE_BODY_LEN,
)
from fdfs_client.storage_client import Storage_client
from fdfs_client.tracker_client import Tracker_client

from .client import Client
from .connection import MAX_REPLY_BYTES, Connection
from .deadline import Deadline
from .errors import (
    DeadlineExceededError,
    FastDFSError,
    IntegrityError,
    InvalidArgumentError,
    InvalidFileIdError,
    InvalidRequestError,
    NetworkError,
    NoServerError,
    ProtocolError,
    ServerError,
    UnsupportedOperationError,
    refusal,
)
from .file_id import FileId, valid_extension
from .protocol import Address, Command, FileInfo, Header, Width, checked_address, pack_group
from .receiving import Transfer
from .servers import Candidate, Operation
from .source import Checksum, Content, opened

T = TypeVar("T")
_Call = Callable[[Any, Any], T]
"""What to do with a Storage_client and with the Storage_server that a tracker named."""

# Trackers hand out storages in turn, so another answer may name another one.
_CHOICES = 3
_WIDER = Width.WIDE - Width.NARROW
_WIDE_REPLIES = (
    TRACKER_QUERY_STORAGE_FETCH_BODY_LEN + _WIDER,
    TRACKER_QUERY_STORAGE_STORE_BODY_LEN + _WIDER,
)


def _unsupported(what: str) -> UnsupportedOperationError:
    return UnsupportedOperationError(f'fdfs-client-py3 cannot {what}; the engine "fastdfs" can')


def _refusing(what: str) -> Any:
    """Make a method that refuses: the package has no such thing, or one that never works."""

    def method(self: PublishedClient, *args: Any, **kwargs: Any) -> Any:
        raise _unsupported(what)

    return method


class PublishedClient(Client):
    """A Client whose requests and replies are fdfs-client-py3's; for threads and forks like Client.

    It holds the whole of a file in memory, asks a tracker before each operation, and reads only
    trackers that answer with addresses of 16 bytes. Of plain files it tells what their ids say. What
    it cannot do raises UnsupportedOperationError; otherwise the errors are those of Client, except
    that an unknown group is NoServerError.
    """

    def __repr__(self) -> str:
        return f"<PublishedClient of {self._cluster!r}>"

    upload_slave = _refusing("store slave files")
    regenerate = _refusing("turn appender files into normal ones")
    get_metadata = _refusing("read metadata")
    set_metadata = _refusing("set metadata")
    groups = _refusing("list groups")
    storages = _refusing("list storages")
    tracker_records = _refusing("list trackers")
    holders = _refusing("ask for all storages of a file")
    active_test = _refusing("test a server")

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
        if metadata:  # it fails after the file is stored
            raise _unsupported("set metadata")
        return super().upload(content, extension, size=size, group=group)

    def _store(
        self, command: Command, content: Content, extension: str, size: int | None, group: str | None
    ) -> FileId:
        if not valid_extension(extension) or extension.startswith("."):
            raise InvalidArgumentError(f"not an extension that storages take: {extension!r}")
        group = group or self._group
        group_bytes = pack_group(group) if group else None
        whole = _whole(content, size)

        def choose(tracker: Any) -> Any:
            if group_bytes is None:
                return tracker.tracker_query_storage_stor_without_group()
            return tracker.tracker_query_storage_stor_with_group(group_bytes)

        def upload(storage: Any, server: Any) -> FileId:
            if command is Command.UPLOAD_APPENDER_FILE:
                result = storage.storage_upload_appender_by_buffer(None, server, whole, None, extension)
            else:
                result = storage.storage_upload_by_buffer(None, server, whole, extension)
            return FileId.parse(result["Remote file_id"])

        where = f" into {group}" if group else ""
        file_id = self._run(f"no storage takes the upload{where}", choose, upload, repeatable=False)
        if self._verify:
            checksum = Checksum()
            checksum.update(whole)
            checksum.foresee(len(whole))
            self._integrity.check_upload(file_id, len(whole), checksum.crc32, checksum.mark)
        return file_id

    def delete(self, file_id: FileId) -> None:
        self._update(file_id, lambda storage, server, name: storage.storage_delete_file(None, server, name))

    def append(self, file_id: FileId, content: Content, *, size: int | None = None) -> None:
        whole = _whole(content, size)
        self._update(
            file_id,
            lambda storage, server, name: storage.storage_append_by_buffer(None, server, whole, name),
        )

    def modify(self, file_id: FileId, offset: int, content: Content, *, size: int | None = None) -> None:
        if not 0 <= offset < 1 << 63:
            raise InvalidArgumentError(f"not an offset in a file: {offset}")
        whole = _whole(content, size)
        self._update(
            file_id,
            lambda storage, server, name: storage.storage_modify_by_buffer(
                None, server, whole, offset, len(whole), name
            ),
        )

    def truncate(self, file_id: FileId, size: int = 0) -> None:
        if not 0 <= size < 1 << 63:
            raise InvalidArgumentError(f"not a size of a file: {size}")
        self._update(
            file_id, lambda storage, server, name: storage.storage_truncate_file(None, server, size, name)
        )

    def _update(self, file_id: FileId, call: Callable[[Any, Any, bytes], Any]) -> None:
        group, name = file_id.group.encode(), file_id.name.encode()
        self._run(
            f"no storage answers for {file_id}",
            lambda tracker: tracker.tracker_query_storage_update(group, name),
            lambda storage, server: call(storage, server, name),
            file_id=file_id,
            repeatable=False,
        )

    # --- reading ------------------------------------------------------------------------------

    def info(self, file_id: FileId, *, crc: bool = True) -> FileInfo:
        """Tell what the id of a plain file says, when fetching its first byte has shown that it is there."""
        if file_id.size is None:
            raise _unsupported(f"tell the size of a slave or appender file ({file_id})")
        self._fetch(file_id, 0, 1)
        return FileInfo(
            file_id.size, int(file_id.created.timestamp()), file_id.crc32 or 0 if crc else 0, file_id.source
        )

    def _download(self, transfer: Transfer, file_id: FileId) -> int:
        wanted, size = transfer._length, file_id.size
        if size is not None and transfer.position <= size:
            due = size - transfer.position
            wanted = due if wanted is None else min(wanted, due)
        if size == 0:
            self.info(file_id)  # is it there?
        if wanted == 0:
            return 0
        content = self._fetch(file_id, transfer.position, wanted)
        if size is not None and len(content) != wanted:
            raise IntegrityError(f"{len(content)} bytes came of {file_id} where {wanted} were asked for")
        transfer.take(content)
        return len(content)

    def _fetch(self, file_id: FileId, offset: int, length: int | None) -> bytes:
        group, name = file_id.group.encode(), file_id.name.encode()

        def download(storage: Any, server: Any) -> bytes:
            result = storage.storage_download_to_buffer(None, server, None, offset, length or 0, name)
            return cast("bytes", result["Content"])

        try:
            return self._run(
                f"no storage answers for {file_id}",
                lambda tracker: tracker.tracker_query_storage_fetch(group, name),
                download,
                file_id=file_id,
                longest=None,
            )
        except InvalidRequestError:
            if file_id.size == 0:  # it is there: storages since 6.15.4 refuse to send nothing (PROTOCOL 5.6)
                return b""
            raise

    # --- servers ------------------------------------------------------------------------------

    def _run(
        self,
        what: str,
        choose: Callable[[Any], Any],
        call: _Call[T],
        *,
        file_id: FileId | None = None,
        repeatable: bool = True,
        longest: int | None = MAX_REPLY_BYTES,
    ) -> T:
        """Do it on a storage that a tracker chooses; on another one where it cannot have happened."""

        def candidates() -> Iterator[Candidate[T]]:
            for _ in range(_CHOICES):
                address, server = self._ask(what, choose)
                yield address, None, _on_storage(server, call, file_id, longest)

        return self._cluster.servers.first_success(what, candidates(), repeatable=repeatable)

    def _ask(self, what: str, choose: Callable[[Any], Any]) -> tuple[Address, Any]:
        """Let the first tracker that answers name a storage; raise NoServerError if none does."""
        servers = self._cluster.servers
        order = sorted(self.trackers, key=lambda address: address in servers.resting)
        try:
            return servers.first_success(
                "no tracker answers",
                ((address, None, _on_tracker(choose)) for address in order),
                repeatable=True,
                timeout=servers.limits.network_timeout / len(order),
            )
        except ServerError as error:
            raise NoServerError(what, {f"tracker {error.peer}": error}) from error


def _on_tracker(choose: Callable[[Any], Any]) -> Operation[tuple[Address, Any]]:
    def call(fence: _Fence) -> tuple[Address, Any]:
        try:
            server = choose(Tracker_client(fence))
        except theirs.ResponseError as error:
            if fence.length in _WIDE_REPLIES:
                raise _unsupported(
                    f"read the addresses of 46 bytes that tracker {fence.peer} sends (6.11 and later, IPv6)"
                ) from error
            raise
        return checked_address(server.ip_addr.decode("ascii"), server.port), server

    return _fenced(call, None, MAX_REPLY_BYTES)


def _on_storage(server: Any, call: _Call[T], file_id: FileId | None, longest: int | None) -> Operation[T]:
    def on_storage(fence: _Fence) -> T:
        storage = Storage_client(server.ip_addr, server.port, 0)  # makes a pool, which dials nothing yet
        storage.pool = fence
        return call(storage, server)

    return _fenced(on_storage, file_id, longest)


def _fenced(call: Callable[[_Fence], T], file_id: FileId | None, longest: int | None) -> Operation[T]:
    def operation(connection: Connection, deadline: Deadline) -> T:
        fence = _Fence(connection, deadline, longest)
        try:
            return call(fence)
        except theirs.FDFSError as error:
            raise fence.meaning(error, file_id) from error
        except (struct.error, UnicodeError, InvalidFileIdError) as error:
            raise ProtocolError(f"{connection.address} sent what is no reply: {error}") from error

    return operation


class _Fence:
    """A connection of ours in the shape of theirs, of its socket and of its pool; for one exchange."""

    def __init__(self, connection: Connection, deadline: Deadline, longest: int | None) -> None:
        self.peer = str(connection.address)
        self.length = 0
        self._status = 0
        self._connection = connection
        self._deadline = deadline
        self._longest = longest
        self._left: int | None = None
        self._failure: NetworkError | None = None
        self._sock = self

    # their ConnectionPool

    def get_connection(self) -> _Fence:
        return self

    def release(self, connection: _Fence) -> None:
        """Do nothing: the loan ends with the operation."""

    def destroy(self) -> None:
        """Do nothing, likewise."""

    # their Connection's socket

    def sendall(self, data: bytes) -> None:
        try:
            self._connection.send(data, self._deadline)
        except NetworkError as error:
            error.retriable = True  # no server carries out what it did not get whole (PROTOCOL 5.2)
            self._failure = error
            raise

    def recv(self, count: int) -> bytes:
        """Return a whole header, then pieces of the body, never b"": a connection that ends raises."""
        try:
            if self._left is None:
                return self._receive_header()
            piece = bytearray(min(count, self._left))
            with memoryview(piece) as view:
                received = self._connection.receive_into(view, self._deadline)
        except DeadlineExceededError as error:  # an OSError too, which they catch
            self._failure = error
            raise
        self._count(received)
        return bytes(piece[:received])

    def _receive_header(self) -> bytes:
        length, self._status = self._connection.receive_header(self._deadline)
        self.length = self._left = length
        if self._longest is not None and length > self._longest:
            raise ProtocolError(f"{self.peer} announced a reply of {length} bytes")
        self._count(0)
        return Header(length, Command.RESPONSE, self._status).pack()

    def _count(self, received: int) -> None:
        self._left = (self._left or 0) - received
        if not self._left:
            self._connection.settle()

    def meaning(self, error: Exception, file_id: FileId | None) -> FastDFSError:
        """Say in our terms what one of their exceptions means, and end a connection that was refused on."""
        if self._failure:
            return self._failure
        self._connection.close()  # a storage may close, too, or read on in a body (PROTOCOL 1.2)
        if not self._status:
            return ProtocolError(f"{self.peer}: {error}")
        refused = refusal(self._status, str(file_id) if file_id else None, self.peer)
        refused.retriable = True
        return refused


class _Sink:
    """Stands in for a connection, to collect what a Source sends."""

    def __init__(self) -> None:
        self.content = bytearray()

    def send(self, data: bytes | memoryview, deadline: Deadline) -> None:
        self.content += data

    def send_file(self, file: Any, offset: int, count: int, deadline: Deadline) -> int:
        file.seek(offset)
        piece = file.read(count)
        self.content += piece
        return len(piece)


def _whole(content: Content, size: int | None) -> bytes:
    """Read content into memory, by the rules of Client."""
    sink = _Sink()
    with opened(content, size) as source:
        source.send(b"", cast("Connection", sink), Deadline(3600))
    return bytes(sink.content)
