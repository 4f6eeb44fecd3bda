"""The client on a whole cluster: two groups of two storages, server ids, two store paths, a lag."""

from __future__ import annotations

import os
import threading
from collections import Counter

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs import Client
from fdfs_storage.fastdfs.errors import (
    ConnectionLostError,
    FileMissingError,
    FileTakenError,
    NoServerError,
    ServerError,
)
from fdfs_storage.fastdfs.protocol import Address, Command
from fdfs_storage.fastdfs.servers import Limits

LARGE = os.urandom(1 << 20)
# So that nothing arrives by itself while a test runs.
NEVER_SECONDS = 3600


@pytest.fixture
def cluster():
    with EmbeddedCluster(groups=2, storages=2, store_paths=2, trackers=2, lag=NEVER_SECONDS) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    """Asks for each placement, so that a mood counts for the next upload."""
    with Client(cluster.trackers, limits=Limits(placement_ttl=0)) as client:
        yield client


def source_of(cluster, file_id):
    return next(storage for storage in cluster.storages if storage.id == file_id.source)


def replica_of(cluster, file_id):
    source = source_of(cluster, file_id)
    return next(each for each in cluster.storages if each.group == source.group and each is not source)


def stored(cluster):
    return [len(list(storage.volume.files())) for storage in cluster.storages]


def upload_to(cluster, client, index):
    """Upload until a file comes to this storage, in turn."""
    for _ in range(8):
        file_id = client.upload(b"meow", "txt")
        if source_of(cluster, file_id) is cluster.storages[index]:
            return file_id
    raise AssertionError("no file comes to this storage")


# --- everywhere ---------------------------------------------------------------------------------


def test_uploads_go_to_all_groups_storages_and_store_paths(cluster, client):
    ids = [client.upload(b"meow", "txt") for _ in range(16)]

    places = Counter((file_id.group, file_id.source, file_id.store_path) for file_id in ids)
    assert places == {(storage.group, storage.id, path): 2 for storage in cluster.storages for path in (0, 1)}


def test_a_pinned_group_gets_all_uploads(cluster, client):
    assert {client.upload(b"meow", group="group2").group for _ in range(6)} == {"group2"}


def test_what_was_written_is_read_at_once(cluster, client):
    ids = {client.upload(content, "bin"): content for content in (b"meow", b"", LARGE) for _ in range(4)}

    for file_id, content in ids.items():
        assert client.download(file_id, verify=True) == content
        assert client.info(file_id).size == len(content)
    assert sum(stored(cluster)) == len(ids)  # no replica has any of them


def test_all_that_can_be_done_with_a_file_works_at_once(cluster, client):
    for _ in range(8):
        appender = client.upload_appender(b"abc", "log")
        client.append(appender, b"def")
        client.modify(appender, 1, b"ZZ")
        client.truncate(appender, 5)
        client.set_metadata(appender, {"a": "1"})
        slave = client.upload_slave(appender, "_s", b"small", "txt")

        assert (client.download(appender), client.download(slave)) == (b"aZZde", b"small")
        assert client.get_metadata(appender) == {"a": "1"}
        normal = client.regenerate(appender)
        assert client.download(normal, verify=True) == b"aZZde"
        client.delete(normal)
        with pytest.raises(FileMissingError):
            client.info(normal)


def test_threads_read_what_they_wrote(cluster, client):
    failures = []

    def work(number):
        try:
            for _ in range(10):
                content = f"{number}".encode() * 1000
                assert client.download(client.upload(content, "bin")) == content
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not failures


def test_replicas_hold_the_same_in_the_end(cluster, client):
    ids = [client.upload(b"meow", "txt") for _ in range(8)]
    cluster.replicate()

    for file_id in ids:
        addresses = [Address(storage.host, storage.port) for storage in cluster.storages]
        group = addresses[:2] if file_id.group == "group1" else addresses[2:]
        assert sorted(client.holders(file_id)) == sorted(group)


def test_a_slave_is_taken_once(cluster, client):
    master = client.upload(b"meow", "txt")
    client.upload_slave(master, "_s", b"small", "txt")

    with pytest.raises(FileTakenError):
        client.upload_slave(master, "_s", b"small", "txt")


# --- a storage is down --------------------------------------------------------------------------


def test_a_file_of_a_stopped_source_is_read_from_its_replica(cluster, client):
    ids = [client.upload(b"meow", "txt") for _ in range(8)]
    cluster.replicate()
    cluster.storages[0].stop()
    cluster.storages[3].stop()

    assert [client.download(file_id, verify=True) for file_id in ids] == [b"meow"] * 8
    assert [client.info(file_id).size for file_id in ids] == [4] * 8


def test_a_file_that_only_a_stopped_source_has_is_not_called_missing(cluster, client):
    file_id = upload_to(cluster, client, 0)
    cluster.storages[0].stop()

    with pytest.raises(NoServerError):
        client.download(file_id)


def test_uploads_pass_over_a_stopped_storage(cluster, client):
    cluster.storages[1].stop()

    ids = [client.upload(b"meow") for _ in range(8)]

    assert cluster.storages[1].id not in {file_id.source for file_id in ids}
    assert [client.download(file_id) for file_id in ids] == [b"meow"] * 8


def test_a_change_goes_to_the_replica_once_the_trackers_noticed():
    with (
        EmbeddedCluster(storages=2, check_active_interval=1e-6) as cluster,
        Client(cluster.trackers) as client,
    ):
        file_id = client.upload_appender(b"abc")
        source = source_of(cluster, file_id)
        source.stop()

        client.append(file_id, b"def")

        assert client.download(file_id) == b"abcdef"
        source.start()
        assert source.volume.path_of(str(file_id)).read_bytes() == b"abcdef"


def test_a_storage_that_comes_back_is_used_again(cluster, client):
    file_id = upload_to(cluster, client, 2)
    cluster.storages[2].stop()
    with pytest.raises(NoServerError):
        client.download(file_id)

    cluster.storages[2].start()

    assert client.download(file_id) == b"meow"


def test_one_tracker_is_enough(cluster, client):
    ids = [client.upload(b"meow") for _ in range(2)]
    cluster.tracker_servers[0].stop()

    ids += [client.upload(b"meow") for _ in range(4)]

    assert [client.download(file_id) for file_id in ids] == [b"meow"] * 6


# --- moods --------------------------------------------------------------------------------------


def test_a_read_only_storage_gets_no_writes_and_goes_on_reading(cluster, client):
    old = upload_to(cluster, client, 0)
    before = list(cluster.storages[0].volume.files())
    cluster.storages[0].read_only = True

    for _ in range(8):
        client.upload(b"meow", group="group1")

    assert list(cluster.storages[0].volume.files()) == before
    assert client.download(old) == b"meow"


def test_a_file_of_a_read_only_source_is_changed_on_its_replica(cluster):
    cluster.lag = 0
    with Client(cluster.trackers) as client:
        file_id = client.upload_appender(b"abc", group="group1")
        source, replica = source_of(cluster, file_id), replica_of(cluster, file_id)
        source.read_only = True
        asked = len(source.requests)

        client.append(file_id, b"def")
        client.delete(file_id)

    assert source.requests[asked:] == []
    assert not source.volume.path_of(str(file_id))
    assert not replica.volume.path_of(str(file_id))


def test_a_full_storage_moves_the_placement_to_another_group(cluster, client):
    cluster.storages[0].full = True

    assert {client.upload(b"meow").group for _ in range(6)} == {"group2"}


def test_a_group_that_is_full_says_so_where_it_is_pinned(cluster, client):
    for storage in cluster.storages[:2]:
        storage.full = True

    with pytest.raises(ServerError) as refused:
        client.upload(b"meow", group="group1")

    assert refused.value.status == 28


def test_a_placement_that_is_remembered_is_left_when_the_storage_is_full(cluster):
    with Client(cluster.trackers) as client:
        for _ in range(8):
            client.upload(b"meow")
        before = stored(cluster)
        cluster.storages[0].full = cluster.storages[1].full = True

        ids = [client.upload(b"meow") for _ in range(8)]

    assert {file_id.group for file_id in ids} == {"group2"}
    assert stored(cluster)[:2] == before[:2]


def test_a_full_store_path_is_passed_over(cluster, client):
    for storage in cluster.storages:
        storage.volume.paths[0].full = True

    assert {client.upload(b"meow").store_path for _ in range(8)} == {1}


# --- one fault at a time ------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["refuse_next", "drop_next", "drop_next_reply"])
def test_a_read_goes_to_the_replica_where_the_source_fails(cluster, client, fault):
    file_id = client.upload(b"meow")
    cluster.replicate()
    client.close()
    getattr(source_of(cluster, file_id), fault)()

    assert client.download(file_id) == b"meow"
    assert Command.DOWNLOAD_FILE in replica_of(cluster, file_id).requests


def test_a_read_goes_to_the_replica_where_the_source_answers_nonsense(cluster, client):
    file_id = client.upload(b"meow")
    cluster.replicate()
    source_of(cluster, file_id).answer_next(b"garbage" * 100)

    assert client.download(file_id) == b"meow"


def test_an_upload_passes_over_a_busy_storage(cluster, client):
    for storage in cluster.storages[:2]:
        storage.answer_status_next(16)

    assert client.upload(b"meow").group == "group2"


def test_an_upload_that_a_storage_did_not_answer_may_have_been_stored(cluster, client):
    for storage in cluster.storages:
        storage.drop_next_reply()

    with pytest.raises(ConnectionLostError):
        client.upload(b"meow")

    assert sum(stored(cluster)) == 1
