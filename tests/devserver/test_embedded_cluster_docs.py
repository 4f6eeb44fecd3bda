"""docs/embedded-cluster.md and its translation: what they promise runs, and both promise the same."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

from fdfs_storage.devserver import EmbeddedCluster, HttpOptions
from fdfs_storage.devserver.daemon_server import DaemonServer
from fdfs_storage.management.commands.fdfs_devserver import Command

ROOT = Path(__file__).parents[2]
ENGLISH, CHINESE = (
    (ROOT / "docs" / name).read_text("utf-8") for name in ("embedded-cluster.md", "embedded-cluster.zh-CN.md")
)
BLOCKS = re.findall(r"```python\n(.*?)```", ENGLISH, re.DOTALL)


def code(text: str) -> list[str]:
    return [re.sub(r" *#.*", "", block) for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)]


def literals(text: str) -> set[str]:
    return set(re.findall(r"`[!-~][ -~]*?`", text))


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_example_runs(block: str) -> None:
    exec(compile(block, "docs/embedded-cluster.md", "exec"), {})  # noqa: S102 -- our own text


def test_both_languages_say_the_same() -> None:
    assert code(ENGLISH) == code(CHINESE)
    assert literals(ENGLISH) == literals(CHINESE)
    for mark in (r"^#+ ", r"^\|", r"^    "):
        assert len(re.findall(mark, ENGLISH, re.MULTILINE)) == len(re.findall(mark, CHINESE, re.MULTILINE))


@pytest.mark.parametrize("text", [ENGLISH, CHINESE], ids=["English", "Chinese"])
def test_every_argument_option_and_fault_is_named(text: str) -> None:
    # timeout and check_active_interval are for tests of this project; allow_public is named at `host`.
    arguments = set(inspect.signature(EmbeddedCluster).parameters) - {"timeout", "check_active_interval"}
    faults = {name for name in vars(DaemonServer) if name.endswith("_next")}
    names = arguments | {each.name for each in fields(HttpOptions)} | faults

    assert not {name for name in names if name not in text}


def test_every_configuration_is_named() -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "conf").rglob("*.conf")}

    assert not {name for name in files | {"conf/compose.yaml"} if f"`{name}`" not in ENGLISH}


def test_the_commands_options_exist() -> None:
    parser = Command().create_parser("manage.py", "fdfs_devserver")
    options = {
        option for line in re.findall(r"^    manage\.py .*", ENGLISH, re.MULTILINE) for option in line.split()
    }

    assert not {option for option in options if option.startswith("--")} - set(parser._option_string_actions)
