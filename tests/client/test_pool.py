import subprocess
import sys
import textwrap
import threading

import pytest

from fdfs_storage.fastdfs.deadline import Deadline
from fdfs_storage.fastdfs.errors import ConnectError, PoolTimeoutError
from fdfs_storage.fastdfs.pool import Pool
from fdfs_storage.fastdfs.protocol import Address, Command, request
from tests.conftest import eventually

from .lending import lent

PING = request(Command.ACTIVE_TEST)


@pytest.fixture
def make_pool(embedded):
    pools = []

    def make(size=2, idle_seconds=50.0):
        server = embedded.tracker_servers[0]
        pool = Pool(
            Address(server.host, server.port), size=size, connect_timeout=5, idle_seconds=idle_seconds
        )
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        pool.close()


def ping(pool, deadline=None):
    def operation(connection, deadline):
        connection.send(PING, deadline)
        assert connection.receive_reply(deadline) == (0, b"")
        return connection

    return pool.run(operation, deadline or Deadline(5))


def test_a_connection_is_used_again(make_pool):
    pool = make_pool()

    first, second = ping(pool), ping(pool)

    assert first is second
    assert repr(pool).endswith("0 busy, 1 idle of 2>")


def test_a_connection_that_stood_idle_too_long_is_replaced(make_pool):
    pool = make_pool(idle_seconds=0)

    first, second = ping(pool), ping(pool)

    assert first is not second


def test_a_connection_that_the_server_closed_is_replaced(make_pool, embedded):
    pool = make_pool()
    first = ping(pool)

    embedded.tracker_servers[0].stop()
    embedded.tracker_servers[0].start()

    assert ping(pool) is not first


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_an_exchange_that_is_broken_off_costs_the_connection_but_not_its_place(make_pool, error):
    pool = make_pool(size=1)

    def break_off(connection, deadline):
        connection.send(PING, deadline)
        raise error(connection)

    with pytest.raises(error) as caught:
        pool.run(break_off, Deadline(5))

    assert ping(pool) is not caught.value.args[0]


def test_a_failed_connect_gives_its_place_back(make_pool, embedded):
    pool = make_pool(size=1)
    embedded.tracker_servers[0].stop()
    for _ in range(3):
        with pytest.raises(ConnectError):
            ping(pool)
    embedded.tracker_servers[0].start()

    ping(pool)

    assert "0 busy" in repr(pool)


def test_waiting_for_a_busy_pool_ends_at_the_deadline(make_pool):
    pool = make_pool(size=1)

    with lent(pool), pytest.raises(PoolTimeoutError, match="pool_size"):
        ping(pool, Deadline(0.05))


def test_threads_share_no_more_connections_than_the_size(make_pool, embedded):
    pool = make_pool(size=3)
    start = threading.Barrier(12)

    def work():
        start.wait()
        for _ in range(20):
            ping(pool)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert embedded.tracker_servers[0].connections <= 3
    assert "0 busy" in repr(pool)


def test_a_connection_lent_before_close_is_not_kept_after_it(make_pool):
    pool = make_pool()

    with lent(pool) as connection:
        pool.close()

    assert connection.settled is False
    assert "0 idle" in repr(pool)


def test_a_place_goes_to_who_waited_longest(make_pool):
    pool = make_pool(size=1)
    order, queued = [], []

    def work(number):
        ready = threading.Event()
        queued.append(ready)
        with lent(pool, 10):
            order.append(number)

    with lent(pool):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for number, thread in enumerate(threads):
            thread.start()
            assert eventually(lambda number=number: len(pool.shelf()._waiting) == number + 1, 5)
    for thread in threads:
        thread.join()

    assert order == list(range(6))


def test_more_threads_than_connections_all_get_their_turn(make_pool):
    pool = make_pool(size=2)
    turns, stop = [0] * 8, threading.Event()

    def work(number):
        while not stop.is_set() and sum(turns) < 4000:
            ping(pool, Deadline(20))
            turns[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert min(turns) > 100, turns


def test_who_gives_up_passes_on_what_it_was_handed(make_pool):
    pool = make_pool(size=1)
    for _ in range(50):
        results = []

        def wait(seconds, results=results):
            try:
                with lent(pool, seconds):
                    results.append(True)
            except PoolTimeoutError:
                results.append(False)

        threads = [threading.Thread(target=wait, args=(seconds,)) for seconds in (0.02, 5)]
        with lent(pool):
            for thread in threads:
                thread.start()
            threads[0].join(0.0195)  # let go about when the first one's time is up
        for thread in threads:
            thread.join()
        assert results[-1], "the patient one was never woken"
        assert "0 busy" in repr(pool)


INTERRUPTED = """
import signal, threading
from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs import Client, Limits

class Interrupted(BaseException):
    pass

def interrupt(*_):
    raise Interrupted

with EmbeddedCluster() as cluster, Client(cluster.trackers, limits=Limits(pool_size=2)) as client:
    file_id = client.upload(b"content")
    signal.signal(signal.SIGALRM, interrupt)
    interrupts = 0
    while interrupts < 300:
        try:
            # Again and again: one that strikes in a finalizer is ignored by Python.
            signal.setitimer(signal.ITIMER_REAL, 0.0002 + interrupts % 17 * 0.0001, 0.05)
            while True:
                client.download(file_id)
        except Interrupted:
            interrupts += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    for pool in client._cluster.servers._pools.values():
        assert "0 busy" in repr(pool), pool
    assert client.download(file_id) == b"content"
"""


def test_interrupts_at_any_moment_cost_no_place():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stderr[-2000:]


FORK = """
    import ctypes, os, sys
    from fdfs_storage.devserver import EmbeddedCluster
    from fdfs_storage.fastdfs import Client

    fork = os.fork if sys.argv[1] == "os" else ctypes.PyDLL(None).fork
    with EmbeddedCluster() as cluster, Client(cluster.trackers) as client:
        mine = client.upload(b"parent")
        pool = client._cluster.servers._pools[client.trackers[0]]
        if sys.argv[2] == "locked":
            next(iter(pool._shelves.values()))._lock.acquire()
        child = fork()
        if child == 0:
            theirs = client.upload(b"child")
            fine = client.download(mine) == b"parent" and client.download(theirs) == b"child"
            os._exit(0 if fine else 1)
        _, status = os.waitpid(child, 0)
        if sys.argv[2] == "locked":
            next(iter(pool._shelves.values()))._lock.release()
        assert os.waitstatus_to_exitcode(status) == 0, status
        before = cluster.storage_server.connections
        assert client.download(mine) == b"parent"
        assert cluster.storage_server.connections == before, "the child broke the parent's connection"
"""


@pytest.mark.parametrize("lock", ["free", "locked"])
@pytest.mark.parametrize("fork", ["os", "bare"])
def test_a_forked_child_has_connections_of_its_own(fork, lock):
    script = textwrap.dedent(FORK)

    done = subprocess.run(
        [sys.executable, "-c", script, fork, lock], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
