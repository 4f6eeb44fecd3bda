"""The lines of journals, and the journals that processes left behind."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

UPLOADED, SETTLED, SUSPECT = "+", "-", "?"
SUFFIX = ".journal"

_LINE = re.compile(r"([+?-]) ([0-9]{1,12}) ([\w.]{1,300}) ([A-Za-z0-9._/-]{1,200})")
# No process writes more; what is longer is not ours.
_LONGEST_JOURNAL_BYTES = 64 * 1024 * 1024


class Entry(NamedTuple):
    """A file whose fate was not known when the line was written."""

    sign: str
    seconds: int
    """Unix time."""
    field: str
    """`app.Model.field`."""
    name: str


def line(sign: str, field: str, name: str, seconds: float | None = None) -> bytes:
    """Return the line for what happened, and when (unix seconds, None: now), to a file of a field."""
    moment = int(time.time() if seconds is None else seconds)
    return f"{sign} {moment} {field} {name}\n".encode()


def unsettled(content: bytes) -> tuple[list[Entry], int]:
    """Return the files of a journal that are still open, and how many of its lines cannot be read."""
    entries: dict[str, Entry] = {}
    unreadable = 0
    for text in content.decode("utf-8", "replace").split("\n"):
        found = _LINE.fullmatch(text)
        if found is None:
            unreadable += bool(text)
            continue
        sign, seconds, field, name = found.groups()
        entries.pop(name, None)
        if sign != SETTLED:
            entries[name] = Entry(sign, int(seconds), field, name)
    return list(entries.values()), unreadable


def journals(folder: Path) -> list[Path]:
    """Return the journals in the folder, of processes that live and that are gone."""
    return sorted(folder.glob(f"*{SUFFIX}"))


@contextmanager
def inherited(path: Path) -> Iterator[bool]:
    """Say whether the journal's process is gone; then the journal is the caller's inside the block."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:  # another process was faster
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = True
        except BlockingIOError:
            ours = False
        yield ours
    finally:
        os.close(descriptor)


def read(path: Path) -> bytes:
    """Return a journal's content; b"" where it has just been removed."""
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_JOURNAL_BYTES)
    except FileNotFoundError:
        return b""


def rewrite(path: Path, entries: list[Entry]) -> None:
    """Replace an inherited journal by one with these entries only, or by none."""
    if not entries:
        path.unlink(missing_ok=True)
        return
    temporary = path.with_suffix(".rewritten")
    temporary.write_bytes(b"".join(line(e.sign, e.field, e.name, e.seconds) for e in entries))
    temporary.replace(path)


def remove_finished(folder: Path) -> None:
    """Remove journals of processes that ended with nothing open; leave alone what cannot be read."""
    for path in journals(folder):
        with suppress(OSError), inherited(path) as ours:  # another user's, perhaps
            if ours and not any(unsettled(read(path))):
                path.unlink(missing_ok=True)
