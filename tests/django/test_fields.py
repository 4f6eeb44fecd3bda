"""FastDFSFileField and FastDFSImageField: forms, companions, migrations."""

import io
import pickle
import re
import zlib
from copy import copy, deepcopy
from pathlib import Path

import pytest
from django import forms
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.files.base import ContentFile, File
from django.core.files.storage import InMemoryStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import IntegrityError, models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter
from django.test.utils import isolate_apps
from hypothesis import example, given
from hypothesis import strategies as st

from fdfs_storage.fastdfs import FileId
from fdfs_storage.fastdfs.errors import FastDFSError
from fdfs_storage.fastdfs.protocol import Command
from fdfs_storage.fields import FastDFSFileField, FastDFSImageField
from fdfs_storage.fields.companions import DIMENSIONS, KINDS, clean_name, dimensions, of
from fdfs_storage.fields.content_type import content_type
from fdfs_storage.storage import FastDFSStorage
from tests.django.shelf.models import Keepsake, Letter, Narrow, Paper, Picture, Plain

pytestmark = pytest.mark.django_db(databases="__all__")
DOCS = Path(__file__).parents[2] / "docs"


class PictureForm(forms.ModelForm):
    class Meta:
        model = Picture
        fields = ("image",)


def posted(picture, name="西湖.jpg", **data):
    return PictureForm(data, {"image": SimpleUploadedFile(name, picture, "text/html")} if picture else {})


def known(row):
    return row.original, row.size, row.crc32, row.kind, row.width, row.height


@pytest.fixture
def facts(picture):
    return "西湖.jpg", len(picture), zlib.crc32(picture), "image/jpeg", 320, 200


# --- companions ---------------------------------------------------------------------------------


def from_a_form(picture):
    form = posted(picture)
    assert form.is_valid(), form.errors
    return form.save()


def from_a_constructor(picture):
    return Picture.objects.create(image=ContentFile(picture, "西湖.jpg"))


def from_an_assignment(picture):
    row = Picture()
    row.image = ContentFile(picture, "西湖.jpg")
    row.save()
    return row


def from_save(picture):
    row = Picture()
    row.image.save("西湖.jpg", ContentFile(picture))
    return row


def in_bulk(picture):
    [row] = Picture.objects.bulk_create([Picture(image=ContentFile(picture, "西湖.jpg"))])
    return row


def as_a_replacement(picture):
    row = Picture.objects.create(image=ContentFile(b"no picture", "b.txt"))
    row.image = ContentFile(picture, "西湖.jpg")
    row.save()
    return row


class Stream(io.RawIOBase):
    """Content that can be read once, and that nobody can rewind."""

    def __init__(self, content):
        self._content = io.BytesIO(content)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._content.readinto(buffer)


def from_a_stream(picture):
    return Picture.objects.create(image=File(Stream(picture), "西湖.jpg"))


def of_another_row(picture):
    source = Picture.objects.create(image=ContentFile(picture, "西湖.jpg"))
    return Picture.objects.create(image=source.image)


WAYS = [
    from_a_form,
    from_a_constructor,
    from_an_assignment,
    from_save,
    in_bulk,
    as_a_replacement,
    from_a_stream,
    of_another_row,
]


@pytest.mark.parametrize("way", WAYS)
def test_what_is_known_of_an_upload_is_in_the_instance_and_in_the_row(picture, facts, way):
    row = way(picture)

    assert known(row) == facts
    loaded = Picture.objects.get(pk=row.pk)
    assert known(loaded) == facts
    with loaded.image.open() as file:
        assert file.read() == picture


@pytest.mark.parametrize("way", WAYS)
def test_an_upload_is_one_request_and_a_row_none(broken, picture, way):
    row = way(picture)
    asked = list(broken.storage_server.requests)

    loaded = Picture.objects.get(pk=row.pk)
    loaded.original = "renamed"
    loaded.save()
    assert (loaded.image.width, loaded.image.height) == (320, 200)
    loaded.refresh_from_db()

    assert list(broken.storage_server.requests) == asked
    assert set(asked) == {Command.UPLOAD_FILE}


def test_an_image_that_pillow_cannot_read_has_no_null_and_is_never_opened_for_it(broken):
    row = Picture.objects.create(image=ContentFile(b"<svg/>", "a.svg"))
    asked = len(broken.storage_server.requests)

    loaded = Picture.objects.get(pk=row.pk)

    assert (loaded.width, loaded.height, loaded.kind) == (0, 0, "image/svg+xml")
    assert len(broken.storage_server.requests) == asked


def test_a_row_with_null_dimensions_is_not_opened_for_them(broken, picture):
    row = Picture.objects.create(image=ContentFile(picture, "a.jpg"))
    Picture.objects.update(width=None, height=None)
    asked = len(broken.storage_server.requests)

    loaded = Picture.objects.get(pk=row.pk)

    assert (loaded.width, len(broken.storage_server.requests)) == (None, asked)
    assert loaded.image.width == 320


def test_a_cleared_file_clears_what_was_known_of_it(picture):
    row = from_a_form(picture)

    PictureForm({"image-clear": "on"}, instance=row).save()

    loaded = Picture.objects.get(pk=row.pk)
    assert not loaded.image
    assert known(loaded) == ("", None, None, "", None, None)


def test_an_id_that_is_assigned_tells_what_it_tells(storage, picture):
    row = Picture.objects.create(image=ContentFile(b"other", "b.txt"))

    row.image = storage.save("a.jpg", ContentFile(picture))
    row.save()

    row.refresh_from_db()
    assert known(row) == ("", len(picture), zlib.crc32(picture), "", None, None)


@pytest.mark.parametrize("name", ["no id", "group1/M00/00/00/short.jpg"])
def test_a_name_that_is_no_id_is_kept_and_nothing_is_known_of_it(name):
    row = Picture.objects.create(image=ContentFile(b"other", "b.txt"))

    row.image = name
    row.save()

    row.refresh_from_db()
    assert (row.image.name, known(row)) == (name, ("", None, None, "", None, None))


def test_an_empty_file_is_kept_with_size_0():
    row = Picture.objects.create(image=ContentFile(b"", "empty.txt"))

    assert known(row) == ("empty.txt", 0, 0, "text/plain", 0, 0)


def test_text_is_counted_in_bytes():
    row = Picture.objects.create(image=ContentFile("内容", "a.txt"))

    assert (row.size, row.crc32) == (6, zlib.crc32("内容".encode()))


class Torn(io.BytesIO):
    """Looks like a picture until Pillow looks closer."""

    def read(self, count=-1):
        raise TypeError("a parser that was led astray")


def test_what_leads_pillow_astray_is_no_picture():
    assert dimensions(File(Torn(), "a.jpg")) == (0, 0)


def test_reloading_brings_what_the_row_has(picture, facts):
    row = Picture.objects.create(image=ContentFile(b"other", "b.txt"))
    other = Picture.objects.get(pk=row.pk)
    other.image = ContentFile(picture, "西湖.jpg")
    other.save()

    row.refresh_from_db()

    assert known(row) == facts
    row.refresh_from_db(fields=["image"])
    assert known(row) == facts


def test_a_second_pre_save_uploads_nothing_more(broken, picture):
    row = Picture(image=ContentFile(picture, "a.jpg"))
    field = Picture._meta.get_field("image")

    names = {field.pre_save(row, add).name for add in (False, True, True)}

    assert names == {row.image.name}
    assert list(broken.storage_server.requests) == [Command.UPLOAD_FILE]
    assert row.image._committed


@pytest.mark.parametrize("make", [copy, deepcopy, lambda row: pickle.loads(pickle.dumps(row))])
def test_a_copy_of_an_instance_has_the_file(picture, make):
    row = from_a_constructor(picture)
    assert row.image  # the attribute is made

    other = make(row)

    assert (other.image.name, known(other)) == (row.image.name, known(row))
    assert other.image.read() == picture


def test_the_content_that_was_saved_stays_open_and_the_row_reads_from_the_storage(picture):
    content = ContentFile(picture, "a.jpg")

    row = Picture.objects.create(image=content)
    content.write(b"changed")

    assert not content.closed
    assert row.image.read() == picture


def test_a_failed_upload_leaves_the_field_as_it_was(broken, picture):
    row = Paper.objects.create(title="row", file=ContentFile(b"old", "a.txt"))
    name = row.file.name
    broken.storage_server.stop()

    with pytest.raises(FastDFSError):
        row.file.save("b.txt", ContentFile(b"new"))

    assert (row.file.name, row.file._committed) == (name, True)


def test_with_another_storage_the_fields_are_django_s_with_companions(picture, facts, monkeypatch):
    field = Picture._meta.get_field("image")
    monkeypatch.setattr(field, "storage", InMemoryStorage())

    row = Picture.objects.create(image=ContentFile(picture, "西湖.jpg"))

    assert (row.image.name, known(row)) == ("西湖.jpg", facts)
    row.image.delete()
    assert not field.storage.exists("西湖.jpg")


# --- names and types ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("C:\\Fotos\\西湖.jpg", "西湖.jpg"),
        ("../../etc/passwd", "passwd"),
        ("a\r\nb\0.txt", "ab.txt"),
        ("cod\u202egpj.exe", "codgpj.exe"),
        ("x" * 60 + ".jpeg", "x" * 35 + ".jpeg"),
        ("x" * 60, "x" * 40),
        ("." * 60, "." * 40),
        ("e\u0301.txt", "é.txt"),
    ],
)
def test_an_original_name_is_clean_and_short_and_keeps_its_extension(name, clean):
    assert clean_name(name, 40) == clean


@given(st.text(), st.integers(1, 60))
def test_any_name_fits_and_has_neither_path_nor_control_characters(name, longest):
    cleaned = clean_name(name, longest)

    assert len(cleaned) <= longest
    assert "/" not in cleaned
    assert all(each.isprintable() or each.isspace() for each in cleaned)


@pytest.mark.parametrize(
    ("head", "name", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n....", "a.jpg", "image/png"),
        (b"<html>", "a.jpg", "application/octet-stream"),
        (b"<html>", "a.html", "text/html"),
        (b"%PDF-1.7", "a.exe", "application/pdf"),
        (b"PK\x03\x04", "报告.odt", "application/vnd.oasis.opendocument.text"),
        (b"PK\x03\x04", "a.html", "application/zip"),
        (b"\x1f\x8b\x08", "a.tar.gz", "application/gzip"),
        (b"\0\0\0\x18ftypmp42", "a.mov", "video/quicktime"),
        (b"text", "a.csv", "text/csv"),
        (b"text", "a.txt.gz", "application/octet-stream"),
        (b"", "noextension", "application/octet-stream"),
    ],
)
def test_the_type_is_what_the_content_says_and_what_the_name_says_of_text(head, name, kind):
    assert content_type(head, name) == kind


@given(st.binary(max_size=40), st.text())
@example(b"", "http://")
def test_any_content_and_name_have_a_type(head, name):
    assert "/" in content_type(head, name)


# --- forms --------------------------------------------------------------------------------------


def test_a_form_takes_a_name_of_any_length(picture):
    form = posted(picture, "很长" * 60 + ".jpg")

    assert form.is_valid(), form.errors
    row = form.save()
    assert FileId.parse(row.image.name)
    assert len(row.original) == 40


def test_a_form_says_that_a_column_is_too_short(broken):
    form = forms.modelform_factory(Narrow, fields=["short"])({}, {"short": SimpleUploadedFile("a.txt", b"x")})

    assert not form.is_valid()
    assert "max_length=100" in str(form.errors["short"])
    assert list(broken.volume.files()) == []


def test_a_limit_that_a_form_asks_for_holds():
    field = Picture._meta.get_field("image").formfield(max_length=5)

    with pytest.raises(ValidationError):
        field.clean(SimpleUploadedFile("toolong.jpg", b"x"))


def test_an_id_longer_than_promised_is_not_left_behind(broken, monkeypatch):
    monkeypatch.setattr(FastDFSStorage, "get_available_name", lambda self, name, max_length=None: name)

    with pytest.raises(ImproperlyConfigured, match="longer than max_length=40"):
        Narrow.objects.create(short=ContentFile(b"x", "a.txt"))

    assert list(broken.volume.files()) == []


def test_a_plain_field_has_its_length_checked_and_no_more(broken):
    Plain.objects.create(pk=1, file=ContentFile(b"x", "a.txt"))

    with pytest.raises(IntegrityError):
        Plain.objects.create(pk=1, file=ContentFile(b"x", "a.txt"))

    assert len(list(broken.volume.files())) == 2


# --- migrations and checks ----------------------------------------------------------------------


def changes(before, after):
    states = [ProjectState(), ProjectState()]
    for state, names in zip(states, (before, after), strict=True):
        for model in names:
            state.add_model(ModelState.from_model(model))
    return MigrationAutodetector(*states)._detect_changes()


@pytest.mark.parametrize("model", [Paper, Picture, Keepsake, Letter])
def test_a_model_that_did_not_change_makes_no_migration(model):
    family = [Paper, model] if model is Letter else [model]

    assert changes(family, family) == {}


@pytest.mark.parametrize(
    ("field", "written"),
    [
        (FastDFSFileField(), "fdfs_storage.fields.FastDFSFileField(upload_to='')"),
        (
            FastDFSFileField(delete_unused=False, size_field="size", max_length=150),
            "fdfs_storage.fields.FastDFSFileField("
            "delete_unused=False, max_length=150, size_field='size', upload_to='')",
        ),
        (
            FastDFSImageField(width_field="w", crc32_field="c"),
            "fdfs_storage.fields.FastDFSImageField(crc32_field='c', upload_to='', width_field='w')",
        ),
    ],
)
def test_a_field_goes_into_a_migration_under_its_own_path(field, written):
    text, imports = MigrationWriter.serialize(field)

    assert text == written
    assert imports == {"import fdfs_storage.fields"}
    copied = field.clone().deconstruct()
    assert copied[1:] == field.deconstruct()[1:]


def test_makemigrations_makes_one_migration_and_no_second(tmp_path, settings, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "made_here").mkdir()
    (tmp_path / "made_here/__init__.py").touch()
    settings.MIGRATION_MODULES = {"shelf": "made_here.migrations"}
    settings.FDFS_TOKEN_SECRET = "nobody may know this"
    call_command("makemigrations", "shelf", verbosity=0)

    call_command("makemigrations", "shelf", check=True, dry_run=True, verbosity=0)

    [written] = tmp_path.rglob("0001_initial.py")
    assert "fdfs_storage.fields.FastDFSImageField(" in written.read_text("utf-8")
    assert "nobody may know" not in written.read_text("utf-8")


def test_the_demo_s_migrations_are_complete():
    call_command("makemigrations", "gallery", check=True, dry_run=True, verbosity=0)


def test_companions_that_are_right_pass_the_check():
    found = [message for model in (Picture, Paper, Letter) for message in model.check()]

    assert [message for message in found if message.id.startswith("fdfs")] == []


def examples(document):
    return re.findall(r"```python\n(.*?)```", (DOCS / document).read_text("utf-8"), re.DOTALL)


@isolate_apps("tests.django.shelf")
def test_the_models_of_the_documentation_pass_the_check():
    names = {"__name__": "tests.django.shelf.models"}

    exec(examples("fields.md")[0], names)  # noqa: S102  # our own

    found = [*names["Photo"].check(), *names["Document"].check()]
    assert [message for message in found if message.id.startswith("fdfs")] == []
    assert set(of(names["Photo"]._meta.get_field("image"))) == {*KINDS, *DIMENSIONS}


def test_both_languages_have_the_same_examples():
    assert examples("fields.md") == examples("fields.zh-CN.md")


@isolate_apps("tests.django.shelf")
def test_companions_that_are_missing_or_of_a_wrong_kind_are_errors():
    class Wrong(models.Model):
        small = models.IntegerField()
        name = models.CharField(max_length=9)
        file = FastDFSFileField(size_field="small", crc32_field="nosuch", original_name_field="small")
        image = FastDFSImageField(width_field="name", height_field="nosuch", content_type_field="name")

        class Meta:
            app_label = "shelf"

    found = [(message.id, message.obj.name) for message in Wrong.check()]
    assert found.count(("fdfs.E020", "file")) == found.count(("fdfs.E020", "image")) == 1
    assert found.count(("fdfs.E021", "file")) == 3
    assert found.count(("fdfs.E021", "image")) == 2
    assert all("models." in message.hint for message in Wrong.check() if message.id == "fdfs.E020")
