"""`manage.py fdfs_backfill` fills what rows do not know of their files."""

import io
import zlib

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.db.models import signals

from fdfs_storage.storage import FastDFSStorage
from tests.django.shelf.models import Picture, Plain

pytestmark = pytest.mark.django_db(databases="__all__")
NOTHING = {"width": None, "height": None, "size": None, "crc32": None, "kind": ""}


def backfill(*arguments):
    output = io.StringIO()
    try:
        call_command("fdfs_backfill", *arguments, stdout=output, no_color=True)
    except SystemExit as exit_:
        return exit_.code, output.getvalue()
    return 0, output.getvalue()


def forget(**values):
    Picture.objects.update(**(values or NOTHING))


def known(row):
    row.refresh_from_db()
    return row.width, row.height, row.size, row.crc32, row.kind


@pytest.fixture
def rows(broken, picture):
    """Three rows of which nothing is known but the file."""
    rows = [Picture.objects.create(image=ContentFile(picture, f"{number}.jpg")) for number in range(3)]
    forget()
    return rows


@pytest.fixture
def facts(picture):
    return 320, 200, len(picture), zlib.crc32(picture), "image/jpeg"


def test_what_is_empty_is_filled_from_the_files(rows, facts):
    code, output = backfill()

    assert (code, "3 rows filled, 0 failed" in output) == (0, True)
    assert {known(row) for row in rows} == {facts}
    assert "0 rows filled" in backfill()[1]


def test_only_what_is_empty_is_filled(rows, facts):
    forget(width=1, height=None)

    backfill("shelf.Picture.image")

    assert known(rows[0]) == (1, *facts[1:])


def test_a_type_is_cut_to_what_its_column_takes(rows, monkeypatch):
    monkeypatch.setattr(Picture._meta.get_field("kind"), "max_length", 5)

    backfill()

    assert known(rows[0])[-1] == "image"


def test_a_dry_run_says_it_and_writes_nothing(rows):
    code, output = backfill("--dry-run")

    assert (code, output.count("width=320")) == (0, 3)
    assert known(rows[0]) == (None, None, None, None, "")


def test_a_missing_file_is_an_error_of_its_row_alone(rows, facts, storage):
    storage.delete(rows[1].image.name)

    for _ in range(2):
        code, output = backfill("--batch-size=1")
        assert (code, output.count("FAIL")) == (1, 1)
        assert f"FAIL shelf.Picture.image {rows[1].pk} {rows[1].image.name}" in output

    assert known(rows[0]) == known(rows[2]) == facts
    assert known(rows[1]) == (None, None, None, None, "")


def test_it_can_go_on_behind_a_row(rows, facts):
    backfill("shelf.picture", f"--after={rows[0].pk}")

    assert known(rows[0])[0] is None
    assert known(rows[1]) == known(rows[2]) == facts


def test_a_row_without_a_file_is_left_alone(rows):
    Picture.objects.update(image="")

    assert backfill()[1] == "0 rows filled, 0 failed\n"


def test_what_pillow_cannot_read_is_0_and_not_asked_again(broken):
    row = Picture.objects.create(image=ContentFile(b"no picture", "a.jpg"))
    forget()

    assert backfill()[0] == 0

    assert known(row)[:2] == (0, 0)
    assert "0 rows filled" in backfill()[1]


def test_an_appender_tells_its_size_and_checksum(broken, storage):
    name = str(storage.client.upload_appender(b"begin", "log"))
    storage.client.append(storage._existing(name), b" end")
    row = Picture.objects.create(image=name)

    assert backfill()[0] == 0

    assert known(row)[2:4] == (9, zlib.crc32(b"begin end"))


def test_a_plain_image_field_is_filled_too_and_its_rows_are_not_loaded(broken, picture, storage):
    Plain.objects.bulk_create([Plain(file="", image=storage.save("a.jpg", ContentFile(picture)))])
    Plain.objects.update(width=None)
    signals.post_init.connect(explode, sender=Plain)
    try:
        assert backfill("shelf.Plain")[0] == 0
    finally:
        signals.post_init.disconnect(explode, sender=Plain)

    assert Plain.objects.get().width == 320


def explode(**_):
    raise AssertionError("a plain ImageField opens the file of each row that is loaded")


def test_a_row_that_changes_meanwhile_is_not_given_another_file_s_facts(rows, monkeypatch, picture):
    opened = FastDFSStorage.open

    def open_late(self, name, *arguments):
        Picture.objects.filter(image=name).update(image="changed")
        return opened(self, name, *arguments)

    monkeypatch.setattr(FastDFSStorage, "open", open_late)
    backfill()

    assert known(rows[0]) == (None, None, None, None, "")


def test_without_a_cluster_it_stops_soon(rows, broken):
    for _ in range(5):
        Picture.objects.bulk_create([Picture(image=rows[0].image.name)])
    forget()
    broken.storage_server.stop()
    broken.tracker_servers[0].stop()

    with pytest.raises(CommandError, match="does not answer") as caught:
        call_command("fdfs_backfill", stdout=io.StringIO())

    assert caught.value.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["shelf.Nosuch"], "shelf.Nosuch"),
        (["shelf.Paper"], "shelf.Paper"),
        (["--after=1"], "one field"),
        (["--batch-size=0"], "batch-size"),
        (["shelf.Picture", "--after=x"], "x"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, reason):
    with pytest.raises(CommandError, match=reason):
        call_command("fdfs_backfill", *arguments)


def test_another_database_is_filled_where_it_is_named(broken, picture, facts):
    row = Picture(image=ContentFile(picture, "a.jpg"))
    row.save(using="other")
    Picture.objects.using("other").update(**NOTHING)

    assert "0 rows" in backfill()[1]
    assert "1 rows" in backfill("--database=other")[1]

    assert known(row) == facts
