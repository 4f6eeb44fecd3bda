"""A folder that belongs to one running cluster at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path


class FolderLock:
    """Held from `take()` to `release()`; ends with the process, however that ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1

    @property
    def held(self) -> bool:
        return self._descriptor >= 0

    def take(self) -> None:
        """Raise BlockingIOError where another cluster has the folder."""
        # flock and not lockf: it also tells two clusters of one process apart.
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if not isinstance(error, BlockingIOError):
                raise
            reason = f"another embedded cluster keeps its files in {self._folder}"
            raise BlockingIOError(error.errno, reason) from error
        self._descriptor = descriptor

    def release(self) -> None:
        if self.held:
            with contextlib.suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            self.abandon()

    def abandon(self) -> None:
        """Drop the descriptor and nothing else: in a forked child the folder is the parent's."""
        if self.held:
            os.close(self._descriptor)
            self._descriptor = -1
