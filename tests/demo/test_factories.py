import pytest

from demo_site.gallery.factories import AlbumFactory, DocumentFactory, PhotoFactory
from demo_site.gallery.samples import ALBUMS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("files")]


def test_a_photo_is_kept_under_the_id_that_fastdfs_gave_it():
    photo = PhotoFactory(__sequence=6)

    assert photo.title == "西湖 晨雾"
    assert photo.image.name.startswith("group1/M00/")
    assert photo.image.name.endswith(".jpg")


def test_a_photo_knows_its_size_without_its_file():
    photo = PhotoFactory()

    photo.refresh_from_db()

    assert (photo.width, photo.height) == (1200, 800)


def test_documents_are_a_text_that_browsers_read_right_and_a_pdf():
    text, sheet = DocumentFactory(__sequence=0), DocumentFactory(__sequence=1)

    assert text.file.read().decode("utf-8-sig").startswith("使用说明")
    assert sheet.file.read().startswith(b"%PDF")
    assert (text.kind, sheet.kind) == ("TXT", "PDF")


def test_albums_beyond_the_samples_are_numbered():
    titles = [AlbumFactory(__sequence=number).title for number in range(len(ALBUMS) + 1)]

    assert titles[-1] == f"{titles[0]} 2"
