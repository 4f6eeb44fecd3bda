"""What uploads leave open at the end of a test, which is nobody's business afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fdfs_storage.transactions import journal, ledger


@contextmanager
def forgotten(folder: Path) -> Iterator[None]:
    """Forget the uploads since, and let go of the journal in the folder.

    Later on they would be settled on the project's own servers, and written into its own journal.
    """
    before = set(ledger().uploads())
    try:
        yield
    finally:
        for upload in set(ledger().uploads()) - before:
            ledger().forget(upload)
        journal.let_go(folder)
