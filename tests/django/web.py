"""Another web server over a cluster's files: one that wants tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fdfs_storage.devserver import EmbeddedCluster, HttpOptions
from fdfs_storage.devserver.http import HttpServer
from fdfs_storage.devserver.sockets import LoopThread

PATIENCE_SECONDS = 5.0


@contextmanager
def serving(cluster: EmbeddedCluster, options: HttpOptions) -> Iterator[str]:
    """Serve the cluster's files under these options; give the base URL."""
    loop = LoopThread("another web server")
    try:
        server = HttpServer(cluster.volume, loop, "127.0.0.1", 0, PATIENCE_SECONDS, options)
        server.start()
        yield f"http://{server.address}"
        server.stop()
    finally:
        loop.stop()
