"""The demo's settings, held still: no test depends on the environment of the machine it runs on."""

import os

for name in [name for name in os.environ if name.startswith(("FDFS_", "DJANGO_")) or name == "DATABASE_URL"]:
    if not name.startswith(("FDFS_TEST_", "FDFS_REQUIRE_", "DJANGO_SETTINGS_MODULE")):
        del os.environ[name]
# A variable left empty counts as not given, and keeps a developer's .env from filling it in.
os.environ.update(dict.fromkeys(("FDFS_TRACKERS", "FDFS_BASE_URL", "FDFS_GROUP", "DATABASE_URL"), ""))

from demo_site.settings import *  # noqa: E402, F403

DEBUG = False
SECRET_KEY = "only for tests"
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
    "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
}
if "FDFS_TEST_POSTGRES" in os.environ:  # the folder of its socket
    DATABASES["default"] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "fdfs",
        "HOST": os.environ["FDFS_TEST_POSTGRES"],
    }
INSTALLED_APPS = [*INSTALLED_APPS, "tests.django.shelf"]  # noqa: F405
LANGUAGE_CODE = "en"
