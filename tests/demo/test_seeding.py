import pytest

from demo_site.demo.seeding import missing, seed
from demo_site.gallery.models import Album, Document, Photo
from demo_site.gallery.samples import PHOTOS
from fdfs_storage.storage import FastDFSStorage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("files")]


class UnpluggedError(Exception):
    """What an interrupted run ends with here."""


@pytest.fixture
def interrupted(monkeypatch):
    """A seeding that got as far as its fourth file."""
    save, saved = FastDFSStorage._save, []

    def failing(storage, name, content):
        if len(saved) == 4:
            raise UnpluggedError
        saved.append(name)
        return save(storage, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(FastDFSStorage, "_save", failing)
        with pytest.raises(UnpluggedError):
            seed()


def ids():
    return set(Photo.objects.values_list("image", flat=True))


def test_seeding_plants_ten_photos_in_three_albums_and_two_documents():
    seed()

    assert [photo.title for photo in Photo.objects.all()] == [sample.title for sample in PHOTOS]
    assert (Album.objects.count(), Document.objects.count()) == (3, 2)


def test_seeding_again_plants_nothing():
    seed()
    before = ids()

    seed()

    assert ids() == before
    assert missing() == []


def test_an_interrupted_seeding_is_completed_by_the_next_one(interrupted):
    before = ids()

    seed()

    assert len(before) == 4
    assert before < ids()
    assert Photo.objects.count() == 10


def test_what_a_visitor_deleted_or_renamed_stays_that_way():
    seed()
    Photo.objects.first().delete()
    Album.objects.update(title="Mine")

    seed()

    assert Photo.objects.count() == 9
    assert set(Album.objects.values_list("title", flat=True)) == {"Mine"}
