import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management import CommandError
from django.db import connection
from django.utils.translation import gettext as _

from demo_site.settings import DEMO_DATABASE


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """The folder exists and is this process's alone; the lock dies with the process, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "demo.lock").open("w")
    except OSError as error:
        raise CommandError(
            _("No data can be kept in %(folder)s: %(reason)s.") % {"folder": folder, "reason": error.strerror}
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CommandError(
                _("Another demo is running on %(folder)s. Stop it, or give this one its own --data.")
                % {"folder": folder}
            ) from error
        yield


def keep_database_in(folder: Path) -> None:
    """Moves the demo's own SQLite file into the folder; what DATABASE_URL chose stays where it is."""
    if connection.settings_dict["NAME"] == DEMO_DATABASE:
        moved = folder / DEMO_DATABASE.name
        # Both, as Django does for a test database: the dict that was configured, and the copy in use.
        settings.DATABASES["default"]["NAME"] = moved
        connection.settings_dict["NAME"] = moved
