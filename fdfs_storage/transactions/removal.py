"""Deleting what no row refers to: uploads whose rows did not come to be, files whose rows are gone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from typing import Any

from django.core.signals import request_finished
from django.db import connections
from django.db.models import FileField

from fdfs_storage.signals import file_deleted

from .bearers import borne
from .ledger import ledger
from .references import referenced
from .uploads import Upload, autocommits, in_transaction

logger = logging.getLogger(__name__)

_MOST_AFTER_A_REQUEST = 200
_MOST_TRIES = 3


def settle(most: int = 10_000) -> list[str]:
    """Delete the uploads of this process whose rows did not come to be; return their names.

    Runs after each request; call it in scripts and tasks. Left alone are files whose instance lives
    (it may be saved again), whose transaction is open, and all while this thread has a transaction
    open on any database; no more than `most` files are dealt with.
    """
    if not ledger() or in_transaction() or not ledger().settling.acquire(blocking=False):
        return []
    try:
        return _remove_unreferenced(ledger().ripe(most))
    finally:
        ledger().settling.release()


Done = Callable[[Collection[str]], None]


def discard(field: FileField, names: Iterable[str], using: str, done: Done = lambda deleted: None) -> None:
    """Delete files when the open transaction of that database is committed, if no row refers to them then.

    Without an open transaction, that is at once. `done` is called then, with the names of those that
    were deleted, and not at all after a rollback. Where autocommit is off there is no such moment: the
    files become suspects for fdfs_sweep.
    """
    connection = connections[using]
    if not connection.in_atomic_block and not autocommits(connection):
        for name in names:
            ledger().give_up(ledger().add_old(field, name), "autocommit is off")
        done(())
        return
    last = connection.run_on_commit[-1] if connection.in_atomic_block and connection.run_on_commit else None
    if last and isinstance(last[1], _Discard) and last[0] == set(connection.savepoint_ids):
        last[1].add(field, names, done)
    else:
        hook = _Discard()
        hook.add(field, names, done)
        connection.on_commit(hook)


class _Discard:
    """Collects what one transaction discards, so that it is one question to the database at the end."""

    def __init__(self) -> None:
        self._files: dict[str, FileField] = {}
        self._done: list[Done] = []

    def add(self, field: FileField, names: Iterable[str], done: Done) -> None:
        self._files.update(dict.fromkeys(names, field))
        self._done.append(done)

    def __call__(self) -> None:
        """Never raises: what was committed is committed, and other hooks follow."""
        try:
            deleted = discard_now(self._files)
            for done in self._done:
                done(deleted)
        except Exception:
            logger.exception("cannot discard %s", ", ".join(self._files))


def discard_now(files: dict[str, FileField]) -> list[str]:
    """Delete files if no row refers to them; return the names of the deleted.

    What has to wait, for another transaction or for an object in memory, waits for settle().
    """
    uploads = [ledger().add_old(field, name) for name, field in files.items()]
    if in_transaction():
        return []
    return _remove_unreferenced([upload for upload in uploads if not upload.pending()])


def _remove_unreferenced(uploads: list[Upload]) -> list[str]:
    if not uploads:
        return []
    try:
        kept = referenced({upload.name for upload in uploads})
    except Exception:  # whatever a database or its driver raises: nothing is known, so nothing is deleted
        logger.exception("cannot ask every database which files are in use; they stay for now")
        _count_try(uploads)
        return []
    for upload in uploads:
        if upload.name in kept:
            ledger().forget(upload)
    return [upload.name for upload in uploads if upload.name not in kept and _delete(upload)]


def _count_try(uploads: list[Upload]) -> None:
    for upload in uploads:
        upload.tries += 1
        if upload.tries >= _MOST_TRIES:
            ledger().give_up(upload, "the databases could not be asked whether it is in use")


def _delete(upload: Upload) -> bool:
    if upload.over or borne(upload.name):  # since a moment ago
        return False
    try:
        upload.field.storage.delete(upload.name)
    except Exception as error:
        logger.exception("cannot delete %s", upload.name)
        ledger().give_up(upload, f"it could not be deleted: {error}")
        return False
    ledger().forget(upload)
    file_deleted.send_robust(upload.field.model, field=upload.field.name, name=upload.name)
    return True


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
