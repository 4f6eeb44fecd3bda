"""Whatever is done to one storage, told in whichever pieces and told again: its peer ends up the same."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fdfs_storage.devserver.replication import Link
from fdfs_storage.devserver.storage import Storage
from fdfs_storage.devserver.volume import Volume

from .wire import (
    APPEND,
    APPENDER,
    DELETE,
    LINK,
    MODIFY,
    REGENERATE,
    SET_METADATA,
    SLAVE,
    TRUNCATE,
    UPLOAD,
    append,
    group,
    link,
    metadata,
    modify,
    slave,
    truncate,
    upload,
)

CONTENT = st.binary(max_size=20)
WHICH = st.integers(0, 50)


def held(volume: Volume) -> dict[str, bytes]:
    return {
        volume.name_of(path): bytes(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in volume.files()
    }


class TwoStorages(RuleBasedStateMachine):
    """One is written to; the other hears of it now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.volumes = [self.volume(folder, source) for source in ("100001", "100002")]
        self.storage = Storage(self.volumes[0])
        self.names: list[bytes] = []
        self.appenders: list[bytes] = []
        self.open_link()
        for path in (0, 1):
            self.store(b"12345", APPENDER, path)

    def volume(self, folder: Path, source: str) -> Volume:
        base = folder / source
        volume = Volume(base, source=source, paths=[base / "store_path0", base / "store_path1"])
        volume.open()
        self.stack.callback(volume.close)
        return volume

    def open_link(self) -> None:
        source, peer = self.volumes
        self.link = Link(source, peer, source.binlog.folder / "100002.mark", up=lambda volume: True)
        self.link.open()

    def teardown(self) -> None:
        with self.stack:
            self.tell()
            assert held(self.volumes[0]) == held(self.volumes[1])
            self.link.close()

    def ask(self, command: int, body: bytes) -> None:
        reply = self.storage.answer(command, body)
        if command in (UPLOAD, APPENDER, SLAVE, LINK, REGENERATE) and not reply.status:
            self.names.append(reply.body[16:])
            self.appenders += [reply.body[16:]] * (command == APPENDER)

    def name(self, which: int) -> bytes:
        return self.names[which % len(self.names)]

    def appender(self, which: int) -> bytes:
        return self.appenders[which % len(self.appenders)]

    @rule(content=CONTENT, command=st.sampled_from([UPLOAD, APPENDER]), path=st.integers(0, 1))
    def store(self, content: bytes, command: int, path: int) -> None:
        self.ask(command, upload(content, path=path))

    @rule(which=WHICH, content=CONTENT)
    def hang_on(self, which: int, content: bytes) -> None:
        self.ask(SLAVE, slave(self.name(which), content))

    @rule(which=WHICH)
    def link_to(self, which: int) -> None:
        self.ask(LINK, link(self.name(which)))

    @rule(which=WHICH, master=WHICH)
    def link_as_slave(self, which: int, master: int) -> None:
        self.ask(LINK, link(self.name(which), master=self.name(master), prefix="_s"))

    @rule(which=WHICH, content=CONTENT)
    def append(self, which: int, content: bytes) -> None:
        self.ask(APPEND, append(self.appender(which), content))

    @rule(which=WHICH, offset=st.integers(0, 30), content=CONTENT)
    def modify(self, which: int, offset: int, content: bytes) -> None:
        self.ask(MODIFY, modify(self.appender(which), offset, content))

    @rule(which=WHICH, size=st.integers(0, 30))
    def truncate(self, which: int, size: int) -> None:
        self.ask(TRUNCATE, truncate(self.appender(which), size))

    @rule(
        which=WHICH, block=st.sampled_from([b"", b"a\x021", b"a\x022\x01b\x023"]), flag=st.sampled_from("OM")
    )
    def describe(self, which: int, block: bytes, flag: str) -> None:
        self.ask(SET_METADATA, metadata(self.name(which), block, flag.encode()))

    @rule(which=WHICH)
    def regenerate(self, which: int) -> None:
        self.ask(REGENERATE, self.appender(which))

    @rule(which=WHICH)
    def delete(self, which: int) -> None:
        self.ask(DELETE, group() + self.name(which))

    @rule()
    def tell(self) -> None:
        asyncio.run(self.link.tell(self.volumes[0].binlog.end))

    @rule(share=st.floats(0, 1))
    def tell_part(self, share: float) -> None:
        """Tell some of the lines that wait."""
        waiting = [end for _, end in self.volumes[0].binlog.read(self.link.position)]
        if waiting:
            asyncio.run(self.link.tell(waiting[int(share * (len(waiting) - 1))]))

    @rule()
    def tell_all_again(self) -> None:
        """As after the loss of the mark."""
        self.link.close()
        (self.volumes[0].binlog.folder / "100002.mark").unlink()
        self.open_link()

    @invariant()
    def nothing_is_left_half_received(self) -> None:
        assert not [
            left for volume in self.volumes for path in volume.paths for left in path.incoming.iterdir()
        ]


TestTwoStorages = TwoStorages.TestCase
TestTwoStorages.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
