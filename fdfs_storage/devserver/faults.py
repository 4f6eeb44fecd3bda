"""What a server is to do wrong, once each, with the requests to come."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Drop:
    """Close once so many bytes of the request have arrived."""

    after_bytes: int


@dataclass(frozen=True)
class DropReply:
    """Carry the request out, send so many bytes of the reply, close."""

    after_bytes: int


@dataclass(frozen=True)
class Answer:
    """Send these bytes instead of carrying the request out, close."""

    raw: bytes


@dataclass(frozen=True)
class AnswerStatus:
    """Refuse with this status instead of carrying the request out."""

    status: int


@dataclass(frozen=True)
class Delay:
    """Wait before carrying the request out."""

    seconds: float


Fault = Drop | DropReply | Answer | AnswerStatus | Delay


class Faults:
    """A queue that tests fill from their threads; each fault is taken by one request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[Fault, int | None]] = []
        self._refusals = 0

    def add(self, fault: Fault, command: int | None = None) -> None:
        """Arm a fault for the next request, or for the next one with this command."""
        with self._lock:
            self._waiting.append((fault, command))

    def refuse(self) -> None:
        """Arm a refusal for the next connection."""
        with self._lock:
            self._refusals += 1

    def clear(self) -> None:
        """Forget everything that was armed and has not struck."""
        with self._lock:
            self._waiting.clear()
            self._refusals = 0

    def take_refusal(self) -> bool:
        """Say whether the connection that comes now is to be refused."""
        with self._lock:
            refused = self._refusals > 0
            self._refusals -= refused
        return refused

    def take_drop(self) -> Drop | None:
        """Return the fault that needs to know nothing of a request but that it begins."""
        with self._lock:
            for entry in self._waiting:
                if isinstance(entry[0], Drop):
                    self._waiting.remove(entry)
                    return entry[0]
        return None

    def take(self, command: int) -> DropReply | Answer | AnswerStatus | Delay | None:
        """Return the first other fault that is meant for this command."""
        with self._lock:
            for entry in self._waiting:
                fault, wanted = entry
                if not isinstance(fault, Drop) and wanted in (None, command):
                    self._waiting.remove(entry)
                    return fault
        return None
