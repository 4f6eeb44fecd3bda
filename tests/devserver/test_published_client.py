"""A published client, unmodified, as an outside judge: fdfs-client-py3 with the tutorial's calls."""

from __future__ import annotations

import contextlib
import io
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs.file_id import FileId

client_module = pytest.importorskip("fdfs_client.client")


@pytest.fixture(params=[4_000, 700_000], ids=["small", "large"])
def content(request: pytest.FixtureRequest) -> bytes:
    return os.urandom(request.param)


@pytest.fixture
def client(embedded: EmbeddedCluster, tmp_path: Path) -> Iterator[Any]:
    conf = tmp_path / "client.conf"
    conf.write_text(f"connect_timeout=20\ntracker_server={embedded.trackers[0]}\n")
    # It prints and, like all of its time, leaves sockets to the garbage collector.
    with contextlib.redirect_stdout(io.StringIO()):
        yield client_module.Fdfs_client(str(conf))


def served(cluster: EmbeddedCluster, file_id: str) -> bytes:
    with urllib.request.urlopen(f"{cluster.base_url}/{file_id}") as response:  # noqa: S310
        content: bytes = response.read()
        return content


def test_it_uploads_downloads_and_deletes_a_buffer(
    embedded: EmbeddedCluster, client: Any, content: bytes
) -> None:
    result = client.upload_by_buffer(content, "jpg")
    file_id = result["Remote file_id"]

    assert result["Status"] == "Upload successed."
    assert result["Storage IP"] == "127.0.0.1"
    assert client.download_to_buffer(file_id.encode())["Content"] == content
    assert served(embedded, file_id) == content

    assert client.delete_file(file_id.encode())[0] == "Delete file successed."
    assert not list(embedded.volume.files())


def test_it_uploads_a_file(embedded: EmbeddedCluster, client: Any, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(content)

    file_id = client.upload_by_filename(str(path))["Remote file_id"]

    assert served(embedded, file_id) == content
    assert (FileId.parse(file_id).size, FileId.parse(file_id).extension) == (len(content), "png")


def test_it_appends_and_truncates(embedded: EmbeddedCluster, client: Any, content: bytes) -> None:
    file_id = client.upload_appender_by_buffer(b"0123456789", "log")["Remote file_id"].encode()

    client.append_by_buffer(content, file_id)
    grown = client.download_to_buffer(file_id)["Content"]
    client.truncate_file(5, file_id)

    assert grown == b"0123456789" + content
    assert served(embedded, file_id.decode()) == b"01234"


def test_it_says_so_when_a_file_is_missing(embedded: EmbeddedCluster, client: Any) -> None:
    with pytest.raises(Exception, match="2 No such file"):
        client.download_to_buffer(b"group1/M00/00/00/fwAAAWsFrRmAAAAAAAAAAAAAAAA.000000")
