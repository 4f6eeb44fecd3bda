"""What each option may be: one function for each, which returns the value or raises a ValueError.

A message names the remedy, and goes on where the option's name ended: `must be …`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from fdfs_storage.fastdfs import Address
from fdfs_storage.fastdfs.address_map import AddressMap
from fdfs_storage.fastdfs.cluster import TRACKER_PORT
from fdfs_storage.fastdfs.errors import InvalidArgumentError
from fdfs_storage.fastdfs.file_id import valid_group

from .options import ENGINES
from .secret import Secret

LONGEST_SECONDS = 3600
_LONGEST_PLACEMENT = 60
_LONGEST_TTL = 10 * 365 * 86400
_LONGEST_WINDOW = 86400
_MOST_CONNECTIONS = 1024
_SCHEME = re.compile(r"(?:https?:)?//", re.IGNORECASE)
_LOCATION = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?")
_URL_HINT = "must be a URL such as http://img.example.com:8888, or host:port"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint for a misspelt name: the nearest known one, else all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name.lower(), [known.lower() for known in names], n=1)
    for candidate in names:
        if close and candidate.lower() == close[0]:
            return f"did you mean {candidate}?"
    return f"known are {', '.join(names)}"


def _trackers(value: Any) -> tuple[str, ...]:
    listed: Iterable[Any] = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple, set, frozenset)) or not all(isinstance(x, str) for x in listed):
        raise ValueError('must be a list such as ["10.0.0.1:22122", "10.0.0.2:22122"]')
    try:
        return tuple(dict.fromkeys(str(Address.parse(x, TRACKER_PORT)) for x in listed if x.strip()))
    except InvalidArgumentError as error:
        raise ValueError(f"{error}; write it as 10.0.0.1:{TRACKER_PORT}") from error


def _base_url(value: Any) -> str:
    """Accept `host:port` as well as a URL, as people write it in FastDFS's own configuration."""
    if not isinstance(value, str):
        raise ValueError(_URL_HINT)  # noqa: TRY004
    url = value.strip()
    if "@" in url:  # not shown, since it may be a password
        raise ValueError(f"{_URL_HINT}, without a user name or password: it ends up in every page")
    if url and "://" not in url and not url.startswith("//"):
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        usable = not url or (bool(_SCHEME.match(url)) and _usable(parts))
    except ValueError as error:
        raise ValueError(f"{_URL_HINT} ({error})") from error
    if not usable:
        raise ValueError(f"{_URL_HINT}; got {value!r}")
    return url.rstrip("/")


def _usable(parts: SplitResult) -> bool:
    port_is_valid = parts.port is None or parts.port > 0
    bare = not (parts.query or parts.fragment)
    return bool(parts.hostname) and port_is_valid and bare and not re.search(r"[\s\\<>\"]", parts.geturl())


def _base_urls(value: Any) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        hint = '{"group1": "http://img1.example.com", "group2": "http://img2.example.com"}'
        raise ValueError(f"must be a dictionary such as {hint}")  # noqa: TRY004
    urls = {}
    for group, url in value.items():
        if _group(group) is None or not str(url).strip():
            raise ValueError(f"must have a group's name and a URL in each entry; got {group!r}: {url!r}")
        try:
            urls[group] = _base_url(url)
        except ValueError as error:
            raise ValueError(f"of {group} {error}") from error
    return urls


def _group(value: Any) -> str | None:
    if value in (None, ""):
        return None
    if not isinstance(value, str) or not valid_group(value):
        raise ValueError(f"must be a group's name (1-16 letters and digits), such as group1; got {value!r}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _seconds(value: Any) -> float:
    if not _is_number(value) or not 0 < value <= LONGEST_SECONDS:
        raise ValueError(
            f"must be a number of seconds, more than 0 and at most {LONGEST_SECONDS}; got {value!r}"
        )
    return float(value)


def _placement_ttl(value: Any) -> float:
    if not _is_number(value) or not 0 <= value <= _LONGEST_PLACEMENT:
        raise ValueError(f"must be a number of seconds from 0 to {_LONGEST_PLACEMENT}; got {value!r}")
    return float(value)


def _whole(least: int, most: int, what: str) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"must be a whole number {what}from {least} to {most}; got {value!r}")
        return value

    return parse


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be True or False; got {value!r}")  # noqa: TRY004
    return value


def _token_secret(value: Any) -> Secret | None:
    if value is None or value == "":
        return None
    return value if isinstance(value, Secret) else Secret(value)


def _x_accel(value: Any) -> str:
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or not _LOCATION.fullmatch(value):
        raise ValueError(
            "must be the path of a location in nginx's configuration that is internal, such as /_fdfs/; "
            f"got {value!r}"
        )
    return value.rstrip("/")


def _address_map(value: Any) -> Mapping[str, str]:
    hint = 'must be a dictionary such as {"172.17.0.2": "10.0.0.5", "172.18.0.0/16": "10.0.0.6:23001"}'
    if not isinstance(value, Mapping):
        raise ValueError(hint)  # noqa: TRY004
    try:
        AddressMap(value)
    except InvalidArgumentError as error:
        raise ValueError(f"{hint}: {error}") from error
    return dict(value)


def _client_conf(value: Any) -> Path | None:
    if value in (None, ""):
        return None
    if not isinstance(value, (str, Path)):
        raise ValueError(f"must be the path of a client.conf; got {value!r}")  # noqa: TRY004
    path = Path(value)
    if path.is_absolute():
        return path
    base = getattr(settings, "BASE_DIR", None)
    if not base or not isinstance(base, (str, Path)):
        raise ValueError(
            f"is a relative path, and the settings have no BASE_DIR to start from: "
            f'write it like "/etc/fdfs/client.conf"; got {str(path)!r}'
        )
    return Path(base) / path


def _engine(value: Any) -> str:
    if not isinstance(value, str) or value not in ENGINES:
        hint = did_you_mean(str(value), ENGINES)
        raise ValueError(f"must be one of {', '.join(map(repr, ENGINES))}; got {value!r}: {hint}")
    return value


PARSERS: dict[str, Callable[[Any], Any]] = {
    "trackers": _trackers,
    "base_url": _base_url,
    "base_urls": _base_urls,
    "url_with_group": _flag,
    "token_secret": _token_secret,
    "token_ttl": _whole(1, _LONGEST_TTL, "of seconds "),
    "token_window": _whole(0, _LONGEST_WINDOW, "of seconds "),
    "x_accel": _x_accel,
    "group": _group,
    "connect_timeout": _seconds,
    "network_timeout": _seconds,
    "pool_size": _whole(1, _MOST_CONNECTIONS, ""),
    "placement_ttl": _placement_ttl,
    "verify": _flag,
    "storage_address_map": _address_map,
    "client_conf": _client_conf,
    "client": _engine,
}
