"""Equal files are kept once, and every id is a link: check_file_duplicate = 1."""

from __future__ import annotations

import os
import sqlite3
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs import Client, FileId
from fdfs_storage.fastdfs.errors import FileMissingError, ServerError

LARGE = os.urandom(1 << 20)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster(tmp_path, dedupe=True, storages=2, store_paths=2) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: EmbeddedCluster) -> Iterator[Client]:
    with Client(cluster.trackers) as client:
        yield client


def kept(cluster: EmbeddedCluster) -> list[bytes]:
    """Return the content of each file, links left out, of the first storage."""
    return [path.read_bytes() for path in cluster.volume.files() if not path.is_symlink()]


def test_equal_files_are_kept_once(cluster: EmbeddedCluster, client: Client) -> None:
    ids = [client.upload(LARGE, "bin") for _ in range(4)] + [client.upload(b"other")]

    assert len(set(ids)) == 5
    assert sorted(kept(cluster)) == sorted([LARGE, b"other"])
    assert [client.download(file_id) for file_id in ids] == [LARGE] * 4 + [b"other"]


def test_every_id_is_a_link_with_the_right_size_and_a_made_up_crc(
    cluster: EmbeddedCluster, client: Client
) -> None:
    ids = [client.upload(b"meow", "jpg") for _ in range(3)]

    assert all(cluster.volume.path_of(str(file_id)).is_symlink() for file_id in ids)
    assert [(file_id.size, file_id.extension) for file_id in ids] == [(4, "jpg")] * 3
    assert len({zlib.crc32(b"meow"), *(file_id.crc32 for file_id in ids)}) == 4


def test_a_file_goes_with_its_last_link(cluster: EmbeddedCluster, client: Client) -> None:
    first, second = client.upload(b"meow"), client.upload(b"meow")
    client.delete(first)
    assert client.download(second) == b"meow"
    assert kept(cluster) == [b"meow"]

    client.delete(second)

    assert not [path for storage in cluster.storages for path in storage.volume.files()]
    assert client.download(client.upload(b"meow")) == b"meow"


def test_a_link_may_belong_to_another_group() -> None:
    with EmbeddedCluster(dedupe=True, groups=2) as cluster, Client(cluster.trackers) as client:
        ids = [client.upload(b"meow", group=group) for group in ("group1", "group2")]

        assert [file_id.group for file_id in ids] == ["group1", "group1"]
        assert not list(cluster.storages[1].volume.files())


def test_files_that_may_change_or_hang_on_others_are_kept_as_they_are(
    cluster: EmbeddedCluster, client: Client
) -> None:
    master = client.upload(b"meow")
    others = [client.upload_appender(b"meow"), client.upload_slave(master, "_s", b"meow")]
    client.append(others[0], b"!")

    assert not any(cluster.volume.path_of(str(other)).is_symlink() for other in others)
    assert [client.download(file_id) for file_id in (master, *others)] == [b"meow", b"meow!", b"meow"]


def test_what_is_equal_is_found_again_after_a_restart(cluster: EmbeddedCluster, client: Client) -> None:
    first = client.upload(b"meow")
    cluster.stop()
    cluster.start()

    second = client.upload(b"meow")

    assert kept(cluster) == [b"meow"]
    client.delete(first)
    assert client.download(second) == b"meow"


def test_a_file_that_somebody_removed_is_stored_anew(cluster: EmbeddedCluster, client: Client) -> None:
    client.upload(b"meow")
    for storage in cluster.storages:
        for path in list(storage.volume.files()):
            path.unlink()

    assert client.download(client.upload(b"meow")) == b"meow"
    assert kept(cluster) == [b"meow"]


def test_links_reach_the_replica_and_are_served_over_http(cluster: EmbeddedCluster, client: Client) -> None:
    ids = [client.upload(b"meow", "txt") for _ in range(2)]

    for storage in cluster.storages:
        assert all(storage.volume.path_of(str(file_id)).is_symlink() for file_id in ids)
        for file_id in ids:
            url = f"{storage.base_url}/{file_id}"
            assert urllib.request.urlopen(url).read() == b"meow"  # noqa: S310


def test_a_file_whose_storage_is_stopped_is_linked_where_the_replica_is(
    cluster: EmbeddedCluster, client: Client
) -> None:
    client.upload(b"meow")
    cluster.storages[0].stop()
    cluster.storages[0].read_only = True

    file_id = client.upload(b"meow")

    assert cluster.storages[1].volume.path_of(str(file_id)).is_symlink()
    assert len([path for path in cluster.storages[1].volume.files() if not path.is_symlink()]) == 1


def test_a_link_is_counted_and_no_upload(cluster: EmbeddedCluster, client: Client) -> None:
    for _ in range(3):
        client.upload(b"meow")

    stats = client.storages("group1")
    assert sum(stat.create_link_success for stat in stats) == 3
    assert sum(stat.upload_total for stat in stats) == 0


def test_an_empty_file_is_a_file_like_any_other(cluster: EmbeddedCluster, client: Client) -> None:
    ids = [client.upload(b"") for _ in range(2)]

    assert kept(cluster) == [b""]
    assert [client.info(file_id).size for file_id in ids] == [0, 0]


@pytest.mark.parametrize("table", ["files", "links"])
def test_a_database_that_fails_refuses_the_upload_and_keeps_nothing(
    cluster: EmbeddedCluster, client: Client, table: str
) -> None:
    with sqlite3.connect(cluster.data / "dedupe.sqlite3") as database:
        database.execute(f"drop table {table}")
    database.close()

    with pytest.raises(ServerError) as refused:
        client.upload(b"meow")

    assert refused.value.status == 5
    assert not list(cluster.volume.files())


def test_a_link_that_was_deleted_is_missing(client: Client) -> None:
    file_id: FileId = client.upload(b"meow")
    client.delete(file_id)

    with pytest.raises(FileMissingError):
        client.delete(file_id)


def test_a_cluster_without_it_keeps_every_file(tmp_path: Path) -> None:
    with EmbeddedCluster(tmp_path, dedupe=True) as cluster, Client(cluster.trackers) as client:
        old = client.upload(b"meow")

    with EmbeddedCluster(tmp_path) as cluster, Client(cluster.trackers) as client:
        new = client.upload(b"meow")
        assert [client.download(file_id) for file_id in (old, new)] == [b"meow"] * 2
        assert kept(cluster) == [b"meow", b"meow"]
