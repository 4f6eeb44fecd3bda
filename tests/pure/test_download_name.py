from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdfs_storage.fastdfs.download_name import quoted_download_name

ROOM = 400
patient = settings(deadline=None)  # a busy machine is no failure


@pytest.mark.parametrize(
    ("name", "saved_as"),
    [
        ("report.pdf", "report.pdf"),
        ("报告 2026.pdf", "报告 2026.pdf"),
        ("a+b&c=d?e#f.txt", "a+b&c=d?e#f.txt"),
        ("100%.txt", "100%.txt"),
        ('a"b.txt', "ab.txt"),
        ("a\r\nSet-Cookie: x.txt", "aSet-Cookie: x.txt"),
        ("nul\0.txt", "nul.txt"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("C:\\photos\\a.jpg", "C:_photos_a.jpg"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("\ud800.txt", ".txt"),
        ("😀.png", "😀.png"),
        (" a.txt\n", "a.txt"),
        (".bashrc", ".bashrc"),
        ("noextension", "noextension"),
        ("", ""),
        ('"\0', ""),
    ],
)
def test_a_browser_saves_the_file_under_the_name_without_what_is_unfit(name: str, saved_as: str) -> None:
    assert unquote(quoted_download_name(name, ROOM)) == saved_as


@pytest.mark.parametrize(
    ("name", "room", "saved_as"),
    [
        ("a" * 300 + ".pdf", ROOM, "a" * 228 + ".pdf"),
        ("报" * 300 + ".pdf", 40, "报报报报.pdf"),
        ("报告.pdf", 12, ""),
        ("报告", 12, "报"),
        ("a." + "b" * 300, 20, "a." + "b" * 18),
        ("name.pdf", 3, ""),
        ("name.pdf", 0, ""),
        ("name.pdf", -100, ""),
    ],
)
def test_a_name_is_shortened_before_its_extension(name: str, room: int, saved_as: str) -> None:
    quoted = quoted_download_name(name, room)

    assert unquote(quoted) == saved_as
    assert len(quoted) <= max(room, 0)


@patient
@given(st.text(st.characters(), max_size=600), st.integers(-10, 600))
def test_any_name_fits_the_url_and_the_header(name: str, room: int) -> None:
    quoted = quoted_download_name(name, room)

    header = f'attachment; filename="{unquote(quoted, errors="strict")}"'
    assert re.fullmatch(r"(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})*", quoted)
    assert len(quoted) <= max(room, 0)
    assert len(header.encode()) < 256
    assert header.count('"') == 2
    assert not re.search(r"[\x00-\x1f\x7f/\\]", header)
