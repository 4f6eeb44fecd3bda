"""PrivateFileView: who gets a row's file, what they are told of it, and how it is handed over."""

import re
from urllib.parse import unquote

import pytest
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import Permission
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.http import HttpResponse
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from demo_site.gallery.models import Album, Document
from fdfs_storage.fastdfs import FileId
from fdfs_storage.fastdfs.token import anti_steal_token
from fdfs_storage.private import PrivateFileView
from fdfs_storage.private.presentation import UNKNOWN, disposition
from tests.django.shelf.models import Paper, Picture, Plain

pytestmark = pytest.mark.django_db

SECRET = "0123456789abcdef"
LOGIN = "/accounts/login/?next="


@pytest.fixture(autouse=True)
def urls(settings):
    settings.ROOT_URLCONF = "tests.django.private_urls"


@pytest.fixture
def document():
    return Document.objects.create(title="报告", file=ContentFile(b"secret", "a.pdf"))


@pytest.fixture
def visitor():
    """A browser of nobody yet; the fixture `client` is FastDFS's here."""
    return Client()


@pytest.fixture
def reader(django_user_model):
    """A user who may view documents."""
    user = django_user_model.objects.create_user("reader")
    user.user_permissions.add(Permission.objects.get(codename="view_document"))
    return user


def body(response):
    return b"".join(response.streaming_content) if response.streaming else response.content


# --- access -------------------------------------------------------------------------------------


def test_who_has_the_permission_gets_the_file(visitor, reader, document):
    visitor.force_login(reader)

    response = visitor.get(f"/documents/{document.pk}/")

    assert (response.status_code, body(response)) == (200, b"secret")
    assert response["Content-Type"] == "application/pdf"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("pk", ["", "0", "no-number"])
def test_who_is_not_logged_in_is_sent_to_the_login_whether_the_row_is_there_or_not(
    visitor, document, pk, method
):
    url = f"/documents/{pk or document.pk}/"

    response = getattr(visitor, method)(url)

    assert (response.status_code, response["Location"]) == (302, LOGIN + url)
    assert b"secret" not in response.content


@pytest.mark.parametrize("accel", ["", "/_fdfs/"])
def test_who_has_no_permission_is_refused_without_a_request_to_fastdfs(
    broken, visitor, django_user_model, document, settings, accel
):
    settings.FDFS_X_ACCEL = accel
    asked = len(broken.storage_server.requests)
    visitor.force_login(django_user_model.objects.create_user("other"))

    response = visitor.get(f"/documents/{document.pk}/", headers={"Range": "bytes=0-0"})

    assert response.status_code == 403
    assert b"secret" not in response.content
    assert "X-Accel-Redirect" not in response
    assert len(broken.storage_server.requests) == asked


def test_an_inactive_user_is_refused(visitor, reader, document, django_user_model):
    visitor.force_login(reader)
    django_user_model.objects.update(is_active=False)

    assert visitor.get(f"/documents/{document.pk}/").status_code == 302


class OnePaper(BaseBackend):
    """Gives a permission for one object."""

    def get_user(self, user_id):
        return None

    def has_perm(self, user_obj, perm, obj=None):
        return perm == "gallery.view_document" and getattr(obj, "title", "") == "报告"


def test_a_permission_for_the_one_row_is_enough(visitor, django_user_model, document, settings):
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", f"{__name__}.OnePaper"]
    visitor.force_login(django_user_model.objects.create_user("u"), settings.AUTHENTICATION_BACKENDS[0])
    other = Document.objects.create(title="another", file=ContentFile(b"other", "a.pdf"))

    assert visitor.get(f"/documents/{document.pk}/").status_code == 200
    assert visitor.get(f"/documents/{other.pk}/").status_code == 403


def test_another_permission_can_be_wanted(visitor, django_user_model):
    paper = Paper.objects.create(title="a", file=ContentFile(b"paper", "a.txt"))
    user = django_user_model.objects.create_user("editor")
    visitor.force_login(user)
    assert visitor.get(f"/editors/{paper.pk}/").status_code == 403

    user.user_permissions.add(Permission.objects.get(codename="change_paper"))

    assert body(visitor.get(f"/editors/{paper.pk}/")) == b"paper"


def test_a_method_may_decide(visitor):
    mine = Paper.objects.create(title="mine", file=ContentFile(b"mine", "a.txt"))
    shared = Paper.objects.create(title="shared", file=ContentFile(b"shared", "a.txt"))

    assert visitor.get(f"/shared/{mine.pk}/").status_code == 302
    assert body(visitor.get(f"/shared/{shared.pk}/")) == body(visitor.get("/paper/shared/")) == b"shared"


def test_a_function_may_decide(visitor, admin_client):
    paper = Paper.objects.create(title="a", file=ContentFile(b"paper", "a.txt"))

    assert visitor.get(f"/staff/{paper.pk}/").status_code == 302
    assert admin_client.get(f"/staff/{paper.pk}/").status_code == 200


def test_an_answer_that_is_neither_yes_nor_no_is_an_error(admin_client):
    paper = Paper.objects.create(title="a", file=ContentFile(b"paper", "a.txt"))

    with pytest.raises(TypeError, match="True or False, not coroutine"):
        admin_client.get(f"/never/{paper.pk}/")


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_nothing_can_be_changed(admin_client, document, method):
    assert getattr(admin_client, method)(f"/documents/{document.pk}/").status_code == 405


# --- what is not there --------------------------------------------------------------------------


@pytest.mark.parametrize("pk", ["0", "-1", "9" * 30, "1e3", "no-number", "1%00", "%F0%9F%98%80"])
def test_a_row_that_is_not_there_is_404(admin_client, pk):
    assert admin_client.get(f"/documents/{pk}/").status_code == 404


@pytest.mark.parametrize("accel", ["", "/_fdfs/"])
@pytest.mark.parametrize(
    "name",
    [
        "",
        "a.pdf",
        "../../etc/passwd",
        "http://example.com/a.pdf",
        "//example.com/group1/M00/00/00/Ck0AFWsEpnGAcowKAAAACw1KEYU536.jpg",
        "/group1/M00/00/00/Ck0AFWsEpnGAcowKAAAACw1KEYU536.jpg",
        "group1/M00/00/00/../../Ck0AFWsEpnGAcowKAAAACw1KEYU536.jpg",
        "group1/M00/00/00/Ck0AFWsEpnGAcowKAAAACw1KEYU536.jpg\r\nX-Evil: 1",
    ],
)
def test_a_row_that_holds_no_file_id_is_404(admin_client, settings, name, accel):
    settings.FDFS_X_ACCEL = accel
    row = Document.objects.create(title="x", file="x")
    Document.objects.update(file=name)

    response = admin_client.get(f"/documents/{row.pk}/")

    assert (response.status_code, "X-Accel-Redirect" in response) == (404, False)


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_file_that_is_gone_is_404(admin_client, document, method):
    document.file.storage.delete(document.file.name)

    assert getattr(admin_client, method)(f"/documents/{document.pk}/").status_code == 404


def test_a_queryset_bounds_the_rows(admin_client):
    for pk in (403, 404):
        Plain.objects.create(pk=pk, file=ContentFile(b"plain", "a.txt"))

    assert admin_client.get("/plain/403/").status_code == 200
    assert admin_client.get("/plain/404/").status_code == 404


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"needs a model: as_view\(model=…, field=…\)"),
        ({"model": Document}, "write field='file'"),
        ({"model": Document, "field": "files"}, "Document has no FileField 'files': write field='file'"),
        ({"model": Document, "field": "title"}, "no FileField 'title'"),
        ({"model": Album, "field": "title"}, "it has none"),
    ],
)
def test_a_view_of_no_file_is_refused_when_it_is_made(options, message):
    with pytest.raises(ImproperlyConfigured, match=message):
        PrivateFileView.as_view(**options)


# --- what a browser is told ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("西湖.jpg", "image/jpeg", "inline; filename*=utf-8''%E8%A5%BF%E6%B9%96.jpg"),
        ("a.png", "IMAGE/PNG; x=y", 'inline; filename="a.png"'),
        ('a"b.pdf', "application/pdf", r'inline; filename="a\"b.pdf"'),
        ("a\r\nX-Evil: 1.mp4", "video/mp4", 'inline; filename="aX-Evil: 1.mp4"'),
        ("../../etc/a.txt", "text/plain", 'inline; filename="a.txt"'),
        ("a.zip", "application/zip", 'attachment; filename="a.zip"'),
        ("a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "attachment"),
        ("a.html", "text/html", 'attachment; filename="a.html"'),
        ("a.svg", "image/svg+xml", 'attachment; filename="a.svg"'),
        ("a.js", "text/javascript", 'attachment; filename="a.js"'),
        ("a.xhtml", "application/xhtml+xml", 'attachment; filename="a.xhtml"'),
        ("a", "image/png\r\nX-Evil: 1", 'attachment; filename="a"'),
        ("a", "image/" + "x" * 90, 'attachment; filename="a"'),
    ],
)
def test_what_a_browser_could_run_is_saved_under_no_type_of_its_own(admin_client, picture, name, kind, told):
    row = Picture.objects.create(image=ContentFile(picture, "a.jpg"))
    Picture.objects.update(original=name, kind=kind)

    response = admin_client.get(f"/pictures/{row.pk}/")

    plain = kind.partition(";")[0].lower()
    saved = told.startswith("attachment")
    harmless = plain in {"application/zip"} or plain.startswith("application/vnd.")
    assert response["Content-Type"] == (plain if harmless or not saved else UNKNOWN)
    assert response["Content-Disposition"].startswith(told)


def test_without_companions_the_name_is_the_rows_and_the_type_that_of_the_name(admin_client):
    row = Document.objects.create(title="x", file=ContentFile(b"x", "archive.tar.gz"))

    response = admin_client.get(f"/documents/{row.pk}/")

    assert response["Content-Disposition"] == f'attachment; filename="document-{row.pk}.tar.gz"'
    assert response["Content-Type"] == UNKNOWN


def test_every_file_can_be_saved_and_shown_again_for_a_while(admin_client, picture):
    row = Picture.objects.create(image=ContentFile(picture, "西湖.jpg"))

    saved, shown = admin_client.get(f"/saved/{row.pk}/"), admin_client.get(f"/pictures/{row.pk}/")

    assert saved["Content-Disposition"].startswith("attachment; filename*=utf-8''")
    assert shown["Content-Disposition"].startswith("inline")
    assert set(shown["Cache-Control"].split(", ")) == {"private", "max-age=60"}


@given(st.text(), st.sampled_from(["image/png", "application/zip"]))
def test_any_text_is_a_name_that_a_header_can_carry(name, kind):
    document = Picture(pk=1, original=name, image="x.png")

    told = disposition(kind, PrivateFileView().get_filename(document.image), attachment=False)

    assert re.fullmatch(r"(inline|attachment); filename(=\"[\x20-\x7e]+\"|\*=utf-8''[\x21-\x7e]+)", told)
    assert len(told) < 2048
    HttpResponse(headers={"Content-Disposition": told})
    assert not set(unquote(told.partition("filename")[2])) & set("/\\\r\n\0\u202e") - {"\\"}


# --- handed over to nginx -----------------------------------------------------------------------


@pytest.mark.parametrize("with_group", [True, False])
@pytest.mark.parametrize("method", ["get", "head"])
def test_nginx_is_sent_for_the_bytes_and_fastdfs_is_asked_for_nothing(
    broken, admin_client, settings, document, method, with_group
):
    settings.FDFS_X_ACCEL, settings.FDFS_URL_WITH_GROUP = "/_fdfs/", with_group
    asked = len(broken.storage_server.requests), len(broken.tracker_servers[0].requests)

    response = getattr(admin_client, method)(f"/documents/{document.pk}/", headers={"If-None-Match": "*"})

    file_id = FileId.parse(document.file.name)
    path = str(file_id) if with_group else file_id.name
    assert (response.status_code, response.content) == (200, b"")
    assert response["X-Accel-Redirect"] == f"/_fdfs/{path}"
    assert response["Content-Type"] == "application/pdf"
    assert response["Content-Disposition"] == f'inline; filename="document-{document.pk}.pdf"'
    assert (len(broken.storage_server.requests), len(broken.tracker_servers[0].requests)) == asked


def test_nginx_is_given_the_token_that_the_storages_server_wants(admin_client, settings, document):
    settings.FDFS_X_ACCEL, settings.FDFS_TOKEN_SECRET = "/_fdfs", SECRET
    settings.FDFS_BASE_URLS = {"group1": "https://cdn.example.com/files"}

    path, _, query = admin_client.get(f"/documents/{document.pk}/")["X-Accel-Redirect"].partition("?")

    token, ts = re.fullmatch(r"token=(\w+)&ts=(\d+)", query).groups()
    assert path == f"/_fdfs/{document.file.name}"
    assert token == anti_steal_token(path.removeprefix("/_fdfs/group1/"), SECRET, int(ts))
