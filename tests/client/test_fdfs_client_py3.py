"""The published package behind our interface: what it can, it does; its traps end in typed errors."""

import contextlib
import io
import os
import random
import socket
import threading
import zlib

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs import Client, FileId, Kind, Limits, protocol
from fdfs_storage.fastdfs.errors import (
    ConnectError,
    ConnectionLostError,
    DeadlineExceededError,
    FileMissingError,
    IntegrityError,
    InvalidArgumentError,
    InvalidRequestError,
    NoServerError,
    ProtocolError,
    UnsupportedOperationError,
)
from fdfs_storage.fastdfs.fdfs_client_py3 import PublishedClient
from fdfs_storage.fastdfs.protocol import Command
from tests.contract import test_upload as contract

from .peer import peer

CONTENT = random.Random(8).randbytes(300_001)
LIMITS = Limits(connect_timeout=2, network_timeout=5)


@pytest.fixture
def published(cluster):
    with PublishedClient(cluster.trackers) as client:
        yield client


@pytest.fixture
def broken(embedded):
    """A client of a cluster that the test may break."""
    with PublishedClient(embedded.trackers, limits=LIMITS) as client:
        yield client


@contextlib.contextmanager
def ending(hold):
    try:
        yield
    finally:
        hold.set()


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


# --- on any cluster: embedded, or the one that FDFS_TEST_TRACKERS names -------------------------


@pytest.mark.parametrize("size", [0, 1, 4096, 300_001])
def test_what_is_uploaded_comes_back(published, client, size):
    file_id = published.upload(CONTENT[:size], "jpg")

    assert published.download(file_id) == client.download(file_id) == CONTENT[:size]
    assert (file_id.kind, file_id.size, file_id.extension) == (Kind.NORMAL, size, "jpg")


@pytest.mark.parametrize("form", contract.FORMS)
def test_any_content_is_taken(published, form, tmp_path):
    source = contract.FORMS[form](CONTENT, tmp_path)

    assert published.download(published.upload(source)) == CONTENT
    if hasattr(source, "close"):
        source.close()


@pytest.mark.parametrize(("offset", "length"), [(0, 1), (1, None), (300_000, 99), (300_001, None), (5, 0)])
def test_a_range_is_a_slice(published, offset, length):
    file_id = published.upload(CONTENT)

    assert published.download(file_id, offset, length) == CONTENT[offset:][:length]


def test_a_download_goes_to_a_path_a_stream_a_buffer_or_in_pieces(published, tmp_path):
    file_id = published.upload(CONTENT)
    stream, buffer = io.BytesIO(), bytearray(10)

    published.download_to(file_id, tmp_path / "copy", verify=True)
    published.download_to(file_id, stream, 7)

    assert (tmp_path / "copy").read_bytes() == CONTENT
    assert stream.getvalue() == CONTENT[7:]
    assert published.download_into(file_id, buffer, 300_000) == 1
    assert b"".join(published.iterate(file_id)) == CONTENT


def test_info_is_what_the_id_says_of_a_file_that_is_there(published, client):
    file_id = published.upload(CONTENT)

    assert published.info(file_id) == client.info(file_id)
    assert published.info(file_id).crc32 == zlib.crc32(CONTENT)


@pytest.mark.parametrize("content", [b"", b"content"])
def test_a_deleted_file_is_missing(published, content):
    file_id = published.upload(content)

    published.delete(file_id)

    for operation in (published.download, published.info, published.delete):
        with pytest.raises(FileMissingError) as caught:
            operation(file_id)
        assert caught.value.filename == str(file_id)


def test_appender_files_are_appended_modified_and_cut(published):
    file_id = published.upload_appender(b"0123456789", "log")

    published.append(file_id, b"abc")
    published.modify(file_id, 4, b"MORE")
    published.truncate(file_id, 12)

    assert published.download(file_id) == b"0123MORE89ab"
    with pytest.raises(UnsupportedOperationError, match="slave or appender"):
        published.info(file_id)


def test_a_refusal_is_typed_and_the_next_operation_works(published):
    file_id = published.upload(b"content")

    with pytest.raises(InvalidRequestError):
        published.append(file_id, b"x")

    assert published.download(file_id) == b"content"


def test_a_group_can_be_chosen(published, client):
    group = client.groups()[0].name

    assert published.upload(b"content", group=group).group == group
    with pytest.raises(NoServerError, match="nogroup"):
        published.upload(b"content", group="nogroup")
    with pytest.raises(InvalidArgumentError):
        published.upload(b"content", group="no_group")


@pytest.mark.parametrize("extension", ["toolong", "a/b", ".jpg", "中文"])
def test_a_bad_extension_is_refused_before_it_is_sent(published, extension):
    with pytest.raises(InvalidArgumentError):
        published.upload(b"content", extension)


def test_threads_get_their_own_files(published):
    results = {}

    def work(number):
        content = str(number).encode() * 1000
        results[number] = published.download(published.upload(content)) == content

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == dict.fromkeys(range(16), True)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_uses_connections_of_its_own(published):
    file_id = published.upload(CONTENT)

    child = os.fork()
    if not child:
        os._exit(0 if published.download(file_id) == CONTENT else 1)

    assert published.download(file_id) == CONTENT
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_nonsense_is_refused_before_it_is_sent(published):
    file_id = published.upload_appender(b"content")

    for call in (
        lambda: published.modify(file_id, -1, b"x"),
        lambda: published.truncate(file_id, -1),
        lambda: published.download(file_id, -1),
        lambda: published.upload("text"),
    ):
        with pytest.raises(InvalidArgumentError):
            call()
    with pytest.raises(InvalidRequestError):
        published.download(file_id, 99)


def test_the_comparison_can_be_left_out(cluster):
    with PublishedClient(cluster.trackers, verify=False) as client:
        assert client.upload(b"content").size == 7
        assert repr(client) == f"<PublishedClient of <Cluster {', '.join(cluster.trackers)}>>"


# --- what it cannot do ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("upload_slave", (None, "_s", b"x")),
        ("regenerate", (None,)),
        ("get_metadata", (None,)),
        ("set_metadata", (None, {})),
        ("groups", ()),
        ("storages", ("group1",)),
        ("tracker_records", ()),
        ("holders", (None,)),
        ("active_test", (None,)),
    ],
)
def test_what_it_cannot_do_names_the_engine_that_can(published, name, arguments):
    with pytest.raises(UnsupportedOperationError, match='the engine "fastdfs" can'):
        getattr(published, name)(*arguments)


def test_an_upload_with_metadata_is_refused_before_it_leaves_an_orphan(embedded, broken):
    with pytest.raises(UnsupportedOperationError, match="metadata"):
        broken.upload(b"content", metadata={"a": "b"})

    assert not list(embedded.volume.files())


def test_no_operation_of_our_own_client_shows_through():
    on_top_of_ours = {"close", "upload_appender", "download", "download_into", "download_to", "iterate"}
    public = {name for name, value in vars(Client).items() if name[0] != "_" and callable(value)}

    assert public - set(vars(PublishedClient)) == on_top_of_ours


def test_a_wide_tracker_is_named_with_the_engine_that_can():
    with EmbeddedCluster(wide=True) as wide, PublishedClient(wide.trackers) as client:
        for operation in (
            lambda: client.upload(b"content"),
            lambda: client.download(FileId.parse("group1/M00/00/00/fwAAAWsFrRmAAAAAAAAAAAAAAAA.000000")),
        ):
            with pytest.raises(UnsupportedOperationError, match=r'46 bytes .* "fastdfs" can'):
                operation()


# --- its traps --------------------------------------------------------------------------------


def test_without_any_tracker_it_is_an_error_and_not_the_end_of_the_process(capsys):
    ports = [closed_port(), "127.0.0.1:1"]
    with PublishedClient(ports, limits=LIMITS) as client, pytest.raises(NoServerError) as caught:
        client.upload(b"content")

    assert set(caught.value.attempts) == set(ports)
    assert all(isinstance(error, ConnectError) for error in caught.value.attempts.values())
    assert capsys.readouterr().out == ""


def test_a_tracker_that_is_down_is_passed_over(embedded):
    with PublishedClient([closed_port(), *embedded.trackers], limits=LIMITS) as client:
        assert client.download(client.upload(b"content")) == b"content"


@pytest.mark.parametrize("sent", [0, 5, 10, 20])
def test_a_reply_that_breaks_off_ends_at_once(embedded, broken, sent):
    embedded.storage_server.drop_next_reply(sent, Command.UPLOAD_FILE)

    with pytest.raises(ConnectionLostError):
        broken.upload(CONTENT)

    assert broken.download(broken.upload(b"next")) == b"next"


def test_a_silent_tracker_ends_at_the_deadline():
    with (
        peer(lambda sock: sock.recv(99) and sock.recv(99)) as silent,
        PublishedClient([str(silent)], limits=Limits(network_timeout=0.3)) as client,
        pytest.raises(NoServerError) as caught,
    ):
        client.upload(b"content")

    assert isinstance(caught.value.attempts[str(silent)], DeadlineExceededError)


def test_a_header_in_two_pieces_is_read(embedded, broken):
    whole = b"".join([b"\0" * 7, b"\x28", b"d\0", b"group1".ljust(16, b"\0"), b"127.0.0.1".ljust(15, b"\0")])
    whole += embedded.storage_port.to_bytes(8, "big") + b"\0"
    hold = threading.Event()

    def in_pieces(sock):
        sock.recv(99)
        for piece in (whole[:3], whole[3:15], whole[15:]):
            sock.sendall(piece)
            hold.wait(0.05)

    with peer(in_pieces) as slow, PublishedClient([str(slow)], limits=LIMITS) as client:
        assert client.upload(b"content").size == 7


def test_a_dead_idle_connection_is_not_used_again(embedded, broken):
    file_id = broken.upload(b"content")

    for server in (*embedded.tracker_servers, embedded.storage_server):
        server.stop()
        server.start()

    assert broken.download(file_id) == b"content"


@pytest.mark.parametrize(
    "garbage", [b"\xff" * 10, protocol.reply(), *(protocol.reply(each * 40) for each in (b"x", b"\xff"))]
)
def test_garbage_is_no_reply(embedded, broken, garbage):
    embedded.storage_server.answer_next(garbage, Command.UPLOAD_FILE)

    with pytest.raises(ProtocolError):
        broken.upload(b"content")


@pytest.mark.parametrize("sent", [5, 1000, 200_000])
def test_a_download_that_breaks_off_ends_at_once(embedded, broken, sent):
    file_id = broken.upload(CONTENT)
    for _ in range(2):  # a second storage is asked, if a tracker names one
        embedded.storage_server.drop_next_reply(sent, Command.DOWNLOAD_FILE)

    with pytest.raises(NoServerError) as caught:
        broken.download(file_id)

    assert isinstance(caught.value.attempts[f"127.0.0.1:{embedded.storage_port}"], ConnectionLostError)


def test_a_storage_that_takes_nothing_ends_at_the_deadline(embedded):
    hold = threading.Event()

    def tracker(sock):
        sock.recv(99)
        body = b"group1".ljust(16, b"\0") + stuck.host.encode().ljust(15, b"\0")
        sock.sendall(protocol.reply(body + stuck.port.to_bytes(8, "big") + b"\0"))
        hold.wait(9)

    with (
        peer(lambda sock: hold.wait(9)) as stuck,
        peer(tracker, tracker, tracker) as named,
        PublishedClient([str(named)], limits=Limits(network_timeout=0.5)) as client,
        ending(hold),
        pytest.raises(NoServerError) as caught,
    ):
        client.upload(bytes(30_000_000))

    assert isinstance(caught.value.attempts[str(stuck)], DeadlineExceededError)


def test_a_download_of_another_length_than_the_id_says_is_damage(embedded, broken):
    file_id = broken.upload(CONTENT)
    embedded.storage_server.answer_next(protocol.reply(b"short"), Command.DOWNLOAD_FILE)

    with pytest.raises(IntegrityError, match="5 bytes"):
        broken.download(file_id)


def test_a_tracker_announces_no_endless_reply(embedded):
    endless = protocol.reply(data_bytes=1 << 40)
    with (
        peer(lambda sock: sock.recv(99) and sock.sendall(endless)) as liar,
        PublishedClient([str(liar), *embedded.trackers], limits=LIMITS) as client,
    ):
        assert client.upload(b"content").size == 7


def test_a_tracker_reply_of_an_unknown_length_is_passed_over(embedded):
    with (
        peer(lambda sock: sock.recv(99) and sock.sendall(protocol.reply(b"x" * 41))) as liar,
        PublishedClient([str(liar)], limits=LIMITS) as client,
        pytest.raises(NoServerError) as caught,
    ):
        client.upload(b"content")

    assert isinstance(caught.value.attempts[str(liar)], ProtocolError)
