import shlex
import tempfile
from pathlib import Path
from typing import NamedTuple

from django.contrib.auth import get_user_model
from django.db import connection
from django.utils.crypto import get_random_string

from demo_site.settings import DEMO_DATABASE

USERNAME = "admin"


class Account(NamedTuple):
    username: str
    # None once somebody gave the account a password of their own.
    password: str | None


def admin_account(file: Path) -> Account:
    """The demo's administrator, made on the first run; a password that somebody changed is left alone."""
    users = get_user_model().objects
    user = users.filter(username=USERNAME).first()
    password = kept(file)
    if user is None:
        password = password or keep(file, get_random_string(16))
        users.create_superuser(USERNAME, password=password)
        return Account(USERNAME, password)
    return Account(USERNAME, password if password and user.check_password(password) else None)


def changing_password() -> str:
    """The command that gives the administrator a new password, in the database that the demo uses now."""
    command = f"manage.py changepassword {USERNAME}"
    name = connection.settings_dict["NAME"]
    # Only the demo's own database is a Path; one from DATABASE_URL is found through it again.
    moved = isinstance(name, Path) and name != DEMO_DATABASE
    return f"DATABASE_URL={shlex.quote(f'sqlite:///{name}')} {command}" if moved else command


def kept(file: Path) -> str | None:
    try:
        return file.read_text().strip() or None
    except FileNotFoundError:
        return None


def keep(file: Path, password: str) -> str:
    """Written whole or not at all, and never readable by others: a temporary file starts out as 0600."""
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as draft:
        draft.write(f"{password}\n")
    Path(draft.name).replace(file)
    return password
