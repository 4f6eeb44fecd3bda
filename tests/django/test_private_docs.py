"""docs/private-files.md and docs/packages.md: both languages say the same, and what they name is there."""

import re
from pathlib import Path

import pytest

from fdfs_storage.private import PrivateFileView

DOCS = Path(__file__).parents[2] / "docs"
NAMES = ["private-files", "packages"]


def read(name):
    return (DOCS / name).read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_say_the_same(name):
    english, chinese = read(f"{name}.md"), read(f"{name}.zh-CN.md")

    for pattern in (r"```\w*\n(?s:.*?)```", r"^#+ ", r"^\|", r"^- "):
        found = [re.findall(pattern, text, re.MULTILINE) for text in (english, chinese)]
        assert len(found[0]) == len(found[1]) > 0 or pattern == r"^- "
        assert found[0] == found[1] or pattern == r"^#+ "
    prose = [
        set(re.findall(r"`[^`\n]+`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)))
        for text in (english, chinese)
    ]
    assert prose[0] == prose[1]


@pytest.mark.parametrize("name", NAMES)
def test_every_example_can_be_read(name):
    for block in re.findall(r"```python\n(.*?)```", read(f"{name}.md"), re.DOTALL):
        compile(block, name, "exec")


def test_every_option_of_the_view_is_described():
    text = read("private-files.md")

    for option in (
        "model",
        "queryset",
        "field",
        "permission",
        "has_access",
        "attachment",
        "cache_seconds",
        "get_filename",
    ):
        assert option in text
        assert hasattr(PrivateFileView, option)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", "".join(map(read, (f"{n}.md" for n in NAMES)))))
def test_every_link_leads_somewhere(link):
    assert (DOCS / link).exists()
