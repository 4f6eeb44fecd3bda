"""manage.py fdfs_devserver, in a process of its own."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path

import pytest

from .scripts import ROOT, Running
from .wire import STORE, Wire

SETTINGS = "tests.devserver.command_settings"
FREE = ("--tracker-port", "0", "--storage-port", "0", "--http-port", "0")


def devserver(*arguments: str, cwd: Path = ROOT) -> Running:
    return Running("fdfs_devserver", *arguments, settings=SETTINGS, cwd=cwd)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_the_settings_and_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with devserver(*FREE, "--data", str(tmp_path)) as command:
        lines = command.read_until("Ctrl-C")
        values: dict[str, object] = {}
        exec("\n".join(line for line in lines if line.startswith("FDFS_")), values)  # noqa: S102
        with Wire(values["FDFS_TRACKERS"][0]) as tracker:
            assert tracker.ask(STORE).status == 0

        assert command.finish(number) == (0, "Stopped.\n", "")

    assert values["FDFS_BASE_URL"].startswith("http://127.0.0.1:")
    assert f"The files lie in {tmp_path}" in lines


def test_with_verbosity_2_each_request_is_a_line(tmp_path: Path) -> None:
    with devserver(*FREE, "--data", str(tmp_path), "-v", "2") as command:
        (tracker,) = re.findall(r'FDFS_TRACKERS = \["(.*)"\]', "\n".join(command.read_until("Ctrl-C")))
        with Wire(tracker) as wire:
            wire.ask(STORE)
            wire.ask(99)

        lines = command.read_until("command 99")

    assert re.fullmatch(
        r"tracker 127.0.0.1:\d+ QUERY_STORE_WITHOUT_GROUP_ONE: status 0, 40 bytes, [\d.]+ ms", lines[0]
    )


@pytest.mark.parametrize("option", ["--tracker-port", "--storage-port", "--http-port"])
def test_a_taken_port_is_one_line_with_the_remedy(tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with devserver(*FREE, "--data", str(tmp_path), option, str(port)) as command:
            code, out, err = command.finish()

    assert (code, out) == (1, "")
    assert err.startswith(f"CommandError: port {port} is taken: ")
    assert err.endswith(f" with {option} (0: any free one)\n")


def test_a_folder_in_use_is_one_line(tmp_path: Path) -> None:
    with devserver(*FREE, "--data", str(tmp_path)) as first:
        first.read_until("Ctrl-C")
        with devserver(*FREE, "--data", str(tmp_path)) as second:
            code, _, err = second.finish()

    assert (code, err) == (1, f"CommandError: another embedded cluster keeps its files in {tmp_path}\n")


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with devserver(*FREE, "--data", str(tmp_path / "file" / "below")) as command:
        code, _, err = command.finish()

    assert code == 1
    assert re.fullmatch(r"CommandError: .*Not a directory: .*\n", err)


@pytest.mark.parametrize("port", ["-1", "65536", "x", "", "１２"])
def test_a_port_that_is_none_is_refused(tmp_path: Path, port: str) -> None:
    with devserver(*FREE, "--data", str(tmp_path), f"--tracker-port={port}") as command:
        code, _, err = command.finish()

    assert code == 2
    assert f"argument --tracker-port: not a port (0-65535): {port}" in err


def test_without_base_dir_the_files_lie_below_the_working_directory(tmp_path: Path) -> None:
    with devserver(*FREE, cwd=tmp_path) as command:
        command.read_until("Ctrl-C")
        command.finish(signal.SIGTERM)

    assert (tmp_path / "var" / "fastdfs" / "data").is_dir()
