"""Finds the files that uploads left behind, by what journals say, and deletes them where asked to."""

from __future__ import annotations

import enum
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.utils.translation import gettext as _

from .fastdfs import FileId
from .fastdfs.errors import FastDFSError, InvalidFileIdError
from .storage import FastDFSStorage
from .transactions.journal_reading import SUSPECT, Entry, inherited, journals, read, rewrite, unsettled
from .transactions.references import referenced

# The databases are asked for so many files right before these are dealt with.
_MOST_AT_ONCE = 60


class Fate(enum.Enum):
    """What a suspect turned out to be."""

    ORPHAN = "orphan"
    DELETED = "deleted"
    IN_USE = "in use"
    GONE = "gone"
    YOUNG = "young"
    UNKNOWN = "unknown"


_SETTLED = (Fate.DELETED, Fate.IN_USE, Fate.GONE)


@dataclass(frozen=True)
class Finding:
    entry: Entry
    fate: Fate
    detail: str = ""


def sweep(folder: Path, *, delete: bool, older_than_seconds: float) -> Iterator[Finding]:
    """Judge every suspect in the folder's journals; with `delete`, delete orphans and tidy the journals.

    Suspects are the open files of processes that are gone, and what a living process gave up. A row
    may still be on its way in a transaction, so files younger than `older_than_seconds` are left
    alone. Outside of a transaction only; raises DatabaseError where a database cannot be asked.
    """
    newest = time.time() - older_than_seconds
    for path in journals(folder):
        with inherited(path) as ours:
            entries, _unreadable = unsettled(read(path))
            suspects = [entry for entry in entries if ours or entry.sign == SUSPECT]
            findings = list(_judge(suspects, newest, delete=delete))
            yield from findings
            if ours and delete:
                rewrite(path, [each.entry for each in findings if each.fate not in _SETTLED])


def _judge(suspects: list[Entry], newest: float, *, delete: bool) -> Iterator[Finding]:
    old = [entry for entry in suspects if entry.seconds <= newest]
    yield from (Finding(entry, Fate.YOUNG) for entry in suspects if entry.seconds > newest)
    for start in range(0, len(old), _MOST_AT_ONCE):
        some = old[start : start + _MOST_AT_ONCE]
        in_use = referenced({entry.name for entry in some})
        for entry in some:
            if entry.name in in_use:
                yield Finding(entry, Fate.IN_USE)
            else:
                yield _examine(entry, delete=delete)


def _examine(entry: Entry, *, delete: bool) -> Finding:
    try:
        FileId.parse(entry.name)
        storage = _storage(entry.field)
        if storage is None:
            return Finding(entry, Fate.UNKNOWN, _("no model has that field any more"))
        if not storage.exists(entry.name):
            return Finding(entry, Fate.GONE)
        if not delete:
            return Finding(entry, Fate.ORPHAN)
        storage.delete(entry.name)
    except (FastDFSError, InvalidFileIdError) as error:
        return Finding(entry, Fate.UNKNOWN, str(error))
    return Finding(entry, Fate.DELETED)


def _storage(label: str) -> FastDFSStorage | None:
    """Return the storage of `app.Model.field`, None where that is not there or not in FastDFS."""
    model, _dot, name = label.rpartition(".")
    try:
        field = apps.get_model(model)._meta.get_field(name)
    except (LookupError, ValueError, FieldDoesNotExist):
        return None
    storage = getattr(field, "storage", None)
    return storage if isinstance(storage, FastDFSStorage) else None
