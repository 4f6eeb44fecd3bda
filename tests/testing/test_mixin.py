"""FastDFSTestMixin under `manage.py test`, under pytest, and where something fails."""

from __future__ import annotations

import sys

import pytest

pytest_plugins = ["pytester"]

HEAD = """
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import LiveServerTestCase, SimpleTestCase, TestCase, TransactionTestCase
from fdfs_storage.testing import FastDFSTestMixin

def count(self):
    return len(list(self.fdfs_cluster.volume.files()))
"""
CLEAN = """
class Tests(FastDFSTestMixin, {base}):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kept = default_storage.save("kept.txt", ContentFile(b"kept"))

    def setUp(self):  # and no super()
        self.assertEqual(count(self), 1)
        default_storage.save("gone.txt", ContentFile(b"gone"))

    def test_one(self):
        self.assertEqual(count(self), 2)
        self.fdfs_cluster.storage_server.stop()

    def test_two(self):
        self.assertTrue(default_storage.exists(self.kept))
        self.assertEqual(self.fdfs_storage, default_storage)
"""
FAILING = """
from unittest import TestSuite, TestResult

class Broken(FastDFSTestMixin, SimpleTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        raise RuntimeError("mine")

    def test_it(self):
        pass

class Tests(SimpleTestCase):
    def test_the_cluster_and_the_settings_of_a_class_that_failed_are_gone(self):
        result = TestSuite([Broken("test_it")]).run(TestResult())
        self.assertIn("mine", result.errors[0][1])
        self.assertRaises(RuntimeError, Broken.fdfs_cluster.storage_server.start)
        from django.conf import settings
        self.assertEqual(settings.FDFS_TRACKERS, ["10.0.0.1:22122"])
"""
JOURNAL = """
from django.conf import settings
from fdfs_storage.transactions import journal

class Tests(FastDFSTestMixin, SimpleTestCase):
    def test_it(self):
        self.assertTrue(journal.own().path.exists())
        self.assertNotEqual(settings.FDFS_JOURNAL, "/no/such/folder")

    @classmethod
    def doClassCleanups(cls):
        super().doClassCleanups()
        assert settings.FDFS_JOURNAL == "/no/such/folder"
        assert not journal._journals
"""
SKIPPED = """
from unittest import skip

class Before(FastDFSTestMixin, SimpleTestCase):
    def test_it(self):
        pass

@skip("not now")
class Skipped(Before):
    pass

class Tests(SimpleTestCase):
    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        assert "fdfs_cluster" not in vars(Skipped)

    def test_that_a_class_that_was_skipped_started_nothing(self):
        self.assertRaises(RuntimeError, Before.fdfs_cluster.storage_server.start)
"""


def write(shop: pytest.Pytester, code: str) -> None:
    (shop.path / "shop" / "tests.py").write_text(HEAD + code, "utf-8")


@pytest.mark.parametrize("options", [[], ["--parallel", "2"]], ids=["one process", "parallel"])
def test_each_test_finds_what_its_class_stored_and_no_more(shop: pytest.Pytester, options: list[str]) -> None:
    bases = ["SimpleTestCase", "TestCase", "TransactionTestCase", "LiveServerTestCase"]
    write(shop, "".join(CLEAN.replace("Tests", f"Of{base}").format(base=base) for base in bases))

    result = shop.run(sys.executable, "-W", "error", "-m", "django", "test", "shop", *options)

    assert result.ret == 0
    result.stderr.fnmatch_lines(["Ran 8 tests in *", "OK"])


def test_pytest_runs_it_too(shop: pytest.Pytester) -> None:
    write(shop, CLEAN.format(base="TestCase"))

    shop.runpytest_subprocess("-W", "error", "shop/tests.py").assert_outcomes(passed=2)


def test_the_journal_of_the_project_is_not_written_to(shop: pytest.Pytester) -> None:
    with (shop.path / "shop" / "settings.py").open("a") as settings:
        settings.write('FDFS_JOURNAL = "/no/such/folder"\n')
    write(shop, JOURNAL)

    result = shop.run(sys.executable, "-W", "error", "-m", "django", "test", "shop")

    assert result.ret == 0
    result.stderr.fnmatch_lines(["Ran 1 test in *", "OK"])


def test_where_the_class_fails_nothing_is_left(shop: pytest.Pytester) -> None:
    write(shop, FAILING)

    result = shop.run(sys.executable, "-W", "error", "-m", "django", "test", "shop.tests.Tests")

    assert result.ret == 0


@pytest.mark.parametrize(
    "command", [["django", "test", "shop"], ["pytest", "shop/tests.py", "-p", "no:randomly"]]
)
def test_a_class_may_be_skipped(shop: pytest.Pytester, command: list[str]) -> None:
    write(shop, SKIPPED)

    result = shop.run(sys.executable, "-W", "error", "-m", *command)

    assert result.ret == 0
