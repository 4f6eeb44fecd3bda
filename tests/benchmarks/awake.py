"""Keeps the machine's processors awake while something is measured: `python -m tests.benchmarks.awake CPU`.

A processor with nothing to do halts, on a virtual machine for whatever the host has to do, and may come back
with cold caches. Then what comes first pays: the client as it reads a reply, and more so the more code it
has. A busy server's processors hardly halt. One process for each, which runs only where nobody else wants
to, makes an idle machine alike.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

_LOOKS_AFTER = 1_000_000


@contextlib.contextmanager
def kept_awake() -> Iterator[None]:
    """Keep this process's processors awake."""
    with contextlib.ExitStack() as stack:
        for cpu in os.sched_getaffinity(0):
            process = subprocess.Popen([sys.executable, "-m", __name__, str(cpu)])
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


def _turn(cpu: int) -> None:
    """Turn on one processor, behind everybody, for as long as the parent lives."""
    parent = os.getppid()
    os.sched_setaffinity(0, {cpu})
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while os.getppid() == parent:
        for _ in range(_LOOKS_AFTER):
            pass


if __name__ == "__main__":
    _turn(int(sys.argv[1]))
