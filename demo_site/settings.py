"""The demo's settings; every choice comes from the environment, or from an optional .env beside manage.py.

conf/env.example lists the variables.
"""

from contextlib import suppress
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import get_random_string

BASE_DIR = Path(__file__).resolve().parent.parent

environ.Env.read_env(BASE_DIR / ".env")
env = environ.Env()


def given(name: str) -> bool:
    """A variable left empty, as compose files leave it, counts as not given."""
    return bool(env.ENVIRON.get(name))


def comma_list(name: str) -> list[str]:
    return [part for raw in env.list(name) if (part := raw.strip())]


# On by default: this project exists to be tried on one's own machine, `manage.py demo` listens on loopback
# only, and a first run should need no configuration. Any other use sets DJANGO_DEBUG=false and brings a key.
DEBUG = env.bool("DJANGO_DEBUG") if given("DJANGO_DEBUG") else True

if given("DJANGO_SECRET_KEY"):
    # As it stands: env.str() would take a leading $ for the name of another variable.
    SECRET_KEY = env.ENVIRON["DJANGO_SECRET_KEY"]
elif DEBUG:
    SECRET_KEY = get_random_string(50)
else:
    raise ImproperlyConfigured("DJANGO_DEBUG is off: set DJANGO_SECRET_KEY to a long random string")

LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]
ALLOWED_HOSTS = comma_list("DJANGO_ALLOWED_HOSTS") if given("DJANGO_ALLOWED_HOSTS") else LOOPBACK

INSTALLED_APPS = [
    # Before the admin, whose base template it completes with a favicon.
    "demo_site.gallery",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "fdfs_storage",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "demo_site.urls"
WSGI_APPLICATION = "demo_site.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# `manage.py demo --data DIR` moves this one file; a DATABASE_URL stays where it points.
DEMO_DATABASE = BASE_DIR / "var" / "demo.sqlite3"

if given("DATABASE_URL"):
    DATABASES = {"default": env.db_url("DATABASE_URL")}
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DEMO_DATABASE}}
    # SQLite makes the file but not its folder; where this one cannot be made, `demo --data` names another.
    with suppress(OSError):
        DEMO_DATABASE.parent.mkdir(exist_ok=True)

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# Secure cookies travel over HTTPS only; the development server has none.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
X_FRAME_OPTIONS = "DENY"

LANGUAGE_CODE = env.str("LANGUAGE_CODE") if given("LANGUAGE_CODE") else "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "demo_site" / "locale"]
TIME_ZONE = env.str("TIME_ZONE") if given("TIME_ZONE") else "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "var" / "static"

STORAGES = {
    "default": {"BACKEND": "fdfs_storage.storage.FastDFSStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# A setting exists only when its variable does, so that the package's own defaults stand.
if given("FDFS_TRACKERS"):
    FDFS_TRACKERS = comma_list("FDFS_TRACKERS")
if given("FDFS_BASE_URL"):
    FDFS_BASE_URL = env.str("FDFS_BASE_URL")
if given("FDFS_GROUP"):
    FDFS_GROUP = env.str("FDFS_GROUP")
if given("FDFS_CONNECT_TIMEOUT"):
    FDFS_CONNECT_TIMEOUT = env.float("FDFS_CONNECT_TIMEOUT")
if given("FDFS_NETWORK_TIMEOUT"):
    FDFS_NETWORK_TIMEOUT = env.float("FDFS_NETWORK_TIMEOUT")
if given("FDFS_POOL_SIZE"):
    FDFS_POOL_SIZE = env.int("FDFS_POOL_SIZE")
