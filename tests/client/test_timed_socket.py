"""Sockets with Python's clock and with the kernel's: alike, but for the system calls."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from fdfs_storage.fastdfs import Client, connection
from fdfs_storage.fastdfs.connection import Connection
from fdfs_storage.fastdfs.deadline import Deadline
from fdfs_storage.fastdfs.errors import DeadlineExceededError
from fdfs_storage.fastdfs.protocol import Address
from fdfs_storage.fastdfs.timed_socket import KernelTimedSocket, TimedSocket, timed

CLOCKS = [TimedSocket, KernelTimedSocket]
SHORT_SECONDS = 0.2


@pytest.fixture(params=CLOCKS)
def ends(request, monkeypatch) -> Iterator[tuple[Connection, socket.socket]]:
    """A connection by one of the clocks, and its peer's socket."""
    monkeypatch.setattr(connection, "timed", request.param)
    near, far = socket.socketpair()
    with near, far:
        yield Connection(Address("127.0.0.1", 1), near), far


def test_linux_keeps_the_time_of_pythons_own_sockets_only():
    class Patched(socket.socket):  # as gevent and eventlet put one in its place
        pass

    with socket.socket() as own, Patched() as patched:
        assert type(timed(own)) is KernelTimedSocket
        assert type(timed(patched)) is TimedSocket


def test_a_silent_peer_is_waited_for_until_the_deadline(ends):
    before = time.monotonic()

    with pytest.raises(DeadlineExceededError, match=rf"no progress with .* within {SHORT_SECONDS:g} s"):
        ends[0].receive_piece(1, Deadline(SHORT_SECONDS))

    assert time.monotonic() - before >= SHORT_SECONDS * 0.98


def test_a_peer_that_does_not_read_is_waited_for_until_the_deadline(ends):
    content = bytes(16 << 20)

    with pytest.raises(DeadlineExceededError):
        ends[0].send(content, Deadline(SHORT_SECONDS))


def test_a_file_for_a_peer_that_does_not_read_is_waited_for_until_the_deadline(ends, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(16 << 20))

    with path.open("rb") as file, pytest.raises(DeadlineExceededError):
        ends[0].send_file(file, 0, 16 << 20, Deadline(SHORT_SECONDS))


@pytest.mark.parametrize("into", [False, True])
def test_a_piece_that_stops_half_way_is_handed_on_and_the_rest_given_up(ends, into):
    near, far = ends
    far.sendall(bytes(1000))
    deadline = Deadline(SHORT_SECONDS)

    def receive(count: int) -> int:
        if into:
            return near.receive_into(memoryview(bytearray(count)), deadline)
        return len(near.receive_piece(count, deadline))

    assert receive(5000) == 1000
    with pytest.raises(DeadlineExceededError):
        receive(4000)


def test_the_shortest_time_is_not_for_ever():
    near, far = socket.socketpair()
    with near, far:
        sock = KernelTimedSocket(near)
        sock._set(1e-9)

        with pytest.raises(BlockingIOError):
            sock.recv(1)


@pytest.mark.parametrize("clock", CLOCKS)
def test_files_of_all_sizes_go_up_and_come_down(clock, monkeypatch, embedded, tmp_path):
    monkeypatch.setattr(connection, "timed", clock)
    path, buffer = tmp_path / "file", bytearray(3_000_000)

    with Client(embedded.trackers) as client:
        for size in (1, 4096, 70_000, 3_000_000):
            path.write_bytes(content := bytes(range(256)) * (size // 256) + bytes(size % 256))
            file_id = client.upload(path)
            assert client.download(file_id) == client.download(client.upload(content)) == content
            assert client.download_into(file_id, buffer) == size
            assert bytes(buffer[:size]) == content
