"""How Django is run in earnest: forked workers that share what was imported before, and gevent."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent, sys
from fdfs_storage.fastdfs import Client, Limits

with Client([sys.argv[1]], limits=Limits(pool_size=4)) as client:
    def work(number):
        content = str(number).encode() * 3000
        for _ in range(5):
            file_id = client.upload(content)
            assert client.download(file_id) == content
            client.delete(file_id)
        return number
    jobs = [gevent.spawn(work, number) for number in range(60)]
    gevent.joinall(jobs, timeout=60, raise_error=True)
    assert sorted(job.value for job in jobs) == list(range(60))
    killed = [gevent.spawn(work, number) for number in range(40)]
    pools = client._cluster.servers._pools.values()
    while all(" 0 busy" in repr(pool) for pool in pools):
        gevent.sleep(0)  # until one is in the middle of something
    gevent.killall(killed)
    assert work(1) == 1
    for pool in client._cluster.servers._pools.values():
        assert "0 busy" in repr(pool), pool
"""


def test_gevent_greenlets_share_a_pool(cluster):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", GEVENT, cluster.trackers[0]],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]


@contextmanager
def gunicorn(tracker, *flags):
    """Run it on a socket that is bound already: a free port may be another's by the time it binds."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port, descriptor = listening.getsockname()[1], listening.fileno()
        command = [sys.executable, "-W", "ignore", "-m", "gunicorn", "--bind", f"fd://{descriptor}", *flags]
        process = subprocess.Popen(
            [*command, "tests.client.wsgi:application"],
            env={**os.environ, "TRACKER": tracker},
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[descriptor],
        )
    try:
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.mark.parametrize(
    "flags", [(), ("--threads", "4"), ("--worker-class", "gevent")], ids=["sync", "threads", "gevent"]
)
def test_gunicorns_preloaded_workers_have_connections_of_their_own(cluster, flags):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with gunicorn(cluster.trackers[0], "--preload", "--workers", "3", *flags) as port:

        def ask(number):
            with opener.open(f"http://127.0.0.1:{port}/?{number}", timeout=30) as answer:
                return answer.read()

        with ThreadPoolExecutor(8) as threads:
            workers = set(threads.map(ask, range(120)))

    assert 1 <= len(workers) <= 3
