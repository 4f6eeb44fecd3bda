"""Servers that failed a moment ago: asked last, until they had time to come back."""

from __future__ import annotations

import time
from collections.abc import Hashable

REST_SECONDS = 15.0
# Keys are addresses that trackers named, and store paths of them; a cluster has not nearly as many.
_MOST = 4096


class Resting:
    """Remembers what failed, for `seconds` or until it is said to work again."""

    def __init__(self, seconds: float = REST_SECONDS) -> None:
        self._seconds = seconds
        self._until: dict[Hashable, float] = {}
        """When each is fit again, in monotonic seconds."""

    def note(self, key: Hashable) -> None:
        """Let it rest from now on."""
        if len(self._until) >= _MOST:
            self._until = {}
        self._until[key] = time.monotonic() + self._seconds

    def forget(self, key: Hashable) -> None:
        """It works again."""
        self._until.pop(key, None)

    def __bool__(self) -> bool:
        """Whether anything may rest."""
        return bool(self._until)

    def __contains__(self, key: Hashable) -> bool:
        until = self._until.get(key)
        if until is None:
            return False
        if time.monotonic() < until:
            return True
        self.forget(key)
        return False
