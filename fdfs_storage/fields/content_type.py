"""What kind of content is it? By its first bytes, then by its name; what the client said is not asked."""

from __future__ import annotations

import mimetypes

UNKNOWN = "application/octet-stream"
HEAD_BYTES = 32
_ZIP = "application/zip"

_SIGNATURES: list[tuple[int, bytes, str]] = [
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypheic", "image/heic"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", _ZIP),
    (0, b"PK\x05\x06", _ZIP),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (8, b"WAVE", "audio/x-wav"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"ID3", "audio/mpeg"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/x-matroska"),
]
_RECOGNISED = {kind for _, _, kind in _SIGNATURES} - {"audio/mpeg", "audio/ogg"}
# What a name may say of content that begins like the type on the left.
_CONTAINERS = {
    _ZIP: ("application/vnd.", "application/epub+zip", "application/java-archive", "application/x-wheel+zip"),
    "video/mp4": ("video/", "audio/mp4", "audio/m4a", "image/"),
    "video/x-matroska": ("video/webm", "audio/webm"),
    "audio/ogg": ("video/ogg", "application/ogg"),
    "application/gzip": ("application/x-tar",),
}


def content_type(head: bytes, name: str) -> str:
    """Return a MIME type, `application/octet-stream` where the name says what the content is not."""
    guessed, encoding = mimetypes.guess_type(name, strict=False)
    if encoding:
        guessed = None
    for offset, signature, kind in _SIGNATURES:
        if head.startswith(signature, offset):
            inner = guessed is not None and guessed.startswith(_CONTAINERS.get(kind, ("\0",)))
            return guessed if inner and guessed else kind
    if guessed is None or guessed in _RECOGNISED:
        return UNKNOWN
    return guessed
