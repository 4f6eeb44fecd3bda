"""The name under which a browser saves a file, as the `filename` of its URL; pure.

fastdfs-nginx-module writes the decoded value as it is between two quotes of a Content-Disposition that
has room for 232 bytes, and cuts what is longer wherever that is (PROTOCOL 9; ngx_http_fastdfs_module.c,
fdfs_set_content_disposition). So a name is made to fit before it gets there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

_MOST_BYTES = 256 - len('attachment; filename=""') - 1
# What ends the quotes, the header or the line, and what makes a name look like another.
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\"\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LONGEST_EXTENSION = 16
# More characters than could fit, so that a text of any length costs the same.
_MOST_CHARACTERS = 256


def quoted_download_name(name: str, room: int) -> str:
    """Return the percent-encoded name, shortened before its extension to at most `room` characters.

    Empty where nothing of the name can be kept.
    """
    text = re.sub(r"[/\\]", "_", _UNFIT.sub("", name)).strip()
    stem, dot, extension = text.rpartition(".")
    if not stem or not extension or len(extension) > _LONGEST_EXTENSION:
        stem, dot, extension = text, "", ""
    tail = dot + extension
    bytes_left = _MOST_BYTES - len(tail.encode())
    kept = _fitting(stem, bytes_left, room - len(quote(tail, "")))
    return kept + quote(tail, "") if kept else ""


def _fitting(stem: str, bytes_left: int, room: int) -> str:
    """Return as many quoted characters as fit both decoded and encoded; a character is never cut."""
    return "".join(_taken(stem[:_MOST_CHARACTERS], bytes_left, room))


def _taken(stem: str, bytes_left: int, room: int) -> Iterator[str]:
    for character in stem:
        quoted = quote(character, "")
        bytes_left -= len(character.encode())
        room -= len(quoted)
        if bytes_left < 0 or room < 0:
            return
        yield quoted
