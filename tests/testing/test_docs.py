"""What docs/testing.md shows is run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from .conftest import DOCUMENTS, ROOT, blocks, write

pytest_plugins = ["pytester"]


@pytest.fixture(params=DOCUMENTS)
def documented(request: pytest.FixtureRequest, shop: pytest.Pytester) -> pytest.Pytester:
    write(shop.path, blocks(request.param))
    return shop


def test_the_pytest_examples_pass(documented: pytest.Pytester) -> None:
    result = documented.runpytest_subprocess("-W", "error", "tests")

    result.assert_outcomes(passed=4)


def test_the_unittest_examples_pass(documented: pytest.Pytester) -> None:
    result = documented.run(sys.executable, "-W", "error", "-m", "django", "test", "shop")

    assert result.ret == 0
    result.stderr.fnmatch_lines(["Ran 3 tests in *", "OK"])


def test_both_languages_show_the_same_code() -> None:
    english, chinese = (
        {name: re.sub(r"  #.*", "", code) for name, code in blocks(each).items()} for each in DOCUMENTS
    )

    assert len(english) == 7
    assert english == chinese


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_command_that_measures_a_start_works(document: str) -> None:
    text = (ROOT / "docs" / document).read_text("utf-8")
    ((code,), (setup,)) = (
        re.findall(r'"(EmbeddedCluster\(\).*)"$', text, re.M),
        re.findall(r'-s "(.*?)"', text),
    )

    done = subprocess.run(
        [sys.executable, "-m", "timeit", "-n", "5", "-s", setup, code],
        capture_output=True,
        text=True,
        check=True,
    )

    (milliseconds,) = re.findall(r"best of 5: ([\d.]+) msec", done.stdout)
    assert float(milliseconds) < 100
