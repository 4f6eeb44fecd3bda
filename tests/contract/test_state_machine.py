"""Whatever is done in whatever order, the cluster and a dictionary agree: answers and errors alike."""

from __future__ import annotations

import functools
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs import Client, FileId, Kind
from fdfs_storage.fastdfs.errors import FastDFSError, FileMissingError, FileTakenError, InvalidRequestError

BOUNDED = settings(
    derandomize=True,
    max_examples=80,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
# Also just over what fits one packet of ours, and one buffer of the storage's.
CONTENT = st.binary(max_size=20) | st.sampled_from([65_537, 262_145]).map(random.Random(3).randbytes)
EXTENSIONS = st.sampled_from(["", "c", "jpg", "tar.gz"])
# Long enough that no name comes out at 44 characters or fewer: such a slave passes for a normal file.
PREFIXES = st.sampled_from(["_thumbnail", "_200x200", "-m.a_b_c_d"])
TEXT = st.text(st.characters(exclude_characters="\0\1\2", exclude_categories=["Cs"]), max_size=12)
METADATA = st.dictionaries(st.sampled_from(["", "a", "width", "标题"]) | TEXT, TEXT, max_size=4)


@dataclass
class Known:
    """A file as it should be."""

    content: bytes
    appender: bool = False
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def not_appender(self) -> type[FastDFSError] | None:
        return None if self.appender else InvalidRequestError


class Files(RuleBasedStateMachine):
    """Ids stay in the bundle when their file is gone, so that the missing is asked for too."""

    ids: Bundle[FileId] = Bundle("ids")

    def __init__(self, client: Client) -> None:
        super().__init__()
        self.client = client
        self.files: dict[FileId, Known] = {}

    def teardown(self) -> None:
        for file_id in self.files:
            self.client.delete(file_id)

    def on(
        self, file_id: FileId, act: Callable[[], Any], refused: Callable[[Known], type[FastDFSError] | None]
    ) -> Any:
        """Do it; return its result, or None where it was refused as the model says."""
        known = self.files.get(file_id)
        expected = refused(known) if known else FileMissingError
        if expected is None:
            return act()
        with pytest.raises(expected) as caught:
            act()
        assert type(caught.value) is expected
        return None

    # --- storing ---

    @initialize(target=ids)
    def begin(self) -> Any:
        return multiple(self.upload(b"", "txt", {}), self.upload_appender(b"0123456789", "log"))

    @rule(target=ids, content=CONTENT, extension=EXTENSIONS, metadata=METADATA)
    def upload(self, content: bytes, extension: str, metadata: dict[str, str]) -> FileId:
        file_id = self.client.upload(content, extension, metadata=metadata)
        assert (file_id.kind, file_id.size, file_id.extension) == (Kind.NORMAL, len(content), extension)
        assert file_id not in self.files
        self.files[file_id] = Known(content, metadata=metadata)
        return file_id

    @rule(target=ids, content=CONTENT, extension=EXTENSIONS)
    def upload_appender(self, content: bytes, extension: str) -> FileId:
        file_id = self.client.upload_appender(content, extension)
        assert (file_id.kind, file_id.first_crc32) == (Kind.APPENDER, zlib.crc32(content))
        self.files[file_id] = Known(content, appender=True)
        return file_id

    @rule(target=ids, master=ids, prefix=PREFIXES, content=CONTENT, extension=EXTENSIONS)
    def upload_slave(self, master: FileId, prefix: str, content: bytes, extension: str) -> Any:
        if len(master.name) > 90:
            return multiple()
        slave = master.slave(prefix, extension)
        taken = FileTakenError if slave in self.files else None
        act = functools.partial(self.client.upload_slave, master, prefix, content, extension)
        if not self.on(master, act, lambda _: taken):
            return multiple()
        self.files[slave] = Known(content, self.files[master].appender)
        return slave

    @rule(file_id=ids)
    def delete(self, file_id: FileId) -> None:
        self.on(file_id, functools.partial(self.client.delete, file_id), lambda _: None)
        self.files.pop(file_id, None)

    # --- changing ---

    @rule(file_id=ids, content=CONTENT)
    def append(self, file_id: FileId, content: bytes) -> None:
        self.on(file_id, lambda: self.client.append(file_id, content), lambda known: known.not_appender)
        if self.changes(file_id):
            self.files[file_id].content += content

    @rule(file_id=ids, content=CONTENT, offset=st.integers(0, 30))
    def modify(self, file_id: FileId, content: bytes, offset: int) -> None:
        def refused(known: Known) -> type[FastDFSError] | None:
            return InvalidRequestError if offset > len(known.content) else known.not_appender

        self.on(file_id, lambda: self.client.modify(file_id, offset, content), refused)
        if self.changes(file_id) and not refused(self.files[file_id]):
            before = self.files[file_id].content
            self.files[file_id].content = before[:offset] + content + before[offset + len(content) :]

    @rule(file_id=ids, size=st.integers(0, 40))
    def truncate(self, file_id: FileId, size: int) -> None:
        self.on(file_id, lambda: self.client.truncate(file_id, size), lambda known: known.not_appender)
        if self.changes(file_id):
            self.files[file_id].content = self.files[file_id].content[:size].ljust(size, b"\0")

    @rule(target=ids, file_id=ids)
    def regenerate(self, file_id: FileId) -> Any:
        act = functools.partial(self.client.regenerate, file_id)
        new: FileId | None = self.on(file_id, act, lambda known: known.not_appender)
        if not new:
            return multiple()
        content = self.files.pop(file_id).content  # and the metadata is lost: PROTOCOL 5.8
        assert (new.kind, new.size, new.crc32) == (Kind.NORMAL, len(content), zlib.crc32(content))
        self.files[new] = Known(content)
        return new

    def changes(self, file_id: FileId) -> bool:
        return file_id in self.files and self.files[file_id].appender

    # --- metadata ---

    @rule(file_id=ids, metadata=METADATA, merge=st.booleans())
    def set_metadata(self, file_id: FileId, metadata: dict[str, str], merge: bool) -> None:
        self.on(file_id, lambda: self.client.set_metadata(file_id, metadata, merge=merge), lambda _: None)
        if known := self.files.get(file_id):
            known.metadata = {**known.metadata, **metadata} if merge else metadata

    @rule(file_id=ids)
    def get_metadata(self, file_id: FileId) -> None:
        metadata = self.on(file_id, functools.partial(self.client.get_metadata, file_id), lambda _: None)
        assert file_id not in self.files or metadata == self.files[file_id].metadata

    # --- reading ---

    @rule(file_id=ids, offset=st.integers(0, 40), length=st.none() | st.integers(0, 40))
    def download(self, file_id: FileId, offset: int, length: int | None) -> None:
        if length == 0 and file_id.size != 0:  # nothing is asked of no server: nobody misses the file
            assert self.client.download(file_id, offset, 0) == b""
            return

        def refused(known: Known) -> type[FastDFSError] | None:
            # Of a file that its id calls empty nothing is read, so nothing lies behind its end.
            return InvalidRequestError if offset > len(known.content) and file_id.size != 0 else None

        content = self.on(file_id, lambda: self.client.download(file_id, offset, length), refused)
        if content is not None:
            end = None if length is None else offset + length
            assert content == self.files[file_id].content[offset:end]

    @rule(file_id=ids, crc=st.booleans())
    def info(self, file_id: FileId, crc: bool) -> None:
        info = self.on(file_id, lambda: self.client.info(file_id, crc=crc), lambda _: None)
        if info:
            content = self.files[file_id].content
            computed = crc or file_id.kind is Kind.NORMAL
            assert (info.size, info.crc32) == (len(content), zlib.crc32(content) if computed else 0)

    @rule(file_id=consumes(ids))
    def everything_of_one(self, file_id: FileId) -> None:
        """Look at one file closely, and let its id go."""
        self.download(file_id, 0, None)
        self.info(file_id, crc=True)
        self.get_metadata(file_id)

    @invariant()
    def no_two_files_share_an_id(self) -> None:
        assert len({str(file_id) for file_id in self.files}) == len(self.files)


def test_any_sequence_of_operations_does_what_it_says(client: Client) -> None:
    run_state_machine_as_test(lambda: Files(client), settings=BOUNDED)


def test_any_sequence_does_so_on_several_storages_too() -> None:
    shape = {"groups": 2, "storages": 2, "store_paths": 2, "trackers": 2}
    with EmbeddedCluster(**shape) as cluster, Client(cluster.trackers) as client:
        run_state_machine_as_test(lambda: Files(client), settings=settings(BOUNDED, max_examples=30))
