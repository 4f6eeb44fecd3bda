import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.core.management import CommandError
from django.test import override_settings
from django.utils.translation import gettext as _

from demo_site.demo import LOOPBACK
from fdfs_storage.devserver import EmbeddedCluster


class Ports(NamedTuple):
    tracker_port: int
    storage_port: int
    http_port: int


# Those of FastDFS's own configuration files, and of its nginx.
USUAL = Ports(22122, 23000, 8888)
ANY = Ports(0, 0, 0)


@contextmanager
def files_in(folder: Path) -> Iterator[list[str]]:
    """Points the settings at a running cluster: the one they name, or an embedded one with its files here.

    Yields what is worth saying about it.
    """
    if getattr(settings, "FDFS_TRACKERS", None):
        require_base_url()
        yield []
        return
    # Not only for tests: override_settings tells everybody that they changed, and takes them back.
    with (
        started(folder) as cluster,
        override_settings(FDFS_TRACKERS=cluster.trackers, FDFS_BASE_URL=cluster.base_url),
    ):
        yield moves(cluster)


def require_base_url() -> None:
    if not getattr(settings, "FDFS_BASE_URL", None):
        raise CommandError(
            _("FDFS_TRACKERS names a cluster: say where its files are served, for example %(example)s")
            % {"example": "FDFS_BASE_URL=http://files.example.com"}
        )


def started(folder: Path) -> EmbeddedCluster:
    try:
        return start(folder, Ports(*(port if free(port) else 0 for port in USUAL)))
    except ValueError as error:  # a folder of another shape
        raise CommandError(str(error)) from error
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            # Another process on the folder, say, or a full disk.
            reason = _("The embedded FastDFS cannot start: %(reason)s.") % {"reason": error.strerror}
            raise CommandError(reason) from error
        # Somebody took a port between the look and the start.
        return start(folder, ANY)


def start(folder: Path, ports: Ports) -> EmbeddedCluster:
    return EmbeddedCluster(folder, host=LOOPBACK, **ports._asdict()).start()


def free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers will: a port that only lingers in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def moves(cluster: EmbeddedCluster) -> list[str]:
    """A sentence for each server that could not have its usual port."""
    names = (_("tracker"), _("storage"), _("file server"))
    pairs = zip(names, USUAL, (cluster.tracker_port, cluster.storage_port, cluster.http_port), strict=True)
    return [
        _("Port %(usual)d is taken, so the %(server)s listens on %(port)d.")
        % {"usual": usual, "server": name, "port": port}
        for name, usual, port in pairs
        if port != usual
    ]
