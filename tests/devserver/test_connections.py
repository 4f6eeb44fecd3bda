"""The life of a connection: PROTOCOL 1.2."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.devserver.daemon_server import DaemonServer
from fdfs_storage.devserver.replies import Reply, Request
from fdfs_storage.devserver.sockets import LoopThread
from fdfs_storage.fastdfs.protocol import Header

from .wire import ACTIVE_TEST, DOWNLOAD, QUIT, STORE, UPLOAD, Wire, download, packet, upload

DAEMONS = pytest.mark.parametrize("daemon", ["tracker", "storage"])
# Long enough that a busy machine is not taken for a silent client.
SHORT_SECONDS = 1.5


@pytest.fixture
def impatient() -> Iterator[EmbeddedCluster]:
    """A cluster that waits for nobody."""
    with EmbeddedCluster(timeout=SHORT_SECONDS) as cluster:
        yield cluster


def connect(cluster: EmbeddedCluster, daemon: str) -> Wire:
    return Wire(cluster.trackers[0] if daemon == "tracker" else cluster.storage_server.address)


@DAEMONS
def test_one_connection_serves_many_requests(embedded: EmbeddedCluster, daemon: str) -> None:
    with connect(embedded, daemon) as wire:
        assert all(wire.ask(ACTIVE_TEST, status=status) == (0, b"") for status in range(20))


@DAEMONS
@pytest.mark.parametrize("body", [b"", b"with a body"])
def test_quit_is_not_answered(embedded: EmbeddedCluster, daemon: str, body: bytes) -> None:
    with connect(embedded, daemon) as wire:
        wire.sendall(packet(QUIT, body))

        assert wire.ends()


@DAEMONS
@pytest.mark.parametrize("length", [-1, -(2**31)])
def test_a_negative_length_is_not_answered(embedded: EmbeddedCluster, daemon: str, length: int) -> None:
    with connect(embedded, daemon) as wire:
        wire.sendall(packet(ACTIVE_TEST, length=length))

        assert wire.ends()


@DAEMONS
def test_an_unknown_command_closes_the_storage_and_not_the_tracker(
    embedded: EmbeddedCluster, daemon: str
) -> None:
    with connect(embedded, daemon) as wire:
        assert wire.ask(99, b"whatever") == (22, b"")
        assert wire.lives() == (daemon == "tracker")


@DAEMONS
@pytest.mark.parametrize("sent", [packet(UPLOAD, upload(b"x", size=9), length=24), packet(ACTIVE_TEST)[:7]])
def test_a_client_that_stops_in_a_request_is_left(
    embedded: EmbeddedCluster, daemon: str, sent: bytes
) -> None:
    with connect(embedded, daemon) as wire:
        wire.sendall(sent)
        wire.shutdown(socket.SHUT_WR)

        assert wire.ends()


@DAEMONS
@pytest.mark.parametrize(
    "sent", [b"", b"\0", packet(ACTIVE_TEST)[:9], packet(UPLOAD, b"\0" * 20, length=4000)]
)
def test_silence_is_timed_out(impatient: EmbeddedCluster, daemon: str, sent: bytes) -> None:
    with connect(impatient, daemon) as wire:
        wire.sendall(sent)

        assert wire.ends()
    assert not list((impatient.data / "data" / ".incoming").iterdir())


@DAEMONS
def test_who_was_answered_may_be_silent(impatient: EmbeddedCluster, daemon: str) -> None:
    with connect(impatient, daemon) as wire:
        assert wire.lives()

        wire.settimeout(SHORT_SECONDS * 2)
        with pytest.raises(TimeoutError):
            wire.recv(1)

        assert wire.lives()


def test_who_does_not_read_is_left(impatient: EmbeddedCluster) -> None:
    with connect(impatient, "storage") as wire:
        name = wire.store(bytes(32 << 20))
        wire.sendall(packet(DOWNLOAD, download(name)))

        with connect(impatient, "storage") as other:
            other.store(b"x")
            other.settimeout(SHORT_SECONDS * 2)
            with pytest.raises(TimeoutError):
                other.recv(1)

        assert len(wire.read(32 << 20)) < 32 << 20


def test_a_tracker_takes_256_kib_and_no_more(tracker: Wire) -> None:
    assert tracker.ask(STORE, bytes(262_134)) == (22, b"")

    tracker.sendall(packet(STORE, bytes(262_135)))
    assert tracker.ends()


@pytest.mark.parametrize("length", [2**32, -(2**63)])
def test_a_tracker_cuts_the_length_to_32_bits(tracker: Wire, length: int) -> None:
    tracker.sendall(packet(ACTIVE_TEST, length=length))

    assert tracker.read_answer() == (0, b"")


def test_a_tracker_answers_pipelined_requests_in_order(tracker: Wire) -> None:
    tracker.sendall(packet(STORE) + packet(99) + packet(ACTIVE_TEST))

    assert [tracker.read_answer().status for _ in range(3)] == [0, 22, 0]


def test_what_follows_a_refused_large_request_is_read_as_the_next(
    embedded: EmbeddedCluster, storage: Wire
) -> None:
    embedded.volume.reserved_mb = 1 << 50
    body = upload(bytes(262_134 - 15) + packet(ACTIVE_TEST))

    storage.sendall(packet(UPLOAD, body))

    assert storage.read_answer() == (28, b"")
    assert storage.read_answer() == (0, b"")


def test_a_request_may_come_byte_by_byte(storage: Wire) -> None:
    storage.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in packet(UPLOAD, upload(b"meow")):
        storage.sendall(bytes([byte]))

    assert storage.read_answer().status == 0


class Broken:
    """A daemon with a fault of its own."""

    def expects(self, header: Header) -> int:
        return header.length

    def begin(self, request: Request) -> Reply:
        raise ZeroDivisionError

    def closes_after(self, reply: Reply) -> bool:
        return False


def test_a_fault_of_our_own_is_logged_and_ends_one_connection(caplog: pytest.LogCaptureFixture) -> None:
    loop = LoopThread("broken")
    server = DaemonServer("tracker", Broken(), loop, "127.0.0.1", 0, timeout=60)
    server.start()
    for _ in range(2):
        with Wire(server.address) as wire:
            wire.sendall(packet(ACTIVE_TEST))
            assert wire.ends()
    server.stop()
    loop.stop()

    assert [record.message for record in caplog.records] == ["the tracker failed a client"] * 2
