"""A published client, unmodified, as an outside judge: fastdfs-client, its blocking and its async half.

It reads replies with 46-byte addresses only. What it can do against real daemons works here, and what
fails there fails here in the same way, down to the files that are left.
"""

from __future__ import annotations

import asyncio
import os
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastdfs_client import AsyncDfsClient, FastdfsClient
from fastdfs_client.client import Config
from fastdfs_client.exceptions import DataError, ResponseError

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs.file_id import FileId


@pytest.fixture
def embedded() -> Iterator[EmbeddedCluster]:
    """A cluster that answers with the long addresses of 6.11 to 6.14."""
    with EmbeddedCluster(wide=True) as embedded:
        yield embedded


def trackers(cluster: EmbeddedCluster) -> Any:
    host, _, port = cluster.trackers[0].partition(":")
    return Config.create((host,), int(port), 20)


@pytest.fixture
def client(embedded: EmbeddedCluster) -> FastdfsClient:
    return FastdfsClient(trackers(embedded))


@pytest.fixture(params=[4_000, 700_000], ids=["small", "large"])
def content(request: pytest.FixtureRequest) -> bytes:
    return os.urandom(request.param)


@pytest.fixture
def file_id(client: FastdfsClient) -> str:
    stored: str = client.upload_by_buffer(b"0123456789", "txt")["Remote file_id"]
    return stored


def stored(cluster: EmbeddedCluster) -> list[bytes]:
    return sorted(path.read_bytes() for path in cluster.volume.files())


def served(cluster: EmbeddedCluster, file_id: str) -> bytes:
    with urllib.request.urlopen(f"{cluster.base_url}/{file_id}") as response:  # noqa: S310
        content: bytes = response.read()
        return content


def test_it_uploads_downloads_and_deletes_a_buffer(
    embedded: EmbeddedCluster, client: FastdfsClient, content: bytes
) -> None:
    result = client.upload_by_buffer(content, "jpg")
    file_id = result["Remote file_id"]

    assert (result["Status"], result["Storage IP"]) == ("Upload successed.", "127.0.0.1")
    assert client.download_to_buffer(file_id)["Content"] == content
    assert served(embedded, file_id) == content

    assert client.delete_file(file_id)[0] == "Delete file successed."
    assert stored(embedded) == []


def test_it_uploads_a_file(
    embedded: EmbeddedCluster, client: FastdfsClient, content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(content)

    file_id = client.upload_by_filename(path)["Remote file_id"]

    assert served(embedded, file_id) == content
    assert (FileId.parse(file_id).size, FileId.parse(file_id).extension) == (len(content), "png")


def test_it_downloads_a_range_and_a_small_file(client: FastdfsClient, file_id: str, tmp_path: Path) -> None:
    client.download_to_file(str(tmp_path / "copy"), file_id)

    assert client.download_to_buffer(file_id, 2, 5)["Content"] == b"23456"
    assert (tmp_path / "copy").read_bytes() == b"0123456789"


def test_it_makes_a_url_and_an_appender_file(embedded: EmbeddedCluster, client: FastdfsClient) -> None:
    url = client.upload_as_url(b"meow", "txt")
    appender = client.upload_appender_by_buffer(b"log", "log")["Remote file_id"]

    assert served(embedded, url.removeprefix("http://127.0.0.1/")) == b"meow"
    assert FileId.parse(appender).size is None


def test_its_async_half_uploads_and_deletes(embedded: EmbeddedCluster, content: bytes) -> None:
    client = AsyncDfsClient(trackers(embedded))

    async def upload_all() -> list[str]:
        return await asyncio.gather(*(client.upload(content + bytes([n]), ".jpg") for n in range(8)))

    urls = asyncio.run(upload_all())

    assert stored(embedded) == sorted(content + bytes([n]) for n in range(8))
    for url in urls:
        assert asyncio.run(client.delete(url))[0] == "Delete file successed."
    assert stored(embedded) == []


Fails = Callable[[FastdfsClient, str], object]
FAILS: dict[str, tuple[Fails, type[Exception], str]] = {
    "metadata is set": (lambda it, name: it.set_meta_data(name, {"a": "b"}), Exception, "char format"),
    "metadata is read": (lambda it, name: it.get_meta_data(name), DataError, "2, No such file"),
    "a slave": (lambda it, name: it.upload_slave_by_buffer(b"x", name, "_s"), DataError, "22, Invalid"),
    "append": (lambda it, name: it.append_by_buffer(b"x", name), Exception, "bytes object"),
    "modify": (lambda it, name: it.modify_by_buffer(b"x", name, 3), Exception, "bytes object"),
    "truncate": (lambda it, name: it.truncate_file(5, name), Exception, "bytes object"),
    "groups": (lambda it, _: it.list_all_groups(), ResponseError, "mismatch, except: 113, actul: 113"),
    "storages": (lambda it, _: it.list_servers("group1"), Exception, "bytes object"),
}


@pytest.mark.parametrize("what", FAILS)
def test_what_fails_at_real_daemons_fails_here(
    embedded: EmbeddedCluster, client: FastdfsClient, file_id: str, what: str
) -> None:
    act, error, message = FAILS[what]

    with pytest.raises(error, match=message):
        act(client, file_id)

    assert stored(embedded) == [b"0123456789"]


def test_an_upload_with_metadata_leaves_an_orphan(embedded: EmbeddedCluster, client: FastdfsClient) -> None:
    with pytest.raises(Exception, match="char format"):
        client.upload_by_buffer(b"orphan", "txt", {"a": "b"})

    assert stored(embedded) == [b"orphan"]


def test_a_second_dot_makes_the_odd_extension_that_it_sends(
    embedded: EmbeddedCluster, client: FastdfsClient, tmp_path: Path
) -> None:
    (tmp_path / "my.photo.jpg").write_bytes(b"meow")

    file_id = client.upload_by_filename(tmp_path / "my.photo.jpg")["Remote file_id"]

    assert file_id.endswith(".photo.")
    assert served(embedded, file_id) == b"meow"


def test_a_missing_file_is_its_error_2(client: FastdfsClient, file_id: str) -> None:
    client.delete_file(file_id)

    for act in (client.download_to_buffer, client.delete_file):
        with pytest.raises(DataError, match=r"2,? No such file"):
            act(file_id)


def test_short_addresses_are_beyond_it() -> None:
    with EmbeddedCluster() as narrow, pytest.raises(ResponseError, match="expect: 70, actual: 40"):
        FastdfsClient(trackers(narrow)).upload_by_buffer(b"meow", "txt")
