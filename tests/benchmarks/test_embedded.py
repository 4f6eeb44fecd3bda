"""How fast the embedded cluster is: against a real one in the same rounds, else against plain sockets.

Where FDFS_TEST_TRACKERS names a real cluster, the same client uploads to both in turn; the embedded one may
take three times as long. Without one, the floor of plain sockets talks to the embedded cluster too,
and our client must come near it: what is slow there is the client, whatever the cluster is.
"""

from __future__ import annotations

import operator
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from .conftest import _EMBEDDED as EMBEDDED
from .contenders import MAKERS, Contender
from .interleaved import Table

pytestmark = [pytest.mark.speed, pytest.mark.timeout(300)]

CONTENT = random.Random(4).randbytes(4096)
COUNT = 100
ROUNDS = 21
MOST_TIMES_REAL = 3.0
LEAST_OF_FLOOR = 0.8
MEMORY = "/dev/shm"


@pytest.fixture(scope="module")
def embedded() -> Iterator[str]:
    """The embedded cluster's tracker, in a process of its own, with its files in memory where that can be.

    On disk they would be slower the more often this runs: ext4 without a journal does not use an inode again
    for a while, and looks at each such one when it makes the next file near by. TMPDIR, if it is set, still
    names the folder.
    """
    command = [sys.executable, "-c", EMBEDDED]
    env = ({"TMPDIR": MEMORY} if os.access(MEMORY, os.W_OK) else {}) | dict(os.environ)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    ) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.communicate(timeout=30)


@pytest.fixture
def contenders(embedded: str) -> Iterator[dict[str, Contender]]:
    real = os.environ.get("FDFS_TEST_TRACKERS", "").split(",")[0].strip()
    other = MAKERS["ours"](real) if real else MAKERS["floor"](embedded)
    contenders = {"embedded": MAKERS["ours"](embedded), "real" if real else "floor": other}
    yield contenders
    for contender in contenders.values():
        contender.close()


def one_round(contender: Contender, stored: list[str]) -> float:
    """Return the seconds per upload; note the ids, to be deleted when all is measured: see `embedded`."""
    begin = time.perf_counter()
    stored += [contender.upload(CONTENT) for _ in range(COUNT)]
    return (time.perf_counter() - begin) / COUNT


def note(table: Table, other: str, times: float, samples: dict[str, list[float]]) -> None:
    table.where = table.where or "on the embedded cluster"
    speeds = {name: f"{1 / statistics.median(seconds):.0f} /s" for name, seconds in samples.items()}
    table.note("4 KB up, 1 thread", {f"embedded over {other}": f"{times:.2f} times as long", **speeds})


def test_small_uploads_are_fast_enough_for_tests(
    contenders: dict[str, Contender], table: Table, benchmark: BenchmarkFixture
) -> None:
    _, other = contenders
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    stored: dict[str, list[str]] = {name: [] for name in contenders}

    def run(name: str) -> None:
        samples[name].append(one_round(contenders[name], stored[name]))

    # The first round, whose connections and placements are new, is not counted.
    benchmark.pedantic(run, ("embedded",), setup=lambda: run(other), rounds=ROUNDS, warmup_rounds=1)

    for name, file_ids in stored.items():
        for file_id in file_ids:
            contenders[name].delete(file_id)
    times = statistics.median(map(operator.truediv, samples["embedded"][1:], samples[other][1:]))
    note(table, other, times, samples)
    assert times < (MOST_TIMES_REAL if other == "real" else 1 / LEAST_OF_FLOOR)
