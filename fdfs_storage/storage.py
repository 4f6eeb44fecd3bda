"""FastDFSStorage: Django's verbs handed to the client."""

from __future__ import annotations

import errno
import io
import logging
import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, BinaryIO, NamedTuple, NoReturn, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import File
from django.core.files.storage import Storage
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.utils import validate_file_name
from django.utils import timezone
from django.utils.deconstruct import deconstructible

from . import conf, just_saved
from .fastdfs import Client, FileId, Kind, extension_of
from .fastdfs.errors import FileMissingError, InvalidFileIdError
from .fastdfs.links import Links
from .files import FastDFSFile, TextForm, require_mode

logger = logging.getLogger(__name__)

_PLAIN_CHUNKS = (File.chunks, InMemoryUploadedFile.chunks)
_PLAIN_FILES = (io.BytesIO, io.BufferedReader, io.BufferedRandom, io.FileIO)
_METHODS = frozenset({"chunks", "read", "seek"})


class _State(NamedTuple):
    """Options and what they make: links, and a client that dials nothing before its first use."""

    options: conf.Options
    links: Links
    client: Client | None

    @classmethod
    def of(cls, options: conf.Options) -> _State:
        if not options.trackers:
            return cls(options, options.links, None)
        client = _engine(options.client)(
            options.trackers,
            group=options.group,
            limits=options.limits,
            address_map=options.storage_address_map,
            verify=options.verify,
        )
        return cls(options, options.links, client)


def _engine(name: str) -> type[Client]:
    if name == "fastdfs":
        return Client
    from .fastdfs.fdfs_client_py3 import PublishedClient  # whoever does not choose it does not load it

    return PublishedClient


@deconstructible(path="fdfs_storage.storage.FastDFSStorage")
class FastDFSStorage(Storage):
    """Keeps files in FastDFS; a file's name is the file id that FastDFS gave it.

    Options are those of `conf.Options` and `url`, as keyword arguments (STORAGES' OPTIONS) or as FDFS_*
    settings; arguments win. One instance serves all threads; it reads settings and connects when it
    is first used, so it can be made at import, pickled and carried over a fork. A secret among the
    arguments goes into no migration and no pickle: what comes out of one has that of the settings, or
    says that it is lost.

    FastDFS names each file itself: of the name that is saved only the extension lives on, nothing is
    ever overwritten, nothing can be listed, and there is no path on this machine.
    """

    _constructor_args: tuple[tuple[Any, ...], dict[str, Any]]  # what deconstructible writes down

    def __init__(self, **options: Any) -> None:
        conf.refuse_unknown(options)
        self._given = options
        positional, named = self._constructor_args
        self._constructor_args = positional, conf.without_secrets(named)
        self._states: dict[int, _State] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self._given) or 'as the settings say'}>"

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_states": {}, "_given": conf.picklable(self._given)}

    @property
    def options(self) -> conf.Options:
        """The options in force; raises ImproperlyConfigured for one that is not valid."""
        return self._state().options

    @property
    def client(self) -> Client:
        """The client of this process and its forks; raises ImproperlyConfigured without a tracker."""
        client = self._state().client
        if client is None:
            raise ImproperlyConfigured('no tracker is configured: set FDFS_TRACKERS = ["10.0.0.1:22122"]')
        return client

    def _state(self) -> _State:
        """Return what belongs to the settings as they are now: one and the same for all threads."""
        generation = conf.generation.number
        state = self._states.get(generation)
        if state is None:
            state = self._states.setdefault(generation, _State.of(conf.resolve(self._given)))
            for old in [number for number in list(self._states) if number < generation]:
                stale = self._states.pop(old, None)
                if stale and stale.client:
                    stale.client.close()
        return state

    # --- saving -------------------------------------------------------------------------------

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Return the name as it is, since FastDFS makes its own: no probe, no truncation.

        Raises SuspiciousFileOperation for names with `..` or an absolute path, and
        ImproperlyConfigured before anything is uploaded where the column cannot hold an id.
        """
        validate_file_name(name, allow_relative_path=True)
        group, longest = self.options.group, self.options.longest_id
        if max_length is not None and max_length < longest:
            raise ImproperlyConfigured(
                f"max_length={max_length} cannot hold a FastDFS file id of up to {longest} characters: "
                "give the field max_length=100 and migrate" + ("" if group else ", or pin FDFS_GROUP")
            )
        return name

    def is_name_available(self, name: str, max_length: int | None = None) -> bool:
        """Say True: the server's names never collide."""
        return True

    def _save(self, name: str, content: File[Any]) -> str:
        name = str(name)
        extension = extension_of(name)
        if not extension and "." in name.rpartition("/")[2]:
            logger.info(
                "FastDFS takes extensions of 1-6 letters, digits, . _ -: that of %r is left out", name
            )
        with _binary(content) as stream:
            head = just_saved.head_of(name, stream)
            file_id = str(self.client.upload(stream, extension))
        just_saved.remember(self, file_id, head)
        return file_id

    # --- reading ------------------------------------------------------------------------------

    def open(
        self,
        name: str,
        mode: str = "rb",
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> FastDFSFile:
        """Open a file to be read (`rb`; `r`: as text), or an appender file to be appended to (`ab`).

        Raises FileNotFoundError where it is not there, and io.UnsupportedOperation for other modes.
        """
        return self._open(name, mode, TextForm(encoding, errors, newline))

    def _open(self, name: str, mode: str = "rb", text: TextForm | None = None) -> FastDFSFile:
        require_mode(mode)
        file_id = self._existing(name)
        head = just_saved.take(self, str(file_id))
        if head and file_id.size is not None:
            return FastDFSFile(self.client, file_id, file_id.size, mode, text, head)
        return FastDFSFile(self.client, file_id, self.client.info(file_id, crc=False).size, mode, text)

    def exists(self, name: str) -> bool:
        """Say whether the cluster has the file; raise where it cannot be asked."""
        try:
            self.client.info(FileId.parse(str(name)), crc=False)
        except (FileMissingError, InvalidFileIdError):
            return False
        return True

    def size(self, name: str) -> int:
        """Return the length in bytes: as the id tells it, or asked for where it does not."""
        file_id = self._existing(name)
        return self.client.info(file_id, crc=False).size if file_id.size is None else file_id.size

    def url(
        self, name: str | None, *, filename: str | None = None, expire: float | timedelta | None = None
    ) -> str:
        """Return the public URL of any text that a row may hold; no network.

        A file id goes below the base URL of its group; so does anything else, as a quoted path, but for
        full URLs of http, https or `//host`, which stay as they are. With `filename`, browsers save the
        file under that name (shortened before its extension to what the web server takes, about 40
        Chinese characters). With a token secret, the URL ends `expire` seconds from now, or up to
        `token_window` later; by default after `token_ttl`. Without one, `expire` has no effect.

        Raises ImproperlyConfigured without a base URL or where the secret cannot be had, and ValueError
        for an `expire` that is no number; never for a name.
        """
        links = self._state().links
        if not links:
            raise ImproperlyConfigured(
                'no base URL is configured: set FDFS_BASE_URL = "http://10.0.0.1:8888"'
            )
        seconds = None if expire is None else _seconds(expire)
        return links.url(str(name or ""), time.time(), filename=str(filename or ""), expire_seconds=seconds)

    def get_created_time(self, name: str) -> datetime:
        """Return when the file was uploaded, to the second; aware exactly when USE_TZ."""
        file_id = self._existing(name)
        if file_id.kind is Kind.SLAVE:  # its name has its master's time
            return self._asked_time(file_id)
        return _localized(file_id.created)

    def get_modified_time(self, name: str) -> datetime:
        """Return when the content changed last, to the second; aware exactly when USE_TZ."""
        file_id = self._existing(name)
        if file_id.kind in (Kind.NORMAL, Kind.TRUNK):  # never changed after the upload
            return _localized(file_id.created)
        return self._asked_time(file_id)

    def _asked_time(self, file_id: FileId) -> datetime:
        modified = self.client.info(file_id, crc=False).modified
        return _localized(datetime.fromtimestamp(modified, tz=timezone.get_default_timezone()))

    # --- the rest -----------------------------------------------------------------------------

    def delete(self, name: str) -> None:
        """Delete the file at once; a file that is not there is no error."""
        if not name:
            raise ValueError("The name must be given to delete().")
        try:
            file_id = FileId.parse(str(name))
        except InvalidFileIdError:
            logger.warning("nothing to delete: %r is not a FastDFS file id", name)
            return
        just_saved.take(self, str(file_id))
        with suppress(FileMissingError):
            self.client.delete(file_id)

    def get_accessed_time(self, name: str) -> NoReturn:
        raise NotImplementedError("FastDFS keeps no access times")

    def path(self, name: str) -> NoReturn:
        raise NotImplementedError("files in FastDFS have no path on this machine; use open() or url()")

    def listdir(self, path: str) -> NoReturn:
        raise NotImplementedError("FastDFS cannot list files; the database knows which there are")

    @staticmethod
    def _existing(name: str) -> FileId:
        """Parse a name that is to be read: to readers, what is no file id is a file that is not there."""
        try:
            return FileId.parse(str(name))
        except InvalidFileIdError as error:
            raise FileNotFoundError(errno.ENOENT, "not a FastDFS file id", name) from error


@contextmanager
def _binary(content: File[Any]) -> Iterator[BinaryIO]:
    """Give all of a Django file as a binary stream, without closing the caller's.

    A plain file of the standard library inside a File of Django's own ways goes to the client without
    a detour. Anything else says what it holds by chunks() alone, and is spooled and thereby counted:
    text, subclasses with a read() of their own, files of another storage (which would otherwise hold
    a connection to read from while they hold one to write to).
    """
    inner = _plain_inner(content)
    if inner is not None:
        inner.seek(0)
        yield inner
        return
    with tempfile.TemporaryFile() as spool:
        for chunk in content.chunks():
            spool.write(chunk.encode() if isinstance(chunk, str) else chunk)
        spool.seek(0)
        yield cast("BinaryIO", spool)


def _plain_inner(content: File[Any]) -> BinaryIO | None:
    kind = type(content)
    own = (getattr(kind, "chunks", None), getattr(kind, "read", None), getattr(kind, "seek", None))
    if (
        own[0] not in _PLAIN_CHUNKS
        or own[1:] != (File.read, File.seek)
        or not _METHODS.isdisjoint(vars(content))
    ):
        return None
    inner: Any = content.file
    bare = getattr(inner, "file", inner) if type(inner) is tempfile._TemporaryFileWrapper else inner
    plain = type(bare) in _PLAIN_FILES and isinstance(getattr(bare, "raw", bare), (io.FileIO, io.BytesIO))
    return cast("BinaryIO", inner) if plain else None


def _seconds(expire: Any) -> float:
    seconds: Any = expire.total_seconds() if isinstance(expire, timedelta) else expire
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or math.isnan(seconds):
        raise ValueError(f"expire must be a number of seconds or a timedelta; got {expire!r}")
    return float(seconds)


def _localized(moment: datetime) -> datetime:
    return moment if settings.USE_TZ else timezone.make_naive(moment, timezone.get_default_timezone())
