"""Packets that change an existing file or hang something on it: appender files, slaves, metadata.

Part of the wire protocol, like `protocol` (PROTOCOL, sections 5.3-5.5 and 5.8); apart from it because
few readers of one need the other.
"""

from __future__ import annotations

import enum
import re
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

from .errors import InvalidArgumentError, ProtocolError
from .file_id import EXTENSION_BYTES, GROUP_BYTES, valid_extension
from .protocol import HEADER_BYTES, FileQuery, fixed, text

PREFIX_BYTES = 16
_PREFIX = re.compile(r"[A-Za-z0-9._-]{1,16}")
_SLAVE = struct.Struct(f">qq{PREFIX_BYTES}s{EXTENSION_BYTES}s")
_APPEND = struct.Struct(">qq")
_MODIFY = struct.Struct(">qqq")
_METADATA = struct.Struct(">qqc")


def valid_prefix(prefix: str) -> bool:
    """Say whether storages take this slave prefix: 1-16 of A-Z, a-z, 0-9, `._-`."""
    return _PREFIX.fullmatch(prefix) is not None


def require_prefix(prefix: str, extension: str) -> None:
    """Raise InvalidArgumentError for a slave name that storages refuse (or take for metadata)."""
    if not valid_prefix(prefix):
        raise InvalidArgumentError(
            f"not a slave's prefix (1-{PREFIX_BYTES} of A-Z a-z 0-9 . _ -): {prefix!r}"
        )
    if not valid_extension(extension):
        raise InvalidArgumentError(f"not an extension FastDFS takes: {extension!r}")
    if prefix == "-m" and not extension:
        raise InvalidArgumentError("the prefix -m without an extension is the name of the master's metadata")


def _split(layout: struct.Struct, body: bytes) -> tuple[tuple[Any, ...], bytes]:
    if len(body) < layout.size:
        raise ProtocolError(f"{len(body)} bytes where at least {layout.size} are due")
    return layout.unpack_from(body), body[layout.size :]


class SlaveHead(NamedTuple):
    """What stands before the content in UPLOAD_SLAVE_FILE; `master` is its file name without the group."""

    master: str
    size: int
    prefix: str
    extension: str

    def pack(self) -> bytes:
        require_prefix(self.prefix, self.extension)
        prefix, extension = fixed(self.prefix, PREFIX_BYTES), fixed(self.extension, EXTENSION_BYTES)
        return _SLAVE.pack(len(self.master), self.size, prefix, extension) + self.master.encode("ascii")

    @classmethod
    def unpack(cls, body: bytes) -> tuple[SlaveHead, bytes]:
        """Read the head from the start of a request's body; return what came behind it, too."""
        (length, size, prefix, extension), rest = _split(_SLAVE, body)
        return cls(_name(rest, length), size, text(prefix), text(extension)), rest[length:]


class AppendHead(NamedTuple):
    """What stands before the content in APPEND_FILE."""

    name: str
    size: int

    def pack(self) -> bytes:
        return _APPEND.pack(len(self.name), self.size) + self.name.encode("ascii")

    @classmethod
    def unpack(cls, body: bytes) -> tuple[AppendHead, bytes]:
        """As SlaveHead.unpack."""
        (length, size), rest = _split(_APPEND, body)
        return cls(_name(rest, length), size), rest[length:]


class ModifyHead(NamedTuple):
    """What stands before the content in MODIFY_FILE: it replaces bytes from `offset` on, and may extend."""

    name: str
    offset: int
    size: int

    def pack(self) -> bytes:
        return _MODIFY.pack(len(self.name), self.offset, self.size) + self.name.encode("ascii")

    @classmethod
    def unpack(cls, body: bytes) -> tuple[ModifyHead, bytes]:
        """As SlaveHead.unpack."""
        (length, offset, size), rest = _split(_MODIFY, body)
        return cls(_name(rest, length), offset, size), rest[length:]


class TruncateRequest(NamedTuple):
    """The body of TRUNCATE_FILE; a size over the present one extends with NUL bytes."""

    name: str
    size: int

    def pack(self) -> bytes:
        return _APPEND.pack(len(self.name), self.size) + self.name.encode("ascii")

    @classmethod
    def unpack(cls, body: bytes) -> TruncateRequest:
        (length, size), rest = _split(_APPEND, body)
        if length != len(rest):
            raise ProtocolError(f"a name of {len(rest)} bytes that should have {length}")
        return cls(text(rest), size)


def _name(rest: bytes, length: int) -> str:
    if not 0 <= length <= len(rest):
        raise ProtocolError(f"a name of {length} bytes in {len(rest)}")
    return text(rest[:length])


# --- metadata -----------------------------------------------------------------------------------

KEY_BYTES = 64
VALUE_BYTES = 256
METADATA_REQUEST_BYTES = 262_143  # storages take in no more before they decide
_RECORD = b"\x01"
_FIELD = b"\x02"
_RESERVED = re.compile(r"[\x00\x01\x02]")


class MetadataFlag(enum.Enum):
    """What SET_METADATA does with what is there already."""

    OVERWRITE = b"O"
    MERGE = b"M"


def pack_metadata(metadata: Mapping[str, str]) -> bytes:
    """Encode as UTF-8; raise InvalidArgumentError for what a storage would cut or confuse.

    Keys have at most 64 bytes, values 256; neither may hold U+0000, U+0001 or U+0002.
    """
    records = []
    for key, value in metadata.items():
        if not _is_clean(key) or not _is_clean(value):
            raise InvalidArgumentError(f"metadata is text without U+0000-U+0002: {key!r}: {value!r}"[:400])
        try:
            encoded = key.encode(), value.encode()
        except UnicodeEncodeError as error:
            raise InvalidArgumentError(f"metadata {key[:64]!r} cannot be encoded: {error}") from error
        if len(encoded[0]) > KEY_BYTES or len(encoded[1]) > VALUE_BYTES:
            raise InvalidArgumentError(
                f"metadata {key[:64]!r} is too long: a key has at most {KEY_BYTES} bytes in UTF-8, "
                f"a value {VALUE_BYTES}"
            )
        records.append(_FIELD.join(encoded))
    return _RECORD.join(records)


def _is_clean(part: object) -> bool:
    return isinstance(part, str) and not _RESERVED.search(part)


def unpack_metadata(body: bytes) -> dict[str, str]:
    """Decode what is stored; bytes that are not UTF-8 become surrogates, values end at a NUL."""
    metadata = {}
    for record in filter(None, body.split(_RECORD)):
        key, _, value = record.partition(_FIELD)
        metadata[_decoded(key)] = _decoded(value.partition(b"\0")[0])
    return metadata


def _decoded(field: bytes) -> str:
    return field.decode("utf-8", "surrogateescape")


class SetMetadata(NamedTuple):
    """The body of SET_METADATA; the block stays bytes, since servers never look into its encoding."""

    file: FileQuery
    flag: bytes
    block: bytes

    def pack(self) -> bytes:
        head = _METADATA.pack(len(self.file.name), len(self.block), self.flag)
        body = head + self.file.pack() + self.block
        if len(body) > METADATA_REQUEST_BYTES - HEADER_BYTES:
            raise InvalidArgumentError(
                f"metadata of {len(self.block)} bytes is more than a storage takes at once"
            )
        return body

    @classmethod
    def unpack(cls, body: bytes) -> SetMetadata:
        (length, size, flag), rest = _split(_METADATA, body)
        if length < 0 or size < 0 or len(rest) != GROUP_BYTES + length + size:
            raise ProtocolError("the lengths of the name and the metadata do not add up")
        name_end = GROUP_BYTES + length
        return cls(FileQuery.unpack(rest[:name_end]), flag, rest[name_end:])
