"""Where options come from, and which of them counts."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from fdfs_storage.fastdfs.client_conf import read_client_conf
from fdfs_storage.fastdfs.errors import InvalidArgumentError

from . import url
from .options import Options
from .secret import Secret, lost
from .values import LONGEST_SECONDS, PARSERS, did_you_mean

PREFIX = "FDFS_"
NAMES = (*(each.name for each in fields(Options)), "url")
"""The options."""
SETTINGS = frozenset({*(PREFIX + name.upper() for name in NAMES), "FDFS_JOURNAL"})
"""The settings that something reads: the options, and what belongs to no storage."""


class Said(NamedTuple):
    """What an option is set to, as it stands there, and where."""

    origin: str
    value: Any


def refuse_unknown(given: Mapping[str, Any]) -> None:
    """Raise ImproperlyConfigured for an option that does not exist, with the one that was meant."""
    for name in given:
        if name not in NAMES:
            hint = did_you_mean(name.lower().removeprefix(PREFIX.lower()), NAMES)
            raise ImproperlyConfigured(f"FastDFSStorage has no option {name!r}: {hint}")


def configured(given: Mapping[str, Any]) -> dict[str, Said]:
    """Return what is said of each option where it counts: OPTIONS, then FDFS_* settings, then FDFS_URL.

    OPTIONS["url"] takes the place of FDFS_URL, and counts as OPTIONS do: before the settings. Raises
    ImproperlyConfigured for a URL that cannot be read.
    """
    options = {name: Said(f"OPTIONS[{name!r}]", value) for name, value in given.items() if name in NAMES}
    set_ = {
        name: Said(setting, getattr(settings, setting))
        for name in NAMES
        if hasattr(settings, setting := PREFIX + name.upper())
    }
    if "url" in options:
        layers = (options, _in_url(options["url"]), set_)
    else:
        layers = (options, set_, _in_url(set_.get("url")))
    said = dict(ChainMap(*layers))
    said.pop("url", None)
    return said


def _in_url(said: Said | None) -> dict[str, Said]:
    if said is None or said.value in (None, ""):
        return {}
    try:
        values = url.read_url(said.value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{said.origin} {error}") from None
    return {name: Said(f"{said.origin}: {name}", value) for name, value in values.items()}


def resolve(given: Mapping[str, Any]) -> Options:
    """Merge OPTIONS over FDFS_* settings over FDFS_URL over a client.conf over defaults.

    Reads the client.conf, if one is named. Raises ImproperlyConfigured naming the culprit: the option,
    setting or part of the URL, and of a client.conf the file and the line.
    """
    said = configured(given)
    values = {}
    for name, (origin, value) in said.items():
        try:
            values[name] = PARSERS[name](value)
        except ValueError as error:
            raise ImproperlyConfigured(f"{origin} {error}") from error
    if path := values.get("client_conf"):
        try:
            values = {**_from_file(path), **values}
        except (InvalidArgumentError, ValueError) as error:
            raise ImproperlyConfigured(f"{said['client_conf'].origin}: {error}") from error
    return Options(**values)


def _from_file(path: Path) -> dict[str, Any]:
    """Return what a client.conf says; what it leaves out keeps our default, not the C client's."""
    said = read_client_conf(path)
    values: dict[str, Any] = {"trackers": said.trackers}
    for name in ("connect_timeout", "network_timeout"):
        seconds = getattr(said, name)
        if seconds is not None:  # the C tools share the file and take more, so that is cut, not refused
            values[name] = min(seconds, float(LONGEST_SECONDS))
    if said.check_token and said.secret_key:
        try:
            values["token_secret"] = Secret(said.secret_key)
        except ValueError as error:
            raise ValueError(f"{path}: http.anti_steal.secret_key {error}") from error
    return values


def without_secrets(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as they may be written down in a migration."""
    kept = {name: value for name, value in given.items() if name not in url.SECRETS}
    if kept.get("url"):
        kept["url"] = url.without_secrets(kept["url"])
    return {name: value for name, value in kept.items() if name != "url" or value is not None}


def picklable(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as they may go into a pickle: a secret becomes what says that it is lost."""
    kept = without_secrets(given)
    in_url = kept.get("url") != given.get("url")
    return {**kept, "token_secret": lost} if in_url or given.get("token_secret") else kept


class _Generation:
    """Counts changes of our settings, so that a storage knows when to read them again."""

    number = 0

    def advance(self, *, setting: str, **_: Any) -> None:
        if setting.startswith(PREFIX) or setting == "BASE_DIR":  # where a relative client.conf starts
            self.number += 1


generation = _Generation()
setting_changed.connect(generation.advance, dispatch_uid="fdfs_storage.conf.generation")
