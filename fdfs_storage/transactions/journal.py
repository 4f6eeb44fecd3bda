"""The journal: which files this process is responsible for, readable after a crash.

FastDFS cannot be listed, so a file whose row never came to be can be found only if its name was
written down. With FDFS_JOURNAL each process appends to a file of its own in that folder, one line
for each step, and holds a lock on it while it lives; `manage.py fdfs_sweep` reads what processes
left behind.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import socket
import threading
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from .journal_reading import SETTLED, SUFFIX, line, remove_finished

logger = logging.getLogger(__name__)

# A journal is written anew, with what is still open, when it has grown by this much.
_GROWTH_BYTES = 256 * 1024
_MOST_OPEN = 20_000


def folder() -> Path | None:
    """Return the folder of FDFS_JOURNAL, None where none is kept; raise ImproperlyConfigured if unusable."""
    value = getattr(settings, "FDFS_JOURNAL", None)
    if value in (None, ""):
        return None
    if not isinstance(value, (str, Path)):
        raise ImproperlyConfigured(
            f'FDFS_JOURNAL must be a folder such as "/var/lib/site/fdfs"; got {value!r}'
        )
    path = Path(value)
    if not path.is_absolute():
        base = getattr(settings, "BASE_DIR", None)
        if not base:
            raise ImproperlyConfigured(
                f'FDFS_JOURNAL is a relative path, and the settings have no BASE_DIR to start from: "{path}"'
            )
        path = Path(base) / path
    if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
        raise ImproperlyConfigured(f"FDFS_JOURNAL: make the folder {path} and let this process write there")
    return path


class Journal:
    """The file of one process. Lines are whole or, after a crash of the machine, the last is cut."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        self._lock = threading.Lock()
        self._open: dict[str, bytes] = {}
        self._written = 0
        self._descriptor = self._create()

    def note(self, sign: str, field: str, name: str) -> None:
        """Write a step down; once this returns, a crash of the process does not lose it."""
        text = line(sign, field, name)
        with self._lock:
            if sign == SETTLED:
                self._open.pop(name, None)
            else:
                self._open[name] = text
            os.write(self._descriptor, text)
            self._written += len(text)
            if self._written > _GROWTH_BYTES:
                self._compact()

    def close(self) -> None:
        """Let go of the file, as the end of the process does; remove it if nothing is open."""
        if not self._open:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _create(self) -> int:
        """Make the file under a name that nobody looks for, and give it its own when it is locked."""
        temporary = self.path.with_suffix(f".{secrets.token_hex(4)}")
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND
        descriptor = os.open(temporary, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._open:
                os.write(descriptor, b"".join(list(self._open.values())))
            temporary.replace(self.path)
        except BaseException:
            os.close(descriptor)
            temporary.unlink(missing_ok=True)
            raise
        return descriptor

    def _compact(self) -> None:
        for name in list(self._open)[:-_MOST_OPEN]:
            logger.error("the journal is full: from now on it does not know %s any more", name)
            del self._open[name]
        old, self._descriptor = self._descriptor, self._create()
        os.close(old)
        self._written = 0


_journals: dict[tuple[int, Path], Journal] = {}


def own() -> Journal | None:
    """Return this process's journal, None where none is kept; raise ImproperlyConfigured if it cannot be."""
    where = folder()
    if where is None:
        return None
    key = (os.getpid(), where)
    if key not in _journals:
        try:
            made = Journal(where)
        except OSError as error:
            raise ImproperlyConfigured(f"FDFS_JOURNAL: cannot write to {where}: {error}") from error
        if _journals.setdefault(key, made) is not made:  # another thread was faster
            made.close()
        remove_finished(where)
    return _journals[key]


def let_go(where: Path) -> None:
    """Close this process's journal in that folder, if it has one there."""
    journal = _journals.pop((os.getpid(), where), None)
    if journal is not None:
        journal.close()


def note(sign: str, field: str, name: str) -> None:
    """Write a step down, where a journal is kept. A disk that is full is logged, not raised."""
    try:
        journal = own()
        if journal is not None:
            journal.note(sign, field, name)
    except (OSError, ImproperlyConfigured):
        logger.exception("cannot write %s %s of %s into the journal", sign, name, field)
