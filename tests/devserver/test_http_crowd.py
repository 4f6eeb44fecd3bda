"""Many connections that wait for a next request: they cost little, and nobody waits because of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fdfs_storage.devserver import EmbeddedCluster

from .browser import Browser
from .wire import Wire

CONTENT = b"0123456789"
CROWD = 2000
MOST_KILOBYTES_EACH = 32

# Each has been answered once and is kept alive; the crowd goes when its standard input ends.
CROWD_SCRIPT = """
import resource, socket, sys

host, port, url, count = sys.argv[1:]
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
crowd = []
for _ in range(int(count)):
    one = socket.create_connection((host, int(port)), timeout=60)
    one.sendall(f"GET {url} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".encode())
    reply = b""
    while not reply.endswith(b"0123456789"):
        piece = one.recv(4096)
        assert piece, reply
        reply += piece
    crowd.append(one)
print("here", flush=True)
sys.stdin.read()
"""


def resident_kilobytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@pytest.fixture
def url(storage: Wire) -> str:
    return "/group1/" + storage.store(CONTENT, "txt").decode()


@pytest.fixture
def crowd(embedded: EmbeddedCluster, url: str) -> Iterator[int]:
    """2,000 connections of another process; gives how much memory was resident before they came."""
    before = resident_kilobytes()
    arguments = [embedded.host, str(embedded.http_port), url, str(CROWD)]
    with subprocess.Popen(
        [sys.executable, "-c", CROWD_SCRIPT, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == b"here\n"
        yield before
        process.stdin.close()
    assert process.returncode == 0


def get(embedded: EmbeddedCluster, url: str) -> bytes:
    browser = Browser(embedded.http_server.address)
    try:
        return browser.get(url).body
    finally:
        browser.close()


def test_a_request_is_served_beside_2000_idle_connections(
    embedded: EmbeddedCluster, url: str, crowd: int
) -> None:
    assert get(embedded, url) == CONTENT

    server = embedded.http_server
    assert server.connections == CROWD + 1
    assert min(CROWD, server.idle_limit) <= server.peak <= CROWD + 1
    assert resident_kilobytes() - crowd < CROWD * MOST_KILOBYTES_EACH


def test_who_waits_longest_makes_room(embedded: EmbeddedCluster, url: str) -> None:
    embedded.http_server.idle_limit = 2
    often, seldom, new = (Browser(embedded.http_server.address) for _ in range(3))

    for browser in (often, seldom, often, new):
        assert browser.get(url).body == CONTENT

    assert seldom.connection.sock.recv(1) == b""
    assert often.get(url).body == CONTENT
    for browser in (often, seldom, new):
        browser.close()
