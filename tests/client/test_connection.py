import socket
import threading

import pytest

from fdfs_storage.fastdfs import protocol
from fdfs_storage.fastdfs.connection import MAX_REPLY_BYTES, Connection
from fdfs_storage.fastdfs.deadline import Deadline
from fdfs_storage.fastdfs.errors import (
    ConnectError,
    ConnectionLostError,
    DeadlineExceededError,
    ProtocolError,
)
from fdfs_storage.fastdfs.protocol import Address

from .peer import peer, read_all

REPLY = protocol.reply(b"hello")


def exchange(address, seconds=5.0):
    connection = Connection.open(address, 5)
    try:
        connection.send(protocol.request(protocol.Command.ACTIVE_TEST), Deadline(seconds))
        return connection.receive_reply(Deadline(seconds)), connection.settled
    finally:
        connection.close()


def test_a_reply_in_one_piece_settles_the_connection():
    with peer(lambda sock: sock.sendall(REPLY)) as address:
        reply, settled = exchange(address)

    assert reply == (0, b"hello")
    assert settled


def test_a_reply_byte_by_byte_is_the_same_reply():
    def dripping(sock):
        sock.recv(10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for index in range(len(REPLY)):
            sock.sendall(REPLY[index : index + 1])

    with peer(dripping) as address:
        reply, _ = exchange(address)

    assert reply == (0, b"hello")


@pytest.mark.parametrize("kept", range(len(REPLY)))
def test_a_reply_cut_short_at_any_byte_is_a_lost_connection(kept):
    def cut(sock):
        sock.recv(10)
        sock.sendall(REPLY[:kept])

    with peer(cut) as address, pytest.raises(ConnectionLostError) as caught:
        exchange(address)

    assert caught.value.unanswered == (kept == 0)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        protocol.Header(-1, 100).pack(),
        protocol.Header(MAX_REPLY_BYTES + 1, 100).pack(),
        protocol.Header(2**62, 100).pack(),
        protocol.Header(0, 99).pack(),
        REPLY + b"and more",
    ],
    ids=["http", "negative", "too long", "absurd", "not a reply", "more than announced"],
)
def test_nonsense_is_a_protocol_error(nonsense):
    with peer(lambda sock: sock.sendall(nonsense)) as address, pytest.raises(ProtocolError):
        exchange(address)


def test_a_silent_peer_ends_at_the_deadline():
    with peer(read_all) as address, pytest.raises(DeadlineExceededError):
        exchange(address, seconds=0.05)


def test_a_peer_that_drips_single_bytes_ends_at_the_deadline_too():
    done = threading.Event()

    def endless(sock):
        sock.sendall(protocol.Header(MAX_REPLY_BYTES, 100).pack())
        while not done.wait(0.01):
            sock.sendall(b"x")

    with peer(endless) as address, pytest.raises(DeadlineExceededError):
        exchange(address, seconds=0.2)
    done.set()


def test_a_closed_port_is_a_connect_error_with_its_cause():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(ConnectError) as caught:
        Connection.open(Address("127.0.0.1", port), 5)

    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert str(port) in str(caught.value)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a" * 300, "xn--a\udcff"])
def test_a_host_that_cannot_be_resolved_is_a_connect_error(host):
    with pytest.raises(ConnectError):
        Connection.open(Address(host, 1), 5)


def test_a_connection_is_stale_once_the_peer_closed_or_spoke_unasked():
    with peer(lambda sock: None, lambda sock: (sock.sendall(b"?"), read_all(sock))) as address:
        for _ in range(2):
            connection = Connection.open(address, 5)
            connection._sock.limit(Deadline(5))
            connection._sock.recv(1, socket.MSG_PEEK)

            assert connection.stale

            connection.close()


def test_a_body_larger_than_its_first_buffer_arrives_whole():
    body = bytes(range(256)) * 8192

    with peer(lambda sock: sock.sendall(body)) as address:
        connection = Connection.open(address, 5)
        received = connection.receive_body(len(body), Deadline(5))
        connection.close()

    assert received == body
