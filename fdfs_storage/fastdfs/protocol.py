"""Every packet of the wire protocol, once, for the client and the embedded cluster alike.

Sans-IO: bytes in, values out. The layouts are those of FastDFS 6.16.1 and its releases back to 5.x
(PROTOCOL, sections 1-5); tests/golden/ holds exchanges recorded from a real cluster. Integers are
big endian; fixed strings are padded with NUL and end at the first NUL, since servers leave old
buffer bytes behind it. What does not fit its layout raises ProtocolError.
"""

from __future__ import annotations

import enum
import functools
import ipaddress
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from .errors import EINVAL, InvalidArgumentError, InvalidFileIdError, ProtocolError
from .file_id import EXTENSION_BYTES, GROUP_BYTES, FileId, valid_extension, valid_group


class Command(enum.IntEnum):
    """Request codes; the name says who answers where it is not obvious."""

    UPLOAD_FILE = 11
    DELETE_FILE = 12
    SET_METADATA = 13
    DOWNLOAD_FILE = 14
    GET_METADATA = 15
    UPLOAD_SLAVE_FILE = 21
    QUERY_FILE_INFO = 22
    UPLOAD_APPENDER_FILE = 23
    APPEND_FILE = 24
    MODIFY_FILE = 34
    TRUNCATE_FILE = 36
    REGENERATE_APPENDER_FILENAME = 38
    QUIT = 82
    LIST_ONE_GROUP = 90
    LIST_ALL_GROUPS = 91
    LIST_STORAGE = 92
    GET_LEADER = 95
    TRACKER_CLUSTER_STAT = 96
    RESPONSE = 100
    QUERY_STORE_WITHOUT_GROUP_ONE = 101
    QUERY_FETCH_ONE = 102
    QUERY_UPDATE = 103
    QUERY_STORE_WITH_GROUP_ONE = 104
    QUERY_FETCH_ALL = 105
    ACTIVE_TEST = 111


class InfoFlag(enum.IntFlag):
    """Flags of QUERY_FILE_INFO, which travel in the header's status byte."""

    NONE = 0
    SKIP_CRC = 1  # a slave's or appender's CRC32 costs the storage a read of the whole file
    SILENT = 2  # do not log a missing file


class Width(enum.IntEnum):
    """Bytes of an address in a tracker's reply: the server's choice, told by the reply's length."""

    NARROW = 15
    WIDE = 45


STORE_PATH_ANY = 0xFF
_LAST_SECOND = 253_402_300_799  # of the year 9999, the last that Python and Django can tell
_HEADER = struct.Struct(">qBB")
HEADER_BYTES = _HEADER.size
_UPLOAD = struct.Struct(f">Bq{EXTENSION_BYTES}s")
UPLOAD_HEAD_BYTES = _UPLOAD.size
_DOWNLOAD = struct.Struct(">qq")
_INFO = struct.Struct(">qqq")
# 15 or 45 characters and a NUL, in the one storage reply that carries an address.
_INFO_ADDRESS_BYTES = (16, 46)


def text(field: bytes) -> str:
    """Decode a fixed field: cut at the first NUL, ASCII only."""
    try:
        return field.partition(b"\0")[0].decode("ascii")
    except UnicodeDecodeError as error:
        raise ProtocolError(f"a text field holds {field!r}") from error


def fixed(value: str, size: int) -> bytes:
    """Encode a fixed field; raise InvalidArgumentError for a value that would have to be cut."""
    if len(value) > size or not value.isascii():
        raise InvalidArgumentError(f"{value!r} does not fit into {size} ASCII characters")
    return value.encode("ascii").ljust(size, b"\0")


def unpack(layout: struct.Struct, body: bytes, what: str) -> tuple[int, ...]:
    """Unpack a body that must have exactly the layout's length."""
    if len(body) != layout.size:
        raise ProtocolError(f"{what} of {len(body)} bytes instead of {layout.size}")
    return layout.unpack(body)


class Header(NamedTuple):
    """The ten bytes before every body; `length` counts the body alone."""

    length: int
    command: int
    status: int = 0

    def pack(self) -> bytes:
        return _HEADER.pack(*self)

    @classmethod
    def unpack(cls, raw: bytes) -> Header:
        if len(raw) != HEADER_BYTES:
            raise ProtocolError(f"a header of {len(raw)} bytes instead of {HEADER_BYTES}")
        return cls(*_HEADER.unpack(raw))


unpack_header: Callable[[bytes], tuple[int, int, int]] = _HEADER.unpack_from
"""Reads length, command and status off what begins with a header and may go on."""


def request(command: Command, body: bytes = b"", *, status: int = 0, data_bytes: int = 0) -> bytes:
    """Build a request; `data_bytes` announces a file that the caller sends behind it."""
    return _HEADER.pack(len(body) + data_bytes, command, status) + body


def reply(body: bytes = b"", *, data_bytes: int = 0) -> bytes:
    """Build a successful reply; `data_bytes` as in `request`."""
    return _HEADER.pack(len(body) + data_bytes, Command.RESPONSE, 0) + body


def refusal(status: int) -> bytes:
    """Build an error reply: a bare header, since clients read no body behind a status."""
    return _HEADER.pack(0, Command.RESPONSE, status)


# --- groups, names ------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def pack_group(group: str) -> bytes:
    """Pad a group name to its 16 bytes; raise InvalidArgumentError where no group can have that name."""
    if not valid_group(group):
        raise InvalidArgumentError(f"not a group name (1-{GROUP_BYTES} letters and digits): {group!r}")
    return group.encode("ascii").ljust(GROUP_BYTES, b"\0")


@functools.lru_cache(maxsize=1024)
def unpack_group(field: bytes) -> str:
    """Read a group name as C does: whatever stands before the first NUL of 16 bytes."""
    if len(field) != GROUP_BYTES:
        raise ProtocolError(f"a group field of {len(field)} bytes instead of {GROUP_BYTES}")
    return text(field)


def checked_group(field: bytes) -> str:
    """Read the group that a server names; raise ProtocolError for what no group can be called."""
    group = unpack_group(field)
    if not valid_group(group):
        raise ProtocolError(f"the tracker names the group {group!r}, which no group can be called")
    return group


class FileQuery(NamedTuple):
    """Group and file name: the body of QUERY_FETCH_ONE, QUERY_UPDATE, DELETE_FILE, QUERY_FILE_INFO.

    The name is text that came over the wire, not a checked FileId: servers answer for any name.
    """

    group: str
    name: str

    def pack(self) -> bytes:
        return pack_group(self.group) + self.name.encode("ascii")

    @classmethod
    def of(cls, file_id: FileId) -> FileQuery:
        return cls(file_id.group, file_id.name)

    @classmethod
    def unpack(cls, body: bytes) -> FileQuery:
        return cls(unpack_group(body[:GROUP_BYTES]), text(body[GROUP_BYTES:]))


def pack_file_id(file_id: FileId) -> bytes:
    """The reply to an upload, and the body of every request about one file: a FileQuery of the id."""
    return pack_group(file_id.group) + file_id.name.encode("ascii")


def unpack_file_id(body: bytes) -> FileId:
    """Read the reply to an upload; raise ProtocolError where it is no file id."""
    group, name = unpack_group(body[:GROUP_BYTES]), text(body[GROUP_BYTES:])
    try:
        return FileId(group, name)
    except InvalidFileIdError as error:
        raise ProtocolError(f"the storage named the new file {name!r}: {error}") from error


# --- tracker: which server? ---------------------------------------------------------------------


_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[\w.-]+))(?::(?P<port>[0-9]{1,5}))?")


class Address(NamedTuple):
    """Where a server listens: as a tracker names it, an IP address; as a user does, a host name too."""

    host: str
    port: int

    @classmethod
    def parse(cls, where: str, default_port: int) -> Address:
        """Read `host`, `host:port`, `[v6]` or `[v6]:port`; raise InvalidArgumentError for anything else."""
        match = _ADDRESS.fullmatch(where.strip())
        port = int(match["port"] or default_port) if match else 0
        if not match or not 0 < port < 65536 or (match["v6"] and not _is_ipv6(match["v6"])):
            raise InvalidArgumentError(f"not a server address (host:port, [IPv6]:port): {where!r}")
        return cls(match["v6"] or match["host"], port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


@functools.lru_cache(maxsize=1024)
def checked_address(host: str, port: int) -> Address:
    """Return where a tracker says that a server is; raise ProtocolError for what nobody can dial."""
    try:
        zone = getattr(ipaddress.ip_address(host), "scope_id", None)
    except ValueError as error:
        raise ProtocolError(f"the tracker names the server {host!r}, which is no address") from error
    if zone is not None:  # a zone is this machine's own, so no tracker can know it
        raise ProtocolError(f"the tracker names the server {host!r}, an address with a zone")
    if not 0 < port < 65536:
        raise ProtocolError(f"the tracker names port {port} of {host}")
    return Address(host, port)


_PLACEMENT = {width: struct.Struct(f">{GROUP_BYTES}s{width}sqB") for width in Width}
_LOCATION = {width: struct.Struct(f">{GROUP_BYTES}s{width}sq") for width in Width}


def _layout_for(layouts: dict[Width, struct.Struct], body: bytes) -> tuple[bytes, bytes, int, int]:
    for layout in layouts.values():
        if len(body) == layout.size:
            group, host, port, *path = layout.unpack(body)
            return group, host, port, path[0] if path else 0
    sizes = " or ".join(str(layout.size) for layout in layouts.values())
    raise ProtocolError(f"the tracker's answer has {len(body)} bytes instead of {sizes}")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a new file goes: the reply to QUERY_STORE_…_ONE, 40 or 70 bytes."""

    group: str
    address: Address
    store_path: int
    """Sent on unchanged as the first byte of the upload (0xFF: the storage chooses)."""

    def pack(self, width: Width = Width.NARROW) -> bytes:
        host = fixed(self.address.host, width)
        return _PLACEMENT[width].pack(pack_group(self.group), host, self.address.port, self.store_path)

    @classmethod
    def unpack(cls, body: bytes) -> Placement:
        group, host, port, path = _layout_for(_PLACEMENT, body)
        return cls(checked_group(group), checked_address(text(host), port), path)


@dataclass(frozen=True, slots=True)
class Location:
    """Which server to ask about a file: the reply to QUERY_FETCH_ONE and QUERY_UPDATE, 39 or 69 bytes."""

    group: str
    address: Address

    def pack(self, width: Width = Width.NARROW) -> bytes:
        host = fixed(self.address.host, width)
        return _LOCATION[width].pack(pack_group(self.group), host, self.address.port)

    @classmethod
    def unpack(cls, body: bytes) -> Location:
        group, host, port, _ = _layout_for(_LOCATION, body)
        return cls(checked_group(group), checked_address(text(host), port))


class StorageQuery(NamedTuple):
    """The body of LIST_STORAGE: a group, and a server id or address where one storage is meant."""

    group: str
    server: str = ""

    def pack(self) -> bytes:
        return pack_group(self.group) + self.server.encode("ascii")

    @classmethod
    def unpack(cls, body: bytes) -> StorageQuery:
        return cls(unpack_group(body[:GROUP_BYTES]), text(body[GROUP_BYTES:]))


# --- storage: the files themselves --------------------------------------------------------------


@functools.lru_cache(maxsize=256)
def pack_extension(extension: str) -> bytes:
    """Encode an extension; raise InvalidArgumentError for one that storages do not take."""
    if not valid_extension(extension):
        raise InvalidArgumentError(
            f"not an extension FastDFS takes (at most {EXTENSION_BYTES} of A-Z a-z 0-9 . _ -, "
            f"without the leading dot): {extension!r}"
        )
    return extension.encode("ascii")


def upload_request(command: Command, store_path: int, size: int, extension: str) -> bytes:
    """Build UPLOAD_FILE or UPLOAD_APPENDER_FILE, up to the content, which the caller sends behind it."""
    head = _UPLOAD.pack(store_path, size, pack_extension(extension))
    return request(command, head, data_bytes=size)


class UploadHead(NamedTuple):
    """What stands before the content in UPLOAD_FILE."""

    store_path: int
    size: int
    extension: str

    @classmethod
    def unpack(cls, body: bytes) -> UploadHead:
        if len(body) != _UPLOAD.size:
            raise ProtocolError(f"an upload's head of {len(body)} bytes")
        path, size, extension = _UPLOAD.unpack(body)
        return cls(path, size, text(extension))


def download_request(offset: int, count: int, file: FileQuery | FileId) -> bytes:
    """Build DOWNLOAD_FILE; see DownloadRequest."""
    body = _DOWNLOAD.pack(offset, count) + pack_group(file.group) + file.name.encode("ascii")
    return request(Command.DOWNLOAD_FILE, body)


@dataclass(slots=True)
class DownloadRequest:
    """The body of DOWNLOAD_FILE: `count` bytes from `offset`; 0 means up to the end of the file."""

    offset: int
    count: int
    file: FileQuery

    @classmethod
    def unpack(cls, body: bytes) -> DownloadRequest:
        if len(body) < _DOWNLOAD.size:
            raise ProtocolError(f"a download request of {len(body)} bytes")
        offset, count = _DOWNLOAD.unpack_from(body)
        return cls(offset, count, FileQuery.unpack(body[_DOWNLOAD.size :]))


@dataclass(frozen=True)
class FileInfo:
    """The reply to QUERY_FILE_INFO, 40 or 70 bytes."""

    size: int
    """Bytes, from the storage's file system."""
    modified: int
    """Unix seconds: the upload, or the last change of an appender."""
    crc32: int
    """Of the content; 0 where InfoFlag.SKIP_CRC spared the server the computation."""
    source: str
    """The address in the file's name; empty where the storage cannot resolve a server id."""

    def pack(self, address_bytes: int = _INFO_ADDRESS_BYTES[0]) -> bytes:
        # The CRC32 travels as a signed 32-bit number extended to 64 bits.
        signed = self.crc32 - (1 << 32) if self.crc32 >> 31 else self.crc32
        return _INFO.pack(self.size, self.modified, signed) + fixed(self.source, address_bytes)

    @classmethod
    def unpack(cls, body: bytes) -> FileInfo:
        if len(body) - _INFO.size not in _INFO_ADDRESS_BYTES:
            raise ProtocolError(f"file info of {len(body)} bytes instead of 40 or 70")
        size, modified, crc32 = _INFO.unpack_from(body)
        if size < 0:
            raise ProtocolError(f"the storage says that the file has {size} bytes")
        if not 0 <= modified <= _LAST_SECOND:
            raise ProtocolError(f"the storage says that the file is of the second {modified}")
        return cls(size, modified, crc32 & 0xFFFFFFFF, text(body[_INFO.size :]))


INVALID = refusal(EINVAL)
