"""A file of a gibibyte goes up and comes down, and neither end holds it in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import scripts
from .scripts import ROOT

GIBIBYTE = 1 << 30
MOST_GROWTH_BYTES = 32 << 20

SERVER = """
import sys
from fdfs_storage.devserver import EmbeddedCluster
with EmbeddedCluster(sys.argv[1]) as cluster:
    print(cluster.trackers[0], flush=True)
    sys.stdin.read()
"""
# What comes is counted and dropped; its CRC32 is compared with that in the id.
CLIENT = """
import io, json, pathlib, sys
from fdfs_storage.fastdfs import Client
from tests.devserver.test_big_file import peak_bytes

class Sink(io.RawIOBase):
    count = 0
    def write(self, piece):
        self.count += len(piece)
        return len(piece)

with Client([sys.argv[1]]) as client:
    client.download(client.upload(b"meow"))
    before, sink = peak_bytes("self"), Sink()
    big = client.upload(pathlib.Path(sys.argv[2]), "bin")
    try:
        client.download_to(big, sink, verify=True)
        print(json.dumps([big.size, sink.count, peak_bytes("self") - before]))
    finally:
        client.delete(big)
"""


def peak_bytes(process: int | str) -> int:
    """Return the most memory that a process has held so far."""
    return int(Path(f"/proc/{process}/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SERVER, str(tmp_path / "cluster")]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        yield server
        server.communicate(timeout=60)


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A file that is a hole, so that it takes no room before it is stored."""
    path = tmp_path / "big.bin"
    path.touch()
    os.truncate(path, GIBIBYTE)
    return path


def test_memory_stays_constant_on_both_ends(server: subprocess.Popen[str], big: Path) -> None:
    assert server.stdout
    tracker = server.stdout.readline().strip()
    before = peak_bytes(server.pid)

    size, received, grown = json.loads("\n".join(scripts.run(CLIENT, tracker, str(big))))

    assert (size, received) == (GIBIBYTE, GIBIBYTE)
    assert grown < MOST_GROWTH_BYTES
    assert peak_bytes(server.pid) - before < MOST_GROWTH_BYTES
