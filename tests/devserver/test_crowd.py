"""Ten thousand clients that say nothing: they cost little, and the next one is served."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .scripts import ROOT
from .wire import STORE, Wire

_HARD_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
# What both processes need for themselves; the rest of what the machine allows is the crowd's.
MEMBERS = min(10_000, _HARD_LIMIT - 300)
# A socket, a task and its timer: about 4 KiB with CPython 3.11.
MOST_BYTES_EACH = 16 * 1024

_RAISE = """
import resource, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
"""
SERVER = f"""{_RAISE}
from fdfs_storage.devserver import EmbeddedCluster
with EmbeddedCluster(timeout=float(sys.argv[1])) as cluster:
    print(cluster.trackers[0], cluster.storage_server.address, flush=True)
    for line in sys.stdin:
        print(cluster.storage_server.current + cluster.tracker_servers[0].current, flush=True)
"""
# From four addresses, because one has fewer ports than some machines have clients.
CROWD = f"""{_RAISE}
import socket
host, port = sys.argv[1].split(":")
crowd = [
    socket.create_connection((host, int(port)), 60, source_address=(f"127.0.0.{{1 + number % 4}}", 0))
    for number in range(int(sys.argv[2]))
]
print("there", flush=True)
for line in sys.stdin:
    print(sum(member.recv(1) == b"" for member in crowd), flush=True)
for member in crowd:
    member.close()
"""


class Process:
    """A script that answers each line with a line."""

    def __init__(self, script: str, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script, *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "PYTHONDEVMODE": ""},  # in which each task remembers where it was made
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.greeting = self._read()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0

    def ask(self) -> int:
        assert self._process.stdin
        print("?", file=self._process.stdin, flush=True)
        return int(self._read())

    def resident_bytes(self) -> int:
        """Return how much memory it holds now."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()


@pytest.fixture
def patience_seconds() -> float:
    """How long the server waits for a client's first word."""
    return 120


@pytest.fixture
def server(patience_seconds: float) -> Iterator[Process]:
    with Process(SERVER, patience_seconds) as server:
        yield server


@pytest.mark.parametrize("which", [0, 1], ids=["tracker", "storage"])
def test_a_silent_crowd_costs_little_and_the_next_client_is_served(server: Process, which: int) -> None:
    tracker, storage = server.greeting.split()
    before = server.resident_bytes()

    with Process(CROWD, (tracker, storage)[which], MEMBERS) as crowd:
        with Wire(tracker) as wire:
            assert wire.ask(STORE).status == 0
        with Wire(storage) as wire:
            assert wire.content(wire.store(b"meow")) == b"meow"
        assert server.ask() >= MEMBERS
        assert (server.resident_bytes() - before) / MEMBERS < MOST_BYTES_EACH
        assert crowd.greeting == "there"


@pytest.mark.parametrize("patience_seconds", [0.5])
def test_a_silent_crowd_is_sent_away(server: Process) -> None:
    with Process(CROWD, server.greeting.split()[0], 1000) as crowd:
        assert crowd.ask() == 1000

    assert server.ask() == 0
