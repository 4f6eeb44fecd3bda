"""Appender files, slaves and metadata: everything that changes or hangs on an existing file."""

import io
import random
import zlib

import pytest

from fdfs_storage.fastdfs import Kind
from fdfs_storage.fastdfs.errors import (
    FileMissingError,
    FileTakenError,
    InvalidArgumentError,
    InvalidRequestError,
)
from tests.conftest import eventually

CONTENT = random.Random(5).randbytes(400_003)


@pytest.fixture
def appender(client):
    return client.upload_appender(CONTENT, "log")


@pytest.fixture
def master(client):
    return client.upload(CONTENT, "jpg")


# --- appender files -----------------------------------------------------------------------------


def test_an_appender_file_is_one_and_says_so(client, appender):
    assert appender.kind is Kind.APPENDER
    assert appender.first_crc32 == zlib.crc32(CONTENT)
    assert client.download(appender) == CONTENT


@pytest.mark.parametrize("form", ["bytes", "stream", "path"])
@pytest.mark.parametrize("size", [1, 65_537, 400_003])
def test_content_is_appended(client, appender, tmp_path, form, size):
    (tmp_path / "more").write_bytes(CONTENT[:size])
    forms = {"bytes": CONTENT[:size], "stream": io.BytesIO(CONTENT[:size]), "path": tmp_path / "more"}

    client.append(appender, forms[form])

    assert client.download(appender) == CONTENT + CONTENT[:size]
    assert client.info(appender).size == len(CONTENT) + size
    assert client.info(appender).crc32 == zlib.crc32(CONTENT + CONTENT[:size])
    assert client.info(appender, crc=False).crc32 == 0


@pytest.mark.parametrize("offset", [0, 5, 400_000, 400_003])
def test_content_is_modified_at_its_offset_and_may_extend(client, appender, offset):
    client.modify(appender, offset, b"modified")

    assert client.download(appender) == CONTENT[:offset] + b"modified" + CONTENT[offset + 8 :]


@pytest.mark.parametrize("size", [0, 1, 400_003, 400_010])
def test_an_appender_file_is_cut_or_extended(client, appender, size):
    client.truncate(appender, size)

    assert client.info(appender).size == size
    assert client.download(appender) == CONTENT[:size].ljust(size, b"\0")


def test_empty_changes_change_nothing(client, appender):
    client.append(appender, b"")
    client.modify(appender, 0, b"")
    client.truncate(appender, len(CONTENT))

    assert client.download(appender) == CONTENT


def test_a_modification_behind_the_end_is_refused(client, appender):
    with pytest.raises(InvalidRequestError):
        client.modify(appender, len(CONTENT) + 1, b"x")
    with pytest.raises(InvalidArgumentError):
        client.modify(appender, -1, b"x")
    with pytest.raises(InvalidArgumentError):
        client.truncate(appender, -1)


def test_a_normal_file_is_not_changed(client, master):
    for change in (
        lambda: client.append(master, b"x"),
        lambda: client.modify(master, 0, b"x"),
        lambda: client.truncate(master, 1),
        lambda: client.regenerate(master),
    ):
        with pytest.raises(InvalidRequestError):
            change()

    assert client.download(master) == CONTENT


def test_a_regenerated_file_is_a_normal_one_with_a_new_name(client, appender):
    client.append(appender, b"more")

    file_id = client.regenerate(appender)

    assert (file_id.kind, file_id.size) == (Kind.NORMAL, len(CONTENT) + 4)
    assert file_id.crc32 == zlib.crc32(CONTENT + b"more")
    assert client.download(file_id) == CONTENT + b"more"
    with pytest.raises(FileMissingError):
        client.download(appender)


def test_a_deleted_appender_file_cannot_be_changed(client, appender):
    client.delete(appender)

    for change in (
        lambda: client.append(appender, b"x"),
        lambda: client.modify(appender, 0, b"x"),
        lambda: client.truncate(appender, 1),
        lambda: client.regenerate(appender),
    ):
        with pytest.raises(FileMissingError):
            change()


# --- slaves -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "extension"), [("_200x200", "jpg"), ("_without", ""), ("-m", "png"), ("_a.b", "tar.gz")]
)
def test_a_slave_has_the_name_that_arithmetic_gives(client, master, prefix, extension):
    slave = client.upload_slave(master, prefix, b"small", extension)

    assert slave == master.slave(prefix, extension)
    assert slave.is_slave_of(master)
    assert client.download(slave) == b"small"
    assert client.info(slave).crc32 == zlib.crc32(b"small")


def test_of_a_slave_with_a_short_name_the_server_reports_its_masters_crc(client, master):
    """Not what one would wish: the server takes so short a name for a normal file's."""
    slave = client.upload_slave(master, "_s", b"small")

    assert len(slave.name) < 44
    assert (client.info(slave).size, client.info(slave).crc32) == (5, master.crc32)
    assert client.download(slave) == b"small"


def test_a_slave_is_not_overwritten(client, master):
    client.upload_slave(master, "_s", b"first", "jpg")

    with pytest.raises(FileTakenError):
        client.upload_slave(master, "_s", b"second", "jpg")

    assert client.download(master.slave("_s", "jpg")) == b"first"


def test_a_slave_without_its_master_is_refused(client, master):
    client.delete(master)

    with pytest.raises(FileMissingError):
        client.upload_slave(master, "_s", b"small", "jpg")


@pytest.mark.parametrize(
    ("prefix", "extension"),
    [("", "jpg"), ("a/b", "jpg"), ("p" * 17, "jpg"), ("-m", ""), ("_s", ".jpg"), ("_中", "")],
)
def test_a_slave_name_that_storages_refuse_is_never_sent(client, master, prefix, extension):
    with pytest.raises(InvalidArgumentError):
        client.upload_slave(master, prefix, b"small", extension)


# --- metadata -----------------------------------------------------------------------------------


def test_metadata_is_set_merged_replaced_and_removed(client, master):
    assert client.get_metadata(master) == {}

    client.set_metadata(master, {"标题": "西湖 晨雾", "width": "1200"})
    assert client.get_metadata(master) == {"标题": "西湖 晨雾", "width": "1200"}
    client.set_metadata(master, {"width": "800", "height": "600"}, merge=True)
    assert client.get_metadata(master) == {"标题": "西湖 晨雾", "width": "800", "height": "600"}
    client.set_metadata(master, {"only": "this"})
    assert client.get_metadata(master) == {"only": "this"}
    client.set_metadata(master, {})
    assert client.get_metadata(master) == {}


def test_metadata_comes_with_an_upload_and_goes_with_the_file(client):
    file_id = client.upload(b"content", "txt", metadata={"author": "李白"})
    assert client.get_metadata(file_id) == {"author": "李白"}

    client.delete(file_id)

    for operation in (client.get_metadata, lambda file_id: client.set_metadata(file_id, {"a": "b"})):
        with pytest.raises(FileMissingError):
            operation(file_id)


@pytest.mark.parametrize(
    "metadata",
    [
        {"k" * 65: "v"},
        {"k": "v" * 257},
        {"k\x01": "v"},
        {"k": "v\x02"},
        {"k": "\0"},
        {"西" * 22: "v"},
        {"k": 5},
    ],
    ids=["long key", "long value", "record separator", "field separator", "NUL", "long in UTF-8", "no text"],
)
def test_metadata_that_a_storage_would_cut_is_refused(client, master, metadata):
    for operation in (
        lambda: client.set_metadata(master, metadata),
        lambda: client.upload(b"content", metadata=metadata),
    ):
        with pytest.raises(InvalidArgumentError):
            operation()


def test_the_longest_metadata_is_kept_whole(client, master):
    metadata = {"k" * 64: "v" * 256, "": "empty key", "empty value": ""}

    client.set_metadata(master, metadata)

    assert client.get_metadata(master) == metadata


# --- reading in other ways ----------------------------------------------------------------------


def test_content_comes_in_pieces_or_into_a_buffer(client, master):
    large = client.upload(CONTENT * 6)

    assert b"".join(client.iterate(large)) == CONTENT * 6
    assert b"".join(client.iterate(large, 5, 2_000_000)) == (CONTENT * 6)[5:2_000_005]
    buffer = bytearray(1000)
    assert client.download_into(master, buffer, 400_000) == 3
    assert bytes(buffer[:3]) == CONTENT[400_000:]
    assert list(client.iterate(client.upload(b""))) == []


def test_a_whole_download_can_be_verified(client, master, tmp_path):
    assert client.download(master, verify=True) == CONTENT
    client.download_to(master, tmp_path / "copy", verify=True)
    assert (tmp_path / "copy").read_bytes() == CONTENT
    with pytest.raises(InvalidArgumentError):
        client.download(master, 1, verify=True)


def test_the_trackers_are_listed_with_one_leader(client):
    def settled():
        records = client.tracker_records()
        leaders = [record for record in records if record.is_leader]
        return len(leaders) == 1 and all(record.is_active for record in records)

    assert eventually(settled)  # trackers that were started just now have yet to find each other


def test_the_holders_of_a_file_include_its_source(client, master):
    holders = client.holders(master)

    assert client.active_test(holders[0]) is None
    assert {address.host for address in holders} <= {
        storage.ip for group in client.groups() for storage in client.storages(group.name)
    }
