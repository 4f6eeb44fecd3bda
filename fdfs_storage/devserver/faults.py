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
class Delay:
    """Wait before carrying the request out."""

    seconds: float


Fault = Drop | DropReply | Answer | Delay


class Faults:
    """A queue that tests fill from their threads; each fault is taken by one request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[Fault, int | None]] = []

    def add(self, fault: Fault, command: int | None = None) -> None:
        """Arm a fault for the next request, or for the next one with this command."""
        with self._lock:
            self._waiting.append((fault, command))

    def take_drop(self) -> Drop | None:
        """Return the fault that needs to know nothing of a request but that it begins."""
        with self._lock:
            for entry in self._waiting:
                if isinstance(entry[0], Drop):
                    self._waiting.remove(entry)
                    return entry[0]
        return None

    def take(self, command: int) -> DropReply | Answer | Delay | None:
        """Return the first other fault that is meant for this command."""
        with self._lock:
            for entry in self._waiting:
                fault, wanted = entry
                if not isinstance(fault, Drop) and wanted in (None, command):
                    self._waiting.remove(entry)
                    return fault
        return None
