"""FastDFS's own command line tools as outside judges; skipped where they are not installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fdfs_storage.devserver import EmbeddedCluster

pytestmark = pytest.mark.skipif(
    not shutil.which("fdfs_upload_file"), reason="FastDFS's tools are not installed"
)
Tool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tool(embedded: EmbeddedCluster, tmp_path: Path) -> Tool:
    conf = tmp_path / "client.conf"
    conf.write_text(
        f"base_path = {tmp_path}\ntracker_server = {embedded.trackers[0]}\nnetwork_timeout = 20\n"
    )

    def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [f"fdfs_{name}", str(conf), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return run


def test_a_file_is_uploaded_downloaded_and_deleted(
    embedded: EmbeddedCluster, tool: Tool, tmp_path: Path
) -> None:
    sent, received, part = tmp_path / "sent.jpg", tmp_path / "received", tmp_path / "part"
    sent.write_bytes(os.urandom(3_000_000))

    file_id = tool("upload_file", sent).stdout.strip()

    path = embedded.volume.path_of(file_id)
    assert path is not None
    assert path.read_bytes() == sent.read_bytes()
    assert tool("download_file", file_id, received).returncode == 0
    assert received.read_bytes() == sent.read_bytes()
    assert tool("download_file", file_id, part, 100, 50).returncode == 0
    assert part.read_bytes() == sent.read_bytes()[100:150]
    assert tool("delete_file", file_id).returncode == 0
    assert tool("delete_file", file_id).returncode == 2
    assert not list(embedded.volume.files())


def test_the_name_is_understood(tool: Tool, tmp_path: Path) -> None:
    sent = tmp_path / "sent.txt"
    sent.write_bytes(b"hello world")

    told = tool("file_info", tool("upload_file", sent).stdout.strip()).stdout

    assert "file type: normal" in told
    assert "source ip address: 127.0.0.1" in told
    assert "file size: 11" in told
    assert "(0x0d4a1185)" in told


def test_the_monitor_shows_the_storage(embedded: EmbeddedCluster, tool: Tool) -> None:
    told = tool("monitor").stdout

    assert "group count: 1" in told
    assert "ACTIVE" in told
    assert (
        f"storage_port = {embedded.storage_port}" in told
        or f"storage server port = {embedded.storage_port}" in told
    )
