"""A server that does exactly what a test tells it, for what no real server can be made to do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fdfs_storage.fastdfs import Address

Script = Callable[[socket.socket], None]


@contextmanager
def peer(*scripts: Script) -> Iterator[Address]:
    """Run one script for each connection, in order; a connection is closed when its script ends."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for script in scripts:
            try:
                connection, _ = listener.accept()
            except OSError:  # the test ended before it used them all
                return
            with connection:
                try:
                    script(connection)
                except OSError:  # the client went first
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Address(*listener.getsockname())
    finally:
        # Closing does not wake accept(); shutting down does.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def read_all(connection: socket.socket) -> bytes:
    """Read until the client closes."""
    content = b""
    while piece := connection.recv(65536):
        content += piece
    return content
