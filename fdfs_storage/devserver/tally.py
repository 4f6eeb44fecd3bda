"""What a storage has done so far, under the names that LIST_STORAGE gives it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import fields

from fdfs_storage.fastdfs.statistics import StorageStat

_COUNTED = [field.name for field in fields(StorageStat) if field.name.endswith(("_total", "_success"))]


class Tally:
    """Counts that only grow; a name that LIST_STORAGE does not know is a KeyError."""

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        known = counts or {}
        self._counts = {name: known.get(name, 0) for name in _COUNTED}

    def add(self, what: str, amount: int = 1, *, worked: bool = True) -> None:
        """Count what was asked, and count it again if it worked."""
        self._counts[f"{what}_total"] += amount
        if worked:
            self._counts[f"{what}_success"] += amount

    @contextlib.contextmanager
    def counting(self, *names: str) -> Iterator[None]:
        """Count what the block attempts, and count it again if no exception ends it."""
        worked = False
        try:
            yield
            worked = True
        finally:
            for name in names:
                self.add(name, worked=worked)

    def counts(self) -> dict[str, int]:
        return dict(self._counts)
