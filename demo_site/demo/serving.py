import errno
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import CommandError
from django.core.servers.basehttp import (
    ThreadedWSGIServer,
    WSGIRequestHandler,
    get_internal_wsgi_application,
)
from django.test import override_settings
from django.utils.translation import gettext as _

from demo_site.demo import LOOPBACK

STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def reserved(port: int) -> Iterator[ThreadedWSGIServer]:
    """runserver's own server, already bound: nobody can take the port while the rest is being prepared."""
    try:
        server = ThreadedWSGIServer((LOOPBACK, port), WSGIRequestHandler)
    except OSError as error:
        raise CommandError(refusal(port, error)) from error
    with server:
        yield server


def refusal(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return _("Port %(port)d is taken. Choose another one with --port.") % {"port": port}
    return _("Port %(port)d cannot be used: %(reason)s.") % {"port": port, "reason": error.strerror}


def serve(server: ThreadedWSGIServer) -> None:
    """Answers requests, static files included, until a signal ends it."""
    server.set_app(StaticFilesHandler(get_internal_wsgi_application()))
    # This is plain HTTP on loopback: a cookie for HTTPS only would never come back.
    with override_settings(SESSION_COOKIE_SECURE=False, CSRF_COOKIE_SECURE=False):
        server.serve_forever()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Ctrl-C and SIGTERM leave the block the ordinary way; a second one cannot disturb the tidying up.

    Set even where SIGINT is ignored, as shells do for what they start in the background.
    """
    before = {number: signal.signal(number, leave) for number in STOPPING}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave(number: int, frame: FrameType | None) -> None:
    for each in STOPPING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
