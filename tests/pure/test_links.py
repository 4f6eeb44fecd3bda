from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urljoin, urlsplit

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fdfs_storage.fastdfs.links import Links
from fdfs_storage.fastdfs.token import anti_steal_token

BASES = ["http://files.example:8888", "https://cdn.example/media/fdfs"]
FILE = "group1/M00/00/0F/Ck0AFWsEqX2APPhcAAAAE8e8Khc334.txt"
# Lone surrogates included: a row can hold what no encoder takes.
ANY_TEXT = st.text(st.characters())
patient = settings(deadline=None)  # a busy machine is no failure


# A full URL is another matter: it may stay as it is.
NO_URL = ANY_TEXT.filter(lambda name: "//" not in name[:8])


def public_url(base, name):
    return Links(base).url(name, 0)


@pytest.mark.parametrize("base", BASES)
def test_base_and_file_are_joined_by_one_slash(base):
    assert public_url(base, FILE) == f"{base}/{FILE}"


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
        ("/\\/evil.example/x", "evil.example/x"),
        ("javascript:alert(1)", "javascript%3Aalert(1)"),
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
@given(NO_URL, st.sampled_from(BASES))
def test_any_text_ends_up_as_ascii_below_the_base(name, base):
    url = public_url(base, name)

    assert url.startswith(f"{base}/")
    assert url.isascii()


@patient
@given(NO_URL, st.sampled_from(BASES))
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
@given(st.text().filter(lambda name: "//" not in name[:8]))
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
@given(st.text("./\\%2eE a").filter(lambda name: not name.startswith("//")))
def test_no_mixture_of_dots_and_slashes_leads_out_of_the_base(name):
    path = urlsplit(public_url("https://shop.example/media", name)).path

    assert urljoin("https://shop.example/", path).startswith("https://shop.example/media/")


# --- Links --------------------------------------------------------------------------------------

NAME = FILE.partition("/")[2]
SECRET = b"FastDFS1234567890"
NOW = 1_700_000_000
BASE = "http://files.example:8888"


def links(**changes: object) -> Links:
    return Links(**{"base_url": BASE, **changes})  # type: ignore[arg-type]


def tokened(**changes: object) -> Links:
    return links(secret=lambda: SECRET, ttl_seconds=600, **changes)


def timestamp(url: str) -> int:
    return int(parse_qs(urlsplit(url).query)["ts"][0])


@pytest.mark.parametrize(
    ("stored", "url"),
    [
        (FILE, f"{BASE}/{FILE}"),
        (f"/{FILE}", f"{BASE}/{FILE}"),
        (f"//{FILE}", f"{BASE}/{FILE}"),
        (FILE.replace("/", "\\"), f"{BASE}/{FILE}"),
        (f"{BASE}/{FILE}", f"{BASE}/{FILE}"),
        (f"https{BASE[4:]}/{FILE}", f"{BASE}/{FILE}"),
        (f"{BASE[5:]}/{FILE}", f"{BASE}/{FILE}"),
        ("http://old.example/a.jpg", "http://old.example/a.jpg"),
        ("HTTPS://old.example/a.jpg?x=1#y", "HTTPS://old.example/a.jpg?x=1#y"),
        ("//old.example/a.jpg", "//old.example/a.jpg"),
        (f"{BASE}/{FILE}?attname=a", f"{BASE}/{FILE}?attname=a"),
        (f"{BASE}.evil.example/{FILE}", f"{BASE}.evil.example/{FILE}"),
        ('http://old.example/"><script>', "http://old.example/%22%3E%3Cscript%3E"),
        ("http://old.example/照片.jpg", "http://old.example/%E7%85%A7%E7%89%87.jpg"),
        ("http:///a.jpg", f"{BASE}/http%3A///a.jpg"),
        ("http:a.jpg", f"{BASE}/http%3Aa.jpg"),
        ("javascript:alert(1)", f"{BASE}/javascript%3Aalert(1)"),
        ("JaVaScRiPt://%0aalert(1)", f"{BASE}/JaVaScRiPt%3A//%250aalert(1)"),
        ("data:text/html,x", f"{BASE}/data%3Atext/html%2Cx"),
        ("\thttp://evil.example", f"{BASE}/%09http%3A//evil.example"),
        ("\\\\evil.example\\x", f"{BASE}/evil.example/x"),
        ("", f"{BASE}/"),
    ],
)
def test_what_older_rows_hold_has_its_url(stored: str, url: str) -> None:
    assert links().url(stored, NOW) == url


@patient
@given(ANY_TEXT, st.text(st.characters(), max_size=300), st.floats(allow_nan=False))
def test_no_text_fails_or_becomes_anything_but_a_web_address(name: str, filename: str, expire: float) -> None:
    for made in (links(), tokened(base_urls={"group1": "//cdn.example"}, with_group=False)):
        url = made.url(name, NOW, filename=filename, expire_seconds=expire)

        assert re.match("(https?:)?//", url, re.IGNORECASE)
        assert url.isascii()
        assert not set(url) & set(' \t\r\n\0"<>`\\^{|}\x7f')


@patient
@given(
    st.sampled_from(["javascript:", "JAVASCRIPT:", "data:", "vbscript:", " javascript:", "\0javascript:"]),
    ANY_TEXT,
)
def test_no_script_becomes_a_link(scheme: str, rest: str) -> None:
    assert links().url(scheme + rest, NOW).startswith(f"{BASE}/")


@pytest.mark.parametrize(
    ("stored", "changes", "url"),
    [
        (FILE, {"base_urls": {"group1": "https://one.example"}}, f"https://one.example/{FILE}"),
        (FILE, {"base_urls": {"group2": "https://two.example"}}, f"{BASE}/{FILE}"),
        (FILE, {"base_url": "", "base_urls": {"group2": "//two.example"}}, f"//two.example/{FILE}"),
        (FILE, {"with_group": False}, f"{BASE}/{NAME}"),
        (NAME, {"with_group": False}, f"{BASE}/{NAME}"),
        (NAME, {}, f"{BASE}/{NAME}"),
        (NAME, {"group": "group1"}, f"{BASE}/{FILE}"),
        (NAME, {"group": "group1", "base_urls": {"group1": "//one.example"}}, f"//one.example/{FILE}"),
        ("photo.jpg", {"with_group": False, "group": "group1"}, f"{BASE}/photo.jpg"),
        (
            f"https://one.example/x/{NAME}",
            {"base_urls": {"group1": "https://one.example/x"}, "with_group": False},
            f"{BASE}/{NAME}",
        ),
        (FILE, {"base_url": "http://[2001:db8::1]:8888/fdfs"}, f"http://[2001:db8::1]:8888/fdfs/{FILE}"),
    ],
)
def test_a_group_has_its_base_and_stands_in_the_url_or_not(
    stored: str, changes: dict[str, object], url: str
) -> None:
    assert links(**changes).url(stored, NOW) == url


@pytest.mark.parametrize("with_group", [True, False])
@pytest.mark.parametrize("stored", [FILE, f"/{FILE}", f"{BASE}/{FILE}", FILE.replace(".txt", "_80x80.png")])
def test_each_file_has_a_token_of_its_name_without_the_group(stored: str, with_group: bool) -> None:
    url = tokened(with_group=with_group).url(stored, NOW)

    name = urlsplit(url).path.removeprefix("/group1").lstrip("/")
    assert parse_qs(urlsplit(url).query)["token"] == [anti_steal_token(name, SECRET, timestamp(url))]


def test_the_token_of_a_whole_second_is_the_documented_one() -> None:
    vector = "group1/M00/00/00/Ck0AFWsEpnGAcowKAAAACw1KEYU536.jpg"

    url = tokened(window_seconds=0).url(vector, NOW)

    assert url.endswith(f"?token=14da7cd517c0633ecaf0ff28ab689c20&ts={NOW}")


@pytest.mark.parametrize("stored", ["", "photo.jpg", "http://old.example/a.jpg", "javascript:alert(1)"])
def test_what_is_no_file_of_ours_gets_no_token(stored: str) -> None:
    assert "token" not in tokened().url(stored, NOW, expire_seconds=60)


@pytest.mark.parametrize("seconds", [None, 0.5, 1, 60, 599, 600, 3600, 86400 * 365])
@pytest.mark.parametrize("window", [0, 1, 60, 300, 86400])
@pytest.mark.parametrize("now", [NOW, NOW + 0.25, NOW + 299.999])
def test_a_url_ends_when_asked_or_up_to_a_window_later(
    seconds: float | None, window: int, now: float
) -> None:
    url = tokened(window_seconds=window).url(FILE, now, expire_seconds=seconds)

    lifetime = timestamp(url) + 600 - now
    wanted = 600 if seconds is None else seconds
    assert wanted <= lifetime <= wanted + max(1, min(window, wanted / 2))


@pytest.mark.parametrize("seconds", [-1, -86400, float("-inf"), -1e300])
def test_an_end_in_the_past_makes_a_url_that_has_ended(seconds: float) -> None:
    ends = timestamp(tokened().url(FILE, NOW, expire_seconds=seconds)) + 600

    assert 0 < ends <= NOW


@pytest.mark.parametrize("seconds", [1e10, 1e300, float("inf")])
def test_an_end_too_far_away_is_the_last_one_that_the_server_can_read(seconds: float) -> None:
    assert timestamp(tokened().url(FILE, NOW, expire_seconds=seconds)) == 2**31 - 1


def test_a_url_stays_the_same_for_its_window() -> None:
    urls = [tokened(window_seconds=300).url(FILE, NOW + second) for second in range(1200)]

    assert len(set(urls)) == 5


@pytest.mark.parametrize("made", [links(), tokened(base_url="https://cdn.example/" + "p" * 100)])
@pytest.mark.parametrize("filename", ["报告.pdf", "x" * 600, "报" * 600 + ".pdf", '"; x="y'])
def test_a_download_name_fits_what_the_server_takes(made: Links, filename: str) -> None:
    url = made.url(FILE, NOW, filename=filename)

    parts = urlsplit(url)
    assert len(f"{unquote(parts.path)}?{parts.query}") <= 510
    assert parse_qs(parts.query)["filename"][0][:1] == filename.lstrip('"')[:1]


def test_a_name_of_which_nothing_is_left_is_left_out() -> None:
    assert links().url(FILE, NOW, filename='"') == f"{BASE}/{FILE}"


def test_neither_links_nor_options_show_the_secret() -> None:
    assert "FastDFS" not in repr(tokened())


@pytest.mark.parametrize(
    ("links", "there"), [(Links(""), False), (Links("http://a"), True), (Links("", {"g": "http://a"}), True)]
)
def test_links_need_a_base(links, there):
    assert bool(links) is there
