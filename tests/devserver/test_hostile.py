"""What no honest client sends: names that lead elsewhere, lengths beyond reason, bytes that never end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.devserver.storage import STORAGE_COMMANDS

from .wire import (
    APPEND,
    APPENDER,
    DELETE,
    DOWNLOAD,
    GET_METADATA,
    INFO,
    LINK,
    MODIFY,
    REGENERATE,
    SET_METADATA,
    SLAVE,
    TRUNCATE,
    UPLOAD,
    Wire,
    append,
    download,
    group,
    link,
    metadata,
    modify,
    packet,
    slave,
    truncate,
    upload,
)

VICTIM = b"nobody's business"
Request = Callable[[bytes], tuple[int, bytes]]
# Every field that names a file.
FIELDS: dict[str, Request] = {
    "download": lambda name: (DOWNLOAD, download(name)),
    "info": lambda name: (INFO, group() + name),
    "delete": lambda name: (DELETE, group() + name),
    "get metadata": lambda name: (GET_METADATA, group() + name),
    "set metadata": lambda name: (SET_METADATA, metadata(name, b"a\2b")),
    "append": lambda name: (APPEND, append(name, b"x")),
    "modify": lambda name: (MODIFY, modify(name, 0, b"x")),
    "truncate": lambda name: (TRUNCATE, truncate(name, 1)),
    "regenerate": lambda name: (REGENERATE, name),
    "master": lambda name: (SLAVE, slave(name, b"x")),
    "link source": lambda name: (LINK, link(name)),
    "link master": lambda name: (LINK, link(name, master=name, prefix="_s")),
}
APPENDERS = b"fwAAAWsFrRmEAAAAAAAAAAAAAAA"  # bit 58 is set
NAMES = [
    b"M00/00/00/../../../../victim" + b"/" * 20,
    b"M00/00/00/" + b"./" * 9 + b"../../../../victim",
    b"M00/00/00/" + APPENDERS + b"/../../../../../victim",
    b"M00/../../victim\0" + b"x" * 30,
    b"M00/00/00/../../../../victim\0" + APPENDERS,
    b"00/00/../../../../victim" + b"\0" * 25,
    b"../../victim\0" + APPENDERS + b".txt",
    b"/proc/self/environ\0" + APPENDERS,
    b"M00/00/00\0/../../../victim" + APPENDERS,
    b"M00/00/00/..%2f..%2f..%2f..%2fvictim" + b"x" * 10,
    b"M00/00/00/..\\..\\..\\..\\victim" + b"x" * 20,
    b"M00\\00\\00\\" + APPENDERS + b"123.txt",
    b"M00/00/00/" + b"A" * 300,
    b"\0" * 44,
]


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedCluster]:
    """A cluster below a folder with a file that is none of its own."""
    (tmp_path / "victim").write_bytes(VICTIM)
    with EmbeddedCluster(tmp_path / "cluster") as embedded:
        yield embedded


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("field", FIELDS)
def test_no_name_leads_elsewhere(embedded: EmbeddedCluster, tmp_path: Path, field: str, name: bytes) -> None:
    with Wire(embedded.storage_server.address) as wire:
        wire.store(b"0123", "log", command=APPENDER)  # makes the folders that a name may go through
        before = everything(tmp_path)

        assert wire.ask(*FIELDS[field](name)) in {(22, b""), (2, b"")}

    assert everything(tmp_path) == before
    assert before[tmp_path / "victim"] == VICTIM


@pytest.mark.parametrize(
    "piece", ["../../", "/etc/", "a/b", "a\\b", "..\\..", "\x7f", "a b", "%2e%2e", "a\nb"]
)
@pytest.mark.parametrize("field", ["slave prefix", "slave extension", "upload extension", "link prefix"])
def test_no_piece_of_a_name_leads_elsewhere(
    embedded: EmbeddedCluster, storage: Wire, tmp_path: Path, field: str, piece: str
) -> None:
    name = storage.store(b"meow")
    command, body = {
        "slave prefix": (SLAVE, slave(name, b"x", piece)),
        "slave extension": (SLAVE, slave(name, b"x", "_s", piece)),
        "upload extension": (UPLOAD, upload(b"x", piece)),
        "link prefix": (LINK, link(name, master=name, prefix=piece)),
    }[field]
    before = everything(tmp_path)

    assert storage.ask(command, body) == (22, b"")
    assert everything(tmp_path) == before


LENGTHS = [2**63 - 1, 2**62, 2**40, 2**32, 2**31]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("command", [*STORAGE_COMMANDS, 99])
def test_a_body_that_never_ends_ends_with_the_client(
    embedded: EmbeddedCluster, command: int, length: int
) -> None:
    with Wire(embedded.storage_server.address) as wire:
        wire.sendall(packet(command, bytes(300), length=length))
        wire.shutdown(1)

        assert wire.ends()
    with Wire(embedded.storage_server.address) as wire:
        assert wire.lives()


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("command", [*STORAGE_COMMANDS, 99])
def test_of_a_body_beyond_reason_a_quarter_mebibyte_decides(
    embedded: EmbeddedCluster, storage: Wire, command: int, length: int
) -> None:
    storage.sendall(packet(command, bytes(262_134), length=length))

    answer = storage.read_answer()

    assert answer.body == b""
    assert answer.status in {22, 28}
    assert not list(embedded.volume.files())


@pytest.mark.parametrize("size", [2**63 - 1, 2**62, -1, -(2**63)])
@pytest.mark.parametrize("field", ["upload", "slave", "append", "modify"])
def test_a_size_that_the_length_denies_is_refused(storage: Wire, field: str, size: int) -> None:
    name = storage.store(b"0123", "log", command=APPENDER)
    command, body = {
        "upload": (UPLOAD, upload(b"x", size=size)),
        "slave": (SLAVE, slave(name, b"x", size=size)),
        "append": (APPEND, append(name, b"x", size=size)),
        "modify": (MODIFY, modify(name, 0, b"x", size=size)),
    }[field]

    assert storage.ask(command, body) == (22, b"")


def test_who_sends_slowly_is_waited_for_while_others_are_served(tmp_path: Path) -> None:
    request = packet(UPLOAD, upload(b"slow"))
    with EmbeddedCluster(timeout=2.5) as cluster, Wire(cluster.storage_server.address) as slow:
        for at in range(0, len(request), 5):
            slow.sendall(request[at : at + 5])
            slow.settimeout(0.6)
            if at + 5 < len(request):
                with pytest.raises(TimeoutError):
                    slow.recv(1)
            with Wire(cluster.storage_server.address) as other:
                other.store(b"quick")

        slow.settimeout(20)
        assert slow.read_answer().status == 0
