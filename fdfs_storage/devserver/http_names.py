"""Download names and content types; no I/O."""

from __future__ import annotations

import re
from urllib.parse import quote

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_UNSAFE = re.compile(r"[^ !#-\[\]-~]")

_DEFAULT_TYPE = "application/octet-stream"
_OFFICE = "application/vnd.openxmlformats-officedocument"
_OPEN = "application/vnd.oasis.opendocument"
# What nginx's own table says of files that people store; of all others it says application/octet-stream.
_EXTENSIONS_OF_TYPE = {
    "image/avif": "avif",
    "image/gif": "gif",
    "image/jpeg": "jpg jpeg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/tiff": "tif tiff",
    "image/webp": "webp",
    "image/x-icon": "ico",
    "image/x-ms-bmp": "bmp",
    "audio/midi": "mid midi",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/x-m4a": "m4a",
    "video/3gpp": "3gp",
    "video/mp2t": "ts",
    "video/mp4": "mp4",
    "video/mpeg": "mpg mpeg",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/x-m4v": "m4v",
    "video/x-ms-wmv": "wmv",
    "video/x-msvideo": "avi",
    "application/vnd.apple.mpegurl": "m3u8",
    "text/css": "css",
    "text/html": "html htm",
    "text/plain": "txt",
    "text/xml": "xml",
    "application/javascript": "js",
    "application/json": "json",
    "application/xhtml+xml": "xhtml",
    "application/wasm": "wasm",
    "font/woff": "woff",
    "font/woff2": "woff2",
    "application/msword": "doc",
    "application/pdf": "pdf",
    "application/postscript": "ps eps ai",
    "application/rtf": "rtf",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    f"{_OFFICE}.wordprocessingml.document": "docx",
    f"{_OFFICE}.spreadsheetml.sheet": "xlsx",
    f"{_OFFICE}.presentationml.presentation": "pptx",
    f"{_OPEN}.text": "odt",
    f"{_OPEN}.spreadsheet": "ods",
    f"{_OPEN}.presentation": "odp",
    "application/java-archive": "jar",
    "application/x-7z-compressed": "7z",
    "application/x-rar-compressed": "rar",
    "application/zip": "zip",
}
TYPES = {
    extension: kind for kind, extensions in _EXTENSIONS_OF_TYPE.items() for extension in extensions.split()
}
"""The content type of each extension that has one."""


def content_type(name: str) -> str:
    """Tell it by what follows the last dot, as nginx does."""
    _, dot, extension = name.rpartition("/")[2].rpartition(".")
    return TYPES.get(extension.lower(), _DEFAULT_TYPE) if dot else _DEFAULT_TYPE


def disposition(wanted: str) -> str:
    """Return the Content-Disposition that offers a file under this name; safe for a header in any case."""
    name = _CONTROLS.sub("_", wanted)
    value = f'attachment; filename="{_UNSAFE.sub("_", name)}"'
    if not name.isascii():  # RFC 8187
        value += f"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    return value
