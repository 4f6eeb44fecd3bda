"""What fastdfs-nginx-module does for a file that its own storage has not: it asks the source in the name.

The module takes the address from the name (PROTOCOL 9). Here only storages of the cluster are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fdfs_storage.fastdfs.errors import ENOENT

from .locating import Clue
from .names import FileFacts
from .refusal import ECONNREFUSED, RefusedError
from .storage_server import StorageServer


def elsewhere(home: StorageServer, storages: Sequence[StorageServer]) -> Callable[[str, bytes], FileFacts]:
    """Return a function of group and name, for the HTTP server beside `home`.

    It refuses what the source has not either, and what has no other source than `home`, with ENOENT; with
    ECONNREFUSED, where the source is stopped.
    """

    def find(group: str, name: bytes) -> FileFacts:
        wanted = Clue.of(name).source
        known = [storage for storage in storages if storage.group == group]
        source = next((storage for storage in known if wanted in (storage.id, storage.host)), None)
        if source is None or source is home:
            raise RefusedError(ENOENT)
        if not (source.listening and source.http_server.listening):
            raise RefusedError(ECONNREFUSED)
        return FileFacts.of(source.volume.find(name), name)

    return find
