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
    path = name.replace("\\", "/").lstrip("/")
    # Browsers resolve `..`, encoded or not, against the base; within one segment they leave it alone.
    climbs = not {".", ".."}.isdisjoint(path.split("/"))
    segment = path if "/" in path else f"{path}/"
    quoted = quote(segment, safe="", errors="replace") if climbs else quote(path, _SAFE, errors="replace")
    return f"{base_url.rstrip('/')}/{quoted}"
