"""What a URL costs, against Django's own storage on disk: in each round both make the same ones in turn.

pytest-benchmark's own figures are those of FastDFSStorage without tokens.
"""

from __future__ import annotations

import random
import statistics
import time
from collections import defaultdict

import pytest
from django.core.files.storage import FileSystemStorage, Storage
from pytest_benchmark.fixture import BenchmarkFixture

from fdfs_storage.storage import FastDFSStorage

from .interleaved import Table

pytestmark = [pytest.mark.speed, pytest.mark.timeout(300)]

ROUNDS = 21
COUNT = 5000
NAME = "group1/M00/00/00/Ck0AFWsEpnGAcowKAAAACw1KEYU536.jpg"
MOST = 3.0
"""So many times the cost of a file on disk, a URL without a token may cost."""


@pytest.fixture
def storages() -> dict[str, Storage]:
    base_url = "http://img.example.com:8888"
    return {
        "ours": FastDFSStorage(base_url=base_url, token_secret=None),
        "with token": FastDFSStorage(base_url=base_url, token_secret="0123456789abcdef"),
        "on disk": FileSystemStorage(location="/srv/media", base_url="/media/"),
    }


def test_urls(storages: dict[str, Storage], table: Table, benchmark: BenchmarkFixture) -> None:
    samples: dict[str, list[float]] = defaultdict(list)

    def run(name: str) -> None:
        storage = storages[name]
        begin = time.perf_counter()
        for _ in range(COUNT):
            storage.url(NAME)
        samples[name].append((time.perf_counter() - begin) / COUNT)

    def others() -> None:
        for name in random.sample(sorted(storages), len(storages)):
            if name != "ours":
                run(name)

    benchmark.pedantic(run, args=("ours",), setup=others, rounds=ROUNDS)

    times = {name: _times(samples[name], samples["on disk"]) for name in storages}
    table.where = table.where or "without a cluster"  # the table is shown where it says this
    table.note("url, cost against disk", {name: f"{cost:.2f}" for name, cost in times.items()})
    benchmark.extra_info.update(times)
    assert times["ours"] <= MOST


def _times(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
