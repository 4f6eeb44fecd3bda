"""manage.py fdfs_devserver, in a process of its own."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import signal
import socket
import tempfile
from pathlib import Path

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs import Client
from fdfs_storage.fastdfs.client_conf import read_client_conf
from fdfs_storage.management.commands import fdfs_devserver

from . import scripts
from .scripts import ROOT, Running
from .wire import ACTIVE_TEST, STORE, Wire, packet

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


STRUCK = """
import os, signal, sys, threading
from fdfs_storage.management.commands.fdfs_devserver import _until_signal

steps = 0

def strike(frame, event, argument):
    global steps
    if frame.f_code.co_filename.endswith(("threading.py", "queue.py")) or steps == 0:
        steps += 1
        if steps == chosen:
            sys.settrace(None)
            signal.raise_signal(signal.SIGTERM)
        return strike

for chosen in range(1, 20):
    steps = 0
    with _until_signal() as stopped:
        timer = threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGTERM])
        timer.start()
        sys.settrace(strike)
        stopped.get()
        sys.settrace(None)
        timer.join()
print("stopped")
"""


def test_a_signal_stops_it_at_whatever_step_of_its_waiting_it_comes() -> None:
    assert scripts.run(STRUCK) == ["stopped"]


def test_without_descriptors_it_says_so_and_serves_again_when_it_has_some(tmp_path: Path) -> None:
    with devserver(*FREE, "--data", str(tmp_path), "-v", "2") as command, contextlib.ExitStack() as crowd:
        lines = command.read_until("Ctrl-C")
        (tracker,) = re.findall(r'FDFS_TRACKERS = \["(.*)"\]', "\n".join(lines))
        command.allow_descriptors(32)
        for _ in range(32):
            crowd.enter_context(Wire(tracker))
        with Wire(tracker) as last:
            last.sendall(packet(ACTIVE_TEST))
            said = command.read_until("cannot accept")[-1]
            crowd.close()

            assert last.read_answer() == (0, b"")

    assert said == "the tracker cannot accept a connection: [Errno 24] Too many open files"


def test_it_prints_a_client_conf(tmp_path: Path) -> None:
    with devserver(*FREE, "--data", str(tmp_path), "--trackers", "2") as command:
        lines = command.read_until("Ctrl-C")
    written = [line for line in lines if re.match("[a-z_]+ = ", line)]
    (tmp_path / "client.conf").write_text("\n".join(written))

    conf = read_client_conf(tmp_path / "client.conf")

    (trackers,) = re.findall(r"FDFS_TRACKERS = (.*)", "\n".join(lines))
    assert list(conf.trackers) == json.loads(trackers)
    assert (conf.connect_timeout, conf.network_timeout) == (5, 30)
    assert f"base_path = {tempfile.gettempdir()}" in written


def test_it_has_the_shape_that_was_asked_for(tmp_path: Path) -> None:
    shape = ("--trackers=2", "--groups=2", "--storages=3", "--store-paths=2", "--lag=0.5")
    with devserver(*FREE, "--data", str(tmp_path), *shape) as command:
        (trackers,) = re.findall(r"FDFS_TRACKERS = (.*)", "\n".join(command.read_until("Ctrl-C")))
        with Client(json.loads(trackers)) as client:
            groups = client.groups()

    assert len(json.loads(trackers)) == 2
    assert [(group.name, group.storage_count, group.store_path_count) for group in groups] == [
        ("group1", 3, 2),
        ("group2", 3, 2),
    ]


def test_a_fixed_port_is_the_first_of_several(tmp_path: Path) -> None:
    options = ("--storages", "2", "--storage-port", "65535")
    with devserver(*FREE, "--data", str(tmp_path), *options) as command:
        code, _, err = command.finish()

    assert code == 1
    assert err.startswith("CommandError: storage_port 65535 leaves no ports for 2 servers")


def test_a_folder_of_another_shape_is_one_line(tmp_path: Path) -> None:
    with EmbeddedCluster(tmp_path, storages=2):
        pass
    with devserver(*FREE, "--data", str(tmp_path)) as command:
        code, out, err = command.finish()

    assert (code, out) == (1, "")
    assert re.fullmatch(r"CommandError: .*\n", err)


@pytest.mark.parametrize("option", ["--trackers=17", "--groups=0", "--storages=33", "--store-paths=257"])
def test_more_than_fastdfs_takes_is_refused(tmp_path: Path, option: str) -> None:
    name, _, number = option.partition("=")
    with devserver(*FREE, "--data", str(tmp_path), option) as command:
        code, _, err = command.finish()

    assert code == 2
    assert re.search(rf"argument {name}: not a whole number from 1 to (16|512|32|256): {number}\n", err)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "x", "１", "1e1", "9" * 5000])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="not a whole number from 1 to 5: "):
        fdfs_devserver._whole_number(5)(text)


@pytest.mark.parametrize("text", ["", "-0.1", "x", "nan", "inf", "3601", "1 s"])
def test_what_is_no_lag_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="not a number of seconds from 0 to 3600: "):
        fdfs_devserver._seconds(text)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("0.0.0.0", "nobody can connect to 0.0.0.0: name the address"),
        ("localhost", "not an IPv4 address, like 127.0.0.1: localhost"),
        ("::1", "not an IPv4 address, like 127.0.0.1: ::1"),
    ],
)
def test_an_address_that_trackers_cannot_name_is_refused(tmp_path: Path, address: str, said: str) -> None:
    with devserver(*FREE, "--data", str(tmp_path), "--bind", address, "--allow-public") as command:
        code, _, err = command.finish()

    assert code == 2
    assert f"argument --bind: {said}" in err.replace("trackers tell clients where to connect, and ", "")


def test_another_loopback_address_can_be_bound(tmp_path: Path) -> None:
    with devserver(*FREE, "--data", str(tmp_path), "--bind", "127.0.0.2") as command:
        lines = "\n".join(command.read_until("Ctrl-C"))

    assert 'FDFS_TRACKERS = ["127.0.0.2:' in lines
    assert "Whoever" not in lines


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "192.0.2.1 can be reached by others, .*: add --allow-public if that is what you want"),
        (["--allow-public"], "192.0.2.1 is no address of this machine: name one that is with --bind"),
    ],
)
def test_a_public_address_must_be_wanted(tmp_path: Path, options: list[str], said: str) -> None:
    with devserver(*FREE, "--data", str(tmp_path), "--bind", "192.0.2.1", *options) as command:
        code, _, err = command.finish()

    assert code == 1
    assert re.fullmatch(f"CommandError: {said}\n", err)


def test_a_public_address_is_warned_of(embedded: EmbeddedCluster) -> None:
    output = io.StringIO()
    embedded.host = "192.0.2.1"  # which no machine has

    fdfs_devserver.Command(stdout=output)._introduce(embedded)

    assert "Whoever reaches 192.0.2.1 can read and delete the files" in output.getvalue()


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
