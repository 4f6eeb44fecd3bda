"""FDFS_URL: the options in one text, for environments.

    fdfs://tracker1:22122,tracker2:22122/group1?base_url=https://img.example.com&pool_size=8

Trackers stand before the path, IPv6 addresses in brackets; the path is the group to upload into, or
empty; what follows are options by their names, percent-encoded where they hold `%`, `&` or `#`. A `+` is
a plus. A URL may hold a secret, so that no message repeats what it does not know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from .values import PARSERS, did_you_mean

SECRETS = frozenset({"token_secret"})
_EXAMPLE = "fdfs://10.0.0.1:22122,10.0.0.2:22122/group1?base_url=http://img.example.com:8888"
_SHAPE = re.compile(r"fdfs://([^/?]*)(?:/([^?]*))?(?:\?(.*))?", re.IGNORECASE | re.DOTALL)
_SECRET = re.compile(r"(?:secret|token)\w*=", re.IGNORECASE)
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
_PLACES = {
    "trackers": "trackers stand after fdfs://, separated by commas",
    "group": "the group stands behind the trackers: fdfs://10.0.0.1:22122/group1",
    "url": "a URL cannot name another",
}


def read_url(url: Any) -> dict[str, Any]:
    """Return the options that a URL names, yet to be validated; raise ValueError for no such URL."""
    if not isinstance(url, str):
        raise ValueError(f"must be a text such as {_EXAMPLE}")  # noqa: TRY004
    trackers, group, query = _split(url.strip())
    values: dict[str, Any] = {}
    if trackers:
        values["trackers"] = _alone("trackers", trackers)
    if group:
        values["group"] = _alone("group", group)
    for name, text in _parameters(query):
        if name in values:
            raise ValueError(f"names {name} twice: leave one of them out")
        values[name] = _converted(name, text if name in SECRETS else _alone(name, text))
    return values


def without_secrets(url: str) -> str | None:
    """Return the URL without the secrets in it; None for what is no such URL, and may hold any."""
    try:
        read_url(url)
    except ValueError:
        return None
    address, _, query = url.strip().partition("?")
    kept = [each for each in query.split("&") if each and unquote(each.partition("=")[0]) not in SECRETS]
    return "?".join([address, "&".join(kept)]) if kept else address


def _split(url: str) -> tuple[str, str, str]:
    match = _SHAPE.fullmatch(url)
    if not match:
        raise ValueError(f"must start with fdfs:// and look like {_EXAMPLE}")
    trackers, group, query = (part or "" for part in match.groups())
    if re.search(r"\s", url):
        raise ValueError("has white space in it: write a space as %20")
    if "#" in url:
        raise ValueError("has a #, which ends a URL: write it as %23")
    if "@" in trackers:
        raise ValueError("has a user name or password: FastDFS knows neither")
    return _decoded(trackers), _decoded(group.rstrip("/")), query


def _alone(name: str, text: str) -> str:
    """Return the text if no secret follows in it, where a ? or & was forgotten."""
    if _SECRET.search(text):
        raise ValueError(
            f"{name}: has another parameter in it: parameters stand behind a ?, with & between them"
        )
    return text


def _parameters(query: str) -> Iterator[tuple[str, str]]:
    for piece in query.split("&"):
        if not piece:
            continue
        raw, equals, text = piece.partition("=")
        name = _decoded(raw)
        if name in _PLACES:
            raise ValueError(f"has the parameter {name}: {_PLACES[name]}")
        if name not in PARSERS:
            # It may be a part of a secret that holds a plain &, so only what is nearly known is shown.
            hint = did_you_mean(name, set(PARSERS) - set(_PLACES))
            shown = f" {name!r}" if hint.startswith("did") else ""
            raise ValueError(f"has an unknown parameter{shown}: {hint}; write a & in a value as %26")
        if not equals:
            raise ValueError(f"has the parameter {name} without a value: write {name}=…")
        yield name, _decoded(text)


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:  # whose arguments hold the text
        raise ValueError("holds percent-encoded bytes that are no UTF-8") from None


def _converted(name: str, text: str) -> Any:
    try:
        return _CONVERTERS.get(name, str)(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


# What does not look right is left as text, for the option's own parser to refuse.


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _boolean(text: str) -> Any:
    if text.lower() in _TRUE:
        return True
    return False if text.lower() in _FALSE else text


def _pairs(text: str) -> dict[str, str]:
    """Read `from=to,from=to`."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("must be name=value pairs, separated by commas")
    if len({key.strip() for key, _, _ in pairs}) < len(pairs):
        raise ValueError("has one name twice: leave one of them out")
    return {key.strip(): value.strip() for key, _, value in pairs}


_CONVERTERS: dict[str, Callable[[str], Any]] = {
    "base_urls": _pairs,
    "storage_address_map": _pairs,
    "url_with_group": _boolean,
    "verify": _boolean,
    **dict.fromkeys(
        ("token_ttl", "token_window", "connect_timeout", "network_timeout", "pool_size", "placement_ttl"),
        _number,
    ),
}
