"""What depends on the database, on PostgreSQL as well: the same tests, in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.django import postgres

ROOT = Path(__file__).parents[2]
FILES = ["test_transactions.py", "test_fields.py", "test_sweep.py", "test_references.py", "test_backfill.py"]


@pytest.fixture(scope="session")
def postgresql():
    programs = postgres.programs()
    if programs is None:
        if os.environ.get("FDFS_REQUIRE_POSTGRES") == "1":
            pytest.fail("FDFS_REQUIRE_POSTGRES=1, and there is no PostgreSQL: apt-get install postgresql")
        pytest.skip("there is no PostgreSQL here: apt-get install postgresql")
    with postgres.server(programs) as folder:
        yield folder


@pytest.mark.timeout(600)
def test_files_and_rows_agree_on_postgresql_too(postgresql):
    files = [f"tests/django/{name}" for name in FILES]
    environment = {**os.environ, "FDFS_TEST_POSTGRES": str(postgresql)}

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5000:]
    assert " passed" in done.stdout
