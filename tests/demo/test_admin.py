import pytest
from django.urls import reverse

from demo_site.gallery.factories import AlbumFactory, DocumentFactory, PhotoFactory
from demo_site.gallery.models import Photo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("files")]


@pytest.fixture
def photo():
    return PhotoFactory(title='Lake "West"')


@pytest.fixture
def unreachable(settings):
    """No tracker answers from here on: whoever asks the storage fails."""

    def cut_off():
        settings.FDFS_TRACKERS = ["127.0.0.1:1"]

    return cut_off


def page(admin_client, name, *args):
    answer = admin_client.get(reverse(f"admin:gallery_{name}", args=args))
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("view", ["photo_changelist", "photo_change", "album_change"])
def test_photos_are_previewed_by_their_public_address_alone(admin_client, photo, unreachable, view):
    args = {"photo_change": [photo.pk], "album_change": [photo.album.pk]}.get(view, [])
    unreachable()

    html = page(admin_client, view, *args)

    tag = f'<img class="gallery-preview" src="{photo.image.url}" alt="Lake &quot;West&quot;"'
    assert tag in html


@pytest.mark.parametrize("view", ["document_changelist", "document_change"])
def test_documents_are_linked(admin_client, unreachable, view):
    document = DocumentFactory()
    unreachable()

    html = page(admin_client, view, *([document.pk] if view == "document_change" else []))

    assert f'<a class="gallery-id" href="{document.file.url}">{document.file.name}</a>' in html


def test_a_photo_that_lost_its_file_can_still_be_listed_and_opened(admin_client):
    (photo,) = Photo.objects.bulk_create([Photo(album=AlbumFactory(), title="Lost")])

    assert "gallery-preview" not in page(admin_client, "photo_changelist")
    assert "gallery-preview" not in page(admin_client, "photo_change", photo.pk)


def test_photos_are_found_by_title_caption_and_album(admin_client, photo):
    PhotoFactory(title="Dunes", caption="sand")

    for words in ("west", "sand", photo.album.title.split()[0]):
        html = admin_client.get(reverse("admin:gallery_photo_changelist"), {"q": words}).content.decode()
        assert html.count("gallery-preview") == 1


def test_the_album_list_counts_photos_also_while_searching(admin_client, photo):
    PhotoFactory(album=photo.album, title="Dunes")

    html = admin_client.get(reverse("admin:gallery_album_changelist"), {"q": "Dunes"}).content.decode()

    assert '<td class="field-photo_count">2</td>' in html


def test_the_admin_speaks_chinese(admin_client, photo):
    answer = admin_client.get(reverse("admin:gallery_photo_changelist"), HTTP_ACCEPT_LANGUAGE="zh-CN")

    html = answer.content.decode()
    assert all(word in html for word in ("FastDFS 画廊", "预览", "尺寸", "创建时间"))
