"""An HTTP client that sends what it is told: http.client, and sockets for what that would not send."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fdfs_storage.devserver import EmbeddedCluster, HttpOptions
from fdfs_storage.devserver.http import HttpServer
from fdfs_storage.devserver.http_site import Elsewhere
from fdfs_storage.devserver.sockets import LoopThread
from fdfs_storage.devserver.volume import Volume

from .wire import PATIENCE_SECONDS, Wire


class Reply(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Browser:
    """One connection to an HTTP server, `host:port`."""

    def __init__(self, address: str) -> None:
        self.connection = http.client.HTTPConnection(address, timeout=PATIENCE_SECONDS)

    def get(self, url: str, method: str = "GET", **headers: str) -> Reply:
        """Send a request; a keyword `If_Range` is the header `If-Range`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, url, headers=named)
        response = self.connection.getresponse()
        return Reply(response.status, response.headers, response.read())

    def close(self) -> None:
        self.connection.close()


def raw(cluster: EmbeddedCluster, request: bytes) -> bytes:
    """Send bytes and return all that comes until the server closes."""
    with Wire(cluster.http_server.address) as wire:
        wire.sendall(request)
        wire.shutdown(socket.SHUT_WR)
        return wire.read(1 << 20)


def put(volume: Volume, content: bytes, extension: str = "txt") -> str:
    """Store a file without a storage in between, and return its id."""
    with volume.receive() as incoming:
        incoming.write(content)
        return str(incoming.keep(extension))


@contextlib.contextmanager
def served(
    folder: Path, options: HttpOptions | None = None, elsewhere: Elsewhere | None = None
) -> Iterator[tuple[Browser, Volume]]:
    """Serve a folder of files; gives a browser that is connected, and the volume."""
    with contextlib.ExitStack() as stack:
        volume = Volume(folder)
        volume.open()
        stack.callback(volume.close)
        loop = LoopThread("http-test")
        stack.callback(loop.stop)
        options = options or HttpOptions()
        server = HttpServer(volume, loop, "127.0.0.1", 0, PATIENCE_SECONDS, options, elsewhere)
        server.start()
        stack.callback(server.stop)
        browser = Browser(server.address)
        stack.callback(browser.close)
        yield browser, volume
