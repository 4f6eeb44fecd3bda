from collections.abc import Callable
from functools import partial

from django.db import transaction

from demo_site.gallery.factories import DocumentFactory, PhotoFactory
from demo_site.gallery.models import Album, Sample
from demo_site.gallery.samples import DOCUMENTS, PHOTOS, AlbumSample


def album_of(sample: AlbumSample) -> Album:
    album: Album
    album, _ = Album.objects.get_or_create(title=sample.title, defaults={"description": sample.description})
    return album


def plant_photo(number: int) -> None:
    PhotoFactory.create(__sequence=number, album=album_of(PHOTOS[number].album))


def plant_document(number: int) -> None:
    sample = DOCUMENTS[number]
    DocumentFactory.create(__sequence=number, album=sample.album and album_of(sample.album))


PLANTS: dict[str, Callable[[], None]] = {
    **{f"photo {number}": partial(plant_photo, number) for number in range(len(PHOTOS))},
    **{f"document {number}": partial(plant_document, number) for number in range(len(DOCUMENTS))},
}


def missing() -> list[str]:
    """The samples that were never planted; one that was planted and deleted since is not missing."""
    planted = set(Sample.objects.values_list("name", flat=True))
    return [name for name in PLANTS if name not in planted]


def seed() -> None:
    """Plants what is missing, one transaction each: what one run left undone, the next completes."""
    for name in missing():
        with transaction.atomic():
            PLANTS[name]()
            Sample.objects.create(name=name)
