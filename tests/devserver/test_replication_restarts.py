"""What waits to be passed on outlives stops and restarts; marks and statistics tell of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs.statistics import StorageStat, unpack_storages
from tests.conftest import eventually

from .test_replication import CHANGES, deleted, held
from .wire import (
    LIST_STORAGE,
    Wire,
    group,
)


def stats(cluster: EmbeddedCluster) -> list[StorageStat]:
    with Wire(cluster.trackers[0]) as tracker:
        return unpack_storages(tracker.ask(LIST_STORAGE, group()).body)


def change_everything(wire: Wire) -> None:
    for change, _ in CHANGES:
        change(wire)


# --- storages that are stopped ------------------------------------------------------------------


@pytest.mark.parametrize("stopped", [0, 1])
def test_a_stopped_storage_gets_and_gives_nothing_until_it_is_started(
    pair: EmbeddedCluster, first: Wire, stopped: int
) -> None:
    first.store(b"meow")
    pair.storages[stopped].stop()
    pair.replicate()
    assert held(pair.storages[1]) == {}

    pair.lag = 0
    pair.storages[stopped].start()

    assert held(pair.storages[1]) == held(pair.storages[0])


def test_one_that_is_down_does_not_keep_the_others_waiting() -> None:
    with EmbeddedCluster(storages=3) as cluster, Wire(cluster.storages[0].address) as wire:
        cluster.storages[1].stop()

        wire.store(b"meow")

        assert [len(held(storage)) for storage in cluster.storages] == [1, 0, 1]


def test_a_replica_whose_disk_fails_gets_its_files_when_that_works_again(
    pair: EmbeddedCluster, first: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    incoming = pair.storages[1].volume.incoming
    incoming.rmdir()
    incoming.touch()
    pair.lag = 0
    name = first.store(b"meow")
    assert held(pair.storages[1]) == {}
    assert "does not get its changes" in caplog.text

    incoming.unlink()
    incoming.mkdir()

    assert eventually(lambda: bool(held(pair.storages[1])), seconds=10)
    assert list(held(pair.storages[1])) == [name.decode()]


# --- restarts -----------------------------------------------------------------------------------


def test_what_waits_is_found_again(pair: EmbeddedCluster, first: Wire) -> None:
    change_everything(first)
    before = held(pair.storages[0])
    pair.stop()
    pair.start()
    assert held(pair.storages[1]) == {}

    pair.replicate()

    assert held(pair.storages[1]) == held(pair.storages[0]) == before


def test_what_is_due_is_passed_on_before_the_start_returns(pair: EmbeddedCluster, first: Wire) -> None:
    first.store(b"meow")
    pair.stop()

    with EmbeddedCluster(pair.data, storages=2, store_paths=2) as again:
        assert held(again.storages[1]) == held(again.storages[0])


def test_storages_with_addresses_of_their_own_find_their_marks_again(tmp_path: Path) -> None:
    hosts = ["127.0.0.21", "127.0.0.22"]
    for _ in range(2):  # on any free ports, which are other ones each time
        with EmbeddedCluster(tmp_path, storages=2, storage_hosts=hosts) as cluster:
            with Wire(cluster.storages[0].address) as wire:
                wire.store(b"meow")
            (mark,) = cluster.storages[0].volume.binlog.folder.glob("*.mark")
            assert mark.name == f"127.0.0.22_{cluster.storages[1].port}.mark"

    assert "sync_row_count=2\n" in mark.read_text()
    assert len(held(cluster.storages[1])) == 2


# --- what FastDFS would read --------------------------------------------------------------------


def test_the_mark_has_the_lines_that_fastdfs_writes(pair: EmbeddedCluster, first: Wire) -> None:
    deleted(first)
    pair.replicate()
    sync = pair.storages[0].volume.binlog.folder

    assert (sync / "100002.mark").read_text().splitlines() == [
        "binlog_index=0",
        f"binlog_offset={(sync / 'binlog.000').stat().st_size}",
        "need_sync_old=0",
        "sync_old_done=0",
        "until_timestamp=0",
        "scan_row_count=5",
        "sync_row_count=5",
    ]
    assert (sync / "binlog_index.dat").read_text() == "current_write=0\ncurrent_compress=0\n"


# --- statistics ---------------------------------------------------------------------------------


def test_the_statistics_tell_what_was_passed_on(pair: EmbeddedCluster, first: Wire) -> None:
    first.store(bytes(1000))
    assert [(each.sync_out_bytes_success, each.last_sync_update) for each in stats(pair)] == [(0, 0)] * 2

    pair.replicate()

    source, replica = stats(pair)
    assert (source.sync_out_bytes_success, source.sync_in_bytes_success) == (1000, 0)
    assert (replica.sync_out_bytes_success, replica.sync_in_bytes_success) == (0, 1000)
    assert (source.last_synced, replica.upload_total) == (0, 0)
    assert source.last_source_update <= replica.last_sync_update
    assert 0 < replica.last_synced <= replica.last_sync_update


def test_the_statistics_survive_a_restart(pair: EmbeddedCluster, first: Wire) -> None:
    first.store(bytes(1000))
    pair.replicate()
    before = stats(pair)[1]
    pair.stop()

    pair.start()

    after = stats(pair)[1]
    assert (after.last_sync_update, after.last_synced) == (before.last_sync_update, before.last_synced)
    assert after.sync_in_bytes_success == 1000
