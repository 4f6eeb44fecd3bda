"""A cluster comes up, goes down and comes up again."""

from __future__ import annotations

import contextlib
import errno
import gc
import socket
import threading
import urllib.request
from pathlib import Path

import pytest

from fdfs_storage.devserver import EmbeddedCluster, PortError

from . import scripts
from .wire import ACTIVE_TEST, DOWNLOAD, INFO, UPLOAD, Wire, download, group, packet, upload


def descriptors() -> set[str]:
    gc.collect()  # what earlier tests dropped must not go while one counts
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_it_is_ready_when_start_returns(tmp_path: Path) -> None:
    cluster = EmbeddedCluster(tmp_path, trackers=2)

    assert cluster.start() is cluster

    assert cluster.trackers == [server.address for server in cluster.tracker_servers]
    assert cluster.trackers[0] == f"127.0.0.1:{cluster.tracker_port}"
    assert cluster.base_url == f"http://127.0.0.1:{cluster.http_port}"
    assert (cluster.group, cluster.data) == ("group1", tmp_path)
    for address in (*cluster.trackers, cluster.storage_server.address):
        with Wire(address) as wire:
            assert wire.lives()
    cluster.stop()


def test_nothing_is_left_of_a_stopped_cluster() -> None:
    before = descriptors(), threading.active_count()

    with (
        EmbeddedCluster(trackers=2) as cluster,
        Wire(cluster.trackers[0]) as idle,
        Wire(cluster.trackers[1]) as silent,
    ):
        assert idle.lives()
        with Wire(cluster.storage_server.address) as busy, Wire(cluster.http_server.address) as browser:
            busy.sendall(packet(UPLOAD, upload(b"x", size=99), length=114))
            browser.sendall(b"GET /")
            cluster.stop()
            assert all(wire.ends() for wire in (idle, silent, busy, browser))
        cluster.stop()

    assert not cluster.data.exists()
    assert descriptors() <= before[0]
    assert threading.active_count() <= before[1]


def test_it_is_stopped_before_it_starts() -> None:
    EmbeddedCluster().stop()


def test_starting_twice_is_starting_once() -> None:
    with EmbeddedCluster() as cluster:
        trackers = cluster.trackers

        assert cluster.start().trackers == trackers


def test_it_starts_again_on_the_same_ports_with_the_same_files(tmp_path: Path) -> None:
    cluster = EmbeddedCluster(tmp_path, trackers=2)
    names, places = [], []
    for _ in range(3):
        with cluster, Wire(cluster.storage_server.address) as storage:
            names.append(storage.store(b"meow"))
            places.append((cluster.trackers, cluster.storage_port, cluster.http_port))
            assert all(storage.ask(DOWNLOAD, download(name)) == (0, b"meow") for name in names)

    assert places[0] == places[1] == places[2]
    assert len(set(names)) == 3


def test_another_cluster_finds_the_files(tmp_path: Path) -> None:
    with EmbeddedCluster(tmp_path) as first, Wire(first.storage_server.address) as storage:
        name = storage.store(b"meow")

    with EmbeddedCluster(str(tmp_path)) as second:
        assert urllib.request.urlopen(f"{second.base_url}/group1/{name.decode()}").read() == b"meow"  # noqa: S310


def test_clusters_live_side_by_side() -> None:
    with EmbeddedCluster(group="group1") as one, EmbeddedCluster(group="group2") as two:
        with Wire(one.storage_server.address) as storage:
            name = storage.store(b"meow")
        with Wire(two.storage_server.address) as storage:
            assert storage.ask(INFO, group("group2") + name).status == 2
            assert storage.ask(INFO, group("group1") + name).status == 22


def test_two_clusters_never_share_a_folder(tmp_path: Path) -> None:
    before = descriptors()

    with EmbeddedCluster(tmp_path), pytest.raises(BlockingIOError, match="keeps its files in"):
        EmbeddedCluster(tmp_path).start()

    assert descriptors() <= before


@pytest.mark.parametrize(
    ("option", "server"),
    [("tracker_port", "tracker"), ("storage_port", "storage"), ("http_port", "HTTP server")],
)
def test_a_taken_port_is_named_and_nothing_is_left_running(tmp_path: Path, option: str, server: str) -> None:
    before = descriptors(), threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(PortError, match=f"the {server} cannot listen on 127.0.0.1:{port}") as refused:
            EmbeddedCluster(tmp_path, **{option: port}).start()

    assert refused.value.errno == errno.EADDRINUSE
    assert descriptors() <= before[0]
    assert threading.active_count() <= before[1]


def test_a_cluster_that_could_not_start_starts_when_the_port_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        cluster = EmbeddedCluster(tracker_port=taken.getsockname()[1])
        with pytest.raises(PortError):
            cluster.start()

    with cluster, Wire(cluster.trackers[0]) as tracker:
        assert tracker.lives()


def test_several_trackers_take_the_ports_after_a_fixed_one() -> None:
    with EmbeddedCluster(trackers=2) as cluster:
        port = max(server.port for server in cluster.tracker_servers)

    cluster = EmbeddedCluster(tracker_port=port, trackers=2)
    with contextlib.suppress(PortError):  # another program may have the next one
        cluster.start()
        assert cluster.trackers == [f"127.0.0.1:{port}", f"127.0.0.1:{port + 1}"]
    cluster.stop()


def test_a_server_of_a_stopped_cluster_does_not_start() -> None:
    with EmbeddedCluster() as cluster:
        server = cluster.tracker_servers[0]

    server.stop()
    with pytest.raises(RuntimeError, match="the cluster is stopped"):
        server.start()


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "192.168.1.1", "8.8.8.8"])
def test_it_is_for_this_machine_only(host: str) -> None:
    with pytest.raises(ValueError, match="not a loopback address"):
        EmbeddedCluster(host=host)

    assert EmbeddedCluster(host=host, allow_public=True)


@pytest.mark.parametrize("host", ["localhost", "::1", "", "127.1"])
def test_the_host_is_an_ipv4_address(host: str) -> None:
    with pytest.raises(ValueError, match="must be an IPv4 address"):
        EmbeddedCluster(host=host)


def test_another_loopback_address_is_in_the_names() -> None:
    with EmbeddedCluster(host="127.0.0.2") as cluster, Wire(cluster.storage_server.address) as storage:
        name = storage.store(b"x")
        assert storage.ask(INFO, group() + name).body[24:] == b"127.0.0.2".ljust(16, b"\0")


@pytest.mark.parametrize(
    "arguments", [{"group": "a group"}, {"group": ""}, {"group": "g" * 17}, {"trackers": 0}]
)
def test_what_no_cluster_can_have_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"group|tracker"):
        EmbeddedCluster(**arguments)


def test_many_clients_are_served_at_once(embedded: EmbeddedCluster) -> None:
    failures = []

    def work(number: int) -> None:
        content = bytes([number]) * (number * 30_000 + 1)
        try:
            with Wire(embedded.storage_server.address) as storage:
                for _ in range(5):
                    name = storage.store(content)
                    assert storage.ask(DOWNLOAD, download(name)) == (0, content)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not failures
    assert len(list(embedded.volume.files())) == 80


def test_a_connection_burst_is_served(embedded: EmbeddedCluster) -> None:
    wires = [Wire(embedded.trackers[0]) for _ in range(200)]
    for wire in wires:
        wire.sendall(packet(ACTIVE_TEST))
    statuses = {wire.read_answer().status for wire in wires}
    for wire in wires:
        wire.close()

    assert statuses == {0}


def test_a_forked_child_disturbs_nothing() -> None:
    assert scripts.run(FORKING) == [
        "child sees its folder: True",
        "parent: 0 0",
        "port free: True",
        "closed: True",
    ]


FORKING = """
import os, sys
from fdfs_storage.devserver import EmbeddedCluster
from tests.devserver.wire import STORE, Wire

cluster = EmbeddedCluster().start()
open_before = Wire(cluster.trackers[0])
assert open_before.lives()

if not os.fork():  # a child that ends as scripts do, with all that runs at exit
    cluster.stop()
    open_before.close()
    print("child sees its folder:", cluster.data.exists(), flush=True)
    sys.exit()
os.wait()
with Wire(cluster.trackers[0]) as tracker:
    print("parent:", tracker.ask(STORE).status, open_before.ask(STORE).status)

reader, writer = os.pipe()
child = os.fork()
if not child:  # one that outlives the cluster
    os.close(writer)
    os.read(reader, 1)
    os._exit(0)
cluster.stop()
with EmbeddedCluster(tracker_port=cluster.tracker_port) as second:
    print("port free:", second.tracker_port == cluster.tracker_port)
print("closed:", open_before.ends())
open_before.close()
os.close(writer)
os.close(reader)
os.waitpid(child, 0)
"""


def test_a_cluster_that_nobody_stops_is_cleaned_up_at_exit() -> None:
    (folder,) = scripts.run(
        "from fdfs_storage.devserver import EmbeddedCluster\nprint(EmbeddedCluster().start().data)"
    )

    assert not Path(folder).exists()


def test_large_files_do_not_grow_the_process() -> None:
    grown = {name: int(kib) for name, kib in (line.split() for line in scripts.run(LARGE))}

    assert grown.keys() == {"upload", "download", "http"}
    assert max(grown.values()) < 24 * 1024, grown


LARGE = """
import resource, struct, urllib.request
from fdfs_storage.devserver import EmbeddedCluster
from tests.devserver.wire import DOWNLOAD, UPLOAD, Wire, download, packet, upload

SIZE, PIECE = 200 << 20, bytes(1 << 18)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

with EmbeddedCluster() as cluster, Wire(cluster.storage_server.address) as storage:
    storage.store(PIECE)
    before = peak()

    storage.sendall(packet(UPLOAD, upload(b"", size=SIZE), length=SIZE + 15))
    for _ in range(SIZE // len(PIECE)):
        storage.sendall(PIECE)
    name = storage.read_answer().body[16:]
    print("upload", peak() - before)

    storage.sendall(packet(DOWNLOAD, download(name)))
    left = SIZE + 10
    buffer = bytearray(1 << 18)
    while left:
        left -= storage.recv_into(buffer)
    print("download", peak() - before)

    with urllib.request.urlopen(f"{cluster.base_url}/group1/{name.decode()}") as response:
        while response.readinto(buffer):
            pass
    print("http", peak() - before)
"""
