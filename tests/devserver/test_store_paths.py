"""Several store paths of one storage, and the HTTP servers of several storages."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs.file_id import FileId
from fdfs_storage.fastdfs.protocol import Placement
from fdfs_storage.fastdfs.statistics import StorageStat, unpack_storages

from .wire import (
    DOWNLOAD,
    LIST_STORAGE,
    SLAVE,
    STORE,
    UPLOAD,
    Answer,
    Wire,
    download,
    group,
    link,
    slave,
    upload,
)


def ask(address: str, command: int, body: bytes = b"") -> Answer:
    with Wire(address) as wire:
        return wire.ask(command, body)


def store(address: str, content: bytes = b"meow", *, path: int = 0, ext: str = "jpg") -> FileId:
    answer = ask(address, UPLOAD, upload(content, ext, path=path))
    assert answer.status == 0
    return FileId.parse(f"{answer.body[:16].rstrip(bytes(1)).decode()}/{answer.body[16:].decode()}")


def listed(cluster: EmbeddedCluster, name: str = "group1") -> list[StorageStat]:
    return unpack_storages(ask(cluster.trackers[0], LIST_STORAGE, group(name)).body)


# --- store paths --------------------------------------------------------------------------------


@pytest.fixture
def paths() -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster(store_paths=3) as cluster:
        yield cluster


def test_new_files_go_round_the_store_paths(paths: EmbeddedCluster) -> None:
    with Wire(paths.trackers[0]) as tracker:
        named = [Placement.unpack(tracker.ask(STORE).body).store_path for _ in range(4)]

    assert named == [0, 1, 2, 0]
    assert listed(paths)[0].store_path_count == 3


@pytest.mark.parametrize("path", [0, 1, 2])
def test_a_file_lies_on_the_path_that_it_was_sent_to(paths: EmbeddedCluster, path: int) -> None:
    file_id = store(paths.storages[0].address, path=path)

    assert file_id.store_path == path
    assert [len(list(each.files())) for each in paths.volume.paths] == [index == path for index in range(3)]
    asked = download(file_id.name.encode())
    assert ask(paths.storages[0].address, DOWNLOAD, asked) == (0, b"meow")


def test_what_belongs_to_a_file_lies_on_its_path(paths: EmbeddedCluster) -> None:
    with Wire(paths.storages[0].address) as storage:
        master = storage.name(UPLOAD, upload(b"master", path=1))
        appender = storage.name(23, upload(b"appender", path=1))

        names = [
            storage.name(SLAVE, slave(master, b"small")),
            storage.name(20, link(master)),
            storage.name(20, link(master, master=master, prefix="_l")),
            storage.name(38, appender),
        ]

    assert [name[:4] for name in names] == [b"M01/"] * 4
    assert len(list(paths.volume.paths[1].files())) == 5


def test_a_slave_link_does_not_cross_store_paths(paths: EmbeddedCluster) -> None:
    with Wire(paths.storages[0].address) as storage:
        master, source = (storage.name(UPLOAD, upload(b"x", path=path)) for path in (0, 1))

        assert storage.ask(20, link(source, master=master, prefix="_l")).status == 22


def test_the_storage_chooses_where_no_path_is_named(paths: EmbeddedCluster) -> None:
    paths.volume.paths[1].full = True

    assert [store(paths.storages[0].address, path=255).store_path for _ in range(4)] == [0, 2, 0, 2]


def test_a_full_path_is_passed_over(paths: EmbeddedCluster) -> None:
    paths.volume.paths[1].full = True

    with Wire(paths.trackers[0]) as tracker:
        named = [Placement.unpack(tracker.ask(STORE).body).store_path for _ in range(4)]

    assert named == [0, 2, 0, 2]
    assert ask(paths.storages[0].address, UPLOAD, upload(b"x", path=1)).status == 28


def test_a_path_that_does_not_exist_is_invalid(paths: EmbeddedCluster) -> None:
    assert ask(paths.storages[0].address, UPLOAD, upload(b"x", path=3)).status == 22


def test_no_path_has_room_where_all_are_full(paths: EmbeddedCluster) -> None:
    paths.storages[0].full = True

    assert ask(paths.storages[0].address, UPLOAD, upload(b"x", path=255)).status == 28
    assert ask(paths.trackers[0], STORE).status == 28


# --- HTTP ---------------------------------------------------------------------------------------


def get(url: str) -> bytes:
    with urllib.request.urlopen(url) as response:  # noqa: S310
        content: bytes = response.read()
        return content


@pytest.fixture
def cluster() -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster(groups={"group1": 2, "group2": 1}) as cluster:
        yield cluster


def test_any_http_server_serves_the_files_of_all(cluster: EmbeddedCluster) -> None:
    cluster.lag = 3600
    ids = [store(storage.address, storage.id.encode()) for storage in cluster.storages]

    for storage in cluster.storages:
        for file_id in ids:
            assert get(f"{storage.base_url}/{file_id}") == file_id.source.encode()


def test_what_nobody_has_is_not_found(cluster: EmbeddedCluster) -> None:
    file_id = store(cluster.storages[0].address)
    for storage in cluster.storages:
        if path := storage.volume.path_of(str(file_id)):
            path.unlink()

    for storage in cluster.storages:
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(f"{storage.base_url}/{file_id}")


def test_a_stopped_source_is_a_bad_gateway_until_the_replica_has_the_file(cluster: EmbeddedCluster) -> None:
    cluster.lag = 3600
    file_id = store(cluster.storages[0].address)
    cluster.storages[0].stop()
    with pytest.raises(urllib.error.HTTPError, match="502"):
        get(f"{cluster.storages[1].base_url}/{file_id}")

    cluster.storages[0].start()
    cluster.replicate()
    cluster.storages[0].stop()

    assert get(f"{cluster.storages[1].base_url}/{file_id}") == b"meow"
