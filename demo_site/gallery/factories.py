"""Albums, photos and documents worth looking at; the same sequence number always makes the same file."""

# factory-boy calls itself typed, but its declarations are not:
# mypy: disable-error-code="no-untyped-call"

from functools import lru_cache

from django.core.files.base import ContentFile
from factory.declarations import Sequence, SubFactory
from factory.django import DjangoModelFactory
from PIL import Image

from demo_site.gallery.models import Album, Document, Photo
from demo_site.gallery.pictures import encoded, paint
from demo_site.gallery.samples import ALBUMS, DOCUMENTS, PHOTOS, READ_ME


def numbered(name: str, rounds: int) -> str:
    return f"{name} {rounds + 1}" if rounds else name


def photo_file(number: int) -> "ContentFile[bytes]":
    return ContentFile(photo_bytes(number), PHOTOS[number % len(PHOTOS)].file_name)


@lru_cache(maxsize=32)
def photo_bytes(number: int) -> bytes:
    name = PHOTOS[number % len(PHOTOS)].file_name
    return encoded(paint(number), "PNG" if name.endswith(".png") else "JPEG")


def document_file(number: int) -> "ContentFile[bytes]":
    name = DOCUMENTS[number % len(DOCUMENTS)].file_name
    if name.endswith(".pdf"):
        return ContentFile(encoded(contact_sheet(range(6, 10)), "PDF"), name)
    # With the mark at its front, a browser shows the Chinese text right even where no charset is sent.
    return ContentFile(READ_ME.encode("utf-8-sig"), name)


def contact_sheet(numbers: range) -> Image.Image:
    """Two columns of small pictures on a white page."""
    rows = -(-len(numbers) // 2)
    page = Image.new("RGB", (1060, 40 + rows * 340), "white")
    for place, number in enumerate(numbers):
        row, column = divmod(place, 2)
        page.paste(paint(number).resize((480, 320)), (40 + column * 500, 40 + row * 340))
    return page


class AlbumFactory(DjangoModelFactory[Album]):
    class Meta:
        model = Album

    title = Sequence(lambda n: numbered(ALBUMS[n % len(ALBUMS)].title, n // len(ALBUMS)))
    description = Sequence(lambda n: ALBUMS[n % len(ALBUMS)].description)


class PhotoFactory(DjangoModelFactory[Photo]):
    class Meta:
        model = Photo

    album = SubFactory(AlbumFactory)
    title = Sequence(lambda n: numbered(PHOTOS[n % len(PHOTOS)].title, n // len(PHOTOS)))
    caption = Sequence(lambda n: PHOTOS[n % len(PHOTOS)].caption)
    image = Sequence(photo_file)


class DocumentFactory(DjangoModelFactory[Document]):
    class Meta:
        model = Document

    title = Sequence(lambda n: numbered(DOCUMENTS[n % len(DOCUMENTS)].title, n // len(DOCUMENTS)))
    file = Sequence(document_file)
