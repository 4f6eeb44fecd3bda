"""The ledger: the uploads of this process whose rows are not known to be there."""

from __future__ import annotations

import gc
import logging
import os
import threading

from django.db.models import FileField

from . import journal
from .journal_reading import SETTLED, SUSPECT, UPLOADED
from .uploads import Hook, NewName, Upload

logger = logging.getLogger(__name__)

_MOST_UPLOADS = 10_000
_TIDY_EVERY = 1000


class Ledger:
    """Uploads by their names; single operations of a dict, so that threads need no lock for them."""

    def __init__(self) -> None:
        self._uploads: dict[str, Upload] = {}
        self.settling = threading.Lock()
        """Held by the one thread that settles."""

    def __bool__(self) -> bool:
        return bool(self._uploads)

    def get(self, name: str | None) -> Upload | None:
        return self._uploads.get(name) if name and self._uploads else None

    def uploads(self) -> list[Upload]:
        """Return all whose fate is not known."""
        return list(self._uploads.values())

    def add_new(self, field: FileField, name: str) -> NewName:
        """Take in a file that was just uploaded; return its name, which is watched from now on."""
        upload = Upload(field, name, self.forget)
        watched = upload.new_name()
        self._add(upload)
        return watched

    def add_old(self, field: FileField, name: str, hook: Hook | None = None) -> Upload:
        """Take in a file that a row has had, to be deleted once no transaction is open in this thread.

        `hook` waits for the one that takes it from its row.
        """
        upload = self.get(name) or Upload(field, name, self.forget)
        upload.wait(hook)
        if upload.name not in self._uploads:
            self._add(upload)
        return upload

    def _add(self, upload: Upload) -> None:
        """Let other threads see it, now that it is complete, and write it down where a journal is kept."""
        if not (len(self._uploads) + 1) % _TIDY_EVERY:
            self._tidy()
        self._uploads[upload.name] = upload
        journal.note(UPLOADED, str(upload.field), upload.name)

    def forget(self, upload: Upload) -> None:
        """Take a file out whose fate is known: a row has it, or it is deleted."""
        upload.over = True
        if self._uploads.pop(upload.name, None) is not None:
            journal.note(SETTLED, str(upload.field), upload.name)

    def settled(self, name: str) -> None:
        """Forget a file by its name, if it is known here."""
        upload = self.get(name)
        if upload:
            self.forget(upload)

    def give_up(self, upload: Upload, why: str) -> None:
        """Take a file out whose fate stays unknown; `fdfs_sweep` finds it in the journal."""
        upload.over = True
        if self._uploads.pop(upload.name, None) is not None:
            journal.note(SUSPECT, str(upload.field), upload.name)
            logger.warning("%s of %s may be an orphan: %s", upload.name, upload.field, why)

    def ripe(self, most: int) -> list[Upload]:
        """Return uploads that nothing in this process can bring a row for any more, and drop the rest."""
        ripe = []
        uploads = list(self._uploads.values())
        waiting = [upload for upload in uploads if upload.waits_for_collector()]
        if waiting:
            gc.collect()
        for upload in uploads:
            if upload.pending():
                continue
            if upload.doubtful:
                self.give_up(upload, "the outcome of its transaction is not known")
            elif not upload.attempted:
                self.give_up(upload, "no row was saved with it")
            else:
                ripe.append(upload)
        return ripe[:most]

    def _tidy(self) -> None:
        """Keep a process bounded that uploads and never settles."""
        self.ripe(0)
        # What waits for a transaction is bounded by it, and known at its end.
        waiting = [upload for upload in list(self._uploads.values()) if not upload.waits()]
        for upload in waiting[:-_MOST_UPLOADS]:
            self.give_up(upload, f"{_MOST_UPLOADS} files wait for their rows; call settle() now and then")


_ledgers: dict[int, Ledger] = {}


def ledger() -> Ledger:
    """Return the ledger of this process: a forked child has nothing to say about its parent's files."""
    own = _ledgers.get(os.getpid())
    return _ledgers.setdefault(os.getpid(), Ledger()) if own is None else own
