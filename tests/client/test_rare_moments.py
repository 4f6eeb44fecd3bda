"""What seldom happens, made to happen."""

import io
import socket
import tempfile
import time

import pytest

from fdfs_storage.fastdfs import Client, FileId, protocol
from fdfs_storage.fastdfs.connection import Connection
from fdfs_storage.fastdfs.deadline import Deadline
from fdfs_storage.fastdfs.directory import Directory
from fdfs_storage.fastdfs.errors import (
    ConnectError,
    ConnectionLostError,
    DeadlineExceededError,
    InvalidArgumentError,
    NetworkError,
    NoServerError,
    PoolTimeoutError,
    ProtocolError,
    ServerError,
)
from fdfs_storage.fastdfs.file_id import stem
from fdfs_storage.fastdfs.pool import Pool
from fdfs_storage.fastdfs.protocol import Address, Command, checked_address
from fdfs_storage.fastdfs.receiving import Gathered
from fdfs_storage.fastdfs.resting import _MOST, Resting
from fdfs_storage.fastdfs.servers import Limits

from .lending import lent
from .peer import peer, read_all


@pytest.fixture
def client(embedded):
    with Client(embedded.trackers) as client:
        yield client


def test_a_deadline_that_has_passed_says_so():
    deadline = Deadline(0.001)
    while deadline.remaining() > 0:
        pass

    with pytest.raises(DeadlineExceededError, match=r"0\.001 s"):
        deadline.left()


def test_a_deadline_is_renewed_by_what_moves_and_not_by_less():
    deadline = Deadline(100)
    start = deadline.remaining()
    deadline.moved(1)
    assert deadline.remaining() < start

    deadline.moved(1_000_000)

    assert deadline.remaining() > 99.9


def test_a_name_without_addresses_is_a_connect_error(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: [])

    with pytest.raises(ConnectError, match="no address"):
        Connection.open(Address("nowhere.test", 1), 1)


def test_a_connection_shows_its_state_and_one_that_is_closed_is_stale():
    with peer(read_all) as address:
        connection = Connection.open(address, 5)
        assert repr(connection) == f"<Connection {address} settled>"

        connection.close()

        assert connection.stale
        assert "unsettled" in repr(connection)


def test_an_interrupted_connect_closes_its_socket(monkeypatch):
    def interrupted(self, where):
        raise KeyboardInterrupt

    monkeypatch.setattr(socket.socket, "connect", interrupted)

    with pytest.raises(KeyboardInterrupt):
        Connection.open(Address("127.0.0.1", 1), 1)


def test_a_file_that_is_cut_while_it_is_sent_stores_nothing(client, embedded, tmp_path, monkeypatch):
    path = tmp_path / "shrinking"
    path.write_bytes(bytes(5_000_000))
    send_file = Connection.send_file

    def send_after_cutting(self, *args):
        path.write_bytes(b"short")
        return send_file(self, *args)

    monkeypatch.setattr(Connection, "send_file", send_after_cutting)

    with path.open("rb") as file, pytest.raises(InvalidArgumentError, match="truncated"):
        client.upload(file)
    assert list(embedded.volume.files()) == []


def test_a_broken_socket_is_a_network_error():
    with peer(read_all) as address:
        connection = Connection.open(address, 5)
        connection._sock.close()

        with pytest.raises(NetworkError):
            connection.send(b"x", Deadline(1))


def test_a_temporary_file_and_a_buffered_stream_of_another_kind_are_uploaded(client):
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"temporary")
        file.seek(0)
        assert client.download(client.upload(file)) == b"temporary"
    assert client.download(client.upload(io.BufferedReader(io.BytesIO(b"buffered")))) == b"buffered"


@pytest.mark.parametrize("source", ["0", "16777216", "99999999999"])
def test_a_server_id_that_cannot_be_is_refused(source):
    with pytest.raises(InvalidArgumentError, match="server id"):
        stem(source, 1, 2, 3, random_bits=4)


@pytest.mark.parametrize("host", ["fe80::1%eth0", "fe80::1%evil"])
def test_an_address_with_a_zone_is_nobodys(host):
    with pytest.raises(ProtocolError, match="zone"):
        checked_address(host, 1)


def test_closing_what_was_never_used_is_nothing():
    Pool(Address("127.0.0.1", 1), size=1, connect_timeout=1, idle_seconds=1).close()


def test_so_many_failures_are_forgotten_rather_than_kept():
    resting = Resting()

    for key in range(_MOST + 1):
        resting.note(key)

    assert _MOST in resting
    assert 0 not in resting


def test_what_rested_long_enough_is_struck_off():
    resting = Resting(seconds=0)
    resting.note("server")

    assert "server" not in resting
    assert not resting


def test_our_own_congestion_puts_no_server_to_rest(embedded):
    with Client(embedded.trackers, limits=Limits(pool_size=1, network_timeout=0.2)) as client:
        address = client.trackers[0]
        with lent(client._cluster.servers._pool(address)), pytest.raises(PoolTimeoutError):
            client.groups(tracker=address)

        assert address not in client._cluster.servers.resting
        assert client.groups()


def test_a_list_is_asked_for_again_in_time(client):
    file_id = client.upload(b"content")
    client.info(file_id)
    directory: Directory = client._cluster._directory
    directory._groups["group1"].at = time.monotonic() - 1000

    assert directory.source(file_id)
    assert directory._groups["group1"].at > time.monotonic() - 900


def test_one_thread_refreshes_a_list_for_all(client):
    file_id = client.upload(b"content")
    client.info(file_id)
    directory: Directory = client._cluster._directory
    directory._refreshing.add("group1")
    directory._groups["group1"].at = time.monotonic() - 1000

    assert directory.source(file_id).address.host == "127.0.0.1"
    assert directory._groups["group1"].at < time.monotonic() - 900


def test_an_active_test_that_is_refused_is_an_error(client, embedded):
    embedded.tracker_servers[0].answer_next(protocol.refusal(22), Command.ACTIVE_TEST)

    with pytest.raises(ServerError, match="22"):
        client.active_test(client.trackers[0])


def test_a_leader_that_is_no_address_is_nonsense(client, embedded):
    embedded.tracker_servers[0].answer_next(protocol.reply(b"no address at all"), Command.GET_LEADER)

    with pytest.raises(NoServerError, match="leader"):
        client.tracker_records()


def test_a_client_shows_its_trackers(client):
    assert repr(client) == f"<Client of <Cluster {client.trackers[0]}>>"


def test_a_slave_is_not_asked_about_where_nothing_is_verified(embedded):
    with Client(embedded.trackers, verify=False) as client:
        master = client.upload(b"master", "jpg")
        before = len(embedded.storage_server.requests)

        client.upload_slave(master, "_s", b"small", "jpg")

        assert len(embedded.storage_server.requests) == before + 1


def test_more_than_was_asked_for_is_nonsense(client, embedded):
    file_id = client.upload_appender(b"content")
    for _ in range(2):
        embedded.storage_server.answer_next(protocol.reply(b"too much"), Command.DOWNLOAD_FILE)

    with pytest.raises(NoServerError, match="asked for"):
        client.download(file_id, 0, 3)


def test_a_target_that_takes_nothing_is_not_tried_for_ever(client):
    class Full(io.RawIOBase):
        def write(self, piece):
            return 0

    with pytest.raises(InvalidArgumentError, match="no bytes"):
        client.download_to(client.upload(b"content"), Full())


def test_a_clamped_transfer_knows_whether_it_became_shorter():
    transfer = Gathered(
        FileId.parse(f"group1/M00/00/00/{stem('1.2.3.4', 1, 9, 3, random_bits=4)}123.txt"), 0, 9
    )

    assert transfer.clamp(5)
    assert not transfer.clamp(5)


def test_an_old_storage_that_refuses_to_read_over_the_end_is_asked_for_less(client, embedded):
    file_id = client.upload_appender(b"content")
    embedded.storage_server.answer_next(protocol.refusal(22), Command.DOWNLOAD_FILE)

    assert client.download(file_id, 3, 1000) == b"tent"


def test_a_peer_that_goes_while_a_file_is_sent_is_a_lost_connection(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(bytes(20_000_000))
    with peer(lambda sock: None) as address, path.open("rb") as file:
        connection = Connection.open(address, 5)

        with pytest.raises(ConnectionLostError):
            connection.send_file(file, 0, 20_000_000, Deadline(5))


def test_a_connection_whose_descriptor_went_away_is_stale(monkeypatch):
    class Gone:
        def poll(self, timeout):
            raise OSError(9, "Bad file descriptor")

    with peer(read_all) as address:
        connection = Connection.open(address, 5)
        connection._poll = Gone()

        assert connection.stale
        connection.close()


def test_a_target_that_takes_a_little_at_a_time_gets_all_of_it(client):
    class Sipping:
        content = b""

        def write(self, piece):
            sip = bytes(piece[:1000])
            self.content += sip
            return len(sip)

    target = Sipping()
    client.download_to(client.upload(content := bytes(range(250)) * 20), target)

    assert target.content == content
