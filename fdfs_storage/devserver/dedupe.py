"""Equal files are kept once, and every id is a link (check_file_duplicate = 1; PROTOCOL 7.2).

FastDFS asks FastDHT for the file with a signature, for the number of links to a file, and for the file of a
link (storage_service.c, storage_service_upload_file_done). A small database has that part here. As there,
it is one for the whole cluster: the id of a file that another group has names that group.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

from fdfs_storage.fastdfs.file_id import FileId

from .incoming import Incoming
from .links import link_anew
from .refusal import RefusedError
from .volume import Volume

_TABLES = """
create table if not exists files (signature blob primary key, file_id text not null unique);
create table if not exists links (file_id text primary key, source text not null);
create index if not exists links_of on links (source);
"""


class Dedupe:
    """`volume_of` returns a storage that is up and holds a file, or None."""

    def __init__(self, path: Path, volume_of: Callable[[FileId], Volume | None]) -> None:
        self._path = path
        self._volume_of = volume_of
        self._database: sqlite3.Connection | None = None

    def open(self) -> None:
        # One thread at a time uses it: the one that opens it, then that of the cluster's loop.
        self._database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        # The journal survives the process; nothing here is meant to survive the machine.
        self._database.execute("pragma synchronous = off")
        self._database.executescript(_TABLES)

    def close(self) -> None:
        if self._database:
            self._database.close()
            self._database = None

    def keep(self, incoming: Incoming, extension: str, volume: Volume) -> FileId:
        """Keep what came, unless there is an equal file; return the id of a new link to it."""
        incoming.uncounted()
        known = self._find(incoming.signature)
        holder, source = known or (volume, incoming.keep(extension))
        with contextlib.ExitStack() as undo:  # what nobody gets to know, nobody would ever delete
            original = holder.find(source.name.encode())
            if not known:
                undo.callback(holder.drop, original)
            with holder.tally.counting("create_link"):
                link = link_anew(holder, original, extension)
            undo.callback(holder.drop, holder.place_for(link))
            if not known:
                self._do("insert or replace into files values (?, ?)", incoming.signature, str(source))
            self._do("insert or replace into links values (?, ?)", str(link), str(source))
            undo.pop_all()
        return link

    def release(self, name: str, volume: Volume) -> None:
        """Take note that a link was deleted; the file goes with its last one."""
        link = f"{volume.group}/{name}"
        row = self._do("select source from links where file_id = ?", link).fetchone()
        if row is None:
            return
        self._do("delete from links where file_id = ?", link)
        if self._do("select 1 from links where source = ?", row[0]).fetchone():
            return
        self._do("delete from files where file_id = ?", row[0])
        with contextlib.suppress(RefusedError):  # it is gone already
            volume.drop(volume.find(FileId.parse(row[0]).name.encode()))

    def _find(self, signature: bytes) -> tuple[Volume, FileId] | None:
        row = self._do("select file_id from files where signature = ?", signature).fetchone()
        if row is None:
            return None
        source = FileId.parse(row[0])
        holder = self._volume_of(source)
        return (holder, source) if holder else None

    def _do(self, statement: str, *values: str | bytes) -> sqlite3.Cursor:
        if self._database is None:
            raise RuntimeError("the database of equal files is closed")
        try:
            return self._database.execute(statement, values)
        except sqlite3.Error as error:  # a full disk, say: the request fails, the cluster lives
            raise OSError(5, f"{self._path}: {error}") from error
