"""Was stored what was sent? The id says so without another request, except where it cannot.

On clusters that deduplicate (`check_file_duplicate`), the CRC32 in every id is a random number, so a
mismatch alone proves nothing: the file is read back once, and equal content is accepted.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable

from .errors import IntegrityError
from .file_id import MARK, NORMAL_NAME_BYTES, FileId, Kind

logger = logging.getLogger(__name__)

Reader = Callable[[FileId, Callable[[memoryview], object]], int]
"""Downloads a whole file piece by piece, and returns its length."""


class Integrity:
    """Judges ids by their facts; knows which groups deduplicate."""

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._random_crc: dict[str, bool] = {}

    def check_upload(self, file_id: FileId, size: int, crc32: int, mark: str) -> None:
        """Raise IntegrityError if the file is not what was sent. Nothing is ever deleted here.

        An id whose facts are not those of what we sent may be another's file. `mark`: the
        `content_mark` of what was sent, which settles it for a normal file.
        """
        if file_id.name[MARK] == mark and len(file_id.name) == NORMAL_NAME_BYTES and not size >> 32:
            if self._random_crc.get(file_id.group) is not False:
                self._random_crc[file_id.group] = False
            return
        said = file_id.size if file_id.kind is not Kind.APPENDER else size
        if (said, file_id.first_crc32) == (size, crc32):
            self._random_crc[file_id.group] = False
            return
        if self._content(file_id) != (size, crc32):
            raise IntegrityError(
                f"{file_id} does not hold the {size} bytes that were sent; it was left alone"
            )
        self._accept(file_id)

    def check_size(self, file_id: FileId, sent: int, stored: int) -> None:
        """Raise IntegrityError if a slave, whose name does not tell, has not the size that was sent."""
        if sent != stored:
            raise IntegrityError(f"{file_id} holds {stored} bytes where {sent} were sent; it was left alone")

    def check_download(self, file_id: FileId, crc32: int) -> None:
        """Raise IntegrityError if a whole file's content is not what its id says.

        Where the group may deduplicate, a second reading that agrees with the first one is enough.
        """
        if file_id.crc32 in (None, crc32):
            return
        known = self._random_crc.get(file_id.group)
        if known is False or (known is None and self._content(file_id)[1] != crc32):
            raise IntegrityError(f"the content of {file_id} is not what its id says: it is damaged")
        self._accept(file_id)

    def _content(self, file_id: FileId) -> tuple[int, int]:
        crc32 = 0

        def reckon(piece: memoryview) -> None:
            nonlocal crc32
            crc32 = zlib.crc32(piece, crc32)

        return self._read(file_id, reckon), crc32

    def _accept(self, file_id: FileId) -> None:
        if not self._random_crc.get(file_id.group):
            self._random_crc[file_id.group] = True
            logger.warning(
                "ids of %s do not carry the CRC32 of their content, as where check_file_duplicate is on; "
                "each upload is read back",
                file_id.group,
            )
