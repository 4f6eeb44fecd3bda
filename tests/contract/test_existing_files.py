import io
import random
import time
import zlib

import pytest

from fdfs_storage.fastdfs import FileId
from fdfs_storage.fastdfs.errors import FileMissingError, InvalidArgumentError, InvalidRequestError
from fdfs_storage.fastdfs.file_id import stem

CONTENT = random.Random(2).randbytes(300_001)


@pytest.fixture(scope="module")
def stored(request, cluster):
    from fdfs_storage.fastdfs import Client

    with Client(cluster.trackers) as client:
        yield client.upload(CONTENT, "bin")


def invented(group="group1", source="10.255.255.1"):
    """An id as well-formed as any, of a file that no cluster has and a host that no tracker named."""
    name = stem(source, int(time.time()), 5, 6, random_bits=random.getrandbits(23))
    return FileId.parse(f"{group}/M00/00/00/{name}123.jpg")


RANGES = [(0, None), (0, 1), (0, 300_001), (1, None), (300_000, None), (300_000, 1), (17, 262_144), (5, 0)]


@pytest.mark.parametrize(("offset", "length"), RANGES)
def test_a_range_is_the_slice_of_the_content(client, stored, offset, length):
    end = None if length is None else offset + length

    assert client.download(stored, offset, length) == CONTENT[offset:end]


def test_a_range_over_the_end_stops_there(client, stored):
    assert client.download(stored, 300_000, 99) == CONTENT[300_000:]
    assert client.download(stored, 0, 2**40) == CONTENT


def test_reading_at_the_end_gives_nothing_and_behind_it_is_an_error(client, stored):
    assert client.download(stored, len(CONTENT)) == b""
    with pytest.raises(InvalidRequestError):
        client.download(stored, len(CONTENT) + 1)


@pytest.mark.parametrize(("offset", "length"), [(-1, None), (0, -1)])
def test_negative_ranges_are_refused(client, stored, offset, length):
    with pytest.raises(InvalidArgumentError):
        client.download(stored, offset, length)


def test_a_download_to_a_path_replaces_what_stood_there(client, stored, tmp_path):
    path = tmp_path / "文件.bin"
    path.write_bytes(b"old")

    count = client.download_to(stored, path)

    assert count == len(CONTENT)
    assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]


def test_a_download_that_fails_leaves_the_path_as_it_was(client, tmp_path):
    path = tmp_path / "kept"
    path.write_bytes(b"old")

    with pytest.raises(FileMissingError):
        client.download_to(invented(), path)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_download_into_a_stream_can_be_a_range(client, stored):
    target = io.BytesIO()

    client.download_to(stored, target, 10, 100_000)

    assert target.getvalue() == CONTENT[10:100_010]


def test_a_target_that_fails_costs_no_later_operation(client, stored):
    class Full(io.RawIOBase):
        def write(self, piece):
            raise OSError(28, "disk full")

    with pytest.raises(OSError, match="disk full"):
        client.download_to(stored, Full())

    assert client.download(stored) == CONTENT


def test_info_tells_size_time_crc_and_source(client, stored):
    info = client.info(stored)

    assert (info.size, info.crc32) == (len(CONTENT), zlib.crc32(CONTENT))
    assert info.modified == int(stored.created.timestamp())
    # A server id is resolved to the address.
    assert info.source in (stored.source, "") or stored.source.isdecimal()


def test_an_empty_file_is_there_and_empty(client, tmp_path):
    file_id = client.upload(b"", "txt")

    assert client.info(file_id).size == 0
    assert client.download(file_id) == b""
    assert client.download_to(file_id, tmp_path / "empty") == 0
    assert (tmp_path / "empty").read_bytes() == b""


def test_a_deleted_file_is_missing(client):
    file_id = client.upload(b"content")

    client.delete(file_id)

    for operation in (client.download, client.info, client.delete):
        with pytest.raises(FileMissingError) as caught:
            operation(file_id)
        assert caught.value.filename == caught.value.file_id == str(file_id)


def test_a_deleted_empty_file_is_missing_too(client):
    file_id = client.upload(b"")
    client.delete(file_id)

    with pytest.raises(FileMissingError):
        client.download(file_id)


@pytest.mark.parametrize("source", ["10.255.255.1", "127.0.0.9", "0.0.0.0", "255.255.255.255", "77"])
def test_a_host_that_only_the_id_names_is_never_dialled(client, source):
    for operation in (client.info, client.download, client.delete):
        with pytest.raises(FileMissingError):
            operation(invented(source=source))

    dialled = {address.host for address in client._cluster.servers.dialled}
    assert source not in dialled


def test_a_file_of_an_unknown_group_is_missing(client):
    with pytest.raises(FileMissingError):
        client.info(invented(group="nogroup"))


def test_the_groups_and_storages_are_listed(client):
    groups = client.groups()

    assert groups
    for group in groups:
        storages = client.storages(group.name)
        assert len(storages) == group.storage_count
        assert any(storage.writable for storage in storages)
        for storage in storages:
            client.active_test(storage.address)


def test_every_tracker_answers_an_active_test(client):
    for tracker in client.trackers:
        client.active_test(tracker)
        assert client.groups(tracker=tracker)
