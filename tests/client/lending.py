"""A connection of a pool, held as a thread holds it in the middle of an exchange."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from fdfs_storage.fastdfs.connection import Connection
from fdfs_storage.fastdfs.deadline import Deadline
from fdfs_storage.fastdfs.pool import Pool


@contextlib.contextmanager
def lent(pool: Pool, seconds: float = 5.0) -> Iterator[Connection]:
    """Take a connection within so many seconds, and give it back."""
    shelf = pool.shelf()
    connection = shelf.take(pool, Deadline(seconds))
    try:
        yield connection
    finally:
        shelf.give_back(connection)
