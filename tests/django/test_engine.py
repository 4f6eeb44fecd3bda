"""The option `client`: Django's storage on the published package."""

import io
import zipfile

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.images import get_image_dimensions

from fdfs_storage import conf
from fdfs_storage.fastdfs import Client, FileId
from fdfs_storage.fastdfs.errors import UnsupportedOperationError
from fdfs_storage.fastdfs.fdfs_client_py3 import PublishedClient
from fdfs_storage.storage import FastDFSStorage
from tests.conftest import UNREADABLE


@pytest.fixture
def published(settings, narrow):
    if not narrow:
        pytest.skip(UNREADABLE)
    settings.FDFS_CLIENT = "fdfs-client-py3"
    return FastDFSStorage()


def test_our_own_client_is_the_default(storage):
    assert type(storage.client) is Client


def test_an_option_or_a_setting_chooses_the_engine(storage, settings):
    assert type(FastDFSStorage(client="fdfs-client-py3").client) is PublishedClient
    assert type(storage.client) is Client

    settings.FDFS_CLIENT = "fdfs-client-py3"

    assert type(storage.client) is PublishedClient


@pytest.mark.parametrize("value", ["fdfs_client_py3", "FastDFS", "", None, 3])
def test_an_unknown_engine_is_refused_with_those_there_are(value):
    with pytest.raises(ImproperlyConfigured, match="'fastdfs', 'fdfs-client-py3'"):
        conf.resolve({"client": value})


def test_a_misspelt_engine_is_told_the_one_that_was_meant():
    with pytest.raises(ImproperlyConfigured, match=r"did you mean fdfs-client-py3\?"):
        conf.resolve({"client": "fdfs_client_py3"})


@pytest.mark.parametrize("content", [b"", b"content", bytes(600_000)], ids=["0", "7", "600K"])
def test_a_file_lives_its_whole_life(published, content):
    name = published.save("西湖.bin", ContentFile(content))

    with published.open(name) as file:
        assert file.read() == content
    assert published.exists(name)
    assert published.size(name) == len(content)
    assert published.get_modified_time(name) == published.get_created_time(name)
    published.delete(name)
    published.delete(name)
    assert not published.exists(name)
    with pytest.raises(FileNotFoundError):
        published.open(name)


def test_an_opened_file_seeks(published, picture):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("a.jpg", picture)
    name = published.save("a.zip", ContentFile(archive.getvalue()))

    with published.open(name) as file, zipfile.ZipFile(file) as reader:
        assert get_image_dimensions(io.BytesIO(reader.read("a.jpg"))) == (320, 200)


def test_of_an_appender_file_it_says_that_the_other_engine_can(published, storage):
    name = str(storage.client.upload_appender(b"content"))
    published.client.append(FileId.parse(name), b", more")

    for operation in (published.exists, published.size, published.open):
        with pytest.raises(UnsupportedOperationError, match='the engine "fastdfs" can'):
            operation(name)
