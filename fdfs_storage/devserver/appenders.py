"""The storage's commands for appender files: append, modify, truncate, regenerate (PROTOCOL 5.4, 5.8).

The C storage writes what it receives straight into the file; when the client or the disk fails half way,
it cuts off what it appended, with whatever another client appended meanwhile, and leaves a modification
half done (storage_dio.c, dio_append_finish_clean_up and dio_modify_finish_clean_up). Here the content is
complete before the file is touched: what breaks off changes nothing, and appends never mix.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from fdfs_storage.fastdfs.errors import EINVAL
from fdfs_storage.fastdfs.file_id import NORMAL_NAME_BYTES
from fdfs_storage.fastdfs.protocol import Command, pack_file_id
from fdfs_storage.fastdfs.updates import AppendHead, ModifyHead, TruncateRequest

from .binlog import APPEND, MODIFY, TRUNCATE
from .names import is_appender
from .refusal import RefusedError
from .replies import Reply, Request
from .transfers import Transfer
from .volume import PIECE_BYTES, Volume


class Rewrite(Transfer):
    """Content for part of an appender file: from `offset`, or at the end where that is None."""

    def __init__(self, volume: Volume, what: str, path: Path, offset: int | None, size: int) -> None:
        super().__init__(size)
        self._volume = volume
        self._what = what
        self._path = path
        self._offset = offset
        self._worked = self._settled = False
        self._draft = volume.receive(volume.index_of(path), counted=False)

    def discard(self) -> None:
        if not self._settled:
            self._settled = True
            self._draft.discard()
            self._volume.tally.add(self._what, worked=self._worked)
            self._volume.tally.add(f"{self._what}_bytes", self._came, worked=self._worked)

    def _take(self, piece: bytes | memoryview) -> None:
        self._draft.write(piece)

    def _complete(self) -> Reply:
        with self._volume.open_appender(self._path) as file:
            size = os.fstat(file).st_size
            letter, offset = (APPEND, size) if self._offset is None else (MODIFY, self._offset)
            self._volume.note(letter, self._volume.name_of(self._path), f"{offset} {self._size}")
            self._write(file, offset, size)
        self._worked = True
        return Reply()

    def _write(self, file: int, offset: int, size: int) -> None:
        """Write the draft; where the disk has no room for it, the file stays as it was."""
        inside = max(min(size - offset, self._size), 0)
        try:
            # First what makes the file longer: only that needs room, and only that can be taken back.
            self._copy(file, offset, inside, self._size)
        except OSError:
            os.ftruncate(file, size)
            raise
        self._copy(file, offset, 0, inside)

    def _copy(self, file: int, offset: int, start: int, stop: int) -> None:
        while start < stop:
            piece = self._draft.read(start, min(PIECE_BYTES, stop - start))
            start += os.pwrite(file, piece, offset + start)
            self._volume.tally.add("file_write")


def _append(volume: Volume, request: Request) -> Reply | Transfer:
    head, content = AppendHead.unpack(request.body)
    return _rewrite(volume, request, head, content)


def _modify(volume: Volume, request: Request) -> Reply | Transfer:
    head, content = ModifyHead.unpack(request.body)
    if head.offset < 0:
        raise RefusedError(EINVAL)
    return _rewrite(volume, request, head, content)


def _rewrite(
    volume: Volume, request: Request, head: AppendHead | ModifyHead, content: bytes
) -> Reply | Transfer:
    _check_length(head.name)
    if head.size < 0 or head.size - len(content) != request.header.length - len(request.body):
        raise RefusedError(EINVAL)
    path = _appender(volume, head.name)
    what, offset = ("modify", head.offset) if isinstance(head, ModifyHead) else ("append", None)
    if offset is not None and offset > path.stat().st_size:
        raise RefusedError(EINVAL)
    if not head.size:
        return _echo(request)
    rewrite = Rewrite(volume, what, path, offset, head.size)
    rewrite.write(content)
    return rewrite


def _truncate(volume: Volume, request: Request) -> Reply:
    asked = TruncateRequest.unpack(request.body)
    _check_length(asked.name)
    if asked.size < 0:
        raise RefusedError(EINVAL)
    path = _appender(volume, asked.name)
    size = path.stat().st_size
    if size == asked.size:
        return _echo(request)
    with volume.tally.counting("truncate"), volume.open_appender(path) as file:
        volume.note(TRUNCATE, volume.name_of(path), f"{size} {asked.size}")
        os.ftruncate(file, asked.size)
    return Reply()


def _regenerate(volume: Volume, request: Request) -> Reply:
    name = request.body.decode("ascii", "replace")
    _check_length(name)
    path = _appender(volume, name)
    return Reply(body=pack_file_id(volume.rename(path, path.stat().st_size, volume.checksum(path))))


def _check_length(name: str) -> None:
    if len(name) < NORMAL_NAME_BYTES:  # the upper limit is that of all names
        raise RefusedError(EINVAL)


def _appender(volume: Volume, name: str) -> Path:
    """Find the file, then ask what it is: 2 comes before 22."""
    path = volume.find(name.encode(), follow=False)
    if path.is_symlink() or not is_appender(name):
        raise RefusedError(EINVAL)
    return path


def _echo(request: Request) -> Reply:
    """Answer where nothing is to be done: the C storage sends the request's body back (PROTOCOL 5.4)."""
    return Reply(body=request.body)


COMMANDS: dict[int, Callable[[Volume, Request], Reply | Transfer]] = {
    Command.APPEND_FILE: _append,
    Command.MODIFY_FILE: _modify,
    Command.TRUNCATE_FILE: _truncate,
    Command.REGENERATE_APPENDER_FILENAME: _regenerate,
}
