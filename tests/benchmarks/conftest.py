"""What benchmarks share: the cluster in another process, the contenders, and the table at the end.

They run only on request: `pytest tests/benchmarks --benchmark-only`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from .awake import kept_awake
from .contenders import MAKERS, narrow
from .interleaved import Table

# In a process of its own, so that its thread and the client's do not wait for one another's GIL.
_EMBEDDED = """
import sys
from fdfs_storage.devserver import EmbeddedCluster
with EmbeddedCluster() as cluster:
    print(cluster.trackers[0], flush=True)
    sys.stdin.read()
"""
_TABLE = pytest.StashKey[Table]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("benchmark_only", default=False):
        return
    idle = [item for item in items if item.get_closest_marker("speed")]
    if idle:
        config.hook.pytest_deselected(items=idle)
        items[:] = [item for item in items if item not in idle]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "speed: a benchmark, which runs with --benchmark-only")
    config.stash[_TABLE] = Table()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    table = config.stash[_TABLE]
    if table.where:
        terminalreporter.section("ratios")
        for line in table.lines():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def tracker(table: Table) -> Iterator[str]:
    """One tracker, so that all ask the same: a real one where FDFS_TEST_TRACKERS names it."""
    named = os.environ.get("FDFS_TEST_TRACKERS", "").split(",")[0].strip()
    if named:
        table.where = f"on the cluster of {named}"
        yield named
        return
    table.where = "on the embedded cluster"
    command = [sys.executable, "-c", _EMBEDDED]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.communicate(timeout=30)


@pytest.fixture(scope="session", autouse=True)
def awake(table: Table) -> Iterator[None]:
    """Keep the processors awake if FDFS_TEST_AWAKE says so; then the ratios are those of a busy machine."""
    if not os.environ.get("FDFS_TEST_AWAKE"):
        yield
        return
    with kept_awake():
        table.how = ", processors kept awake"
        yield


@pytest.fixture(scope="session")
def names(tracker: str) -> list[str]:
    """The contenders that can speak to this cluster, in the order of a round."""
    return [name for name in MAKERS if name != "py3" or narrow(tracker)]


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> Table:
    return pytestconfig.stash[_TABLE]
