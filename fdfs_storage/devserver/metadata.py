"""The storage's commands for metadata (PROTOCOL 5.5), and what it makes of the blocks that it is sent."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from fdfs_storage.fastdfs.errors import EINVAL, EISDIR, ENOENT
from fdfs_storage.fastdfs.file_id import GROUP_BYTES
from fdfs_storage.fastdfs.protocol import HEADER_BYTES, Command
from fdfs_storage.fastdfs.updates import (
    KEY_BYTES,
    METADATA_REQUEST_BYTES,
    VALUE_BYTES,
    MetadataFlag,
    SetMetadata,
)

from .files import name_in
from .refusal import RefusedError
from .replies import Reply, Request
from .transfers import Transfer
from .volume import Volume, metadata_path

_RECORD = b"\x01"
_FIELD = b"\x02"
_NUL = b"\0"
Records = list[tuple[bytes, bytes]]


def _set(volume: Volume, request: Request) -> Reply:
    if request.header.length > METADATA_REQUEST_BYTES - HEADER_BYTES:
        raise RefusedError(EINVAL)
    asked = SetMetadata.unpack(request.body)
    try:
        flag = MetadataFlag(asked.flag)
    except ValueError:
        raise RefusedError(EINVAL) from None
    if asked.file.group != volume.group:
        raise RefusedError(EINVAL)
    path = metadata_path(volume.find(asked.file.name.encode("ascii"), follow=False))
    with volume.tally.counting("set_metadata"):
        _store(volume, path, asked.block, flag)
    return Reply()


def _store(volume: Volume, path: Path, block: bytes, flag: MetadataFlag) -> None:
    if block:
        volume.replace(path, merged(_read(path), block) if flag is MetadataFlag.MERGE else ordered(block))
    elif flag is MetadataFlag.OVERWRITE:
        with contextlib.suppress(FileNotFoundError):
            volume.drop(path)


def _read(path: Path) -> bytes | None:
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    return None


def _get(volume: Volume, request: Request) -> Reply:
    path = metadata_path(volume.find(name_in(volume, request, GROUP_BYTES), folder=ENOENT))
    if path.is_dir() or path.is_symlink():
        raise RefusedError(EISDIR)
    if not path.is_file():
        raise RefusedError(ENOENT)
    with volume.tally.counting("get_metadata", "file_open", "file_read"):
        return Reply(body=path.read_bytes())


COMMANDS: dict[int, Callable[[Volume, Request], Reply | Transfer]] = {
    Command.SET_METADATA: _set,
    Command.GET_METADATA: _get,
}


# --- blocks -------------------------------------------------------------------------------------


def split(block: bytes) -> Records:
    """Return a block's records, up to its first NUL; a row without a field separator is none.

    Keys and values that are too long are cut.
    """
    rows = (row.partition(_FIELD) for row in block.partition(_NUL)[0].split(_RECORD))
    return [(key[:KEY_BYTES], value[:VALUE_BYTES]) for key, field, value in rows if field]


def join(records: Records) -> bytes:
    return _RECORD.join(key + _FIELD + value for key, value in records)


def ordered(block: bytes) -> bytes:
    """Sort the records by key, as storage_sort_metadata_buff does: in place, so that the length stays.

    Where a record was dropped or cut, what is stored ends in a NUL and in bytes of the received block, whose
    separators were overwritten with NULs.
    """
    records = sorted(split(block), key=_key)
    if not records:
        return block
    packed = join(records)
    text, nul, rest = block.partition(_NUL)
    left = text.replace(_RECORD, _NUL) + nul + rest
    return (packed + _NUL + left[len(packed) + 1 :])[: len(block)]


def merged(old: bytes | None, block: bytes) -> bytes:
    """Add new records to old ones, which are sorted, and let them replace those of the same key.

    Of two old records with one key only the first is replaced.
    """
    if old is None:
        return ordered(block)
    before, new, result = split(old), sorted(split(block), key=_key), []
    while before and new:
        if before[0][0] < new[0][0]:
            result.append(before.pop(0))
        else:
            if before[0][0] == new[0][0]:
                before.pop(0)
            result.append(new.pop(0))
    return join(result + before + new)


def _key(record: tuple[bytes, bytes]) -> bytes:
    return record[0]
