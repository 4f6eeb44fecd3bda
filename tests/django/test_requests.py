"""What a page costs in requests to FastDFS, counted by the cluster."""

import contextlib

import pytest
from django import forms
from django.core.files.base import ContentFile
from django.core.files.images import get_image_dimensions
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.urls import reverse

from demo_site.gallery.models import Album, Document, Photo
from fdfs_storage import just_saved
from fdfs_storage.fastdfs.protocol import Command
from fdfs_storage.transactions import settle
from tests.django.shelf.models import Picture, Plain

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

UPLOAD = ["UPLOAD_FILE"]


@pytest.fixture
def asked(broken):
    """Tell what the cluster was asked since the last time; its servers are known already."""
    settle()  # what other tests have left
    default_storage.exists(default_storage.save("warm.txt", ContentFile(b"warm")))
    seen = {}

    def since():
        commands = []
        for server in (*broken.tracker_servers, broken.storage_server):
            commands += server.requests[seen.get(server, 0) :]
            seen[server] = len(server.requests)
        return [Command(command).name for command in commands]

    since()
    return since


@pytest.fixture
def album(db):
    return Album.objects.create(title="西湖")


@pytest.fixture(params=["in memory", "on disk"])
def upload(request, picture):
    """Make an upload as the one or the other of Django's handlers leaves it."""

    with contextlib.ExitStack() as opened:

        def make():
            if request.param == "in memory":
                return SimpleUploadedFile("西湖.jpg", picture, "image/jpeg")
            file = opened.enter_context(TemporaryUploadedFile("西湖.jpg", "image/jpeg", len(picture), None))
            file.write(picture)
            file.seek(0)
            return file

        yield make


def saved(model, upload, fields=("image",), instance=None, **data):
    form = forms.modelform_factory(model, fields=fields)(
        data, {"image": upload} if upload else {}, instance=instance
    )
    assert form.is_valid(), form.errors
    return form.save()


# --- forms --------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [Picture, Plain])
def test_a_form_with_an_image_is_one_upload(asked, upload, model):
    row = saved(model, upload())

    assert asked() == UPLOAD
    assert (row.width, row.height) == (320, 200)


def test_a_form_with_an_image_of_the_demo_is_one_upload(asked, upload, album):
    photo = saved(Photo, upload(), ("album", "image"), album=album.pk)

    assert (asked(), photo.width, photo.height) == (UPLOAD, 320, 200)


def test_a_form_with_a_document_is_one_upload(asked):
    form = forms.modelform_factory(Document, fields=["title", "file"])(
        {"title": "报告"}, {"file": SimpleUploadedFile("报告.pdf", b"content")}
    )

    form.save()

    assert asked() == UPLOAD


@pytest.mark.parametrize(("model", "replaced"), [(Picture, [*UPLOAD, "DELETE_FILE"]), (Photo, UPLOAD)])
def test_another_image_is_an_upload_and_what_the_field_does_with_the_old_one(
    asked, upload, album, model, replaced
):
    row = (
        saved(model, upload())
        if model is Picture
        else saved(model, upload(), ("album", "image"), album=album.pk)
    )
    asked()

    saved(model, upload(), instance=model.objects.get(pk=row.pk))

    assert asked() == replaced


# Django's field reads the dimensions again whenever a form gives the image back.
AGAIN = ["QUERY_FILE_INFO", "DOWNLOAD_FILE"]


@pytest.mark.parametrize(("model", "again"), [(Picture, []), (Photo, AGAIN)])
def test_a_form_without_another_image_asks_for_nothing_with_our_field(asked, upload, album, model, again):
    row = (
        saved(model, upload())
        if model is Picture
        else saved(model, upload(), ("album", "image"), album=album.pk)
    )
    asked()

    model.objects.get(pk=row.pk).save()
    saved(model, None, instance=model.objects.get(pk=row.pk))

    assert asked() == again


@pytest.mark.parametrize(("model", "again"), [(Picture, []), (Photo, AGAIN)])
def test_a_row_that_is_read_again_asks_for_nothing_with_our_field(asked, upload, album, model, again):
    row = saved(model, upload()) if model is Picture else model.objects.create(album=album, image=upload())
    asked()

    row.refresh_from_db()

    assert asked() == again


def test_what_a_template_shows_asks_for_nothing(asked, upload):
    saved(Picture, upload())
    asked()

    picture = Picture.objects.get()

    assert picture.image.url.endswith(".jpg")
    assert (picture.image.width, picture.image.height, picture.image.size) == (320, 200, picture.size)
    assert asked() == []


# --- admin --------------------------------------------------------------------------------------


def test_an_upload_in_the_admin_of_the_demo_is_one_upload(asked, admin_client, album, picture, settings):
    form = {"album": album.pk, "title": "", "caption": "", "image": SimpleUploadedFile("a.jpg", picture)}
    url = reverse("admin:gallery_photo_add")

    response = admin_client.post(url, {**form, "_continue": "1"}, follow=True)

    assert "gallery-preview" in response.content.decode()
    assert asked() == UPLOAD


def test_a_change_in_the_admin_that_keeps_the_image_asks_for_nothing(asked, admin_client, album, picture):
    photo = Photo.objects.create(album=album, image=ContentFile(picture, "a.jpg"))
    asked()

    url = reverse("admin:gallery_photo_change", args=[photo.pk])
    response = admin_client.post(url, {"album": album.pk, "title": "晨雾", "caption": "", "image": ""})

    photo = Photo.objects.get()
    assert (response.status_code, photo.title, photo.width) == (302, "晨雾", 320)
    assert asked() == []


def test_another_image_in_the_admin_has_its_own_dimensions(asked, admin_client, album, picture):
    photo = Photo.objects.create(album=album, image=ContentFile(picture, "a.jpg"))
    Photo.objects.update(width=1, height=1)
    asked()

    url = reverse("admin:gallery_photo_change", args=[photo.pk])
    image = SimpleUploadedFile("b.jpg", picture)
    admin_client.post(url, {"album": album.pk, "title": "", "caption": "", "image": image})

    photo = Photo.objects.get()
    assert ((photo.width, photo.height), asked()) == ((320, 200), UPLOAD)


def test_a_new_photo_among_an_albums_photos_is_one_upload(asked, admin_client, album, picture):
    photos = [Photo.objects.create(album=album, image=ContentFile(picture, "a.jpg")) for _ in range(3)]
    asked()
    form = {"title": "断桥", "photos-TOTAL_FORMS": 4, "photos-INITIAL_FORMS": 3}
    for index, photo in enumerate(photos):
        form |= {f"photos-{index}-id": photo.pk, f"photos-{index}-album": album.pk}
    form |= {"photos-3-album": album.pk, "photos-3-image": SimpleUploadedFile("b.jpg", picture)}

    response = admin_client.post(reverse("admin:gallery_album_change", args=[album.pk]), form)

    assert (response.status_code, Photo.objects.count(), asked()) == (302, 4, UPLOAD)


def test_an_upload_in_an_admin_of_our_field_is_one_upload(asked, admin_client, picture, settings):
    settings.ROOT_URLCONF = "tests.django.shelf_admin"

    form = {"image": SimpleUploadedFile("a.jpg", picture), "_continue": "1"}
    response = admin_client.post("/shelf/shelf/picture/add/", form, follow=True)

    assert Picture.objects.get().image.url in response.content.decode()
    assert asked() == UPLOAD


def test_a_change_list_of_a_hundred_photos_asks_for_nothing(asked, admin_client, album, picture):
    name = default_storage.save("a.jpg", ContentFile(picture))
    Photo.objects.bulk_create(Photo(album=album, image=name, width=320, height=200) for _ in range(100))
    asked()

    pages = [admin_client.get(reverse("admin:gallery_photo_changelist"), {"p": page}) for page in range(1, 5)]

    assert sum(page.content.decode().count("gallery-preview") for page in pages) == 100
    assert asked() == []


def test_a_change_list_of_a_hundred_rows_with_our_field_asks_for_nothing(
    asked, admin_client, picture, settings
):
    settings.ROOT_URLCONF = "tests.django.shelf_admin"
    name = default_storage.save("a.jpg", ContentFile(picture))
    Picture.objects.bulk_create(Picture(image=name, width=320, height=200) for _ in range(100))
    asked()

    page = admin_client.get("/shelf/shelf/picture/").content.decode()

    assert page.count('class="preview"') == page.count('alt="320"') == 100
    assert asked() == []


# --- what an image's upload leaves for Django before 5.1, which opens it again ------------------


@pytest.fixture
def reopening(monkeypatch):
    monkeypatch.setattr(just_saved, "needed", True)


def test_an_image_that_is_opened_right_after_its_upload_is_there_already(asked, reopening, picture):
    name = default_storage.save("a.jpg", ContentFile(picture))

    with default_storage.open(name) as file:
        assert get_image_dimensions(file) == (320, 200)
        assert file.size == len(picture)

    assert asked() == UPLOAD
    default_storage.open(name).close()
    assert asked() == ["QUERY_FILE_INFO"], "once only"


def test_what_is_beyond_the_first_bytes_is_fetched(asked, reopening, monkeypatch, picture):
    monkeypatch.setattr(just_saved, "_HEAD_BYTES", 100)
    content = picture * 200
    name = default_storage.save("a.jpg", ContentFile(content))

    with default_storage.open(name) as file:
        assert file.read() == content
        assert (file.seek(90), file.read(20)) == (90, content[90:110])

    assert asked() == [*UPLOAD, "DOWNLOAD_FILE", "DOWNLOAD_FILE"]


def test_an_image_that_was_deleted_meanwhile_is_gone(reopening, picture, asked):
    name = default_storage.save("a.jpg", ContentFile(picture))
    default_storage.delete(name)

    with pytest.raises(FileNotFoundError):
        default_storage.open(name)


@pytest.mark.parametrize("name", ["a.txt", "a", "image"])
def test_nothing_is_kept_of_what_is_no_image(reopening, asked, name):
    saved = default_storage.save(name, ContentFile(b"content"))

    default_storage.open(saved).close()

    assert asked() == [*UPLOAD, "QUERY_FILE_INFO"]
