"""Who competes: our client with and without its checks, fdfs-client-py3 as published, the floor."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from fdfs_storage.fastdfs import Client
from fdfs_storage.fastdfs.file_id import FileId

from .floor import Floor

TIMEOUT_SECONDS = 30


class Contender(Protocol):
    """A client in the form in which they can be compared."""

    def upload(self, content: bytes) -> str: ...
    def upload_file(self, path: Path) -> str: ...
    def download(self, file_id: str) -> bytes: ...
    def download_to(self, file_id: str, write: Callable[[memoryview], object]) -> None: ...
    def delete(self, file_id: str) -> None: ...
    def close(self) -> None: ...


class Ours:
    """`verify`: compare new ids with what was sent (the default), and content with its id."""

    def __init__(self, tracker: str, *, verify: bool) -> None:
        self._client = Client([tracker], verify=verify)
        self._verify = verify

    def upload(self, content: bytes) -> str:
        return str(self._client.upload(content, "bin"))

    def upload_file(self, path: Path) -> str:
        return str(self._client.upload(path, "bin"))

    def download(self, file_id: str) -> bytes:
        return self._client.download(FileId.parse(file_id), verify=self._verify)

    def download_to(self, file_id: str, write: Callable[[memoryview], object]) -> None:
        self._client.download_to(FileId.parse(file_id), _Sink(write), verify=self._verify)

    def delete(self, file_id: str) -> None:
        self._client.delete(FileId.parse(file_id))

    def close(self) -> None:
        self._client.close()


class _Sink:
    """The least that `download_to` writes to."""

    def __init__(self, write: Callable[[memoryview], object]) -> None:
        self.write = write


class Published:
    """fdfs-client-py3, unmodified: it asks a tracker and connects to a storage for each operation."""

    def __init__(self, tracker: str) -> None:
        from fdfs_client.client import Fdfs_client

        with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
            conf.write(f"connect_timeout={TIMEOUT_SECONDS}\ntracker_server={tracker}\n")
            conf.flush()
            self._client = Fdfs_client(conf.name)

    def upload(self, content: bytes) -> str:
        return str(self._client.upload_by_buffer(content, "bin")["Remote file_id"])

    def upload_file(self, path: Path) -> str:
        return str(self._client.upload_by_filename(str(path))["Remote file_id"])

    def download(self, file_id: str) -> bytes:
        return bytes(self._client.download_to_buffer(file_id.encode())["Content"])

    def download_to(self, file_id: str, write: Callable[[memoryview], object]) -> None:
        raise NotImplementedError("it spins for ever on a file of more than a packet (FIELD, section 1)")

    def delete(self, file_id: str) -> None:
        self._client.delete_file(file_id.encode())

    def close(self) -> None:
        self._client.tracker_pool.destroy()


MAKERS: dict[str, Callable[[str], Contender]] = {
    "floor": Floor,
    "py3": Published,
    "unverified": lambda tracker: Ours(tracker, verify=False),
    "ours": lambda tracker: Ours(tracker, verify=True),
}
"""In the order of a round. `ours` checks all it can; a Client's own default is not to check downloads."""


def narrow(tracker: str) -> bool:
    """Say whether trackers answer with 16-byte addresses: fdfs-client-py3 reads no others."""
    contender = Published(tracker)
    try:
        contender.delete(contender.upload(b"narrow?"))
    except Exception as error:  # it raises whatever it stumbles over
        print(f"fdfs-client-py3 is left out: {error!r}", file=sys.stderr)
        return False
    finally:
        contender.close()
    return True
