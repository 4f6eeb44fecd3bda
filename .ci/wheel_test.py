"""Run where only the wheel is installed: one file's whole life, and what must have come along."""

from importlib.metadata import version
from importlib.resources import files

import django
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import call_command

import fdfs_storage
from fdfs_storage.devserver import EmbeddedCluster

assert version("django-fdfs-storage") == fdfs_storage.__version__
for needed in ("py.typed", "locale/zh_Hans/LC_MESSAGES/django.mo"):
    assert files(fdfs_storage).joinpath(needed).is_file(), f"the wheel lacks {needed}"

with EmbeddedCluster() as cluster:
    settings.configure(
        INSTALLED_APPS=["fdfs_storage"],
        STORAGES={
            "default": {
                "BACKEND": "fdfs_storage.storage.FastDFSStorage",
                "OPTIONS": {"trackers": cluster.trackers, "base_url": cluster.base_url},
            },
            "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
        },
    )
    django.setup()
    call_command("check")
    name = storages["default"].save("a.txt", ContentFile(b"content"))
    with storages["default"].open(name) as file:
        assert file.read() == b"content"
    storages["default"].delete(name)
    call_command("fdfs_check")
print(f"the wheel of {fdfs_storage.__version__} works")
