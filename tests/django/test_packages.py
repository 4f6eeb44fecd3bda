"""Published packages on FastDFSStorage, unmodified: what works is used here, what does not is written down.

docs/packages.md says the same to users.
"""

import io
import urllib.request

import pytest
import tablib
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.db.models import signals
from django.urls import path
from django_cleanup import cache as cleanup_cache
from django_cleanup.apps import CleanupConfig
from import_export import resources, tmp_storages
from rest_framework import generics, permissions, serializers
from rest_framework.test import APIClient

from demo_site.gallery.models import Album, Document, Photo
from fdfs_storage.fastdfs.protocol import Command
from fdfs_storage.transactions import settle
from tests.django.shelf.models import Paper, Picture

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

LONG_NAME = "西湖" * 60 + ".jpg"


@pytest.fixture(autouse=True)
def settled():
    """Have nothing of other tests' that the end of a request would delete."""
    settle()


@pytest.fixture
def fetch():
    """Fetch a URL from the cluster's web server."""

    def get(url):
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310
            return response.read()

    return get


@pytest.fixture
def album():
    return Album.objects.create(title="西湖")


# --- django-cleanup -----------------------------------------------------------------------------


@pytest.fixture
def cleanup():
    """django-cleanup as INSTALLED_APPS would start it, until the test is over."""
    used = (signals.post_init, signals.pre_save, signals.post_save, signals.post_delete)
    kept = [list(signal.receivers) for signal in used]
    CleanupConfig.create("django_cleanup").ready()
    yield
    for signal, receivers in zip(used, kept, strict=True):
        signal.receivers[:] = receivers
        signal.sender_receivers_cache.clear()
    for cached in (cleanup_cache.FIELDS, cleanup_cache.FIELDS_FIELDS, cleanup_cache.FIELDS_STORAGE):
        cached.clear()


def stored(content=b"content", **data):
    return Document.objects.create(title="x", file=ContentFile(content, "a.txt"), **data)


def test_cleanup_deletes_what_was_replaced_and_what_its_row_is_gone_of(cleanup):
    document = stored()
    first = document.file.name

    document.file = ContentFile(b"new", "b.txt")
    document.save()
    second = document.file.name
    assert (default_storage.exists(first), default_storage.exists(second)) == (False, True)

    document.delete()
    assert not default_storage.exists(second)


def test_cleanup_waits_for_the_transaction(cleanup):
    document = stored()

    with transaction.atomic():
        document.delete()
        transaction.set_rollback(True)

    assert default_storage.exists(document.file.name)


def test_cleanup_deletes_a_file_that_another_row_refers_to(cleanup):
    document = stored()
    other = Document.objects.create(title="copy", file=document.file.name)

    document.delete()

    assert not default_storage.exists(other.file.name), "it does not ask; our own fields do"


def test_cleanup_beside_our_own_fields_deletes_each_file_once_and_none_that_is_in_use(cleanup, caplog):
    paper = Paper.objects.create(title="a", file=ContentFile(b"content", "a.txt"))
    first = paper.file.name
    Paper.objects.create(title="b", file=first)

    paper.file = ContentFile(b"new", "b.txt")
    paper.save()
    second = paper.file.name
    paper.delete()

    assert (default_storage.exists(first), default_storage.exists(second)) == (True, False)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


# --- django-import-export -----------------------------------------------------------------------


class DocumentResource(resources.ModelResource):
    class Meta:
        model = Document
        fields = ("id", "title", "file")


class PictureResource(resources.ModelResource):
    class Meta:
        model = Picture
        import_order = ("image",)  # a file that is assigned empties the fields that tell of it


@pytest.mark.parametrize("form", ["csv", "json", "yaml"])
def test_an_export_has_the_file_ids_and_an_import_refers_to_the_same_files(broken, form):
    document = stored(b"secret")
    asked = len(broken.storage_server.requests)
    exported = DocumentResource().export().export(form)
    Document.objects.all().delete()

    DocumentResource().import_data(tablib.Dataset().load(exported, form), raise_errors=True)

    assert len(broken.storage_server.requests) == asked
    restored = Document.objects.get()
    assert restored.file.name == document.file.name
    with restored.file.open() as file:
        assert file.read() == b"secret"


def test_an_import_of_rows_with_our_field_brings_its_companions(picture):
    row = Picture.objects.create(image=ContentFile(picture, "西湖.jpg"))
    exported = PictureResource().export().export("csv")
    Picture.objects.update(image="")

    PictureResource().import_data(tablib.Dataset().load(exported, "csv"), raise_errors=True)

    restored = Picture.objects.get()
    assert restored.image.name == row.image.name
    assert (restored.original, restored.width, restored.size) == ("西湖.jpg", 320, len(picture))


def test_an_import_that_is_kept_for_its_confirmation_needs_a_storage_that_keeps_names(settings, tmp_path):
    kept = tmp_storages.MediaStorage(encoding="utf-8")
    kept.save(b"id,title")
    with pytest.raises(FileNotFoundError):
        kept.read()

    disk = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = {**settings.STORAGES, "import_export": disk}

    kept = tmp_storages.MediaStorage(encoding="utf-8")
    kept.save(b"id,title")
    assert kept.read() == b"id,title"


# --- Django REST framework ----------------------------------------------------------------------


class PhotoSerializer(serializers.ModelSerializer):
    class Meta:
        model = Photo
        fields = ("id", "album", "image", "width", "height")
        read_only_fields = ("width", "height")


class DocumentSerializer(serializers.ModelSerializer):
    class Meta:
        model = Document
        fields = ("id", "title", "file")


class PictureSerializer(serializers.ModelSerializer):
    class Meta:
        model = Picture
        fields = ("id", "image", "original", "size", "width", "height", "kind")


def listed(serializer):
    view = type("View", (generics.ListCreateAPIView,), {})
    return view.as_view(
        queryset=serializer.Meta.model.objects.order_by("pk"),
        serializer_class=serializer,
        permission_classes=[permissions.AllowAny],
        authentication_classes=[],
    )


def single(serializer):
    view = type("View", (generics.RetrieveUpdateDestroyAPIView,), {})
    return view.as_view(
        queryset=serializer.Meta.model.objects.all(),
        serializer_class=serializer,
        permission_classes=[permissions.AllowAny],
        authentication_classes=[],
    )


urlpatterns = [
    path("photos/", listed(PhotoSerializer)),
    path("documents/", listed(DocumentSerializer)),
    path("pictures/", listed(PictureSerializer)),
    path("pictures/<int:pk>/", single(PictureSerializer)),
]


@pytest.fixture
def api(settings):
    settings.ROOT_URLCONF = __name__
    return APIClient()


def posted(api, url, **data):
    return api.post(url, data, format="multipart")


@pytest.fixture
def image(picture):
    return SimpleUploadedFile("西湖.jpg", picture, "image/jpeg")


def test_an_image_is_uploaded_and_answered_with_its_url(broken, api, album, image):
    response = posted(api, "/photos/", album=album.pk, image=image)

    photo = Photo.objects.get()
    assert response.status_code == 201
    assert response.json()["image"] == photo.image.url == f"{broken.base_url}/{photo.image.name}"
    assert (response.json()["width"], response.json()["height"]) == (320, 200)
    assert broken.storage_server.requests == [Command.UPLOAD_FILE]


def test_an_upload_that_is_no_image_is_refused_before_it_is_stored(broken, api, album):
    response = posted(api, "/photos/", album=album.pk, image=SimpleUploadedFile("a.jpg", b"no image"))

    assert (response.status_code, list(response.json())) == (400, ["image"])
    assert broken.storage_server.requests == []


def test_a_document_is_uploaded_and_its_url_downloads_it(broken, api, fetch):
    response = posted(api, "/documents/", title="报告", file=SimpleUploadedFile("报告.pdf", b"content"))

    assert response.status_code == 201
    assert fetch(response.json()["file"]) == b"content"


def test_a_list_asks_fastdfs_for_nothing(broken, api, album, image):
    posted(api, "/photos/", album=album.pk, image=image)
    Photo.objects.bulk_create(
        Photo(album=album, image=Photo.objects.get().image.name, width=1, height=1) for _ in range(100)
    )
    asked = len(broken.storage_server.requests), len(broken.tracker_servers[0].requests)

    assert len(api.get("/photos/").json()) == 101

    assert (len(broken.storage_server.requests), len(broken.tracker_servers[0].requests)) == asked


def test_file_ids_can_be_shown_instead_of_urls(api, album, image, monkeypatch):
    monkeypatch.setattr(serializers.ImageField, "use_url", False, raising=False)

    response = posted(api, "/photos/", album=album.pk, image=image)

    assert response.json()["image"] == Photo.objects.get().image.name


def test_our_field_is_an_image_field_with_all_its_companions(api, image, picture):
    answer = posted(api, "/pictures/", image=image).json()

    assert (answer["original"], answer["size"], answer["kind"]) == ("西湖.jpg", len(picture), "image/jpeg")
    assert (answer["width"], answer["height"]) == (320, 200)


def test_a_new_image_replaces_the_old_one_which_goes(api, image, picture):
    posted(api, "/pictures/", image=image)
    row = Picture.objects.get()

    response = api.patch(
        f"/pictures/{row.pk}/", {"image": SimpleUploadedFile("b.jpg", picture)}, format="multipart"
    )

    assert response.status_code == 200
    assert not default_storage.exists(row.image.name)
    assert default_storage.exists(Picture.objects.get().image.name)


def test_a_name_longer_than_the_column_is_refused_unless_the_serializer_is_told_otherwise(picture):
    upload = io.BytesIO(picture)

    def told(**options):
        kinds = {"image": options} if options else {}
        meta = type("Meta", (PictureSerializer.Meta,), {"extra_kwargs": kinds})
        serializer = type("S", (PictureSerializer,), {"Meta": meta})(
            data={"image": SimpleUploadedFile(LONG_NAME, upload.getvalue())}
        )
        return serializer.is_valid()

    assert (told(), told(max_length=None)) == (False, True)
