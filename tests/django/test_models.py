"""From a form to the database and FastDFS, through the demo's models and the admin."""

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from demo_site.gallery.models import Album, Document, Photo
from fdfs_storage.fastdfs import FileId
from fdfs_storage.fastdfs.protocol import Command

pytestmark = pytest.mark.django_db


@pytest.fixture
def album():
    return Album.objects.create(title="西湖")


def post_photo(admin_client, album, picture, name="西湖 晨雾.jpg"):
    form = {"album": album.pk, "title": "晨雾", "caption": "", "image": SimpleUploadedFile(name, picture)}
    return admin_client.post(reverse("admin:gallery_photo_add"), form, follow=True)


def test_an_image_uploaded_in_the_admin_is_in_fastdfs_and_its_id_in_the_column(admin_client, album, picture):
    response = post_photo(admin_client, album, picture)

    photo = Photo.objects.get()
    assert response.status_code == 200
    assert FileId.parse(photo.image.name).extension == "jpg"
    assert (photo.width, photo.height) == (320, 200)
    with photo.image.open() as file:
        assert file.read() == picture
    assert photo.image.url in response.content.decode()


def test_an_upload_over_the_memory_limit_takes_the_way_over_the_disk(admin_client, album, picture, settings):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 100

    post_photo(admin_client, album, picture)

    with Photo.objects.get().image.open() as file:
        assert file.read() == picture


@pytest.mark.parametrize("fault", ["tracker", "storage", "in the middle"])
def test_an_upload_that_fails_is_a_message_and_leaves_no_file_and_no_row(
    broken, admin_client, album, picture, fault
):
    if fault == "tracker":
        broken.tracker_servers[0].stop()
    elif fault == "storage":
        broken.storage_server.stop()
    else:
        for _ in range(4):
            broken.storage_server.drop_next(after_bytes=500)

    response = post_photo(admin_client, album, picture)

    assert response.status_code == 200
    assert "could not be stored in FastDFS" in response.content.decode()
    assert not Photo.objects.exists()
    assert list(broken.volume.files()) == []


@pytest.mark.parametrize("name", ["报告 2026.tar.gz", "no extension", "../../etc/passwd", "a" * 90 + ".jpeg"])
def test_a_document_of_any_name_is_kept(admin_client, name):
    form = {"title": "报告", "file": SimpleUploadedFile(name, b"content")}

    admin_client.post(reverse("admin:gallery_document_add"), form)

    document = Document.objects.get()
    with document.file.open() as file:
        assert file.read() == b"content"
    assert "passwd" not in document.file.name


def test_a_new_image_gets_a_new_name_and_the_form_a_new_preview(admin_client, album, picture):
    post_photo(admin_client, album, picture)
    photo = Photo.objects.get()
    old = photo.image.name

    form = {"album": album.pk, "title": "", "caption": "", "image": SimpleUploadedFile("b.jpg", picture)}
    admin_client.post(reverse("admin:gallery_photo_change", args=[photo.pk]), form)

    photo.refresh_from_db()
    assert photo.image.name != old
    assert photo.image.storage.exists(old), "nothing is overwritten"


def test_saving_a_form_with_an_image_is_one_upload_and_nothing_else(broken, admin_client, album, picture):
    post_photo(admin_client, album, picture)

    assert list(broken.storage_server.requests) == [Command.UPLOAD_FILE]


def test_a_change_list_asks_fastdfs_for_nothing(broken, admin_client, album, picture):
    for _ in range(3):
        Photo.objects.create(album=album, image=ContentFile(picture, "a.jpg"))
    asked = len(broken.storage_server.requests), len(broken.tracker_servers[0].requests)

    response = admin_client.get(reverse("admin:gallery_photo_changelist"))

    assert response.content.decode().count("gallery-preview") == 3
    assert asked == (len(broken.storage_server.requests), len(broken.tracker_servers[0].requests))
