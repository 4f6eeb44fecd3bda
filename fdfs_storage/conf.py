"""FDFS_* settings and STORAGES OPTIONS become one frozen Options; every default lives here."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from .fastdfs import Address, Limits
from .fastdfs.address_map import AddressMap
from .fastdfs.client_conf import read_client_conf
from .fastdfs.cluster import TRACKER_PORT
from .fastdfs.errors import InvalidArgumentError
from .fastdfs.file_id import valid_group

PREFIX = "FDFS_"
_DEFAULT_LIMITS = Limits()
_SCHEME = re.compile(r"(?:https?:)?//", re.IGNORECASE)
_LONGEST_SECONDS = 3600
_MOST_CONNECTIONS = 1024
_LONGEST_PLACEMENT = 60
ENGINES = ("fastdfs", "fdfs-client-py3")


@dataclass(frozen=True)
class Options:
    """What a FastDFSStorage is told, validated."""

    trackers: tuple[str, ...] = ()
    """`host:port` of each tracker; they are tried in turn."""
    base_url: str = ""
    """What stands before a file id in its public URL; without a trailing slash."""
    group: str | None = None
    """Uploads go to this group only; None lets the tracker choose."""
    connect_timeout: float = _DEFAULT_LIMITS.connect_timeout
    """Seconds to wait for a connection to one server."""
    network_timeout: float = _DEFAULT_LIMITS.network_timeout
    """Seconds of silence after which a transfer gives up on a server."""
    pool_size: int = _DEFAULT_LIMITS.pool_size
    """Connections to each server, per process."""
    placement_ttl: float = _DEFAULT_LIMITS.placement_ttl
    """Seconds for which a tracker's choice of storages for new files holds; 0 asks for each upload."""
    verify: bool = True
    """Whether the size and CRC32 in each new id are compared with what was sent."""
    storage_address_map: Mapping[str, str] = field(default_factory=dict)
    """Where storages really are, when trackers name a container's or NAT's inner address."""
    client_conf: Path | None = None
    """FastDFS's own client.conf: its trackers and timeouts hold where nothing else names any."""
    client: str = ENGINES[0]
    """What speaks to the servers: our own client, or the published package of that name."""

    @property
    def limits(self) -> Limits:
        return Limits(self.connect_timeout, self.network_timeout, self.pool_size, self.placement_ttl)


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
    hint = "must be a URL such as http://img.example.com:8888, or host:port"
    if not isinstance(value, str):
        raise ValueError(hint)  # noqa: TRY004
    url = value.strip()
    if url and "://" not in url and not url.startswith("//"):
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        usable = not url or (bool(_SCHEME.match(url)) and _usable(parts))
    except ValueError as error:
        raise ValueError(f"{hint} ({error})") from error
    if not usable:
        raise ValueError(f"{hint}; got {value!r}")
    if "@" in url:  # not shown, since it may be a password
        raise ValueError(f"{hint}, without a user name or password: it ends up in every page")
    return url.rstrip("/")


def _usable(parts: SplitResult) -> bool:
    port_is_valid = parts.port is None or parts.port > 0
    bare = not (parts.query or parts.fragment)
    return bool(parts.hostname) and port_is_valid and bare and not re.search(r"[\s\\<>\"]", parts.geturl())


def _group(value: Any) -> str | None:
    if value in (None, ""):
        return None
    if not isinstance(value, str) or not valid_group(value):
        raise ValueError(f"must be a group's name (1-16 letters and digits), such as group1; got {value!r}")
    return value


def _seconds(value: Any) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < value <= _LONGEST_SECONDS:
        raise ValueError(
            f"must be a number of seconds, more than 0 and at most {_LONGEST_SECONDS}; got {value!r}"
        )
    return float(value)


def _connections(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST_CONNECTIONS:
        raise ValueError(f"must be a whole number from 1 to {_MOST_CONNECTIONS}; got {value!r}")
    return value


def _placement_ttl(value: Any) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value <= _LONGEST_PLACEMENT:
        raise ValueError(f"must be a number of seconds from 0 to {_LONGEST_PLACEMENT}; got {value!r}")
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be True or False; got {value!r}")  # noqa: TRY004
    return value


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


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "trackers": _trackers,
    "base_url": _base_url,
    "group": _group,
    "connect_timeout": _seconds,
    "network_timeout": _seconds,
    "pool_size": _connections,
    "placement_ttl": _placement_ttl,
    "verify": _flag,
    "storage_address_map": _address_map,
    "client_conf": _client_conf,
    "client": _engine,
}
NAMES = tuple(each.name for each in fields(Options))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint for a misspelt name: the nearest known one, else all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name.lower(), [known.lower() for known in names], n=1)
    for candidate in names:
        if close and candidate.lower() == close[0]:
            return f"did you mean {candidate}?"
    return f"known are {', '.join(names)}"


def refuse_unknown(given: Mapping[str, Any]) -> None:
    """Raise ImproperlyConfigured for an option that does not exist, with the one that was meant."""
    for name in given:
        if name not in NAMES:
            hint = did_you_mean(name.lower().removeprefix(PREFIX.lower()), NAMES)
            raise ImproperlyConfigured(f"FastDFSStorage has no option {name!r}: {hint}")


def resolve(given: Mapping[str, Any]) -> Options:
    """Merge OPTIONS over FDFS_* settings over a client.conf over defaults.

    Reads the client.conf, if one is named. Raises ImproperlyConfigured naming the culprit: the option
    or setting, and of a client.conf the file and the line.
    """
    values, origins = {}, {}
    for name, origin, value in _configured(given):
        try:
            values[name] = _PARSERS[name](value)
        except ValueError as error:
            raise ImproperlyConfigured(f"{origin} {error}") from error
        origins[name] = origin
    if path := values.get("client_conf"):
        try:
            values = {**_from_file(path), **values}
        except InvalidArgumentError as error:
            raise ImproperlyConfigured(f"{origins['client_conf']}: {error}") from error
    return Options(**values)


def _configured(given: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Give each option that is set, where, and to what."""
    for name in NAMES:
        setting = PREFIX + name.upper()
        if name in given:
            yield name, f"OPTIONS[{name!r}]", given[name]
        elif hasattr(settings, setting):
            yield name, setting, getattr(settings, setting)


def _from_file(path: Path) -> dict[str, Any]:
    """Return what a client.conf says; what it leaves out keeps our default, not the C client's."""
    said = read_client_conf(path)
    values: dict[str, Any] = {"trackers": said.trackers}
    for name in ("connect_timeout", "network_timeout"):
        seconds = getattr(said, name)
        if seconds is not None:  # the C tools share the file and take more, so that is cut, not refused
            values[name] = min(seconds, float(_LONGEST_SECONDS))
    return values


class _Generation:
    """Counts changes of our settings, so that a storage knows when to read them again."""

    number = 0

    def advance(self, *, setting: str, **_: Any) -> None:
        if setting.startswith(PREFIX):
            self.number += 1


generation = _Generation()
setting_changed.connect(generation.advance, dispatch_uid="fdfs_storage.conf.generation")
