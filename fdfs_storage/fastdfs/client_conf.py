"""Reads FastDFS's own client.conf as its C client does (PROTOCOL, section 10); no network.

Line numbers cite ini_file_reader.c of libfastcommon 3cca66a, client_func.c and fdfs_shared_func.c
of FastDFS 1568b24 (6.16.1). What differs from the C client:

- its preprocessor is not run: `#@if`, `#@for`, `#@set`, `#@function` are comments, and are logged;
- nothing is fetched: an `#include` of a URL is refused;
- host names are not resolved, so what only an address tells is not checked;
- trackers keep the file's order instead of being sorted by address;
- what would fail later, or crash it, is refused here: ports that nobody can dial, circles, huge files.
"""

from __future__ import annotations

import codecs
import io
import ipaddress
import logging
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from .errors import InvalidArgumentError
from .protocol import Address

logger = logging.getLogger(__name__)

_PORT = 22122  # FDFS_TRACKER_SERVER_DEF_PORT
_MOST_SERVERS = 16  # FDFS_MAX_TRACKERS
_KEY_BYTES = 63  # FAST_INI_ITEM_NAME_LEN
_VALUE_BYTES = 255  # FAST_INI_ITEM_VALUE_LEN
# The C client has no such bounds: a file that includes itself ends it with a full stack.
_MOST_BYTES = 256 * 1024
_MOST_FILES = 32

_BLANKS = b" \t\r\n"
_INCLUDE = re.compile(rb"#include[ \t]+(.+)", re.IGNORECASE | re.DOTALL)
_URL = re.compile(rb"https?://", re.IGNORECASE)
_FILE = re.compile(rb"file://", re.IGNORECASE)
_DIRECTIVE = re.compile(rb"#@(?:if|for|set|function)[ \t]", re.IGNORECASE)
_SECTION = re.compile(rb"\[(.*)\]", re.DOTALL)
_NUMBER = re.compile(rb"[ \t\r\v\f]*([+-]?[0-9]+)")
_TRUE = (b"true", b"yes", b"on", b"1")

_Identity = tuple[int, int]  # device and inode


@dataclass(frozen=True)
class ClientConf:
    """What a client.conf says; None where it says nothing, so that the reader's default applies."""

    trackers: tuple[str, ...]
    """`host:port` of each tracker in the file's order, without duplicates."""
    connect_timeout: float | None = None
    """Seconds; None where the key is absent or not more than 0 (the C client then takes 10)."""
    network_timeout: float | None = None
    """Seconds; None where the key is absent or not more than 0 (the C client then takes 30)."""
    check_token: bool = False
    """http.anti_steal.check_token: URLs need a token; there is a secret_key then."""
    secret_key: str | None = field(default=None, repr=False)
    """http.anti_steal.secret_key; what is no UTF-8 stands as surrogate escapes."""


class _Item(NamedTuple):
    key: bytes
    value: bytes
    place: str


def read_client_conf(path: str | os.PathLike[str]) -> ClientConf:
    """Read a client.conf and what it includes.

    Raises InvalidArgumentError, whose message starts with file and line (the file alone, where no
    line is to blame), for a file that cannot be read, for no tracker_server or one that is no
    address, and for what the C client refuses. An OSError, where there was one, is the `__cause__`.
    """
    main = Path(path)
    reader = _Reader(main)
    items = list(reader.items(main, _shown(main)))
    last = {item.key: item for item in items}  # ini_file_reader.c:2851: of a repeated key the last counts
    servers = [item for item in items if item.key == b"tracker_server"]
    if not servers:
        raise InvalidArgumentError(f"{_shown(main)}: no tracker_server among the global keys{reader.hint}")
    return ClientConf(
        _trackers(servers),
        _seconds(last.get(b"connect_timeout")),
        _seconds(last.get(b"network_timeout")),
        *_anti_steal(last.get(b"http.anti_steal.check_token"), last.get(b"http.anti_steal.secret_key")),
    )


# --- lines ----------------------------------------------------------------------------------------


class _Reader:
    """One reading of a main file and all that it includes, within bounds."""

    hint = ""

    def __init__(self, main: Path) -> None:
        self._folder = main.parent
        self._bytes_left = _MOST_BYTES
        self._files_left = _MOST_FILES

    def items(self, path: Path, blame: str, trail: tuple[_Identity, ...] = ()) -> Iterator[_Item]:
        """Give the global items in order; `blame` names who asked for the file, `trail` its includers."""
        identity, content = self._read(path, blame)
        if identity in trail:
            raise InvalidArgumentError(f"{blame}: the file includes itself")
        shown = _shown(path)
        in_global = True  # every file starts there, and an #include goes back to it (:1052, :1059)
        for number, raw in enumerate(content.split(b"\n"), 1):
            line = raw.strip(_BLANKS)
            place = f"{shown}:{number}"
            if include := _INCLUDE.fullmatch(line):
                yield from self._included(include[1], place, (*trail, identity))
                in_global = True
            elif line.startswith(b"#"):
                _report_directive(line, place)
            elif section := _SECTION.fullmatch(line):
                in_global = not section[1].strip(_BLANKS)
            elif in_global and b"=" in line:
                key, _, value = line.partition(b"=")
                # Cut first, trimmed after (:1193).
                yield _Item(key[:_KEY_BYTES].strip(_BLANKS), value[:_VALUE_BYTES].strip(_BLANKS), place)

    def _included(self, target: bytes, place: str, trail: tuple[_Identity, ...]) -> Iterator[_Item]:
        if _URL.match(target):
            raise InvalidArgumentError(
                f"{place}: #include of a URL: nothing is fetched here; save it as a file and include that"
            )
        # Relative to the main file's folder, whichever file includes (:1037).
        path = self._folder / os.fsdecode(_FILE.sub(b"", target, count=1))
        return self.items(path, f"{place}: #include {_shown(path)}", trail)

    def _read(self, path: Path, blame: str) -> tuple[_Identity, bytes]:
        """Return which file it is, and its content up to the first NUL, where C strings end."""
        self._files_left -= 1
        if self._files_left < 0:
            raise InvalidArgumentError(f"{blame}: more than {_MOST_FILES} files")
        identity, content = _load(path, blame, self._bytes_left + 1)
        self._bytes_left -= len(content)
        if self._bytes_left < 0:
            raise InvalidArgumentError(f"{blame}: more than {_MOST_BYTES} bytes: not a client.conf")
        if content.startswith(codecs.BOM_UTF8):
            self.hint = " (the file starts with a byte order mark, which spoils its first key)"
        return identity, content.partition(b"\0")[0]


def _load(path: Path, blame: str, limit: int) -> tuple[_Identity, bytes]:
    try:
        status = path.stat()
        regular = stat.S_ISREG(status.st_mode)  # opening a pipe would block
        with path.open("rb") if regular else io.BytesIO() as file:
            content = file.read(limit)
    except OSError as error:
        raise InvalidArgumentError(f"{blame}: {error.strerror or error}") from error
    except ValueError as error:  # a NUL or a lone surrogate
        raise InvalidArgumentError(f"{blame}: not a path ({error})") from error
    if not regular:
        raise InvalidArgumentError(f"{blame}: not a regular file")
    return (status.st_dev, status.st_ino), content


def _shown(path: Path) -> str:
    return str(path).encode("utf-8", "backslashreplace").decode()


def _report_directive(line: bytes, place: str) -> None:
    if directive := _DIRECTIVE.match(line):
        logger.warning("%s: %s is not carried out here", place, directive[0].strip().decode())


# --- values ---------------------------------------------------------------------------------------


def _number(text: bytes) -> int:
    """Return what atoi does: the leading digits, whatever follows them; without digits 0."""
    match = _NUMBER.match(text)
    return int(match[1]) if match else 0


def _seconds(item: _Item | None) -> float | None:
    seconds = _number(item.value) if item else 0
    return float(seconds) if seconds > 0 else None


def _anti_steal(check: _Item | None, secret: _Item | None) -> tuple[bool, str | None]:
    secret_key = secret.value.decode("utf-8", "surrogateescape") if secret else ""
    check_token = check is not None and check.value.lower() in _TRUE
    if check is not None and check_token and not secret_key:  # client_func.c:327
        raise InvalidArgumentError(
            f"{check.place}: http.anti_steal.check_token is on, but there is no http.anti_steal.secret_key"
        )
    return check_token, secret_key or None


# --- tracker_server -------------------------------------------------------------------------------


def _trackers(servers: list[_Item]) -> tuple[str, ...]:
    if len(servers) > _MOST_SERVERS:  # iniGetValues drops them before duplicates are looked for
        logger.warning("%s: only %d tracker_server lines count", servers[_MOST_SERVERS].place, _MOST_SERVERS)
    addresses = (address for item in servers[:_MOST_SERVERS] for address in _addresses(item))
    return tuple(dict.fromkeys(map(str, addresses)))


def _addresses(item: _Item) -> list[Address]:
    """Return a server's one or two addresses: alternatives in the order in which the C client dials."""
    shown = repr(item.value.decode("utf-8", "backslashreplace"))
    try:
        hosts, port = _hosts_and_port(item.value)
        addresses = [_address(host, port) for host in hosts]
    except InvalidArgumentError as error:
        raise InvalidArgumentError(
            f"{item.place}: tracker_server {shown} is no address; write it as 10.0.0.1:{_PORT}"
        ) from error
    kinds = [_kind(address.host) for address in addresses]
    if len(kinds) == 2 and kinds[0] == kinds[1] is not None:
        raise InvalidArgumentError(
            f"{item.place}: tracker_server {shown} has two addresses of the same kind; only one server's "
            "inner and outer address go into one line"
        )
    return addresses


def _hosts_and_port(value: bytes) -> tuple[list[bytes], int]:
    """Split as fdfs_shared_func.c:446 does: after `]`, or without brackets at the last colon."""
    if value.startswith(b"["):
        hosts, bracket, rest = value[1:].partition(b"]")
        if not bracket:
            raise InvalidArgumentError("[ without ]")
        colon, port = rest[:1] == b":", rest[1:]
    else:
        before, found, port = value.rpartition(b":")
        hosts, colon = (before, True) if found else (value, False)
    return hosts.split(b",", 1), _number(port) if colon else _PORT


def _address(host: bytes, port: int) -> Address:
    text = host.decode("utf-8", "surrogateescape")
    if text != text.strip():  # the C client trims no host, and then cannot resolve it
        raise InvalidArgumentError(f"not a host: {text!r}")
    return Address.parse(f"[{text}]:{port}" if ":" in text else f"{text}:{port}", _PORT)


def _kind(host: str) -> str | None:
    """Return the kind as fdfs_shared_func.c:613 sees it, from the text; None for a host name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return None
    if len(host) < 8:
        return "too short to tell"
    if host.startswith(("10.", "192.168.")):
        return host.partition(".")[0]
    if host.startswith("172.") and 16 <= int(host.split(".")[1]) < 32:
        return "172"
    return "outer"
