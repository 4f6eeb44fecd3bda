"""Public URLs of files; pure, no network."""

from __future__ import annotations

from urllib.parse import quote

# Everything a file id consists of stays as it is; what legacy rows may hold is percent-encoded.
_SAFE = "/~!*()'"


def public_url(base_url: str, name: str) -> str:
    """Join a base URL (`http://host:8888`, with or without a path) and a file id.

    `name` may be any text: it always ends up as a quoted path below the base, whatever it looks
    like, so that no row can smuggle in a scheme or a host.
    """
    # Browsers and servers resolve `..`, encoded or not; no id has such a segment.
    segments = name.replace("\\", "/").lstrip("/").split("/")
    path = "/".join(segment for segment in segments if segment not in (".", ".."))
    return f"{base_url.rstrip('/')}/{quote(path.lstrip('/'), _SAFE, errors='replace')}"
