"""FastDFS's own command line tools as outside judges; skipped where they are not installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fdfs_storage.devserver import EmbeddedCluster

pytestmark = pytest.mark.skipif(
    not shutil.which("fdfs_upload_file"), reason="FastDFS's tools are not installed"
)
Tool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def conf(embedded: EmbeddedCluster, tmp_path: Path) -> Path:
    conf = tmp_path / "client.conf"
    conf.write_text(
        f"base_path = {tmp_path}\ntracker_server = {embedded.trackers[0]}\nnetwork_timeout = 20\n"
        "load_fdfs_parameters_from_tracker = true\n"
    )
    return conf


@pytest.fixture
def tool(conf: Path) -> Tool:
    return lambda name, *arguments: run(name, conf, *arguments)


def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [f"fdfs_{name}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


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


def test_an_appender_grows_and_becomes_a_normal_file(
    embedded: EmbeddedCluster, tool: Tool, tmp_path: Path
) -> None:
    first, more = tmp_path / "first.log", tmp_path / "more.log"
    first.write_bytes(os.urandom(1000))
    more.write_bytes(os.urandom(2_000_000))

    file_id = tool("upload_appender", first).stdout.strip()
    assert tool("append_file", file_id, more).returncode == 0
    told = tool("file_info", file_id).stdout
    normal = tool("regenerate_filename", file_id).stdout.strip()

    content = first.read_bytes() + more.read_bytes()
    assert "file type: appender" in told
    assert f"file size: {len(content)}" in told
    assert f"(0x{zlib.crc32(content):08x})" in told
    path = embedded.volume.path_of(normal)
    assert path is not None
    assert path.read_bytes() == content
    assert "error no: 2" in tool("file_info", file_id).stderr
    assert "file type: normal" in tool("file_info", normal).stdout


def test_a_normal_file_does_not_grow(tool: Tool, tmp_path: Path) -> None:
    sent = tmp_path / "sent.txt"
    sent.write_bytes(b"hello world")
    file_id = tool("upload_file", sent).stdout.strip()

    assert tool("append_file", file_id, sent).returncode == 22
    assert tool("regenerate_filename", file_id).returncode == 22


@pytest.mark.parametrize("how", ["FILE", "BUFF", "CALLBACK"])
def test_the_test_program_uploads_master_and_slave_with_metadata(
    embedded: EmbeddedCluster, tool: Tool, tmp_path: Path, how: str
) -> None:
    sent = tmp_path / "sent.txt"
    sent.write_bytes(b"hello world")

    told = tool("test", "upload", sent, how)

    assert told.returncode == 0
    assert f"ip_addr=127.0.0.1, port={embedded.storage_port}" in told.stdout
    names = re.findall(r"remote_filename=(\S+)", told.stdout)
    assert [path.read_bytes() for path in embedded.volume.files() if path.suffix == ".txt"] == [
        b"hello world"
    ] * 2
    for name in names:
        metadata = tool("test", "getmeta", "group1", name).stdout
        assert "ext_name=jpg" in metadata
        assert "file_size=" in metadata


def test_the_test_program_changes_metadata_and_deletes(tool: Tool, tmp_path: Path) -> None:
    sent = tmp_path / "sent.txt"
    sent.write_bytes(b"hello world")
    name = tool("upload_file", sent).stdout.strip().removeprefix("group1/")

    assert tool("test", "setmeta", "group1", name, "O", "b=1,a=2").returncode == 0
    assert tool("test", "setmeta", "group1", name, "M", "b=3,c=4").returncode == 0

    assert re.findall(r"\w+=\w+$", tool("test", "getmeta", "group1", name).stdout, re.M)[-3:] == [
        "a=2",
        "b=3",
        "c=4",
    ]
    assert "127.0.0.1" in tool("test", "query_servers", "group1", name).stdout
    assert tool("test", "delete", "group1", name).returncode == 0
    assert "error no: 2" in tool("test", "getmeta", "group1", name).stdout


def test_the_statistics_name_every_server(embedded: EmbeddedCluster, conf: Path) -> None:
    told = {what: run(f"{what}_stat", "-c", conf).stdout for what in ("tracker", "storage", "volumn")}

    assert f"{embedded.trackers[0]}, is_leader: 1, is_active: 1" in told["tracker"]
    assert f"{embedded.storage_server.address} ACTIVE" in told["storage"]
    assert "group1 disk_available: 1" in told["volumn"]


def test_the_monitor_shows_what_was_done(tool: Tool, tmp_path: Path) -> None:
    sent = tmp_path / "sent.log"
    sent.write_bytes(b"hello world")
    tool("append_file", tool("upload_appender", sent).stdout.strip(), sent)

    told = tool("monitor").stdout

    for line in ("total_upload_count = 1", "success_append_count = 1", "success_append_bytes = 11"):
        assert line in told


def report(text: str) -> dict[str, str]:
    """Read `name = value` lines; of two with one name, the last."""
    return {name.strip(): value.strip() for name, value in re.findall(r"^(.*?)=(.*)$", text, re.M)}


def test_the_whole_report_of_the_monitor_makes_sense(
    embedded: EmbeddedCluster, tool: Tool, tmp_path: Path
) -> None:
    sent = tmp_path / "sent.txt"
    sent.write_bytes(b"hello world")
    tool("delete_file", tool("upload_file", sent).stdout.strip())

    told = report(tool("monitor").stdout)

    assert told["host"] == f"{embedded.storage_server.address}  ACTIVE"
    assert told["read write mode"] == "both (normal)"
    assert told["version"] == "6.16.1"
    assert {told["storage server count"], told["readable server count"], told["writable server count"]} == {
        "1"
    }
    assert (told["success_upload_count"], told["success_upload_bytes"]) == ("1", "11")
    assert (told["total_delete_count"], told["success_delete_count"]) == ("1", "1")


def test_what_nothing_was_done_with_counts_nothing(tool: Tool) -> None:
    told = report(tool("monitor").stdout)

    counts = [value for name, value in told.items() if name.endswith(("_count", "_bytes", "_update"))]
    assert len(counts) >= 40
    assert set(counts) - {"1970-01-01 00:00:00"} <= {"0", "1", "256"}, "1 store path, 256 folders"
    now, beat = datetime.now(), datetime.strptime(told["last_heart_beat_time"], "%Y-%m-%d %H:%M:%S")
    assert abs(now - beat) < timedelta(minutes=1)


@pytest.mark.parametrize("how", ["FILE", "BUFF", "CALLBACK"])
@pytest.mark.parametrize("program", ["appender_test", "appender_test1"])
def test_the_test_program_of_appender_files_succeeds(
    embedded: EmbeddedCluster, conf: Path, tmp_path: Path, program: str, how: str
) -> None:
    sent = tmp_path / "sent.txt"
    sent.write_bytes(b"hello")

    told = run(program, conf, sent, how)

    assert told.returncode == 0
    assert told.stdout.count(" successfully.") == 2
    # One cuts the file to 2 bytes and the other to none; both append the file, then modify at the end.
    content, metadata = (path.read_bytes() for path in embedded.volume.files())
    assert content == (b"hehellohello" if program == "appender_test" else b"hellohello")
    assert metadata.startswith(b"ext_name\x02jpg\x01file_size\x02")


def test_the_test_program_that_speaks_ids_uploads_and_reads(
    embedded: EmbeddedCluster, tool: Tool, tmp_path: Path
) -> None:
    sent, received = tmp_path / "sent.txt", tmp_path / "received"
    sent.write_bytes(b"hello world")

    told = tool("test1", "upload", sent, "FILE").stdout
    file_id, slave_id = (re.sub(r".*?(group1/)", r"\1", url) for url in re.findall(r"url: (\S+)", told))

    assert slave_id == file_id.replace(".txt", "_big.txt")
    assert tool("test1", "download", slave_id, received).returncode == 0
    assert received.read_bytes() == b"hello world"
    assert tool("test1", "delete", file_id).returncode == 0
    assert embedded.volume.path_of(file_id) is None


@pytest.fixture
def large(tmp_path: Path) -> Iterator[EmbeddedCluster]:
    """Four storages on one address, so with server ids; its client.conf lies beside it."""
    with EmbeddedCluster(groups=2, storages=2, store_paths=2, trackers=2) as large:
        named = "".join(f"tracker_server = {tracker}\n" for tracker in large.trackers)
        options = "network_timeout = 20\nload_fdfs_parameters_from_tracker = true\n"
        (tmp_path / "large.conf").write_text(f"base_path = {tmp_path}\n{named}{options}")
        yield large


def test_server_ids_are_understood(large: EmbeddedCluster, tmp_path: Path) -> None:
    conf, sent, received = tmp_path / "large.conf", tmp_path / "sent.txt", tmp_path / "received"
    sent.write_bytes(b"hello world")
    sources = set()

    for _ in range(8):
        file_id = run("upload_file", conf, sent).stdout.strip()
        assert run("download_file", conf, file_id, received).returncode == 0
        told = run("file_info", conf, file_id).stdout
        sources |= set(re.findall(r"source storage id: (\d+)\nsource ip address: 127.0.0.1\n", told))

    assert sources == {storage.id for storage in large.storages}
    assert received.read_bytes() == b"hello world"


def test_every_storage_of_every_group_is_shown(large: EmbeddedCluster, tmp_path: Path) -> None:
    told = run("monitor", tmp_path / "large.conf").stdout

    assert "group count: 2" in told
    assert re.findall(r"^\s+id = (\d+)$", told, re.M) == [storage.id for storage in large.storages]
    assert re.findall(r"host = (\S+)  ACTIVE", told) == [storage.address for storage in large.storages]
    assert (
        re.findall(r"^(store path count|storage server count) = 2$", told, re.M)
        == [
            "storage server count",
            "store path count",
        ]
        * 2
    )
