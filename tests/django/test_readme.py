"""What the READMEs promise is what there is; both languages promise the same."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

import fdfs_storage
from fdfs_storage import conf

ROOT = Path(__file__).parents[2]
PACKAGE = Path(fdfs_storage.__file__).parent
READMES = ["README.md", "README.zh-CN.md"]
LINES = [
    "python3 -m venv .venv && .venv/bin/pip install -e '.[demo]' && .venv/bin/python manage.py demo",
    "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest -n auto",
]


@pytest.fixture(params=READMES)
def readme(request):
    return (ROOT / request.param).read_text("utf-8")


@pytest.mark.parametrize("line", LINES)
def test_the_two_lines_stand_on_the_first_screen(readme, line):
    first_screen = [text.strip() for text in readme.splitlines()[:24]]

    assert line in first_screen
    assert any("python3-venv" in text for text in first_screen)


DEFAULTS = {field.name: field.default for field in fields(conf.Options)}


@pytest.mark.parametrize("name", conf.NAMES)
def test_every_setting_is_in_the_table_with_its_default(readme, name):
    row = next(line for line in readme.splitlines() if line.startswith(f"| `{conf.PREFIX}{name.upper()}`"))

    _, _, option, default, *_ = (cell.strip() for cell in row.split("|"))
    assert option == f"`{name}`"
    if DEFAULTS.get(name) is True:
        assert default == "`True`"
    elif isinstance(DEFAULTS.get(name), (int, float)):
        assert default == f"`{DEFAULTS[name]:g}`"


def test_every_command_is_named(readme):
    for command in (PACKAGE / "management/commands").glob("[a-z]*.py"):
        assert f"manage.py {command.stem}" in readme


def test_both_languages_have_the_same_commands_settings_and_code():
    english, chinese = ((ROOT / name).read_text("utf-8") for name in READMES)

    def code(text):
        return re.sub(r"#.*", "", "".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)))

    assert code(english) == code(chinese)
    assert re.findall(r"^#+ ", english, re.MULTILINE) == re.findall(r"^#+ ", chinese, re.MULTILINE)
    assert set(re.findall(r"`--?[a-z-]+|FDFS_[A-Z_]+|fdfs\.\w\d+", english)) == set(
        re.findall(r"`--?[a-z-]+|FDFS_[A-Z_]+|fdfs\.\w\d+", chinese)
    )
