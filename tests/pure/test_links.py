from __future__ import annotations

from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fdfs_storage.fastdfs.links import public_url

BASES = ["http://files.example:8888", "https://cdn.example/media/fdfs"]
FILE = "group1/M00/00/0F/Ck0AFWsEqX2APPhcAAAAE8e8Khc334.txt"
# Lone surrogates included: a row can hold what no encoder takes.
ANY_TEXT = st.text(st.characters())
patient = settings(deadline=None)  # a busy machine is no failure


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("slashes", ["", "/", "//"])
def test_base_and_file_are_joined_by_one_slash(base, slashes):
    assert public_url(base + slashes, FILE) == f"{base}/{FILE}"


@pytest.mark.parametrize(
    "file",
    [
        "group1/M00/01/00/Ck0AFWsEr9yABu6LAAAABYTz-Ag.tar.gz",
        "group1/M00/01/00/Ck0AFWsEr9yAbj_-AAAADE95MY41395735",
        "group1/M00/08/0C/Ck0AFWsEummAAVjNAAAAZIN-b7g764_100x0.png",
        "A1b2C3d4E5f6G7h8/MFF/FF/FF/Ck0AFWsEummAAVjNAAAAZIN-b7g764.-_.",
    ],
)
def test_a_file_id_stands_in_the_url_as_it_is(file):
    assert public_url("http://files.example:8888", file) == f"http://files.example:8888/{file}"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("照片.jpg", "%E7%85%A7%E7%89%87.jpg"),
        ("a b.jpg", "a%20b.jpg"),
        ("a#b.jpg", "a%23b.jpg"),
        ("a?b=c.jpg", "a%3Fb%3Dc.jpg"),
        ("100%.jpg", "100%25.jpg"),
        ("%2e%2e/secret", "%252e%252e/secret"),
        ("a\\b.jpg", "a/b.jpg"),
        ("\\\\evil.example\\x", "evil.example/x"),
        ("/leading.jpg", "leading.jpg"),
        ("//evil.example/x", "evil.example/x"),
        ("/\\/evil.example/x", "evil.example/x"),
        ("javascript:alert(1)", "javascript%3Aalert(1)"),
        ("https://evil.example/x", "https%3A//evil.example/x"),
        ("user@evil.example", "user%40evil.example"),
        ('"><script>', "%22%3E%3Cscript%3E"),
        ("a\r\nSet-Cookie: b", "a%0D%0ASet-Cookie%3A%20b"),
        ("nul\0.jpg", "nul%00.jpg"),
        ("\t//evil.example", "%09//evil.example"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("base", BASES)
def test_what_no_id_consists_of_is_quoted_below_the_base(base, name, path):
    assert public_url(base, name) == f"{base}/{path}"


@pytest.mark.parametrize("name", ["\ud800.jpg", "a\udfff", "\udcff\udcfe/照片"])
def test_a_lone_surrogate_is_no_reason_to_fail(name):
    url = public_url("http://files.example", name)

    assert url.startswith("http://files.example/")
    assert url.isascii()


@patient
@given(ANY_TEXT, st.sampled_from(BASES), st.sampled_from(["", "/"]))
def test_any_text_ends_up_as_ascii_below_the_base(name, base, slash):
    url = public_url(base + slash, name)

    assert url.startswith(f"{base}/")
    assert url.isascii()


@patient
@given(ANY_TEXT, st.sampled_from(BASES))
def test_any_text_is_a_path_and_nothing_else(name, base):
    parts = urlsplit(public_url(base, name))

    assert (parts.scheme, parts.netloc) == urlsplit(base)[:2]
    assert (parts.query, parts.fragment) == ("", "")


@patient
@given(ANY_TEXT)
def test_nothing_in_the_url_can_end_an_attribute_or_a_header(name):
    url = public_url("http://files.example", name)

    assert not set(url) & set(' \t\r\n\0"<>`\\^{|}')


@patient
@given(st.text())
def test_the_name_can_be_read_back_from_the_path(name):
    assume(not {".", ".."} & set(name.replace("\\", "/").split("/")))

    path = urlsplit(public_url("http://files.example", name)).path

    assert unquote(path) == "/" + name.replace("\\", "/").lstrip("/")


CLIMBING = ["..", "../admin/", "a/../../admin/", "..\\admin\\", "group1/../../..", "./../admin/", "/..//../x"]


@pytest.mark.parametrize("name", CLIMBING)
def test_dot_segments_do_not_lead_out_of_the_base(name):
    url = public_url("https://shop.example/media", name)

    visited = urljoin("https://shop.example/", urlsplit(url).path)  # what a browser makes of it

    assert visited.startswith("https://shop.example/media/")


@pytest.mark.parametrize("name", CLIMBING)
def test_nor_do_they_at_a_server_that_decodes_before_it_resolves_them(name):
    url = public_url("https://shop.example/media", name)

    served = urljoin("https://shop.example/", unquote(urlsplit(url).path))  # as nginx does, %2F included

    assert served.startswith("https://shop.example/media/")


@patient
@given(st.text("./\\%2eE a"))
def test_no_mixture_of_dots_and_slashes_leads_out_of_the_base(name):
    path = urlsplit(public_url("https://shop.example/media", name)).path

    assert urljoin("https://shop.example/", path).startswith("https://shop.example/media/")
