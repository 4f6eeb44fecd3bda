import pytest
from django.contrib.auth import authenticate, get_user_model

from demo_site.demo.account import admin_account, changing_password

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path):
    return tmp_path / "admin-password.txt"


@pytest.fixture
def user():
    return get_user_model().objects.get(username="admin")


def test_the_first_run_makes_an_administrator_with_a_random_password(file, tmp_path):
    account = admin_account(file)

    user = authenticate(username=account.username, password=account.password)
    assert user.is_superuser
    assert len(account.password) >= 16
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_restart_knows_the_same_password(file):
    assert admin_account(file) == admin_account(file)


def test_a_password_that_was_written_but_never_used_is_used_now(file):
    account = admin_account(file)
    get_user_model().objects.all().delete()

    assert admin_account(file) == account
    assert authenticate(username="admin", password=account.password)


def test_a_changed_password_is_neither_reset_nor_told(file, request):
    admin_account(file)
    user = request.getfixturevalue("user")
    user.set_password("my own choice")
    user.save()

    account = admin_account(file)

    assert account.password is None
    assert authenticate(username="admin", password="my own choice")


def test_an_administrator_without_a_kept_password_is_left_alone(file, admin_user):
    assert admin_account(file).password is None
    assert not file.exists()
    assert authenticate(username="admin", password="password") == admin_user


def test_an_empty_file_is_no_password(file):
    file.touch()

    account = admin_account(file)

    assert file.read_text() == f"{account.password}\n"


def test_a_new_password_is_set_in_the_database_that_is_in_use(settings, tmp_path, monkeypatch):
    from django.db import connection

    assert changing_password() == "manage.py changepassword admin"

    monkeypatch.setitem(connection.settings_dict, "NAME", tmp_path / "a b.sqlite3")

    assert changing_password().startswith(f"DATABASE_URL='sqlite:///{tmp_path}/a b.sqlite3' ")
