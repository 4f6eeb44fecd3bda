"""Projects of users, made of the code blocks of docs/testing.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["testing.md", "testing.zh-CN.md"]


def blocks(document: str) -> dict[str, str]:
    """Return the files that a document spells out, by the path in their first line."""
    text = (ROOT / "docs" / document).read_text("utf-8")
    return dict(re.findall(r"```python\n# (\S+)\n(.*?)```", text, re.DOTALL))


def write(project: Path, files: dict[str, str]) -> None:
    for name, code in files.items():
        path = project / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(code, "utf-8")
    (project / "shop" / "__init__.py").touch()


@pytest.fixture
def shop(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """The example's project, without its tests, where a subprocess finds it."""
    write(pytester.path, {name: code for name, code in blocks("testing.md").items() if "test" not in name})
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.settings")
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    return pytester
