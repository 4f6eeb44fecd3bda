"""What people read exists in English and in Simplified Chinese."""

import ast
import gettext
import re
from pathlib import Path

import pytest
from django.core.management import BaseCommand, load_command_class
from django.utils import translation

import fdfs_storage

PACKAGE = Path(fdfs_storage.__file__).parent
CATALOGUE = PACKAGE / "locale/zh_Hans/LC_MESSAGES"
MARKERS = {"_", "gettext_noop"}
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]")


def marked(path):
    """Yield the texts that a module hands to gettext, at once or to be looked up later."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKERS:
            text = node.args[0]
            if isinstance(text, ast.Constant):  # else it was marked where it is written
                yield text.value


TEXTS = sorted({text for path in PACKAGE.rglob("*.py") for text in marked(path)})


@pytest.fixture(scope="module")
def chinese():
    with (CATALOGUE / "django.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def test_there_is_something_to_translate():
    assert len(TEXTS) > 20


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_has_a_translation_with_the_same_placeholders(chinese, text):
    translated = chinese.gettext(text)

    assert re.search(r"[\u4e00-\u9fff]", translated) or not re.search(r"[a-z]{4}", PLACEHOLDER.sub("", text))
    assert sorted(PLACEHOLDER.findall(translated)) == sorted(PLACEHOLDER.findall(text))


def test_the_compiled_catalogue_is_that_of_the_source(chinese):
    source = (CATALOGUE / "django.po").read_text("utf-8")

    compiled = {text for text in chinese._catalog if text}

    assert compiled == {ast.literal_eval(text) for text in re.findall(r'^msgid (".+")$', source, re.M)} - {""}
    assert all(chinese.gettext(text) in ast.literal_eval(f'"""{source}"""') for text in compiled)


COMMANDS = sorted(path.stem for path in (PACKAGE / "management/commands").glob("fdfs_*.py"))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_and_of_each_of_its_options_is_translated(name):
    def explained(language):
        with translation.override(language):
            command = load_command_class("fdfs_storage", name)
            parser = command.create_parser("manage.py", name)
            theirs = {action.dest for action in BaseCommand().create_parser("manage.py", name)._actions}
            parser.format_help()
            own = [action for action in parser._actions if action.dest not in theirs]
            return [parser.description, *(action.help for action in own)]

    english, chinese = explained("en"), explained("zh-hans")

    assert len(english) > 2
    assert all(re.search(r"[\u4e00-\u9fff]", text) for text in chinese)
    assert not any(re.search(r"[\u4e00-\u9fff]", text) for text in english)
