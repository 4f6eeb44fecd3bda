"""Deleting what no row refers to: uploads whose rows did not come to be, files whose rows are gone."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any, cast

from django.core.signals import request_finished
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import FileField

from fdfs_storage.fastdfs.errors import NetworkError, NoServerError
from fdfs_storage.signals import file_deleted

from .bearers import borne
from .ledger import ledger
from .references import referenced
from .uploads import Hook, Upload, autocommits, in_transaction, is_historical

logger = logging.getLogger(__name__)

_MOST_AFTER_A_REQUEST = 200
_MOST_AT_ONCE = 60
_MOST_TRIES = 3
_UNANSWERED = (NetworkError, NoServerError)


def settle(most: int = 10_000) -> list[str]:
    """Delete the uploads of this process whose rows did not come to be; return their names.

    Runs after each request; call it in scripts and tasks. Left alone are files whose instance lives
    (it may be saved again), whose transaction is open, and all while this thread has a transaction
    open on any database; no more than `most` files are dealt with.
    """
    if not ledger() or in_transaction() or not ledger().settling.acquire(blocking=False):
        return []
    try:
        for connection in connections.all(initialized_only=True):
            # Django keeps it, and with it the instance that failed.
            connection.rollback_exc = None  # type: ignore[attr-defined]  # not in the stubs
        return _remove_unreferenced(ledger().ripe(most))
    finally:
        ledger().settling.release()


Done = Callable[[Collection[str]], None]


def discard(field: FileField, names: Iterable[str], using: str, done: Done = lambda deleted: None) -> None:
    """Delete files when the open transaction of that database is committed, if no row refers to them then.

    Without an open transaction, that is at once. `done` is called then, with the names of those that
    were deleted, and not at all after a rollback. Where autocommit is off there is no such moment, and
    in a migration the tables are not yet those that would be asked: there, the files become suspects
    for fdfs_sweep.
    """
    connection = connections[using]
    why = _why_never(field, connection)
    if why:
        for name in names:
            ledger().give_up(ledger().add_old(field, name), why)
        done(())
        return
    hook = _last_discard(connection)
    if hook is not None:
        hook.add(field, names, done)
    else:
        hook = _Discard(connection)
        hook.add(field, names, done)
        connection.on_commit(hook)


def _why_never(field: FileField, connection: BaseDatabaseWrapper) -> str | None:
    if is_historical(field):
        return "a migration took it from its row"
    if not connection.in_atomic_block and not autocommits(connection):
        return "autocommit is off"
    return None


def _last_discard(connection: BaseDatabaseWrapper) -> _Discard | None:
    """Return what was to be done last at COMMIT, if that is to discard files, too."""
    if not connection.in_atomic_block or not connection.run_on_commit:
        return None
    savepoints, last = connection.run_on_commit[-1][:2]
    mine = isinstance(last, _Discard) and not last.called and savepoints == set(connection.savepoint_ids)
    return cast("_Discard", last) if mine else None


class _Discard(Hook):
    """Collects what one transaction discards, so that it is one question to the database at the end.

    The ledger knows each file from the beginning: Django drops this where an earlier hook raises, and
    then settle() asks whether there is still a row.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        super().__init__(connection)
        self._done: list[Done] = []

    def add(self, field: FileField, names: Iterable[str], done: Done) -> None:
        self.uploads += [ledger().add_old(field, name, self) for name in names]
        self._done.append(done)

    def committed(self) -> None:
        """Never raises: what was committed is committed, and other hooks follow."""
        try:
            deleted = _discard_now(self.uploads)
            for done in self._done:
                done(deleted)
        except Exception:
            logger.exception("cannot discard %s", ", ".join(upload.name for upload in self.uploads))


def _discard_now(uploads: list[Upload]) -> list[str]:
    """Delete files if no row refers to them; return the names of the deleted.

    What has to wait, for another transaction or for an object in memory, waits for settle().
    """
    files = {upload.name: upload.field for upload in uploads if not upload.deleted}
    known = [ledger().add_old(field, name) for name, field in files.items()]  # settle() may have been there
    if in_transaction():
        return []
    return _remove_unreferenced([upload for upload in known if not upload.pending()])


def _remove_unreferenced(uploads: list[Upload]) -> list[str]:
    """Ask and delete by and by: the shorter ago the question, the less can have changed since."""
    deleted: list[str] = []
    unanswered: Counter[int] = Counter()
    for start in range(0, len(uploads), _MOST_AT_ONCE):
        some = uploads[start : start + _MOST_AT_ONCE]
        notes = {upload.name: upload.notes for upload in some}
        try:
            kept = referenced({upload.name for upload in some})
        except Exception:  # whatever a database or its driver raises: nothing is known, so nothing is deleted
            logger.exception("cannot ask every database which files are in use; they stay for now")
            _count_try(uploads[start:])
            break
        still = [upload for upload in some if _holds(upload, notes[upload.name])]
        for upload in still:
            if upload.name in kept:
                ledger().forget(upload)
        unused = [upload for upload in still if upload.name not in kept]
        deleted += _delete_all(unused, notes, unanswered)
    return deleted


def _holds(upload: Upload, notes: int) -> bool:
    """Say whether an answer still holds: whatever another thread noted since, is for the next question."""
    if upload.over and not upload.deleted:
        ledger().add_old(upload.field, upload.name)
    return not upload.over and upload.notes == notes


def _count_try(uploads: list[Upload]) -> None:
    for upload in uploads:
        upload.tries += 1
        if upload.tries >= _MOST_TRIES:
            ledger().give_up(upload, "the databases could not be asked whether it is in use")


def _delete_all(uploads: list[Upload], notes: dict[str, int], unanswered: Counter[int]) -> list[str]:
    """Delete files; where a cluster leaves several in a row unanswered, its others are not tried."""
    deleted = []
    for upload in uploads:
        cluster = id(upload.field.storage)
        if unanswered[cluster] >= _MOST_TRIES:
            ledger().give_up(upload, "it was not deleted: the cluster does not answer")
            continue
        if not _holds(upload, notes[upload.name]) or borne(upload.name):  # since a moment ago
            continue
        error = _delete(upload)
        unanswered[cluster] = unanswered[cluster] + 1 if isinstance(error, _UNANSWERED) else 0
        if error is None:
            deleted.append(upload.name)
    return deleted


def _delete(upload: Upload) -> Exception | None:
    try:
        upload.field.storage.delete(upload.name)
    except Exception as error:
        logger.exception("cannot delete %s", upload.name)
        ledger().give_up(upload, f"it could not be deleted: {error}")
        return error
    upload.deleted = True
    ledger().forget(upload)
    file_deleted.send_robust(upload.field.model, field=upload.field.name, name=upload.name)
    return None


def _after_request(**_: Any) -> None:
    if not ledger():
        return
    used = [each for each in connections.all(initialized_only=True) if each.connection is not None]
    try:
        settle(_MOST_AFTER_A_REQUEST)
    except Exception:
        logger.exception("cannot settle the uploads of this request")
    for connection in connections.all(initialized_only=True):
        if connection not in used:  # Django has closed what the request had opened; this is ours to close
            connection.close_if_unusable_or_obsolete()


request_finished.connect(_after_request, dispatch_uid="fdfs_storage.transactions.settle")
