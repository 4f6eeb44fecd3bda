"""Django's Storage contract, where a server-assigned name bites. docs/contract.md lists it line by line.

Behaviour that Django's own tests of its file storages ask for is asked for here of FastDFSStorage, under
plain fields and under ours.
"""

import io
import pickle
import re
import urllib.request
from copy import copy, deepcopy
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage, default_storage, storages
from django.core.files.uploadedfile import InMemoryUploadedFile, SimpleUploadedFile, TemporaryUploadedFile
from django.db import models
from django.forms import ClearableFileInput
from django.test import RequestFactory
from django.test.utils import isolate_apps
from django.utils import timezone as django_timezone

from fdfs_storage.fastdfs import FileId
from fdfs_storage.fastdfs.protocol import Command
from fdfs_storage.fields import FastDFSFileField, FastDFSImageField
from fdfs_storage.storage import FastDFSStorage
from tests.django.shelf.models import Paper, Plain

pytestmark = pytest.mark.django_db(databases="__all__")
ROOT = Path(__file__).parents[2]
ROWS = pytest.mark.parametrize("row", [Plain, Paper], indirect=True)


@pytest.fixture
def row(request, cluster):
    """A new instance of a model with a plain field, or with ours."""
    return request.param()


def requests(broken):
    return list(broken.storage_server.requests)


# --- names --------------------------------------------------------------------------------------


def test_save_returns_the_id_as_a_str_without_a_leading_slash(storage):
    name = storage.save("test.file", ContentFile("custom contents"))

    assert type(name) is str
    assert str(FileId.parse(name)) == name
    assert "save" not in vars(FastDFSStorage)


def test_saving_without_a_name_takes_that_of_the_content(storage):
    content = ContentFile("custom contents", "test.txt")

    assert FileId.parse(storage.save(None, content)).extension == "txt"


def test_the_same_name_saved_twice_is_two_files(storage):
    names = [storage.save("dup.txt", ContentFile(text)) for text in ("first", "second")]

    assert len(set(names)) == 2
    assert [storage.open(name).read() for name in names] == [b"first", b"second"]


def test_a_name_is_available_without_asking_and_is_not_cut(broken):
    storage = FastDFSStorage()
    long = "x" * 300 + ".txt"

    assert storage.get_available_name(long, max_length=100) == long
    assert storage.is_name_available("taken.txt")
    assert storage.get_alternative_name("a", ".txt") != "a.txt"
    assert requests(broken) == []


@pytest.mark.parametrize("name", ["..", ".", "", "dir/../../x", "/tmp/x", "C/../../x"])
def test_a_generated_name_that_climbs_is_suspicious(storage, name):
    with pytest.raises(SuspiciousFileOperation):
        storage.get_available_name(storage.generate_filename(name))


@pytest.mark.parametrize(("folder", "extension"), [("dot.dir/test", ""), ("dot.dir/.test", "test")])
def test_a_dot_in_a_folder_is_no_extension(storage, folder, extension):
    assert FileId.parse(storage.save(folder, ContentFile("1"))).extension == extension


@pytest.mark.parametrize("upload_to", ["tests/%Y", Path("tests"), "", lambda instance, name: f"made/{name}"])
@isolate_apps("tests.django.shelf")
def test_upload_to_runs_and_its_folder_is_left_out(storage, upload_to):
    for kind in (models.FileField, FastDFSFileField):
        field = kind(upload_to=upload_to)
        field.set_attributes_from_name("file")
        path = field.generate_filename(None, "报告 final.txt")
        name = storage.save(path, ContentFile("1"))

        assert FileId.parse(name).extension == "txt"
        assert "tests" not in name
        assert "made" not in name


@isolate_apps("tests.django.shelf")
def test_an_upload_to_that_climbs_is_refused_before_anything_is_sent(broken):
    class Climber(models.Model):
        file = FastDFSFileField(upload_to=lambda instance, name: f"../{name}")

        class Meta:
            app_label = "shelf"

    with pytest.raises(SuspiciousFileOperation):
        Climber().file.save("a.txt", ContentFile("1"), save=False)

    assert requests(broken) == []


# --- content ------------------------------------------------------------------------------------


def test_saving_leaves_uploads_open(storage):
    with TemporaryUploadedFile("test", "text/plain", 1, "utf8") as upload:
        upload.write(b"1")
        storage.save("test.file", upload)
        assert not upload.closed
        assert not upload.file.closed

    upload = InMemoryUploadedFile(io.StringIO("1"), "", "test", "text/plain", 1, "utf8")
    storage.save("test.file", upload)
    assert not upload.closed


@pytest.mark.parametrize(("limit", "kind"), [(0, TemporaryUploadedFile), (10**6, InMemoryUploadedFile)])
def test_what_an_upload_handler_makes_is_saved(storage, settings, limit, kind):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = limit
    request = RequestFactory().post("/", {"file": SimpleUploadedFile("报告.txt", b"data")})

    upload = request.FILES["file"]
    name = storage.save(upload.name, upload)

    assert type(upload) is kind
    assert (storage.open(name).read(), upload.closed) == (b"data", False)
    request.close()


def test_an_answer_of_urllib_is_saved_though_it_cannot_seek(storage, cluster):
    if cluster.base_url is None:
        pytest.skip("the real cluster's nginx is not named")
    url = f"{cluster.base_url}/{storage.save('a.txt', ContentFile('over http'))}"

    with urllib.request.urlopen(url) as answer:  # noqa: S310  # our own
        answer.size = int(answer.headers["Content-Length"])
        name = storage.save("b.txt", File(answer))

    assert storage.open(name).read() == b"over http"


class Failing(ContentFile):
    def chunks(self, chunk_size=None):
        yield b"a"
        raise OSError("the disk of the upload is gone")


def test_content_that_fails_in_the_middle_leaves_no_file(broken):
    with pytest.raises(OSError, match="gone"):
        FastDFSStorage().save("a.txt", Failing("ab"))

    assert list(broken.volume.files()) == []


@pytest.mark.parametrize("size", [0, 3, 99, None])
def test_a_size_that_lies_changes_nothing(storage, size):
    content = ContentFile("长长的")  # three characters, nine bytes
    content.size = size

    name = storage.save("a.txt", content)

    assert storage.size(name) == 9


def test_a_file_that_was_just_saved_can_be_read_at_once(storage, picture):
    for _ in range(20):
        name = storage.save("a.jpg", ContentFile(picture))

        assert storage.exists(name)
        assert storage.open(name).read() == picture


# --- asking -------------------------------------------------------------------------------------


@pytest.mark.parametrize("getter", ["get_created_time", "get_modified_time"])
@pytest.mark.parametrize("use_tz", [True, False])
def test_times_are_right_where_three_time_zones_differ(storage, settings, getter, use_tz):
    settings.USE_TZ, settings.TIME_ZONE = use_tz, "Africa/Algiers"
    name = storage.save("a.txt", ContentFile("1"))

    with django_timezone.override(timezone(timedelta(hours=-5))):
        moment = getattr(storage, getter)(name)

    if not use_tz:
        moment = django_timezone.make_aware(moment, timezone(timedelta(hours=1)))
    assert abs(moment - datetime.now(timezone.utc)) < timedelta(minutes=5)


def test_a_decoded_size_does_not_prove_that_the_file_exists(storage):
    name = storage.save("a.txt", ContentFile("12345"))
    storage.delete(name)

    assert storage.size(name) == 5
    assert not storage.exists(name)


def test_the_size_of_appenders_and_slaves_is_asked_without_their_checksum(broken):
    storage = FastDFSStorage()
    appender = storage.client.upload_appender(b"begin", "log")
    storage.client.append(appender, b" end")
    master = storage.client.upload(b"master", "jpg")
    slave = storage.client.upload_slave(master, "_small", b"slave", "jpg")

    assert (storage.size(str(appender)), storage.size(str(slave))) == (9, 5)
    assert requests(broken).count(Command.QUERY_FILE_INFO) >= 2


def test_deleting_twice_is_no_error_and_deleting_nothing_is(storage):
    name = storage.save("a.txt", ContentFile("1"))

    storage.delete(name)
    storage.delete(name)

    with pytest.raises(ValueError, match="name"):
        storage.delete("")


# --- fields -------------------------------------------------------------------------------------


@ROWS
def test_a_file_that_is_not_there_says_so(row):
    assert not row.file
    for ask in (lambda: row.file.size, lambda: row.file.url, lambda: row.file.open(), lambda: row.file.path):
        with pytest.raises(ValueError, match="no file"):
            ask()


@ROWS
def test_an_assigned_file_is_uploaded_when_the_row_is_saved(broken, row):
    row.file = File(ContentFile(b"content").file, "a.txt")
    assert (row.file.read(), row.file.size, requests(broken)) == (b"content", 7, [])

    row.save()

    assert row.file.read(3) == b"con"
    assert b"".join(row.file.chunks(2)) == b"content"
    row.file.close()
    assert requests(broken).count(Command.UPLOAD_FILE) == 1


@ROWS
def test_a_file_can_be_opened_closed_and_opened_again(row):
    row.file.save("a.txt", ContentFile("content"))

    for _ in range(2):
        with row.file.open() as file:
            assert file.read() == b"content"
        assert row.file.closed


@ROWS
def test_a_file_opens_as_text(row):
    row.file.save("a.txt", ContentFile("内容"))

    assert row.file.open("r").read() == "内容"


@ROWS
@pytest.mark.parametrize("again", [lambda x: pickle.loads(pickle.dumps(x)), copy, deepcopy])
def test_a_file_of_a_row_is_pickled_and_copied(row, again):
    row.file.save("a.txt", ContentFile("content"))

    other = again(row)

    assert other.file == row.file
    assert hash(other.file) == hash(row.file)
    assert other.file.read() == b"content"
    assert other.file.instance is other


@ROWS
def test_a_name_that_is_equal_is_an_equal_file(row):
    row.file.save("a.txt", ContentFile("content"))

    assert row.file == row.file.name
    assert row.file != "other"


@ROWS
def test_deleting_through_a_field_empties_it(row):
    row.file.save("a.txt", ContentFile("content"))
    name, storage = row.file.name, row.file.storage

    row.file.delete(save=False)

    assert not row.file
    assert row.file.name is None
    row.file.delete()
    if isinstance(row, Plain):
        assert not storage.exists(name)


@ROWS
def test_a_clearable_input_has_the_url_it_needs(row):
    row.file.save("a.txt", ContentFile("content"))
    widget = ClearableFileInput()

    assert row.file.url in widget.render("file", row.file)
    assert widget.is_initial(row.file)
    assert widget.value_from_datadict({"file-clear": "on"}, {}, "file") in (False, None)


@isolate_apps("tests.django.shelf")
@pytest.mark.parametrize("kind", [FastDFSFileField, FastDFSImageField])
def test_the_storage_of_a_field_may_be_a_callable_and_stays_one_in_a_migration(kind):
    def chosen():
        return storages["default"]

    field = kind(storage=chosen)

    assert field.storage is storages["default"]
    assert field.deconstruct()[3]["storage"] is chosen
    assert "storage" not in kind().deconstruct()[3]
    assert kind(storage=FastDFSStorage(group="group1")).deconstruct()[3]["storage"].deconstruct()[2] == {
        "group": "group1"
    }


def test_it_is_a_storage_in_every_place_where_django_has_one():
    assert isinstance(default_storage, Storage)
    assert isinstance(storages["default"], FastDFSStorage)
    assert isinstance(FastDFSStorage(), Storage)


def test_a_model_field_takes_an_upload_of_130_characters(storage):
    field = FastDFSFileField().formfield()

    assert field.clean(SimpleUploadedFile("x" * 126 + ".txt", b"1"))


# --- the list -----------------------------------------------------------------------------------

DOCUMENTS = ["docs/contract.md", "docs/contract.zh-CN.md"]


def named_tests():
    return {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
    }


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_that_the_document_names_exists(document):
    named = re.findall(r"`(test_\w+)`", (ROOT / document).read_text("utf-8"))

    assert len(named) > 40
    assert set(named) - named_tests() == set()


def test_both_languages_name_the_same_tests_in_the_same_order():
    english, chinese = (re.findall(r"`(test_\w+)`", (ROOT / name).read_text("utf-8")) for name in DOCUMENTS)

    assert english == chinese
