"""File names as a storage reads and makes them (PROTOCOL 5.1, 7.2, 7.3); nothing here opens a file."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import NamedTuple

from fdfs_storage.fastdfs.errors import EINVAL, InvalidFileIdError
from fdfs_storage.fastdfs.file_id import NAME_BYTES, NORMAL_NAME_BYTES, FileId, Kind

from .refusal import RefusedError

METADATA_SUFFIX = "-m"
_FOLDERS = re.compile(rb"[0-9A-F]{2}/[0-9A-F]{2}/")
_STORE_PATH = re.compile(rb"M([0-9A-Fa-f]{2})/")
_STORE_PATH_BYTES = 4  # Mxx/
_PREFIX_BYTES = 10  # Mxx/HH/HH/
_TAIL_BYTES = 7
_SHORTEST_MASTER = 34  # without its Mxx/


def tail(extension: str) -> str:
    """Return the seven characters that end a name: random digits, a dot, the extension (PROTOCOL 7.3)."""
    ending = f".{extension}" if extension else ""
    digits = _TAIL_BYTES - len(ending)
    return (f"{secrets.randbelow(10**digits):0{digits}}" if digits else "") + ending


def tail_of(name: str) -> str:
    """Return the seven characters that end this name."""
    return name[-_TAIL_BYTES:]


def split_name(name: bytes, store_paths: int) -> tuple[int, bytes]:
    """Check a name as the storage does, in its order (PROTOCOL 5.1); return the store path and the rest."""
    # The C storage overruns its buffers with longer names; they are refused here (PROTOCOL, section 2).
    if not _PREFIX_BYTES < len(name) <= NAME_BYTES:
        raise RefusedError(EINVAL)
    index = 0
    if name.startswith(b"M"):
        match = _STORE_PATH.match(name)
        index = int(match[1], 16) if match else store_paths
        if not match or index >= store_paths:
            raise RefusedError(EINVAL)
        name = name[match.end() :]
    name = name.partition(b"\0")[0]
    if not _FOLDERS.match(name) or b"/" in name[6:]:
        raise RefusedError(EINVAL)
    return index, name


def slave_name(master: str, prefix: str, extension: str) -> str:
    """Return the name of a master's slave: its own without the extension, the prefix, the new extension.

    A master's extension begins at the first dot of its last seven characters. Refused are a master that
    is too short to have been named by a storage, the name of the master's metadata, and the master's own.
    """
    if not master.startswith("M"):  # the old form (PROTOCOL 5.1)
        master = f"M00/{master}"
    if len(master) - _STORE_PATH_BYTES < _SHORTEST_MASTER:
        raise RefusedError(EINVAL)
    dot = master.find(".", len(master) - _TAIL_BYTES)
    base, old = (master[:dot], master[dot:]) if dot >= 0 else (master, "")
    new = extension if not extension or extension.startswith(".") else f".{extension}"
    name = base + prefix + new
    if prefix + new == METADATA_SUFFIX or (not prefix and new == old) or len(name) > NAME_BYTES:
        raise RefusedError(EINVAL)
    return name


def is_appender(name: str) -> bool:
    """Say whether the name is an appender's, or that of an appender's slave, which is one as well."""
    return _kind(name) is Kind.APPENDER


def is_slave(name: bytes) -> bool:
    """Say whether the name is a slave's."""
    return _kind(name.decode("ascii", "replace")) is Kind.SLAVE


def _kind(name: str) -> Kind | None:
    try:
        return FileId.parse(f"group/{name}").kind
    except InvalidFileIdError:  # no storage gave it this name
        return None


class FileFacts(NamedTuple):
    """What a file's name and the file system say of it."""

    path: Path
    size: int
    modified: int
    """Of the file; where it is a link, of the link."""
    created: int | None
    """The time in the name, where it is the file's own."""
    crc32: int | None
    """From the name, where that tells."""
    source: str
    """The address or server id in the name, where it has one."""

    @classmethod
    def of(cls, path: Path, name: bytes) -> FileFacts:
        size, modified = path.stat().st_size, int(path.lstat().st_mtime)
        try:
            prefix = "" if name.startswith(b"M") else "M00/"  # the old form (PROTOCOL 5.1)
            file_id = FileId.parse(f"group/{prefix}{name.decode('ascii')}")
        except (InvalidFileIdError, UnicodeDecodeError):  # no storage gave it this name
            return cls(path, size, modified, None, None, "")
        created = int(file_id.created.timestamp()) if file_id.size is not None else None
        crc32 = file_id.crc32
        if file_id.kind is Kind.SLAVE and len(file_id.name) <= NORMAL_NAME_BYTES:
            crc32 = file_id.first_crc32  # FastDFS takes so short a name for a normal file's (6.16.1)
        return cls(path, size, modified, created, crc32, file_id.source)
