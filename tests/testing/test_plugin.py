"""The plugin in sessions of its own: with and without Django, pytest-django and pytest-xdist."""

from __future__ import annotations

import re
import sys

import pytest

pytest_plugins = ["pytester"]

STORES_ONE_FILE = """
from django.core.files.base import ContentFile

def test_first(fdfs_storage, fdfs_cluster):
    assert not list(fdfs_cluster.volume.files())
    fdfs_storage.save("a.txt", ContentFile(b"a"))

def test_second(fdfs_storage, fdfs_cluster):
    test_first(fdfs_storage, fdfs_cluster)
"""
SETS_DJANGO_UP = "import django; django.setup()"
NEEDS_NO_DJANGO = """
import sys
from fdfs_storage.fastdfs import Client

def test_a_file_comes_back(fdfs_cluster):
    with Client(fdfs_cluster.trackers) as client:
        assert client.download(client.upload(b"a")) == b"a"
    assert "django" not in sys.modules
"""
ASKS_FOR_A_STORAGE = "def test_it(fdfs_storage): pass"
WITHOUT_DJANGO = ["-p", "no:django", "-W", "error"]
TELLS_ITS_CLUSTER = """
import pathlib, pytest

@pytest.mark.parametrize("number", range(8))
def test_it(fdfs_cluster, number):
    pathlib.Path(f"seen-{number}").write_text(fdfs_cluster.trackers[0])
"""


def test_each_test_finds_the_cluster_empty(shop: pytest.Pytester) -> None:
    shop.makepyfile(STORES_ONE_FILE)

    shop.runpytest_subprocess("-W", "error").assert_outcomes(passed=2)


def test_a_project_may_name_its_storage_as_of_old(shop: pytest.Pytester) -> None:
    settings = shop.path / "shop" / "settings.py"
    text = re.sub(r"STORAGES = \{.*?^\}", "", settings.read_text("utf-8"), flags=re.DOTALL | re.M)
    old = 'DEFAULT_FILE_STORAGE = "fdfs_storage.storage.FastDFSStorage"\n'
    settings.write_text(text + old, "utf-8")
    shop.makepyfile(STORES_ONE_FILE)

    shop.runpytest_subprocess().assert_outcomes(passed=2)


def test_pytest_django_is_not_needed(shop: pytest.Pytester) -> None:
    shop.makeconftest(SETS_DJANGO_UP)
    shop.makepyfile(STORES_ONE_FILE)

    shop.runpytest_subprocess(*WITHOUT_DJANGO).assert_outcomes(passed=2)


def test_django_is_neither_needed_nor_loaded(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(NEEDS_NO_DJANGO)

    result = pytester.runpytest_subprocess("-p", "fdfs_storage.testing.plugin", "-W", "error")

    result.assert_outcomes(passed=1)


def test_without_a_project_the_storage_names_the_remedy(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    pytester.makepyfile(ASKS_FOR_A_STORAGE)

    result = pytester.runpytest_subprocess(*WITHOUT_DJANGO)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*set DJANGO_SETTINGS_MODULE and install pytest-django*"])


def test_without_loaded_models_the_storage_names_the_remedy(shop: pytest.Pytester) -> None:
    shop.makepyfile(ASKS_FOR_A_STORAGE)

    result = shop.runpytest_subprocess(*WITHOUT_DJANGO)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*or call django.setup() in conftest.py*"])


def test_it_can_be_left_out(shop: pytest.Pytester) -> None:
    shop.makepyfile(ASKS_FOR_A_STORAGE)

    result = shop.runpytest_subprocess("-p", "no:fdfs_storage")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'fdfs_storage' not found"])


def test_each_worker_of_xdist_has_its_own_cluster(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TELLS_ITS_CLUSTER)

    result = pytester.runpytest_subprocess("-n", "2", *WITHOUT_DJANGO)

    result.assert_outcomes(passed=8)
    assert len({path.read_text() for path in pytester.path.glob("seen-*")}) == 2


def test_loading_it_imports_nothing_but_itself(pytester: pytest.Pytester) -> None:
    script = "import sys, pytest; before = set(sys.modules); import fdfs_storage.testing.plugin"

    result = pytester.run(sys.executable, "-c", f"{script}; print(*sorted(set(sys.modules) - before))")

    assert result.outlines == ["fdfs_storage fdfs_storage.testing fdfs_storage.testing.plugin"]


def test_the_package_may_be_imported_before_pytest(shop: pytest.Pytester) -> None:
    shop.makepyfile(STORES_ONE_FILE)
    script = "import fdfs_storage.storage, pytest; raise SystemExit(pytest.main(['-W', 'error']))"

    assert shop.run(sys.executable, "-c", script).ret == 0


def test_the_package_names_what_it_has() -> None:
    import fdfs_storage.testing as package

    assert package.__all__ == ["FastDFSTestMixin"]
    with pytest.raises(AttributeError, match="no attribute 'FastDFSMixin'"):
        package.FastDFSMixin  # noqa: B018
