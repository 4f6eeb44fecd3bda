"""Which server is asked: several storages, and a tracker that says what a test wants."""

import shutil

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs import FileId, protocol
from fdfs_storage.fastdfs.errors import (
    FileMissingError,
    IntegrityError,
    NoServerError,
    NoSpaceError,
    ServerError,
)
from fdfs_storage.fastdfs.file_id import stem
from fdfs_storage.fastdfs.protocol import Command, Placement

from .tracker import ScriptedTracker

STORE = Command.QUERY_STORE_WITHOUT_GROUP_ONE
FETCH = Command.QUERY_FETCH_ONE


@pytest.fixture
def first():
    with EmbeddedCluster(host="127.0.0.1") as cluster:
        yield cluster


@pytest.fixture
def second():
    with EmbeddedCluster(host="127.0.0.2") as cluster:
        yield cluster


@pytest.fixture
def other_group():
    with EmbeddedCluster(host="127.0.0.3", group="group2") as cluster:
        yield cluster


@pytest.fixture
def tracker(first, second):
    with ScriptedTracker(first, second) as tracker:
        yield tracker
        tracker.shutdown()


@pytest.fixture
def client(tracker):
    with tracker.client() as client:
        yield client


def stored(cluster):
    return len(list(cluster.volume.files()))


def replicate(file_id, source, target):
    """Copy a file to another storage of the group, as its replication would have."""
    path = target.data / "data" / file_id.name[4:]
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source.volume.path_of(str(file_id)), path)


def upload_to_first(client, first):
    while True:
        file_id = client.upload(b"content", "txt")
        if first.volume.path_of(str(file_id)):
            return file_id


# --- placement ----------------------------------------------------------------------------------


def test_uploads_rotate_over_what_the_tracker_answered(client, first, second, tracker):
    for _ in range(8):
        client.upload(b"content")

    assert (stored(first), stored(second)) == (4, 4)
    assert tracker.asked == [STORE] * 4, "four answers to one question, then nothing"


def test_a_storage_that_is_down_is_passed_over_and_rests(client, first, second, tracker):
    client.upload(b"content")
    first.storage_server.stop()

    for _ in range(6):
        client.upload(b"content")

    assert stored(second) >= 6
    assert tracker.asked.count(STORE) == 4, "the remembered answers name another storage"


@pytest.mark.parametrize("status", [2, 22, 28])
def test_a_storage_that_is_the_wrong_place_is_passed_over_and_rests(client, first, second, status):
    client.upload(b"content")
    before = len(first.storage_server.requests)
    for _ in range(8):
        first.storage_server.answer_next(protocol.refusal(status), Command.UPLOAD_FILE)

    for _ in range(6):
        client.upload(b"content")

    assert len(first.storage_server.requests) <= before + 1
    assert stored(second) >= 6


def test_another_group_takes_over_where_none_is_pinned(first, other_group):
    with ScriptedTracker(first, other_group) as tracker, tracker.client() as client:
        tracker.placements[1] = Placement("group2", tracker.storages[1].address, 0)
        first.storage_server.stop()

        assert client.upload(b"content").group == "group2"
        with pytest.raises(NoServerError):
            client.upload(b"content", group="group1")
        tracker.shutdown()


def test_a_group_that_is_full_is_skipped_for_the_next_one(first, other_group, second):
    with ScriptedTracker(first, other_group) as tracker, tracker.client() as client:
        first.volume.reserved_mb = 1 << 40
        tracker.placements = tracker.placements[:1]

        with pytest.raises(NoSpaceError):
            client.upload(b"content")
        tracker.shutdown()


def test_every_storage_down_names_them_all(client, first, second):
    first.storage_server.stop()
    second.storage_server.stop()

    with pytest.raises(NoServerError) as caught:
        client.upload(b"content")

    assert set(caught.value.attempts) == {first.storage_server.address, second.storage_server.address}


def test_a_tracker_that_refuses_for_lack_of_space_says_so(client, tracker):
    tracker.refusals[STORE] = 28

    with pytest.raises(NoSpaceError):
        client.upload(b"content")


# --- routing ------------------------------------------------------------------------------------


def test_a_replica_is_read_without_the_tracker_when_the_source_is_down(client, first, second, tracker):
    file_id = upload_to_first(client, first)
    replicate(file_id, first, second)
    client.info(file_id)
    first.storage_server.stop()
    asked = len(tracker.asked)

    assert client.download(file_id) == b"content"
    assert client.download(file_id) == b"content"
    assert len(tracker.asked) == asked


def test_a_replica_without_the_file_does_not_make_it_missing(client, first, second):
    file_id = upload_to_first(client, first)
    client.info(file_id)
    first.storage_server.stop()

    for operation in (client.download, client.info, client.delete):
        with pytest.raises(NoServerError):
            operation(file_id)


def test_what_the_source_lost_is_found_where_the_tracker_says(client, first, second, tracker):
    file_id = upload_to_first(client, first)
    replicate(file_id, first, second)
    first.volume.path_of(str(file_id)).unlink()
    tracker.locations = [tracker.storages[1].address]

    assert client.download(file_id) == b"content"


def test_a_sick_source_is_worse_than_a_missing_copy(client, first, second, tracker):
    file_id = upload_to_first(client, first)
    tracker.locations = [tracker.storages[1].address]
    first.storage_server.answer_next(protocol.refusal(5), Command.QUERY_FILE_INFO)

    with pytest.raises(ServerError, match="status 5") as caught:
        client.info(file_id)

    assert not isinstance(caught.value, FileMissingError)


def test_a_lost_delete_is_not_explained_by_another_servers_missing(client, first, second, tracker):
    file_id = upload_to_first(client, first)
    client.info(file_id)
    tracker.locations = [tracker.storages[1].address]
    first.storage_server.drop_next(after_bytes=5)
    first.storage_server.drop_next(after_bytes=5)

    with pytest.raises(NoServerError):
        client.delete(file_id)

    assert client.download(file_id) == b"content"


def test_a_damaged_copy_is_passed_over_for_a_whole_one(client, first, second, tracker):
    file_id = upload_to_first(client, first)
    replicate(file_id, first, second)
    first.volume.path_of(str(file_id)).write_bytes(b"half")
    tracker.locations = [tracker.storages[1].address]

    assert client.download(file_id) == b"content"
    second.volume.path_of(str(file_id)).unlink()
    with pytest.raises(IntegrityError):
        client.download(file_id)


@pytest.mark.parametrize("changes", [{"status": 5}, {"rw_mode": 2}])
def test_a_source_that_is_not_readable_is_not_asked_for_reads(client, first, second, tracker, changes):
    file_id = upload_to_first(client, first)
    replicate(file_id, first, second)
    tracker.mark(0, **changes)
    tracker.locations = [tracker.storages[1].address]
    before = len(first.storage_server.requests)

    assert client.download(file_id) == b"content"
    assert len(first.storage_server.requests) == before


def test_a_source_that_takes_no_writes_is_not_asked_to_delete(client, first, second, tracker):
    file_id = upload_to_first(client, first)
    replicate(file_id, first, second)
    tracker.mark(0, rw_mode=4)
    tracker.locations = [tracker.storages[1].address]

    client.delete(file_id)

    assert second.volume.path_of(str(file_id)) is None
    assert first.volume.path_of(str(file_id)) is not None


def test_one_odd_record_does_not_hide_the_others(client, first, tracker):
    file_id = upload_to_first(client, first)
    tracker.mark(1, ip="no address")

    assert client.download(file_id) == b"content"
    assert FETCH not in tracker.asked


def test_a_source_known_by_its_server_id_is_found(client, first, second, tracker):
    file_id = upload_to_first(client, first)
    named = stem("77", int(file_id.created.timestamp()), 7, file_id.crc32, random_bits=5)
    by_id = FileId.parse(f"group1/{file_id.name[:10]}{named}{file_id.name[37:]}")
    path = first.volume.path_of(str(file_id))
    path.rename(path.with_name(by_id.name[10:]))
    tracker.mark(0, id="77")

    assert client.download(by_id) == b"content"
    assert FETCH not in tracker.asked


def test_a_source_that_failed_is_tried_last_and_still_tried(client, first, second, tracker):
    file_id = upload_to_first(client, first)
    client.info(file_id)
    first.storage_server.stop()
    with pytest.raises(NoServerError):
        client.info(file_id)
    tracker.refusals[FETCH] = 2
    first.storage_server.start()

    assert client.download(file_id) == b"content"


def test_a_group_without_readable_storages_is_not_a_missing_file(client, tracker):
    file_id = FileId.parse(f"group1/M00/00/00/{stem('10.9.9.9', 1, 2, 3, random_bits=4)}123.txt")
    tracker.refusals[FETCH] = 2

    with pytest.raises(NoServerError, match="no readable storage"):
        client.info(file_id)


def test_a_tracker_that_refuses_for_another_reason_is_heard(client, tracker):
    file_id = FileId.parse(f"group1/M00/00/00/{stem('10.9.9.9', 1, 2, 3, random_bits=4)}123.txt")
    tracker.refusals[FETCH] = 22

    with pytest.raises(ServerError, match="22"):
        client.info(file_id)


def test_a_list_that_cannot_be_had_is_not_asked_for_each_time(client, first, tracker):
    file_id = upload_to_first(client, first)
    tracker.refusals[Command.LIST_STORAGE] = 2
    tracker.locations = [tracker.storages[0].address]

    for _ in range(5):
        client.info(file_id)

    assert tracker.asked.count(Command.LIST_STORAGE) == 1


def test_many_made_up_groups_take_no_more_memory_than_there_can_be_groups(client, tracker):
    tracker.refusals[Command.LIST_STORAGE] = tracker.refusals[FETCH] = 2

    for number in range(520):
        with pytest.raises(FileMissingError):
            client.info(
                FileId.parse(f"made{number}/M00/00/00/{stem('1.2.3.4', 1, 2, 3, random_bits=4)}123.txt")
            )

    assert len(client._cluster._directory._groups) <= 512
