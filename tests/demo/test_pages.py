import re

import pytest
from django.test import Client
from django.urls import reverse

from demo_site.gallery.factories import AlbumFactory, DocumentFactory, PhotoFactory
from demo_site.gallery.models import Photo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("files")]

CHINESE = {"HTTP_ACCEPT_LANGUAGE": "zh-CN,zh;q=0.9"}


@pytest.fixture
def visitor():
    return Client()


@pytest.fixture
def album():
    return AlbumFactory(title="Lake <West>", description="Mist\nand boats")


def page(visitor, url, **headers):
    return visitor.get(url, **headers).content.decode()


def test_the_index_shows_each_album_with_its_cover_and_count(visitor, album):
    first, _ = PhotoFactory(album=album), PhotoFactory(album=album)

    html = page(visitor, "/")

    assert "Lake &lt;West&gt;" in html
    assert "2 photos" in html
    assert re.findall(r'<img src="(http[^"]+)"', html) == [first.image.url]


def test_the_newest_album_comes_first(visitor, album):
    AlbumFactory(title="Newer")

    html = page(visitor, "/")

    assert html.index("Newer") < html.index("Lake")


def test_an_album_shows_its_photos_and_documents_by_their_public_addresses(visitor, album):
    photo, document = PhotoFactory(album=album), DocumentFactory(album=album)

    html = page(visitor, album.get_absolute_url())

    assert f'src="{photo.image.url}"' in html
    assert f'href="{document.file.url}"' in html
    assert "Mist<br>and boats" in html


def test_every_image_can_be_read_out_and_reserves_its_place(visitor, album):
    PhotoFactory(album=album, title="荷塘")

    html = page(visitor, album.get_absolute_url())

    (image,) = re.findall(r'<img src="http[^>]+>', html)
    assert all(part in image for part in ('alt="荷塘"', 'loading="lazy"', 'width="1200"', 'height="800"'))
    assert all("alt=" in tag and "loading=" in tag for tag in re.findall(r"<img[^>]+>", html))


def test_pages_ask_nobody_but_this_site_and_the_cluster(visitor, album, settings):
    PhotoFactory(album=album)

    html = page(visitor, album.get_absolute_url())

    sources = re.findall(r'(?:src|href|action)="([^"]+)"', html)
    assert all(re.match(r"[/#]", source) or source.startswith(settings.FDFS_BASE_URL) for source in sources)


def test_pages_speak_chinese_to_those_who_do(visitor, album):
    PhotoFactory(album=album)

    html = page(visitor, "/", **CHINESE)

    assert '<html lang="zh-hans">' in html
    assert "FastDFS 画廊" in html
    assert "1 张照片" in html


def test_the_language_switch_is_remembered_and_leads_back(album):
    visitor = Client(enforce_csrf_checks=True)
    fields = re.findall(r'name="(\w+)" value="([^"]+)"', page(visitor, album.get_absolute_url()))

    answer = visitor.post(reverse("set_language"), {**dict(fields), "language": "zh-hans"})

    assert answer.url == album.get_absolute_url()
    assert "全部相册" in page(visitor, answer.url)


@pytest.mark.parametrize("url", ["/albums/999/", "/nowhere/", "/albums/x/y/"])
def test_a_missing_page_says_so_kindly(visitor, url):
    answer = visitor.get(url)

    assert answer.status_code == 404
    assert "Nothing here but mist" in answer.content.decode()


def test_a_missing_page_is_as_kind_while_debugging(visitor, settings):
    settings.DEBUG = True

    answer = visitor.get("/albums/999/", **CHINESE)

    assert answer.status_code == 404
    assert "此处唯有云雾" in answer.content.decode()


def test_a_forgotten_slash_is_added(visitor, album):
    url = album.get_absolute_url()

    assert visitor.get(url.rstrip("/")).url == url
    assert visitor.get("/admin").url == "/admin/"


def test_a_photo_that_lost_its_file_leaves_the_page_whole(visitor, album):
    Photo.objects.bulk_create([Photo(album=album, title="Lost")])

    for url in ("/", album.get_absolute_url()):
        assert "The file is missing" in page(visitor, url)


def test_an_empty_gallery_says_what_to_do(visitor):
    assert reverse("admin:gallery_album_add") in page(visitor, "/")


def test_an_empty_album_says_what_to_do(visitor, album):
    html = page(visitor, album.get_absolute_url())

    assert reverse("admin:gallery_album_change", args=[album.pk]) in html


def test_the_number_of_queries_does_not_grow_with_the_gallery(visitor, album, django_assert_num_queries):
    for _ in range(2):
        PhotoFactory(album=album)
        PhotoFactory(album=AlbumFactory())

    with django_assert_num_queries(3):
        visitor.get("/")
