"""The moment at which an operation gives up."""

from __future__ import annotations

import time

from .errors import DeadlineExceededError

# A transfer of any length stays alive as long as this much moves within each network timeout.
PROGRESS_BYTES = 16 * 1024


class Deadline:
    """A moment, made once, at the top, and handed down.

    Moving data renews it, so it bounds silence rather than the length of a transfer, while a peer
    that drips single bytes still runs into it. Silence in the middle of a piece may last for twice the
    time: the kernel does not say when in its own time the last byte came.
    """

    __slots__ = ("_moved", "at", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        """How long nothing may move."""
        self._moved = 0
        self.at = time.monotonic() + seconds
        """In monotonic seconds."""

    def left(self) -> float:
        """Return the seconds that are left; raise DeadlineExceededError when there are none."""
        left = self.remaining()
        if left <= 0:
            raise DeadlineExceededError(f"no answer within {self.seconds:g} s")
        return left

    def remaining(self) -> float:
        """Return the seconds that are left, zero or less when there are none."""
        return self.at - time.monotonic()

    def renew(self) -> None:
        """Begin anew, when it was not the peer that was slow."""
        self._moved = 0
        self.at = time.monotonic() + self.seconds

    def moved(self, count: int) -> None:
        """Note that `count` bytes of a file went through."""
        self._moved += count
        if self._moved >= PROGRESS_BYTES:
            self.renew()
