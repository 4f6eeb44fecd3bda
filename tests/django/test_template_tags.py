"""`{% load fdfs %}` as templates use it."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.storage import FileSystemStorage
from django.db.models.fields.files import FieldFile
from django.template import Context, Template

from demo_site.gallery.models import Document

NAME = "group1/M00/00/00/Ck0AFWsEpnGAcowKAAAACw1KEYU536.jpg"
BASE = "http://img.example.com"
SECRET = "0123456789abcdef"


@pytest.fixture(autouse=True)
def base_url(settings):
    settings.FDFS_BASE_URL = BASE


def render(text, /, **context):
    return Template("{% load fdfs %}" + text).render(Context(context))


def document(name=NAME):
    return Document(file=name)


@pytest.mark.parametrize(
    "text",
    [
        "{% fdfs_url document.file %}",
        "{% fdfs_url document.file.name %}",
        "{% fdfs_url document.file filename=nothing expire=nothing %}",
        "{% fdfs_url document.file as url %}{{ url }}",
        "{{ document.file|fdfs_url }}",
        "{{ document.file.name|fdfs_url }}",
    ],
)
def test_a_file_or_a_file_id_becomes_its_url(text):
    assert render(text, document=document()) == f"{BASE}/{NAME}"


@pytest.mark.parametrize(
    "text",
    [
        '{% fdfs_url document.file filename="报告.pdf" %}',
        "{% fdfs_url document.file filename=name %}",
        '{{ document.file|fdfs_url:"报告.pdf" }}',
        "{{ document.file|fdfs_url:name }}",
    ],
)
def test_a_download_name_may_be_given(text):
    url = render(text, document=document(), name="报告.pdf")

    assert url == f"{BASE}/{NAME}?filename=%E6%8A%A5%E5%91%8A.pdf"


@pytest.mark.parametrize("expire", ["3600", "seconds", "text"])
def test_an_end_may_be_given(settings, expire):
    settings.FDFS_TOKEN_SECRET, settings.FDFS_TOKEN_WINDOW = SECRET, 0
    text = "{% fdfs_url file %} {% fdfs_url file expire=" + expire + " %}"

    urls = render(text, file=document().file, seconds=3600, text="3600").split()

    default, asked = (int(parse_qs(urlsplit(url.replace("&amp;", "&")).query)["ts"][0]) for url in urls)
    assert 2999 <= asked - default <= 3001


def test_the_url_is_escaped_in_html_alone(settings):
    settings.FDFS_TOKEN_SECRET = SECRET
    text = '{% fdfs_url file filename="x" %}'

    assert "&amp;filename=x" in render(text, file=NAME)
    assert "&filename=x" in render("{% autoescape off %}" + text + "{% endautoescape %}", file=NAME)


@pytest.mark.parametrize("file", [None, "", Document().file])
def test_a_file_that_is_not_there_is_no_text(file):
    assert render("{% fdfs_url file expire=60 %}{{ file|fdfs_url }}{% fdfs_url missing %}", file=file) == ""


def test_a_file_on_another_storage_has_the_url_that_it_has_there(settings):
    settings.MEDIA_URL = "/media/"
    field = type(Document._meta.get_field("file"))(storage=FileSystemStorage())
    file = FieldFile(Document(), field, "a b.pdf")

    assert (
        render('{% fdfs_url file filename="x" expire=60 %}{{ file|fdfs_url }}', file=file)
        == "/media/a%20b.pdf" * 2
    )


def test_a_file_id_on_another_default_storage_has_the_url_that_it_has_there(settings):
    settings.MEDIA_URL = "/media/"
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    }

    assert render('{% fdfs_url "a.pdf" filename="x" %}') == "/media/a.pdf"


@pytest.mark.parametrize("name", ["javascript:alert(1)", '"><script>', "../../x"])
def test_no_name_leaves_the_attribute(name):
    html = render('<a href="{% fdfs_url file filename=name %}">', file=name, name=name)

    assert html.startswith(f'<a href="{BASE}/')
    assert (html.count('"'), html.count("<"), html.count(">")) == (2, 1, 1)
