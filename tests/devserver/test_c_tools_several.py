"""FastDFS's own tools on several storages with server ids; skipped where they are not installed."""

from __future__ import annotations

import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fdfs_storage.devserver import EmbeddedCluster

from .test_c_tools import run

pytestmark = pytest.mark.skipif(
    not shutil.which("fdfs_upload_file"), reason="FastDFS's tools are not installed"
)


@pytest.fixture
def cluster() -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster(groups={"group1": 2, "group2": 1}, store_paths=2, lag=3600) as cluster:
        yield cluster


@pytest.fixture
def conf(cluster: EmbeddedCluster, tmp_path: Path) -> Path:
    conf = tmp_path / "client.conf"
    conf.write_text(
        f"base_path = {tmp_path}\ntracker_server = {cluster.trackers[0]}\nnetwork_timeout = 20\n"
        "load_fdfs_parameters_from_tracker = true\n"
    )
    return conf


def test_files_go_everywhere_and_come_back_from_where_they_are(
    cluster: EmbeddedCluster, conf: Path, tmp_path: Path
) -> None:
    sent, received = tmp_path / "sent.txt", tmp_path / "received"
    sent.write_bytes(b"hello world")

    ids = [run("upload_file", conf, sent).stdout.strip() for _ in range(8)]

    assert [len(list(storage.volume.files())) for storage in cluster.storages] == [2, 2, 4]
    assert {file_id[:11] for file_id in ids} == {f"group{group}/M0{path}/" for group in "12" for path in "01"}
    for file_id in ids:
        assert run("download_file", conf, file_id, received).returncode == 0
        assert received.read_bytes() == b"hello world"
    assert [run("delete_file", conf, file_id).returncode for file_id in ids] == [0] * 8


def test_the_source_of_a_file_is_told_by_its_id_and_address(conf: Path, tmp_path: Path) -> None:
    sent = tmp_path / "sent.txt"
    sent.write_bytes(b"hello world")
    file_id = run("upload_file", conf, sent).stdout.strip()

    told = run("file_info", conf, file_id).stdout

    assert re.search(r"source storage id: 100001\b", told)
    assert "source ip address: 127.0.0.1" in told
    assert f"(0x{zlib.crc32(b'hello world'):08x})" in told


def test_the_monitor_lists_all_storages(cluster: EmbeddedCluster, conf: Path) -> None:
    cluster.storages[1].read_only = True

    told = run("monitor", conf).stdout

    assert "group count: 2" in told
    assert re.findall(r"\n\t\tid = (\d+)", told) == ["100001", "100002", "110001"]
    assert re.findall(r"read write mode = (\w+)", told) == ["both", "readonly", "both"]
    assert told.count("ACTIVE") == 3
    assert re.findall(r"store path count = (\d+)", told) == ["2", "2"]
