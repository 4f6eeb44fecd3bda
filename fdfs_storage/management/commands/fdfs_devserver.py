"""`manage.py fdfs_devserver`: a FastDFS to develop against, until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import logging
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from fdfs_storage.devserver import EmbeddedCluster, PortError

DEFAULT_DATA = Path("var", "fastdfs")
_OPTIONS = {"tracker": "--tracker-port", "storage": "--storage-port", "HTTP server": "--http-port"}


class Command(BaseCommand):
    """Runs the embedded cluster in the foreground; SIGINT and SIGTERM end it with exit code 0."""

    help = (
        "Run a FastDFS for development on this machine: a tracker, a storage and an HTTP server. "
        "It has no authentication and takes connections from this machine only."
    )
    requires_system_checks: list[str] = []  # noqa: RUF012 -- Django's name; this command prints the settings

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--data", type=Path, metavar="DIR", help=f"the files' folder, else {DEFAULT_DATA}"
        )
        for what, option, default in (
            ("tracker", "--tracker-port", 22122),
            ("storage", "--storage-port", 23000),
            ("HTTP server", "--http-port", 8888),
        ):
            parser.add_argument(
                option,
                type=_port,
                default=default,
                metavar="PORT",
                help=f"the {what}'s, else {default}; 0: any free",
            )

    def handle(self, **options: Any) -> None:
        base = Path(getattr(settings, "BASE_DIR", None) or Path.cwd())
        cluster = EmbeddedCluster(
            options["data"] or base / DEFAULT_DATA,
            tracker_port=options["tracker_port"],
            storage_port=options["storage_port"],
            http_port=options["http_port"],
        )
        with _until_signal() as stopped, self._access_log(options["verbosity"]), _running(cluster):
            self._introduce(cluster)
            stopped.wait()
        self.stdout.write(_("Stopped."))

    def _introduce(self, cluster: EmbeddedCluster) -> None:
        self.stdout.write(_("FastDFS for development is running. In the settings:"))
        self.stdout.write(f"\nFDFS_TRACKERS = {json.dumps(cluster.trackers)}")
        self.stdout.write(f"FDFS_BASE_URL = {json.dumps(cluster.base_url)}\n\n")
        self.stdout.write(_("The files lie in %(folder)s") % {"folder": cluster.data})
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


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not int(text) < 65536:
        raise argparse.ArgumentTypeError(_("not a port (0-65535): %(port)s") % {"port": text})
    return int(text)


@contextlib.contextmanager
def _until_signal() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C and a polite kill set."""
    stopped = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_signal: stopped.set()) for number in numbers]
    try:
        yield stopped
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextlib.contextmanager
def _running(cluster: EmbeddedCluster) -> Iterator[None]:
    try:
        cluster.start()
    except OSError as error:
        raise CommandError(_explain(error)) from error
    try:
        yield
    finally:
        cluster.stop()


def _explain(error: OSError) -> str:
    if isinstance(error, PortError) and error.errno == errno.EADDRINUSE:
        facts = {"port": error.port, "server": error.server, "option": _OPTIONS[error.server]}
        return (
            _("port %(port)d is taken: choose another for the %(server)s with %(option)s (0: any free one)")
            % facts
        )
    return str(error) if error.filename or not error.strerror else error.strerror
