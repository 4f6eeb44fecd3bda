import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo.process import BLANK, PROJECT, environ

SHOW = """
import json, demo_site.settings as s
print(json.dumps({name: getattr(s, name) for name in dir(s) if name.isupper()}, default=str))
"""


def loaded(folder=PROJECT, **given):
    command = [sys.executable, "-c", SHOW]
    done = subprocess.run(command, cwd=folder, env=environ(**given), capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.splitlines()[-1]


def test_without_any_variable_the_packages_own_defaults_stand():
    settings = loaded()

    assert not [name for name in settings if name.startswith("FDFS_")]
    assert settings["DATABASES"]["default"]["NAME"] == str(PROJECT / "var" / "demo.sqlite3")


def test_every_fdfs_variable_becomes_a_setting_of_its_type():
    settings = loaded(
        FDFS_TRACKERS="10.0.0.1:22122, 10.0.0.2:22122",
        FDFS_BASE_URL="http://files.example.com",
        FDFS_GROUP="group2",
        FDFS_CONNECT_TIMEOUT="1.5",
        FDFS_NETWORK_TIMEOUT="20",
        FDFS_POOL_SIZE="4",
    )

    assert {name: value for name, value in settings.items() if name.startswith("FDFS_")} == {
        "FDFS_TRACKERS": ["10.0.0.1:22122", "10.0.0.2:22122"],
        "FDFS_BASE_URL": "http://files.example.com",
        "FDFS_GROUP": "group2",
        "FDFS_CONNECT_TIMEOUT": 1.5,
        "FDFS_NETWORK_TIMEOUT": 20.0,
        "FDFS_POOL_SIZE": 4,
    }


def test_djangos_own_variables_are_read():
    settings = loaded(
        DATABASE_URL="sqlite:////tmp/other.sqlite3",
        DJANGO_ALLOWED_HOSTS="a.example.com, b.example.com",
        LANGUAGE_CODE="zh-hans",
        TIME_ZONE="Asia/Shanghai",
    )

    assert settings["DATABASES"]["default"]["NAME"] == "/tmp/other.sqlite3"
    assert settings["ALLOWED_HOSTS"] == ["a.example.com", "b.example.com"]
    assert (settings["LANGUAGE_CODE"], settings["TIME_ZONE"]) == ("zh-hans", "Asia/Shanghai")


def test_a_file_beside_manage_py_is_read_and_the_environment_wins(tmp_path, monkeypatch):
    shutil.copytree(PROJECT / "demo_site", tmp_path / "demo_site")
    Path(tmp_path, ".env").write_text("FDFS_GROUP=group1\nFDFS_POOL_SIZE=3\n")
    monkeypatch.setattr("tests.demo.process.BLANK", {})

    settings = loaded(tmp_path, FDFS_GROUP="group9", PYTHONPATH=str(tmp_path))

    assert (settings["FDFS_GROUP"], settings["FDFS_POOL_SIZE"]) == ("group9", 3)


def test_a_key_is_taken_as_it_is():
    assert loaded(DJANGO_SECRET_KEY="$ecret")["SECRET_KEY"] == "$ecret"


def test_a_key_is_made_up_only_while_debugging():
    first, second = loaded(), loaded()

    assert len(first["SECRET_KEY"]) == 50
    assert first["SECRET_KEY"] != second["SECRET_KEY"]


def test_without_debugging_a_missing_key_is_named():
    last_line = loaded(DJANGO_DEBUG="false")

    assert "ImproperlyConfigured" in last_line
    assert "set DJANGO_SECRET_KEY" in last_line


@pytest.mark.parametrize(("debug", "secure"), [("true", False), ("false", True)])
def test_cookies_need_https_except_while_debugging(debug, secure):
    settings = loaded(DJANGO_DEBUG=debug, DJANGO_SECRET_KEY="x" * 50)

    assert settings["SESSION_COOKIE_SECURE"] is secure
    assert settings["CSRF_COOKIE_SECURE"] is secure


def test_the_example_names_every_variable():
    example = Path(PROJECT, "conf", "env.example").read_text()

    assert [name for name in BLANK if f"{name}=" not in example] == []
