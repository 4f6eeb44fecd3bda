"""Faults on request: each strikes one request, then all is well again."""

from __future__ import annotations

import time

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs.protocol import Command
from tests.conftest import eventually

from .wire import ACTIVE_TEST, DOWNLOAD, LIST_ALL_GROUPS, STORE, UPLOAD, Wire, download, packet, upload

LARGE = bytes(1 << 20)


@pytest.mark.parametrize("after", [0, 1, 5, 10, 25, 600_000])
def test_a_request_is_dropped_after_so_many_bytes(embedded: EmbeddedCluster, after: int) -> None:
    request = packet(UPLOAD, upload(LARGE))
    embedded.storage_server.drop_next(after)

    with Wire(embedded.storage_server.address) as wire:
        wire.sendall(request[: max(after, 1)])
        assert wire.ends()

    assert not list(embedded.volume.files())
    with Wire(embedded.storage_server.address) as wire:
        assert wire.store(LARGE)


def test_a_request_with_fewer_bytes_is_dropped_when_it_is_complete(embedded: EmbeddedCluster) -> None:
    embedded.storage_server.drop_next(1 << 30)

    with Wire(embedded.storage_server.address) as wire:
        wire.sendall(packet(UPLOAD, upload(b"meow")))
        assert wire.ends()

    assert not list(embedded.volume.files())


def test_a_pooled_connection_is_dropped_too(embedded: EmbeddedCluster, tracker: Wire) -> None:
    assert tracker.lives()
    embedded.tracker_servers[0].drop_next()

    tracker.sendall(packet(ACTIVE_TEST))

    assert tracker.ends()


@pytest.mark.parametrize("after", [0, 1, 10, 30, 5000])
def test_a_reply_is_cut_and_the_request_carried_out(embedded: EmbeddedCluster, after: int) -> None:
    embedded.storage_server.drop_next_reply(after)

    with Wire(embedded.storage_server.address) as wire:
        wire.sendall(packet(UPLOAD, upload(b"meow")))
        assert len(wire.read(1000)) == min(after, 70)

    assert len(list(embedded.volume.files())) == 1


@pytest.mark.parametrize("after", [0, 9, 10, 11, 300_000])
def test_a_download_is_cut(embedded: EmbeddedCluster, storage: Wire, after: int) -> None:
    name = storage.store(LARGE)
    embedded.storage_server.drop_next_reply(after)

    storage.sendall(packet(DOWNLOAD, download(name)))

    assert len(storage.read(1 << 20)) == after
    assert embedded.volume.tally.counts()["download_success"] == 0


def test_an_answer_replaces_the_servers_own(embedded: EmbeddedCluster, storage: Wire) -> None:
    embedded.storage_server.answer_next(b"garbage")

    storage.sendall(packet(UPLOAD, upload(LARGE)))

    assert storage.read(1000) == b"garbage"
    assert not list(embedded.volume.files())


@pytest.mark.parametrize("status", [2, 16, 28])
def test_a_status_answers_a_request_that_is_not_carried_out(
    embedded: EmbeddedCluster, storage: Wire, status: int
) -> None:
    embedded.storage_server.answer_status_next(status)

    assert storage.ask(UPLOAD, upload(LARGE)) == (status, b"")
    assert not list(embedded.volume.files())
    assert storage.store(LARGE)


def test_a_storage_closes_behind_a_request_that_it_is_told_to_call_invalid(
    embedded: EmbeddedCluster, storage: Wire, tracker: Wire
) -> None:
    for server in (embedded.storage_server, embedded.tracker_servers[0]):
        server.answer_status_next(22, Command.ACTIVE_TEST)

    assert storage.ask(ACTIVE_TEST) == tracker.ask(ACTIVE_TEST) == (22, b"")
    assert storage.ends()
    assert tracker.lives()


def test_a_status_waits_for_its_command(embedded: EmbeddedCluster, tracker: Wire) -> None:
    embedded.tracker_servers[0].answer_status_next(2, Command.LIST_ALL_GROUPS)

    assert tracker.ask(STORE).status == 0
    assert tracker.ask(LIST_ALL_GROUPS) == (2, b"")
    assert tracker.ask(LIST_ALL_GROUPS).status == 0


def test_a_connection_is_reset_as_soon_as_it_is_there(embedded: EmbeddedCluster, storage: Wire) -> None:
    assert storage.lives()
    embedded.storage_server.refuse_next()

    with pytest.raises(ConnectionResetError), Wire(embedded.storage_server.address) as wire:
        wire.recv(1)

    assert storage.lives()
    assert greets(embedded.storage_server.address)


def greets(address: str) -> bool:
    try:
        with Wire(address) as wire:
            return wire.lives()
    except ConnectionResetError:
        return False


def test_each_refusal_strikes_one_connection(embedded: EmbeddedCluster) -> None:
    for _ in range(2):
        embedded.tracker_servers[0].refuse_next()

    assert [greets(embedded.trackers[0]) for _ in range(3)] == [False, False, True]


def test_each_storage_has_faults_of_its_own() -> None:
    with EmbeddedCluster(storages=2) as cluster:
        cluster.storages[1].drop_next_reply()

        assert [greets(storage.address) for storage in cluster.storages] == [True, False]


def test_a_fault_waits_for_its_command(embedded: EmbeddedCluster, tracker: Wire) -> None:
    embedded.tracker_servers[0].answer_next(b"garbage", Command.LIST_ALL_GROUPS)

    assert tracker.ask(STORE).status == 0
    tracker.sendall(packet(LIST_ALL_GROUPS))
    assert tracker.read(1000) == b"garbage"


def test_faults_strike_one_after_the_other(embedded: EmbeddedCluster) -> None:
    server = embedded.tracker_servers[0]
    server.answer_next(b"one")
    server.drop_next_reply(3)
    server.answer_next(b"three")

    seen = []
    for _ in range(3):
        with Wire(server.address) as wire:
            wire.sendall(packet(ACTIVE_TEST))
            seen.append(wire.read(100))
    assert seen == [b"one", b"\0\0\0", b"three"]


# Long enough that others pass on a busy machine, too.
DELAY_SECONDS = 1.5


def test_a_delay_lets_the_client_wait_and_others_pass(embedded: EmbeddedCluster, tracker: Wire) -> None:
    embedded.tracker_servers[0].delay_next(DELAY_SECONDS, Command.LIST_ALL_GROUPS)
    started = time.monotonic()
    tracker.sendall(packet(LIST_ALL_GROUPS))

    with Wire(embedded.trackers[0]) as other:
        assert other.lives()
    assert time.monotonic() - started < DELAY_SECONDS

    assert tracker.read_answer().status == 0
    assert time.monotonic() - started >= DELAY_SECONDS


def test_a_delay_may_exceed_the_timeout() -> None:
    with EmbeddedCluster(timeout=2) as cluster, Wire(cluster.trackers[0]) as wire:
        cluster.tracker_servers[0].delay_next(2.5)

        assert wire.ask(STORE).status == 0


def test_requests_and_connections_are_counted(embedded: EmbeddedCluster, storage: Wire) -> None:
    storage.ask(UPLOAD, upload(b"x"))
    storage.ask(99)
    with Wire(embedded.storage_server.address) as wire:
        wire.lives()

    assert embedded.storage_server.requests == [UPLOAD, 99, ACTIVE_TEST]
    assert embedded.storage_server.connections == 2
    assert embedded.tracker_servers[0].requests == []


def test_a_stopped_tracker_refuses_and_hangs_up_until_it_starts(
    embedded: EmbeddedCluster, tracker: Wire
) -> None:
    assert tracker.lives()
    server = embedded.tracker_servers[0]

    server.stop()
    server.stop()

    assert tracker.ends()
    with pytest.raises(ConnectionRefusedError):
        Wire(embedded.trackers[0])
    server.start()
    server.start()
    with Wire(embedded.trackers[0]) as wire:
        assert wire.lives()


def test_the_rest_runs_on_while_one_is_stopped(
    embedded: EmbeddedCluster, storage: Wire, tracker: Wire
) -> None:
    embedded.storage_server.stop()

    assert storage.ends()
    # FastDFS notices after two minutes: until then its trackers go on naming the storage.
    assert tracker.ask(STORE).status == 0


def test_an_upload_that_is_stopped_halfway_leaves_nothing(embedded: EmbeddedCluster, storage: Wire) -> None:
    incoming = embedded.data / "data" / ".incoming"
    storage.sendall(packet(UPLOAD, upload(bytes(300_000), size=1 << 20), length=(1 << 20) + 15))
    assert eventually(lambda: any(incoming.iterdir()))

    embedded.storage_server.stop()

    assert storage.ends()
    assert not any(incoming.iterdir())
    assert not list(embedded.volume.files())
