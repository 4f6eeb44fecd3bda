import gettext
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest

from tests.demo.process import PROJECT

FOLDER = PROJECT / "demo_site" / "locale" / "zh_Hans" / "LC_MESSAGES"


@pytest.fixture
def entries():
    return polib.pofile(str(FOLDER / "django.po"))


def test_everything_is_translated(entries):
    assert [entry.msgid for entry in entries if not entry.translated() or entry.fuzzy] == []


def test_the_compiled_file_is_that_of_the_source(entries):
    compiled = polib.mofile(str(FOLDER / "django.mo"))

    assert {(e.msgid, e.msgstr or e.msgstr_plural[0]) for e in compiled} == {
        (e.msgid, e.msgstr or e.msgstr_plural[0]) for e in entries
    }


def test_placeholders_survive_translation(entries):
    with (FOLDER / "django.mo").open("rb") as file:
        chinese = gettext.GNUTranslations(file)
    facts = dict.fromkeys(
        ("folder", "reason", "example", "server", "url", "command", "text", "counter", "default"), "·"
    )
    facts |= {"trackers": "·", "port": 1, "usual": 2}

    for entry in entries:
        if "python-format" in entry.flags:
            assert (chinese.gettext(entry.msgid) % facts).count("·") == (entry.msgid % facts).count("·")


@pytest.mark.skipif(not shutil.which("xgettext"), reason="needs GNU gettext")
def test_no_new_text_waits_for_its_translation(entries, tmp_path):
    copy = tmp_path / "demo_site"
    shutil.copytree(PROJECT / "demo_site", copy, ignore=shutil.ignore_patterns("__pycache__"))

    command = [sys.executable, "-m", "django", "makemessages", "-l", "zh_Hans", "--no-obsolete"]
    subprocess.run(command, cwd=copy, env={"PATH": str(Path(shutil.which("xgettext")).parent)}, check=True)

    fresh = polib.pofile(str(copy / FOLDER.relative_to(PROJECT / "demo_site") / "django.po"))
    assert {entry.msgid for entry in fresh} == {entry.msgid for entry in entries}
