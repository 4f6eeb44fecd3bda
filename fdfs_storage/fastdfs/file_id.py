"""FileId: what a FastDFS file id says, read offline.

`group1/M00/00/0F/Ck0AFWsEqX2APPhcAAAAE8e8Khc334.txt` is a group and a file name. The name carries
the store path, two subdirectories, 27 characters of base64 and a tail with the extension. The
base64 holds 20 bytes: source, time, size, CRC32 (PROTOCOL, section 7; checked against ids of a
real cluster in tests/golden/ids.jsonl). An id is data from rows, URLs and pasted text: nothing in
it is to be believed before a tracker confirmed it.
"""

from __future__ import annotations

import base64
import binascii
import enum
import functools
import re
import struct
from dataclasses import dataclass
from datetime import datetime, timezone
from ipaddress import IPv4Address
from typing import NamedTuple

from .errors import InvalidArgumentError, InvalidFileIdError

GROUP_BYTES = 16
EXTENSION_BYTES = 6
# The C server copies names into buffers of 128 bytes, some without a length check (PROTOCOL, section 2).
NAME_BYTES = 127
NORMAL_NAME_BYTES = 44
_STEM = slice(10, 37)
_TRUNK_NAME_BYTES = 60
_TAIL_BYTES = 7
# A slave of a master with a six-character extension has 37 characters of the master and one of prefix.
_SHORTEST_NAME = 38

_GROUP = re.compile(r"[A-Za-z0-9]{1,16}")
# The last of the 27 characters has two bits to spare, which nobody checks, FastDFS included.
_NAME = re.compile(r"M[0-9A-F]{2}/[0-9A-F]{2}/[0-9A-F]{2}/[A-Za-z0-9_-]{27}[A-Za-z0-9._-]*")
_EXTENSION = re.compile(r"[A-Za-z0-9._-]{0,6}")

# Double extensions of at most six characters: a compressor's, behind the type of what it packed.
_PACKED = frozenset({"gz", "xz", "bz", "lz", "br", "z"})
_PACKABLE = frozenset({"tar", "csv", "tsv", "txt", "log", "sql", "xml", "svg", "nii", "vcf", "dat"})

_PAYLOAD = struct.Struct(">4sIQI")
_RANDOM_FORM = 1 << 63  # every size field but that of a plain file of 4 GiB and more
_TRUNK = 1 << 59
_APPENDER = 1 << 58
_RANDOM_SHIFT = 32
_LOW_32 = 0xFFFFFFFF
_HIGHEST_SERVER_ID = 0xFFFFFF
_MARK = struct.Struct(">II")
MARK = slice(26, 37)
"""Where in a name the `content_mark` stands."""
SOURCE_MARK = slice(10, 16)
"""Where in a name its source and the four highest bits of its time stand: who agrees here has one source."""


class Kind(enum.Enum):
    """What a name is, as far as the name itself tells.

    A slave whose name comes out at exactly 44 characters looks like a normal file; nothing in the
    name can tell them apart.
    """

    NORMAL = "normal"
    APPENDER = "appender"
    SLAVE = "slave"
    TRUNK = "trunk"


class _Facts(NamedTuple):
    """What a name says; size and CRC32 are None where the kind makes them worthless."""

    raw_source: bytes
    created: int
    kind: Kind
    size: int | None
    crc32: int | None
    first_crc32: int


# One operation asks for several facts of one id.
@functools.lru_cache(maxsize=1024)
def _facts(name: str) -> _Facts:
    # 27 characters of base64 are 20 bytes and two bits; the padding brings them to 28.
    plain = name[_STEM].replace("-", "+").replace("_", "/")
    packed = binascii.a2b_base64(plain + "=")
    raw, created, field, crc32 = _PAYLOAD.unpack(packed)
    kind = _kind(field, len(name))
    if kind is Kind.APPENDER or kind is Kind.SLAVE:
        return _Facts(raw, created, kind, None, None, crc32)
    return _Facts(raw, created, kind, field & _LOW_32 if field & _RANDOM_FORM else field, crc32, crc32)


def _kind(field: int, name_length: int) -> Kind:
    """Tell the kind from the size field and the length of the name (PROTOCOL 7.2)."""
    flags = field if field & _RANDOM_FORM else 0
    if flags & _APPENDER:
        return Kind.APPENDER
    if name_length != (_TRUNK_NAME_BYTES if flags & _TRUNK else NORMAL_NAME_BYTES):
        return Kind.SLAVE
    return Kind.TRUNK if flags & _TRUNK else Kind.NORMAL


def valid_group(group: str) -> bool:
    """Say whether a storage could have joined under this group name: 1-16 of A-Z, a-z, 0-9."""
    return len(group) <= GROUP_BYTES and _short_group(group)


# Only what is short is remembered: names come from anybody, in any length.
@functools.lru_cache(maxsize=1024)
def _short_group(group: str) -> bool:
    return _GROUP.fullmatch(group) is not None


def valid_extension(extension: str) -> bool:
    """Say whether storages take this extension (no leading dot): at most 6 of A-Z, a-z, 0-9, `._-`."""
    return len(extension) <= EXTENSION_BYTES and _EXTENSION.fullmatch(extension) is not None


def extension_of(filename: str) -> str:
    """Return the extension that a file uploaded under this name gets, without its dot; "" for none.

    As the C client has it (PROTOCOL 7.3): what follows the last dot, if it is at most six characters
    that storages take. Unlike there, a second part is joined only where both make one type
    (`.tar.gz`): the C client makes `o.jpg` of `my.phot.o.jpg` and `2.png` of `v1.2.png`.
    """
    inner, dot, last = filename.replace("\\", "/").rpartition("/")[2].rpartition(".")
    if not dot or not last or not valid_extension(last):
        return ""
    before = inner.rpartition(".")[2]
    double = f"{before}.{last}"
    if last.lower() in _PACKED and before.lower() in _PACKABLE and "." in inner and valid_extension(double):
        return double
    return last


@dataclass(frozen=True, slots=True)
class FileId:
    """A well-formed file id; `str()` gives back the text that was parsed.

    The facts that cannot be trusted for the kind of file are None: an appender's size and CRC32
    change, a slave's name repeats its master's.
    """

    group: str
    name: str
    """The file name as the protocol has it, without the group: `M00/00/0F/….jpg`."""

    def __post_init__(self) -> None:
        """Raise InvalidFileIdError for what has not the shape of an id."""
        if not valid_group(self.group) or not _NAME.fullmatch(self.name):
            raise InvalidFileIdError(f"not a FastDFS file id: {str(self)[:200]!r}")
        if not _SHORTEST_NAME <= len(self.name) <= NAME_BYTES:
            raise InvalidFileIdError(
                f"a file name of {len(self.name)} characters cannot be FastDFS's: {str(self)[:200]!r}"
            )

    @classmethod
    def parse(cls, text: str) -> FileId:
        """Read an id from text; raise InvalidFileIdError for what has not the shape of one."""
        group, _, name = text.partition("/")
        return cls(group, name)

    def __str__(self) -> str:
        return f"{self.group}/{self.name}"

    @property
    def store_path(self) -> int:
        """The index of the store path on its storage, 0-255."""
        return int(self.name[1:3], 16)

    @property
    def source(self) -> str:
        """The storage that took the upload: a dotted IPv4 address, or a decimal server id.

        A key into the group's storage list, never an address to dial. The four bytes are an id when,
        read little endian, they are at most 16777215, so an address `a.b.c.0` reads as an id, as it
        does for FastDFS itself.
        """
        raw = _facts(self.name).raw_source
        number = int.from_bytes(raw, "little")
        return str(number) if 0 < number <= _HIGHEST_SERVER_ID else ".".join(map(str, raw))

    @property
    def created(self) -> datetime:
        """When the upload was complete (for a slave: its master's), aware, in UTC, to the second."""
        return datetime.fromtimestamp(_facts(self.name).created, timezone.utc)

    @property
    def kind(self) -> Kind:
        """What the name says that the file is."""
        return _facts(self.name).kind

    @property
    def size(self) -> int | None:
        """The content's length in bytes, or None where the name does not tell (appender, slave)."""
        return _facts(self.name).size

    @property
    def crc32(self) -> int | None:
        """The content's CRC32, or None where the name does not tell (appender, slave).

        On clusters that deduplicate, this is a random number even for normal files.
        """
        return _facts(self.name).crc32

    @property
    def first_crc32(self) -> int:
        """The CRC32 in the name, whatever it is worth: an appender's first content, a slave's master."""
        return _facts(self.name).first_crc32

    @property
    def extension(self) -> str:
        """What follows the first dot of the last seven characters; no dot, no extension."""
        return self.name[-_TAIL_BYTES:].partition(".")[2]

    def slave(self, prefix: str, extension: str = "") -> FileId:
        """Return the id of this master's slave: its name without extension, the prefix, the extension.

        Arithmetic only (PROTOCOL 5.3): nothing says that the slave exists. Raises InvalidFileIdError
        where the name comes out longer than FastDFS takes.
        """
        own = self.extension
        stem = self.name[: -len(own) - 1] if own else self.name
        return FileId.parse(f"{self.group}/{stem}{prefix}{'.' if extension else ''}{extension}")

    def is_slave_of(self, master: FileId) -> bool:
        """Say whether the name is one that `master`'s slaves get."""
        own = master.extension
        stem = master.name[: -len(own) - 1] if own else master.name
        longer = len(self.name) > len(stem) and self != master
        return self.group == master.group and self.name.startswith(stem) and longer


def content_mark(size: int, crc32: int) -> str:
    """Return how the stem of a normal or trunk file of this content ends.

    The 11 characters of its low 32 bits of size, and its CRC32, begin at a whole group of base64.
    """
    packed = binascii.b2a_base64(_MARK.pack(size & _LOW_32, crc32), newline=False)
    return packed.decode("ascii").replace("+", "-").replace("/", "_")[:-1]


def stem(
    source: str, created: int, size: int, crc32: int, *, random_bits: int, appender: bool = False
) -> str:
    """Return the 27 characters that a storage derives for a new file (the inverse of FileId's facts).

    `source` is a dotted IPv4 address or a decimal server id, `created` unix seconds, `random_bits`
    23 bits that keep equal uploads of one second apart.
    """
    raw = _server_id(source) if source.isdecimal() else IPv4Address(source).packed
    field = _size_field(size, random_bits, appender)
    return base64.urlsafe_b64encode(_PAYLOAD.pack(raw, created, field, crc32)).decode("ascii")[:-1]


def _server_id(source: str) -> bytes:
    if not 0 < int(source) <= _HIGHEST_SERVER_ID:
        raise InvalidArgumentError(f"not a server id (1-{_HIGHEST_SERVER_ID}): {source}")
    return int(source).to_bytes(4, "little")


def _size_field(size: int, random_bits: int, appender: bool) -> int:
    if appender:
        return _RANDOM_FORM | _APPENDER | (random_bits & 0x7FFFFF) << _RANDOM_SHIFT
    if size > _LOW_32:
        return size
    return _RANDOM_FORM | (random_bits & 0x7FFFFF) << _RANDOM_SHIFT | size
