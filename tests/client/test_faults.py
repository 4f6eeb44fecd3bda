"""What breaks, and what the caller sees of it; on real sockets."""

import io
import logging
import random
import socket
import threading

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs import Client, FileId, Limits, protocol
from fdfs_storage.fastdfs.errors import (
    ConnectionLostError,
    FileMissingError,
    IntegrityError,
    NoServerError,
    NoSpaceError,
    ServerError,
)
from fdfs_storage.fastdfs.file_id import stem
from fdfs_storage.fastdfs.protocol import Command

from .peer import peer, read_all

LARGE = random.Random(3).randbytes(3_000_000)
GARBAGE = [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 10, protocol.reply(b"x" * 39), b"\0" * 40]


@pytest.fixture
def tracker(embedded):
    return embedded.tracker_servers[0]


@pytest.fixture
def storage(embedded):
    return embedded.storage_server


@pytest.fixture
def make_client():
    clients = []

    def make(trackers, **limits):
        clients.append(
            Client(trackers, limits=Limits(**{"connect_timeout": 2, "network_timeout": 5, **limits}))
        )
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(embedded, make_client):
    return make_client(embedded.trackers)


@pytest.fixture
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"127.0.0.1:{port}"


class Unrewindable(io.RawIOBase):
    """What comes from a network: it can be read once."""

    def __init__(self, content):
        self._inner = io.BytesIO(content)

    def read(self, count=-1):
        return self._inner.read(count)


# --- trackers ---------------------------------------------------------------------------------


def test_a_tracker_that_is_down_is_passed_over(embedded, make_client, closed_port):
    client = make_client([closed_port, *embedded.trackers])

    file_id = client.upload(b"content")

    assert client.download(file_id) == b"content"


def test_without_any_tracker_the_error_names_each(make_client, closed_port):
    client = make_client([closed_port, "127.0.0.1:1"])

    with pytest.raises(NoServerError) as caught:
        client.upload(b"content")

    assert set(caught.value.attempts) == {closed_port, "127.0.0.1:1"}
    assert closed_port in str(caught.value)


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_tracker_that_answers_garbage_is_passed_over(make_client, embedded, garbage):
    with peer(*[lambda sock: (sock.recv(99), sock.sendall(garbage))] * 2) as liar:
        client = make_client([str(liar), *embedded.trackers])

        assert client.download(client.upload(b"content")) == b"content"


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_from_the_only_tracker_is_a_clear_error(make_client, garbage, embedded):
    with peer(*[lambda sock: (sock.recv(99), sock.sendall(garbage))] * 9) as liar:
        client = make_client([str(liar)])

        with pytest.raises(NoServerError) as caught:
            client.upload(b"content")

    assert str(liar) in str(caught.value)
    assert list(embedded.volume.files()) == []


def test_a_tracker_that_falls_silent_is_passed_over(make_client, embedded):
    with peer(read_all) as mute:
        client = make_client([str(mute), *embedded.trackers], network_timeout=2)

        assert client.groups()


def test_a_tracker_that_answered_last_is_asked_first(make_client, embedded):
    asked = []
    with peer(*[lambda sock: (asked.append(1), sock.recv(99), sock.sendall(b"nonsense!!"))] * 3) as liar:
        client = make_client([str(liar), *embedded.trackers])
        for _ in range(3):
            client.upload(b"content")

    assert len(asked) == 1


def test_a_tracker_that_restarted_is_found_again(client, tracker):
    file_id = client.upload(b"content")

    tracker.stop()
    tracker.start()

    assert client.download(file_id) == b"content"
    client.upload(b"more")


def test_reads_go_on_without_trackers_where_the_source_is_known(client, tracker):
    file_id = client.upload(b"content")
    client.info(file_id)

    tracker.stop()

    assert client.download(file_id) == b"content"


def test_a_wide_tracker_is_understood(make_client):
    with EmbeddedCluster(wide=True) as wide:
        client = make_client(wide.trackers)
        file_id = client.upload(b"content")

        assert client.download(file_id) == b"content"
        assert client.storages("group1")[0].readable
        client.delete(file_id)


# --- uploads ----------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 1, 10, 25, 26, 70_000, 1_500_000])
def test_a_storage_that_dies_in_the_middle_of_an_upload_leaves_nothing_and_the_upload_is_repeated(
    client, embedded, storage, after
):
    client.upload(b"warm the connection")
    storage.drop_next(after_bytes=after)

    file_id = client.upload(LARGE)

    assert client.download(file_id) == LARGE
    assert len(list(embedded.volume.files())) == 2


def test_a_content_that_cannot_be_rewound_is_not_repeated(client, embedded, storage):
    storage.drop_next(after_bytes=1_000_000)

    with pytest.raises(ConnectionLostError):
        client.upload(Unrewindable(LARGE), size=len(LARGE))

    assert list(embedded.volume.files()) == []


def test_an_upload_without_a_reply_is_not_repeated(client, embedded, storage):
    storage.drop_next_reply(after_bytes=0)

    with pytest.raises(ConnectionLostError):
        client.upload(b"content")

    assert len(list(embedded.volume.files())) == 1


def test_an_upload_on_a_connection_that_was_just_closed_is_repeated_and_logged(client, storage, caplog):
    client.upload(b"warm the connection")
    storage.drop_next_reply(after_bytes=0)

    with caplog.at_level(logging.WARNING, "fdfs_storage"):
        file_id = client.upload(b"content")

    assert client.download(file_id) == b"content"
    assert "orphan" in caplog.text


def test_a_reply_that_breaks_off_is_never_repeated(client, storage):
    client.upload(b"warm the connection")
    storage.drop_next_reply(after_bytes=30)

    with pytest.raises(ConnectionLostError):
        client.upload(b"content")


@pytest.mark.parametrize(("status", "kind"), [(28, NoSpaceError), (5, ServerError), (22, ServerError)])
def test_a_refused_upload_is_the_refusal_when_no_other_storage_takes_it(client, storage, status, kind):
    storage.answer_next(protocol.refusal(status), Command.UPLOAD_FILE)

    with pytest.raises(kind, match=str(status)):
        client.upload(b"content")


def test_a_dead_storage_is_named(client, storage):
    storage.stop()

    with pytest.raises(NoServerError) as caught:
        client.upload(b"content")

    assert list(caught.value.attempts) == [storage.address]


# --- existing files ---------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 5, 10, 500, 2_999_000])
def test_a_download_goes_on_where_it_broke_off(client, storage, after, tmp_path):
    file_id = client.upload(LARGE)
    client.download(file_id, 0, 1)
    storage.drop_next_reply(after_bytes=after)

    client.download_to(file_id, tmp_path / "copy")

    assert (tmp_path / "copy").read_bytes() == LARGE


def test_a_dead_storage_is_not_a_missing_file(client, storage):
    file_id = client.upload(b"content")
    storage.stop()

    with pytest.raises(NoServerError) as caught:
        client.info(file_id)

    assert not isinstance(caught.value, FileMissingError)
    assert storage.address in str(caught.value)


def test_unreachable_trackers_are_not_a_missing_file(client, tracker):
    file_id = client.upload(b"content")
    client.delete(file_id)
    tracker.stop()

    with pytest.raises(NoServerError):
        client.info(file_id)


def test_a_delete_whose_reply_was_lost_counts_as_done(client, storage):
    file_id = client.upload(b"content")
    client.info(file_id)
    storage.drop_next_reply(after_bytes=0)

    client.delete(file_id)

    with pytest.raises(FileMissingError):
        client.info(file_id)


# --- round trips ------------------------------------------------------------------------------


def test_a_thousand_uploads_and_reads_are_one_round_trip_each_on_one_connection(client, tracker, storage):
    file_id = client.upload(b"warm")
    client.info(file_id)
    before = len(tracker.requests), len(storage.requests)

    for _ in range(1000):
        client.download(client.upload(b"content"))

    assert (len(tracker.requests), len(storage.requests)) == (before[0], before[1] + 2000)
    assert (tracker.connections, storage.connections) == (1, 1)


def test_the_tracker_is_asked_for_each_upload_where_nothing_is_to_be_remembered(
    make_client, embedded, tracker
):
    client = make_client(embedded.trackers, placement_ttl=0)

    for _ in range(3):
        client.upload(b"content")

    assert tracker.requests == [Command.QUERY_STORE_WITHOUT_GROUP_ONE] * 3


def test_uploads_go_on_without_trackers_while_placements_are_remembered(client, tracker):
    client.upload(b"content")
    tracker.stop()

    client.upload(b"content")


def test_a_storage_that_came_back_is_used_again(client, storage):
    client.upload(b"content")
    storage.stop()
    with pytest.raises(NoServerError):
        client.upload(b"content")
    storage.start()

    file_id = client.upload(b"content")

    assert client.download(file_id) == b"content"


def test_reads_and_deletes_of_a_known_source_ask_no_tracker(client, tracker, storage):
    first, second = client.upload(b"content"), client.upload(b"content")
    client.info(first)
    before = len(tracker.requests), len(storage.requests)

    client.download(second)
    client.delete(second)

    assert (len(tracker.requests), len(storage.requests)) == (before[0], before[1] + 2)


# --- what a storage says, and what it means -----------------------------------------------------


@pytest.mark.parametrize("status", [5, 16, 95])
def test_a_sick_storage_is_not_a_missing_file(client, storage, status):
    file_id = client.upload(b"content")
    storage.answer_next(protocol.refusal(status), Command.QUERY_FILE_INFO)

    with pytest.raises(ServerError) as caught:
        client.info(file_id)

    assert not isinstance(caught.value, FileMissingError)
    assert caught.value.status == status


def test_a_busy_storage_is_asked_again_for_an_upload(client, storage, embedded):
    storage.answer_next(protocol.refusal(16), Command.UPLOAD_FILE)

    with pytest.raises(ServerError, match="busy"):
        client.upload(b"content")

    assert client.download(client.upload(b"content")) == b"content"


def test_a_reply_that_comes_too_late_never_answers_another_request(make_client, embedded, storage):
    client = make_client(embedded.trackers, network_timeout=1)
    file_id, other = client.upload(b"first"), client.upload(b"other")
    storage.delay_next(2.5, Command.DOWNLOAD_FILE)
    with pytest.raises(NoServerError):
        client.download(file_id)

    assert client.download(other) == b"other"


def test_a_damaged_copy_is_told_by_the_size_in_the_id(client, embedded, tmp_path):
    file_id = client.upload(LARGE)
    path = embedded.volume.path_of(str(file_id))
    with path.open("r+b") as file:
        file.truncate(1_000_000)

    with pytest.raises(IntegrityError, match="damaged"):
        client.download_to(file_id, tmp_path / "copy")

    assert not list(tmp_path.iterdir())


def with_random_crc(embedded, file_id):
    """Rename a stored file as a cluster that deduplicates would have named it."""
    name = stem(
        file_id.source,
        int(file_id.created.timestamp()),
        file_id.size,
        12345,
        random_bits=random.getrandbits(23),
    )
    renamed = FileId.parse(f"{file_id.group}/{file_id.name[:10]}{name}{file_id.name[37:]}")
    path = embedded.volume.path_of(str(file_id))
    path.rename(path.with_name(renamed.name[10:]))
    return renamed


def test_an_upload_whose_id_has_a_random_crc_is_read_back_and_accepted(client, embedded, storage, caplog):
    renamed = with_random_crc(embedded, client.upload(b"content"))
    storage.answer_next(protocol.reply(protocol.pack_file_id(renamed)), Command.UPLOAD_FILE)

    with caplog.at_level(logging.WARNING, "fdfs_storage"):
        assert client.upload(b"content") == renamed

    assert "check_file_duplicate" in caplog.text
    assert client.download(renamed, verify=True) == b"content"


def test_an_upload_that_came_out_different_is_an_error_and_nothing_is_deleted(client, embedded, storage):
    another = with_random_crc(embedded, client.upload(b"another"))
    storage.answer_next(protocol.reply(protocol.pack_file_id(another)), Command.UPLOAD_FILE)

    with pytest.raises(IntegrityError, match=another.name):
        client.upload(b"content")

    assert client.download(another) == b"another"


def test_an_upload_is_not_checked_where_that_is_switched_off(embedded, storage):
    with Client(embedded.trackers, verify=False) as client:
        another = with_random_crc(embedded, client.upload(b"another"))
        storage.answer_next(protocol.reply(protocol.pack_file_id(another)), Command.UPLOAD_FILE)

        assert client.upload(b"content") == another


def test_a_damaged_content_is_found_by_a_verified_download(client, embedded, tmp_path):
    file_id = client.upload(b"content")
    embedded.volume.path_of(str(file_id)).write_bytes(b"CONTENT")

    assert client.download(file_id) == b"CONTENT"
    with pytest.raises(IntegrityError, match="damaged"):
        client.download(file_id, verify=True)
    with pytest.raises(IntegrityError):
        client.download_to(file_id, tmp_path / "copy", verify=True)
    assert not list(tmp_path.iterdir())


def test_where_nothing_is_known_of_a_group_two_equal_readings_are_enough(embedded, make_client):
    renamed = with_random_crc(embedded, make_client(embedded.trackers).upload(b"content"))

    assert make_client(embedded.trackers).download(renamed, verify=True) == b"content"


def test_a_slave_of_another_size_than_was_sent_is_an_error(client, storage):
    master = client.upload(b"master", "jpg")
    other = client.upload_slave(master, "_other", b"other slave", "jpg")
    storage.answer_next(protocol.reply(protocol.pack_file_id(other)), Command.UPLOAD_SLAVE_FILE)

    with pytest.raises(IntegrityError, match="left alone"):
        client.upload_slave(master, "_s", b"small", "jpg")


def test_an_upload_whose_metadata_fails_is_taken_back(client, embedded, storage):
    storage.answer_next(protocol.refusal(5), Command.SET_METADATA)

    with pytest.raises(ServerError):
        client.upload(b"content", metadata={"a": "b"})

    assert list(embedded.volume.files()) == []


def test_an_upload_that_cannot_be_taken_back_is_named_in_the_log(client, embedded, storage, caplog):
    storage.answer_next(protocol.refusal(5), Command.SET_METADATA)
    storage.answer_next(protocol.refusal(16), Command.DELETE_FILE)

    with caplog.at_level(logging.ERROR, "fdfs_storage"), pytest.raises(ServerError, match="status 5"):
        client.upload(b"content", metadata={"a": "b"})

    (left,) = embedded.volume.files()
    assert left.name in caplog.text


# --- changes are made once ------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [0, 5])
def test_an_append_without_a_reply_is_not_repeated(client, storage, sent):
    file_id = client.upload_appender(b"content")
    storage.drop_next_reply(after_bytes=sent, command=Command.APPEND_FILE)

    with pytest.raises(ConnectionLostError):
        client.append(file_id, b" more")

    assert client.download(file_id) == b"content more"


def test_a_slave_without_a_reply_is_not_repeated(client, storage):
    master = client.upload(b"master", "jpg")
    storage.drop_next_reply(command=Command.UPLOAD_SLAVE_FILE)

    with pytest.raises(ConnectionLostError):
        client.upload_slave(master, "_s", b"slave", "jpg")

    assert client.download(master.slave("_s", "jpg")) == b"slave"


@pytest.mark.parametrize("after", [0, 30, 200_000])
def test_an_append_that_broke_off_is_made_once_or_not_at_all(client, storage, after):
    file_id = client.upload_appender(b"content")
    storage.drop_next(after_bytes=after)

    try:
        client.append(file_id, LARGE)  # whether the kernel took all of it before is the kernel's to know
    except ConnectionLostError:
        assert client.download(file_id) == b"content"
    else:
        assert client.download(file_id) == b"content" + LARGE


# --- other addresses ------------------------------------------------------------------------------


def test_storages_are_dialled_where_the_map_says_and_trackers_as_they_stand(embedded, storage, closed_port):
    port = int(closed_port.rpartition(":")[2])
    with EmbeddedCluster(storage_port=port) as elsewhere:
        elsewhere.storage_server.stop()
        real = f"127.0.0.1:{storage.port}"
        with Client(elsewhere.trackers, address_map={f"127.0.0.1:{port}": real}, verify=False) as client:
            file_id = client.upload(b"content")

            assert client.download(file_id) == b"content"
            assert {str(address) for address in client._cluster.servers.dialled} == {
                *elsewhere.trackers,
                real,
            }
    assert embedded.volume.path_of(str(file_id))


def test_a_name_with_a_dead_address_is_reached_by_the_other(monkeypatch, embedded, make_client, tracker):
    real = socket.getaddrinfo

    def two_addresses(host, port, *args, **kwargs):
        if host != "tracker.test":
            return real(host, port, *args, **kwargs)
        return [*real("127.0.0.2", port, *args, **kwargs), *real("127.0.0.1", port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)

    assert make_client([f"tracker.test:{tracker.port}"]).groups()


def test_sixty_four_threads_share_four_connections(make_client, embedded, storage):
    client = make_client(embedded.trackers, pool_size=4, network_timeout=30)
    failures = []

    def work(number):
        try:
            content = str(number).encode() * 500
            for _ in range(5):
                assert client.download(client.upload(content)) == content
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert storage.connections <= 4
