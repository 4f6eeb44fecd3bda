"""Public URLs of files: base, path, anti-steal token, download name; pure, the time is an argument."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from .download_name import quoted_download_name
from .token import anti_steal_token

# Everything a file id consists of stays as it is; what legacy rows may hold is percent-encoded.
_SAFE = "/~!*()'"
_SAFE_IN_URL = "/~!*()'%:?#[]@$&+,;="

_GROUPED = re.compile(r"([A-Za-z0-9]{1,16})/(M[0-9A-F]{2}/.+)", re.DOTALL)
_UNGROUPED = re.compile(r"M[0-9A-F]{2}/.+", re.DOTALL)
_URL = re.compile(r"(?:https?:)?//[^/\\?#\s]", re.IGNORECASE)

_BEYOND_ID = re.compile(r"[?#%]")

# fastdfs-nginx-module, common.c: decoded path, `?` and raw query have to fit into 510 bytes, and so does the
# `&redirect=1` that it adds where it has to ask another storage for the file.
_MOST_BYTES = 510 - len("&redirect=1")
# The module reads `ts` into an int, and takes 0 for "never expires".
_FIRST_TIME, _LAST_TIME = 1, 2**31 - 1


def _path(name: str) -> str:
    # Browsers and servers resolve `..`, encoded or not; no id has such a segment.
    segments = name.replace("\\", "/").lstrip("/").split("/")
    return "/".join([segment for segment in segments if segment not in (".", "..")]).lstrip("/")


def _joined(base: str, path: str) -> str:
    return f"{base}/{quote(path, _SAFE, errors='replace')}"


def _without_scheme(url: str) -> str:
    return url[url.index("//") :]


@dataclass(frozen=True)
class Links:
    """Makes the public URLs of one storage."""

    base_url: str
    base_urls: Mapping[str, str] = field(default_factory=dict)
    """Bases of single groups; where there is no base_url, the first of them serves the rest."""
    with_group: bool = True
    group: str | None = None
    """The group of names that come without one."""
    secret: Callable[[], bytes] | None = field(default=None, repr=False)
    ttl_seconds: int = 600
    window_seconds: int = 300

    def __bool__(self) -> bool:
        return bool(self.base_url or self.base_urls)

    def url(
        self, name: str, now: float, *, filename: str | None = None, expire_seconds: float | None = None
    ) -> str:
        """Return the URL of a file id, or of whatever text a row holds; there has to be a base.

        A full URL (http, https, `//host`) is what older rows may hold, and stays; below a base of ours
        it counts as the id. Anything else is a quoted path below the base. `filename` and `expire_seconds`
        as in FastDFSStorage.url.
        """
        if _URL.match(name):
            own = self._own(name)
            if own is None:
                return quote(name, _SAFE_IN_URL, errors="replace")
            name = own
        path = _path(name)
        group, file = self._split(path)
        base = self.base_urls.get(group or "") or self.base_url or next(iter(self.base_urls.values()))
        if file:
            path = f"{group}/{file}" if self.with_group and group else file
        token = self._token(self.secret(), file, now, expire_seconds) if self.secret and file else ""
        url = _joined(base, path)
        if not (token or filename):
            return url
        return url + self._query(f"{urlsplit(base).path}/{path}", token, filename or "")

    def _own(self, url: str) -> str | None:
        """Return the id in a full URL below a base of ours, whatever its scheme, or behind two slashes."""
        address = _without_scheme(url)
        starts = [f"{_without_scheme(base)}/" for base in (self.base_url, *self.base_urls.values()) if base]
        for start in ("//", *starts) if url.startswith("//") else starts:
            rest = address[len(start) :].lstrip("/")
            if address.startswith(start) and not _BEYOND_ID.search(rest) and self._split(rest)[1]:
                return rest
        return None

    def _split(self, path: str) -> tuple[str | None, str]:
        """Return group and file name (`M00/…`); no file name for what is no file id."""
        if match := _GROUPED.fullmatch(path):
            return match[1], match[2]
        return self.group, path if _UNGROUPED.fullmatch(path) else ""

    def _token(self, secret: bytes, file: str, now: float, expire_seconds: float | None) -> str:
        timestamp = self._timestamp(now, expire_seconds)
        return f"token={anti_steal_token(file, secret, timestamp)}&ts={timestamp}"

    def _timestamp(self, now: float, expire_seconds: float | None) -> int:
        """Return the `ts` of a URL that ends so many seconds from now, rounded up to the window.

        The server ends a URL ttl seconds after its ts, and takes a ts in the future (PROTOCOL 9.1). A
        window longer than half of what was asked for would make short-lived URLs live much longer.
        """
        wanted = self.ttl_seconds if expire_seconds is None else expire_seconds
        lifetime = max(-_LAST_TIME, min(wanted, _LAST_TIME))
        window = max(1, min(self.window_seconds, int(lifetime) // 2))
        end = math.ceil((now + lifetime) / window) * window
        return max(_FIRST_TIME, min(end - self.ttl_seconds, _LAST_TIME))

    @staticmethod
    def _query(path: str, token: str, filename: str) -> str:
        """Return the query, with as much of the download name as the server takes."""
        taken = len(path.encode("utf-8", "replace")) + len("?") + len(token) + len("&filename=")
        quoted = quoted_download_name(filename, _MOST_BYTES - taken)
        parameters = [token, f"filename={quoted}" if quoted else ""]
        query = "&".join(filter(None, parameters))
        return f"?{query}" if query else ""
