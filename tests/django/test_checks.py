"""System checks: each mistake is found, sound projects are left alone, every id is explained."""

import io
import re
from pathlib import Path

import pytest
from django.core.checks import ERROR, INFO, WARNING, run_checks
from django.core.files.storage import FileSystemStorage
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import models
from django.test.utils import isolate_apps

import fdfs_storage
from demo_site.gallery.models import Document
from fdfs_storage import conf
from fdfs_storage.checks.fields import check_fields
from fdfs_storage.storage import FastDFSStorage

OURS = "fdfs_storage.storage.FastDFSStorage"
ON_DISK = "django.core.files.storage.FileSystemStorage"
STATIC = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
PACKAGE = Path(fdfs_storage.__file__).parent
DOCS = PACKAGE.parent / "docs"
SOUND = {"FDFS_TRACKERS": ["10.0.0.1"], "FDFS_BASE_URL": "https://img.example.com"}
LONG = "0123456789abcdef-hidden"


@pytest.fixture(autouse=True)
def without_the_models_of_tests(settings):
    """Some of them have columns too short for an id, on purpose."""
    settings.SILENCED_SYSTEM_CHECKS = ["fdfs.E005"]


@pytest.fixture
def sound(settings):
    """Settings of a project in production."""
    for name, value in SOUND.items():
        setattr(settings, name, value)
    return settings


def found(*, deploy=False):
    """Return our messages of a whole run, the silenced ones left out."""
    messages = run_checks(include_deployment_checks=deploy)
    return [each for each in messages if (each.id or "").startswith("fdfs.") and not each.is_silenced()]


def ids(**kwargs):
    return [each.id for each in found(**kwargs)]


def options(**given):
    return {"STORAGES": {"default": {"BACKEND": OURS, "OPTIONS": given}, **STATIC}}


def test_a_sound_configuration_passes_every_check(sound):
    sound.SESSION_COOKIE_SECURE, sound.FDFS_TOKEN_SECRET = True, LONG

    assert ids(deploy=True) == []


def test_the_demo_passes(settings):
    call_command("check")

    assert ids() == []


@pytest.mark.parametrize(
    ("changed", "id_", "hint"),
    [
        ({"FDFS_POOL_SIZE": "many"}, "fdfs.E001", "README"),
        ({"FDFS_URL": "http://10.0.0.1"}, "fdfs.E001", "README"),
        (options(poolsize=1), "fdfs.E001", "README"),
        (options(url="fdfs://t1?poolsize=1"), "fdfs.E001", "README"),
        ({"FDFS_TRACKERS": []}, "fdfs.E002", "FDFS_TRACKERS ="),
        ({"FDFS_BASE_URL": ""}, "fdfs.E003", "FDFS_BASE_URL ="),
        ({"FDFS_TRACKER": ["10.0.0.1:22122"]}, "fdfs.W004", "FDFS_TRACKERS?"),
        ({"FDFS_BASE_URL": "10.0.0.9:23000"}, "fdfs.W006", 'FDFS_BASE_URL = "http://10.0.0.9:8888"'),
        ({"FDFS_BASE_URL": "10.0.0.9:22122"}, "fdfs.W006", ":8888"),
        ({"FDFS_TRACKERS": ["t1:80"], "FDFS_BASE_URL": "//t1"}, "fdfs.W006", ":8888"),
        ({"FDFS_BASE_URLS": {"group2": "10.0.0.9:23000"}}, "fdfs.W006", ":8888"),
        ({"FDFS_TOKEN_SECRET": "FastDFS1234567890"}, "fdfs.W008", "secrets.token_urlsafe"),
        ({"FDFS_TOKEN_SECRET": "short"}, "fdfs.W008", "http.anti_steal.secret_key"),
        ({"FDFS_URL": "fdfs://?token_secret=short"}, "fdfs.W008", "http.anti_steal.secret_key"),
        ({"FDFS_TOKEN_SECRET": ""}, "fdfs.W009", "None"),
        ({"FDFS_URL": "fdfs://?token_secret="}, "fdfs.W009", "None"),
        (
            {"STORAGES": {**STATIC, "default": {"BACKEND": OURS}, "staticfiles": {"BACKEND": OURS}}},
            "fdfs.E007",
            STATIC["staticfiles"]["BACKEND"],
        ),
        ({"MEDIA_ROOT": "/srv/media"}, "fdfs.I010", "urls.py"),
        ({"MEDIA_URL": "/media/"}, "fdfs.I010", "urls.py"),
    ],
)
def test_each_mistake_is_found_with_a_hint(sound, changed, id_, hint):
    for name, value in changed.items():
        setattr(sound, name, value)

    [message] = found()

    assert message.id == id_
    assert message.level == {"E": ERROR, "W": WARNING, "I": INFO}[id_[5]] or id_ in ("fdfs.E002", "fdfs.E003")
    assert hint in message.hint


@pytest.mark.parametrize(
    ("changed", "id_", "hint"),
    [
        (
            {"SECURE_SSL_REDIRECT": True, "FDFS_BASE_URL": "img.example.com"},
            "fdfs.W011",
            '"https://img.example.com" or "//img.example.com"',
        ),
        (
            {"SECURE_HSTS_SECONDS": 9, "FDFS_BASE_URLS": {"g": "http://b.example"}},
            "fdfs.W011",
            "https://b.example",
        ),
        ({"FDFS_BASE_URL": "//127.0.0.1:8888"}, "fdfs.W012", "development"),
        ({"FDFS_BASE_URL": "https://localhost"}, "fdfs.W012", "development"),
        ({"FDFS_TRACKERS": ["[::1]", "10.0.0.1"]}, "fdfs.W012", "development"),
        ({"DEBUG": True, "FDFS_URL": f"fdfs://?token_secret={LONG}"}, "fdfs.W013", "FDFS_TOKEN_SECRET"),
    ],
)
def test_what_only_production_can_be_blamed_for_waits_for_deploy(sound, changed, id_, hint):
    sound.CSRF_COOKIE_SECURE = sound.SESSION_COOKIE_SECURE = False
    for name, value in changed.items():
        setattr(sound, name, value)
    assert ids() == []

    [message] = found(deploy=True)

    assert (message.id, message.level) == (id_, WARNING)
    assert hint in message.hint


@pytest.mark.parametrize(
    "changed",
    [
        {"FDFS_BASE_URL": "//img.example.com", "SECURE_SSL_REDIRECT": True},
        {
            "FDFS_BASE_URL": "http://img.example.com",
            "SESSION_COOKIE_SECURE": False,
            "CSRF_COOKIE_SECURE": False,
        },
        {"DEBUG": True, "FDFS_TOKEN_SECRET": LONG, "FDFS_URL": "fdfs://t1/group1"},
        {"FDFS_URL": f"fdfs://t1?token_secret={LONG}"},
        {"FDFS_TOKEN_SECRET": None},
        {"FDFS_TOKEN_SECRET": lambda: "short"},
        {"FDFS_BASE_URL": "", "FDFS_BASE_URLS": {"group1": "//img.example.com"}},
        {"MEDIA_ROOT": "/srv/media", "STORAGES": {**options()["STORAGES"], "disk": {"BACKEND": ON_DISK}}},
        {"MEDIA_URL": "/", "MEDIA_ROOT": ""},
    ],
)
def test_what_is_as_it_should_be_is_left_alone(sound, changed):
    for name, value in changed.items():
        setattr(sound, name, value)

    assert ids(deploy=True) == []


def test_a_function_that_gives_a_secret_is_not_called_by_a_check(sound):
    sound.FDFS_TOKEN_SECRET = pytest.fail

    assert ids(deploy=True) == []


def test_no_check_shows_a_secret(sound):
    sound.FDFS_URL = "fdfs://t1?token_secret=hidden&pool_size=0"

    assert "hidden" not in str(found(deploy=True))


def test_a_storage_that_is_not_ours_is_not_checked(settings):
    settings.STORAGES = {"default": {"BACKEND": ON_DISK}, "odd": {"BACKEND": "no.such.Backend"}, "bare": {}}
    settings.FDFS_TRACKERS, settings.MEDIA_ROOT = [], "/srv/media"

    assert ids(deploy=True) == []


# --- where nothing is configured yet ------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("command", ["check", "makemigrations", "migrate"])
def test_without_any_setting_commands_run_and_warn(settings, command):
    del settings.FDFS_TRACKERS, settings.FDFS_BASE_URL
    errors = io.StringIO()
    arguments = {
        "check": {},
        "makemigrations": {"check_changes": True, "skip_checks": False},
        "migrate": {"plan": True, "skip_checks": False},
    }[command]

    call_command(command, stdout=io.StringIO(), stderr=errors, **arguments)

    assert "WARNINGS" in errors.getvalue()
    assert {"fdfs.E002", "fdfs.E003"} <= set(re.findall(r"fdfs\.\w\d+", errors.getvalue()))


def test_without_any_setting_deploy_fails(settings):
    del settings.FDFS_TRACKERS, settings.FDFS_BASE_URL

    with pytest.raises(CommandError, match=r"(?s)ERRORS.*fdfs\.E002.*fdfs\.E003"):
        call_command("check", deploy=True, stderr=io.StringIO())


def test_collectstatic_is_stopped_before_it_uploads(broken, settings):
    settings.STORAGES = {"default": {"BACKEND": OURS}, "staticfiles": {"BACKEND": OURS}}

    with pytest.raises(SystemCheckError, match=r"fdfs\.E007"):
        call_command("collectstatic", interactive=False, skip_checks=False)

    assert list(broken.volume.files()) == []


# --- fields -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("storage", "max_length", "id_"),
    [
        (FastDFSStorage(), 60, "fdfs.E005"),
        (FastDFSStorage(), 61, None),
        (FastDFSStorage(group="group1"), 50, "fdfs.E005"),
        (FastDFSStorage(group="group1"), 51, None),
        (FastDFSStorage(pool_size="many"), 10, None),
        (FileSystemStorage(), 10, None),
        (None, 60, "fdfs.E005"),
        (FastDFSStorage, 60, "fdfs.E005"),
    ],
)
def test_a_field_too_short_for_an_id_is_found(storage, max_length, id_):
    with isolate_apps("demo_site.gallery") as isolated:

        class Row(models.Model):
            image = models.ImageField(storage=storage, max_length=max_length)

            class Meta:
                app_label = "gallery"

        messages = check_fields(list(isolated.get_app_configs()))

    assert [(each.id, each.obj) for each in messages] == (
        [(id_, Row._meta.get_field("image"))] if id_ else []
    )


def test_a_field_too_short_is_told_how_long_to_be(settings):
    field = models.FileField(max_length=20)
    with isolate_apps("demo_site.gallery") as isolated:
        type(
            "Row",
            (models.Model,),
            {"__module__": __name__, "file": field, "Meta": type("Meta", (), {"app_label": "gallery"})},
        )

        [message] = check_fields(list(isolated.get_app_configs()))

    assert "max_length=20" in message.msg
    assert "61" in message.msg
    assert "max_length=100" in message.hint


def test_a_default_that_is_not_ours_is_not_made_for_a_check(settings):
    settings.STORAGES = {"default": {"BACKEND": "tests.django.test_checks.NeverMade"}, **STATIC}

    assert ids() == []


class NeverMade(FileSystemStorage):
    def __init__(self):
        raise AssertionError("a check made somebody else's storage")


def test_a_storage_that_only_a_field_has_is_checked(sound, monkeypatch):
    monkeypatch.setattr(Document._meta.get_field("file"), "storage", FastDFSStorage(group="no_group"))

    [message] = found()

    assert message.id == "fdfs.E001"
    assert message.msg.startswith("gallery.Document.file: OPTIONS['group'] must be a group's name")


# --- documents ----------------------------------------------------------------------------------


def test_every_id_is_explained_and_every_explained_id_exists():
    in_code = {
        each
        for path in PACKAGE.rglob("*.py")
        for each in re.findall(r'"(fdfs\.[EWI]\d{3})"', path.read_text("utf-8"))
    }

    assert len(in_code) > 10
    for name in ("checks.md", "checks.zh-CN.md"):
        explained = re.findall(r"^## (fdfs\.\w+)", (DOCS / name).read_text("utf-8"), re.MULTILINE)
        assert explained == sorted(in_code, key=lambda id_: id_[6:])


def test_both_languages_have_the_same_examples():
    english, chinese = ((DOCS / name).read_text("utf-8") for name in ("checks.md", "checks.zh-CN.md"))

    assert re.findall(r"```.*?```", english, re.DOTALL) == re.findall(r"```.*?```", chinese, re.DOTALL)
    assert conf.PREFIX in english
