"""`manage.py fdfs_devserver`: a FastDFS to develop against, until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import errno
import ipaddress
import json
import logging
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from fdfs_storage.devserver import EmbeddedCluster, PortError

DEFAULT_DATA = Path("var", "fastdfs")
LONGEST_LAG_SECONDS = 3600.0
_PORTS = {
    "tracker": (
        "--tracker-port",
        22122,
        gettext_noop("the port of the (first) tracker; 0 takes any free one (default: %(default)s)"),
    ),
    "storage": (
        "--storage-port",
        23000,
        gettext_noop("the port of the (first) storage; 0 takes any free one (default: %(default)s)"),
    ),
    "HTTP server": (
        "--http-port",
        8888,
        gettext_noop("the port of the (first) HTTP server; 0 takes any free one (default: %(default)s)"),
    ),
}
_SHAPE = {
    # FastDFS's own limits: PROTOCOL, section 2.
    "trackers": (16, gettext_noop("how many trackers (default: %(default)s)")),
    "groups": (512, gettext_noop("how many groups: group1, group2, … (default: %(default)s)")),
    "storages": (32, gettext_noop("how many storages in each group (default: %(default)s)")),
    "store_paths": (
        256,
        gettext_noop("how many store paths on each storage: M00, M01, … (default: %(default)s)"),
    ),
}


class Command(BaseCommand):
    """Runs the embedded cluster in the foreground; SIGINT and SIGTERM end it with exit code 0."""

    help = gettext_noop(
        "Run a FastDFS for development on this machine: a tracker, a storage and an HTTP server, or several. "
        "It has no authentication and, unless told otherwise, takes connections from this machine only."
    )
    requires_system_checks: list[str] = []  # noqa: RUF012 -- Django's name; this command prints the settings

    def add_arguments(self, parser: CommandParser) -> None:
        parser.description = _(self.help)
        parser.add_argument(
            "--data",
            type=Path,
            metavar="DIR",
            help=_("the files' folder (default: %(folder)s)") % {"folder": DEFAULT_DATA},
        )
        for option, port, meaning in _PORTS.values():
            parser.add_argument(option, type=_port, default=port, metavar="PORT", help=_(meaning))
        self._add_shape(parser)
        parser.add_argument(
            "--bind",
            type=_address,
            default="127.0.0.1",
            metavar="ADDRESS",
            help=_("an IPv4 address of this machine (default: %(default)s)"),
        )
        parser.add_argument(
            "--allow-public", action="store_true", help=_("let --bind name an address that others can reach")
        )

    @staticmethod
    def _add_shape(parser: CommandParser) -> None:
        for name, (most, meaning) in _SHAPE.items():
            option, number = f"--{name.replace('_', '-')}", _whole_number(most)
            parser.add_argument(option, type=number, default=1, metavar="N", help=_(meaning))
        parser.add_argument(
            "--lag",
            type=_seconds,
            default=0.0,
            metavar="SECONDS",
            help=_("how long a change takes to the other storages of its group (default: %(default)s)"),
        )

    def handle(self, **options: Any) -> None:
        address = options["bind"]
        if not (ipaddress.IPv4Address(address).is_loopback or options["allow_public"]):
            raise CommandError(
                _(
                    "%(address)s can be reached by others, and whoever reaches it can read and delete "
                    "the files: add --allow-public if that is what you want"
                )
                % {"address": address}
            )
        cluster = _cluster(options)
        with _until_signal() as stopped, self._access_log(options["verbosity"]), _running(cluster):
            self._introduce(cluster)
            stopped.get()
        self.stdout.write(_("Stopped."))

    def _introduce(self, cluster: EmbeddedCluster) -> None:
        self.stdout.write(_("FastDFS for development is running. In the settings:"))
        self.stdout.write(f"\nFDFS_TRACKERS = {json.dumps(cluster.trackers)}")
        self.stdout.write(f"FDFS_BASE_URL = {json.dumps(cluster.base_url)}\n\n")
        self.stdout.write(_("Or in a client.conf, which FastDFS's own tools read too:"))
        self.stdout.write("".join(f"\ntracker_server = {tracker}" for tracker in cluster.trackers))
        self.stdout.write("connect_timeout = 5\nnetwork_timeout = 30")
        self.stdout.write(f"base_path = {tempfile.gettempdir()}\n\n")
        self.stdout.write(_("The files lie in %(folder)s") % {"folder": cluster.data})
        if not ipaddress.IPv4Address(cluster.host).is_loopback:
            warning = _(
                "Whoever reaches %(address)s can read and delete the files: there is no authentication."
            )
            self.stdout.write(self.style.WARNING(warning % {"address": cluster.host}))
        self.stdout.write(_("Ctrl-C stops it."))
        self.stdout.flush()

    @contextlib.contextmanager
    def _access_log(self, verbosity: int) -> Iterator[None]:
        """Write a line for each request to the output, from verbosity 2."""
        logger, handler = logging.getLogger("fdfs_storage.devserver"), logging.StreamHandler(self.stdout)
        if verbosity > 1:
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(handler)


def _cluster(options: dict[str, Any]) -> EmbeddedCluster:
    base = Path(getattr(settings, "BASE_DIR", None) or Path.cwd())
    try:
        return EmbeddedCluster(
            options["data"] or base / DEFAULT_DATA,
            host=options["bind"],
            tracker_port=options["tracker_port"],
            storage_port=options["storage_port"],
            http_port=options["http_port"],
            allow_public=options["allow_public"],
            lag=options["lag"],
            **{name: options[name] for name in _SHAPE},
        )
    except ValueError as error:
        raise CommandError(str(error)) from error


# --- what the options may be ---


def _port(text: str) -> int:
    if not _is_whole(text) or not int(text) < 65536:
        raise argparse.ArgumentTypeError(_("not a port (0-65535): %(port)s") % {"port": text})
    return int(text)


def _whole_number(most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not _is_whole(text) or not 1 <= int(text) <= most:
            facts = {"most": most, "text": text}
            raise argparse.ArgumentTypeError(_("not a whole number from 1 to %(most)d: %(text)s") % facts)
        return int(text)

    return number


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_LAG_SECONDS:
        facts = {"most": LONGEST_LAG_SECONDS, "text": text}
        raise argparse.ArgumentTypeError(_("not a number of seconds from 0 to %(most)d: %(text)s") % facts)
    return seconds


def _address(text: str) -> str:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            _("not an IPv4 address, like 127.0.0.1: %(address)s") % {"address": text}
        ) from error
    if address.is_unspecified:
        raise argparse.ArgumentTypeError(
            _(
                "trackers tell clients where to connect, and nobody can connect to %(address)s: "
                "name the address at which others reach this machine"
            )
            % {"address": text}
        )
    return str(address)


# --- running ---


@contextlib.contextmanager
def _until_signal() -> Iterator[SimpleQueue[int]]:
    """Yield a queue that Ctrl-C and a polite kill come to.

    A handler may strike at any step of who waits; an Event would then wait for its own lock.
    """
    stopped: SimpleQueue[int] = SimpleQueue()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, _frame: stopped.put(number)) for number in numbers]
    try:
        yield stopped
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextlib.contextmanager
def _running(cluster: EmbeddedCluster) -> Iterator[None]:
    try:
        cluster.start()
    except (OSError, ValueError) as error:  # a port, or a folder with the files of another shape
        raise CommandError(_explain(error, cluster.host)) from error
    try:
        yield
    finally:
        cluster.stop()


def _explain(error: OSError | ValueError, address: str) -> str:
    if isinstance(error, PortError):
        return _explain_port(error, address)
    if isinstance(error, OSError) and error.strerror and not error.filename:
        return error.strerror
    return str(error)


def _explain_port(error: PortError, address: str) -> str:
    if error.errno == errno.EADDRINUSE:
        facts = {"port": error.port, "server": error.server, "option": _PORTS[error.server][0]}
        return (
            _("port %(port)d is taken: choose another for the %(server)s with %(option)s (0: any free one)")
            % facts
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return _("%(address)s is no address of this machine: name one that is with --bind") % {
            "address": address
        }
    return error.strerror or str(error)
