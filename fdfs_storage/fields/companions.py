"""Companions: fields of the same model that keep what is known of an upload, so that nobody asks again."""

from __future__ import annotations

import tempfile
import unicodedata
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.core.files.base import File
from django.core.files.images import get_image_dimensions
from django.core.files.uploadedfile import UploadedFile
from django.db.models import FileField, Model

from fdfs_storage.fastdfs import FileId, Kind
from fdfs_storage.fastdfs.errors import FastDFSError, InvalidFileIdError

from .content_type import HEAD_BYTES, content_type

if TYPE_CHECKING:
    from .mixin import FastDFSFieldMixin

NAME, SIZE, CRC32, TYPE = "original_name_field", "size_field", "crc32_field", "content_type_field"
WIDTH, HEIGHT = "width_field", "height_field"
DIMENSIONS = (WIDTH, HEIGHT)
KINDS = (NAME, SIZE, CRC32, TYPE)
_LONGEST_NAME = 255


def of(field: FastDFSFieldMixin) -> dict[str, str]:
    """Return what a field keeps, and in which field."""
    named = {kind: getattr(field, kind, None) for kind in (*KINDS, *DIMENSIONS)}
    return {kind: name for kind, name in named.items() if name}


def rewindable(content: File[Any]) -> File[Any]:
    """Return the content, or a copy on disk of what can be read only once."""
    try:
        content.seek(0)
    except (AttributeError, OSError, ValueError):
        if getattr(content, "closed", False):
            raise
        spool = File(tempfile.TemporaryFile(), content.name)  # noqa: SIM115  # closed after the upload
        for chunk in content.chunks():
            spool.write(chunk.encode() if isinstance(chunk, str) else chunk)
        return spool
    return content


def measure(field: FastDFSFieldMixin, content: File[Any], name: str) -> dict[str, Any]:
    """Return what the field keeps of content that is going to be uploaded under a name."""
    wanted = of(field)
    measured: dict[str, Any] = {}
    if NAME in wanted:
        measured[NAME] = clean_name(name, longest(field, wanted[NAME]))
    if {SIZE, CRC32, TYPE} & wanted.keys():
        sure_of_size = isinstance(content, UploadedFile) and content.size is not None
        head, size, crc32 = _scan(content, whole=CRC32 in wanted or (SIZE in wanted and not sure_of_size))
        measured[SIZE] = content.size if sure_of_size else size
        measured[CRC32] = crc32
        measured[TYPE] = content_type(head, name)[: longest(field, wanted.get(TYPE))]
    if WIDTH in wanted or HEIGHT in wanted:
        measured[WIDTH], measured[HEIGHT] = dimensions(content)
    return {kind: value for kind, value in measured.items() if kind in wanted}


def dimensions(content: File[Any]) -> tuple[int, int]:
    """Return width and height in pixels; 0 for what is no image that Pillow can read."""
    try:
        width, height = get_image_dimensions(content)
    except FastDFSError:  # content that is itself in FastDFS, and cannot be read just now
        raise
    except Exception:  # whatever malformed content leads Pillow's parsers into
        width = height = 0
    content.seek(0)
    return width or 0, height or 0


def told(field: FastDFSFieldMixin, name: str) -> dict[str, Any]:
    """Return what a file id says of the file, without a request; None for what it does not say."""
    known: dict[str, Any] = dict.fromkeys(of(field))
    try:
        file_id = FileId.parse(name)
    except InvalidFileIdError:
        return known
    if file_id.kind in (Kind.NORMAL, Kind.TRUNK):
        known.update({SIZE: file_id.size, CRC32: file_id.crc32})
    return {kind: known[kind] for kind in of(field)}


def fill(field: FastDFSFieldMixin, instance: Model, values: Mapping[str, Any]) -> None:
    """Put values into an instance's companion fields; what is None is the field's way to be empty."""
    for kind, companion in of(field).items():
        if kind in values:
            value = values[kind]
            target = instance._meta.get_field(companion)
            if value is None and not getattr(target, "null", True):
                value = "" if kind in (NAME, TYPE) else 0
            setattr(instance, companion, value)


def copy(field: FastDFSFieldMixin, source: Model, instance: Model) -> None:
    """Give an instance what another one, of the same model, knows of its file."""
    values = {
        kind: vars(source)[companion] for kind, companion in of(field).items() if companion in vars(source)
    }
    fill(field, instance, values)


def known_dimensions(field: FastDFSFieldMixin, instance: Model) -> tuple[int, int] | None:
    """Return width and height as the columns have them, None unless both do."""
    wanted = of(field)
    width, height = (vars(instance).get(wanted.get(kind, "")) for kind in DIMENSIONS)
    return (width, height) if width and height else None


def clean_name(name: str, longest: int | None) -> str:
    """Return the name a file had where it came from: no path, no control characters, cut from the middle.

    Directions of writing and the like count as control characters: they can make one extension look like
    another.
    """
    bare = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    bare = "".join(each for each in bare if unicodedata.category(each)[0] != "C").strip()
    limit = min(longest or _LONGEST_NAME, _LONGEST_NAME)
    if len(bare) <= limit:
        return bare
    stem, dot, extension = bare.rpartition(".")
    ending = f"{dot}{extension}" if stem and len(extension) < limit // 2 else ""
    return bare[: limit - len(ending)] + ending


def longest(field: FileField, companion: str | None) -> int | None:
    """Return how many characters a companion field takes, None for any number."""
    return getattr(field.model._meta.get_field(companion), "max_length", None) if companion else None


def _scan(content: File[Any], *, whole: bool) -> tuple[bytes, int, int]:
    """Return the first bytes; and if the whole is read, its length and CRC32."""
    head, size, crc32 = b"", 0, 0
    for chunk in content.chunks():
        piece = chunk.encode() if isinstance(chunk, str) else chunk
        head = head or piece[:HEAD_BYTES]
        size += len(piece)
        crc32 = zlib.crc32(piece, crc32) if whole else 0
        if not whole:
            break
    content.seek(0)
    return head, size, crc32
