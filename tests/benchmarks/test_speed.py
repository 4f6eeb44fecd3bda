"""How fast, against plain sockets and against fdfs-client-py3.

Each round, all contenders do the same in turn; pytest-benchmark's own figures are those of `ours`.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from .contenders import MAKERS, Contender
from .interleaved import Table, Team, Work
from .transfer import Runner

pytestmark = [pytest.mark.speed, pytest.mark.timeout(600)]

KIB = 1024
ROUNDS = 21
SHARE_SECONDS = 0.05
"""What a contender gets of each round, as many operations as that may be."""
BIG_ROUNDS = 9
BIG_MIB = 200


def uploading(size: int) -> Work:
    content = random.Random(size).randbytes(size)

    def prepare(contender: Contender, count: int, keep: list[str]) -> Callable[[int], object]:
        return lambda index: keep.append(contender.upload(content))

    return prepare


def downloading(size: int) -> Work:
    content = random.Random(size).randbytes(size)

    def prepare(contender: Contender, count: int, keep: list[str]) -> Callable[[int], object]:
        keep.extend(contender.upload(content) for _ in range(8))
        return lambda index: contender.download(keep[index % 8])

    return prepare


def deleting(contender: Contender, count: int, keep: list[str]) -> Callable[[int], object]:
    keep.extend(contender.upload(b"meow") for _ in range(count))
    return lambda index: contender.delete(keep.pop())


CASES: dict[str, Work] = {
    "4 KB up": uploading(4 * KIB),
    "64 KB up": uploading(64 * KIB),
    "64 KB down": downloading(64 * KIB),
    "delete": deleting,
}


@pytest.fixture
def teams(tracker: str, names: list[str], threads: int) -> Iterator[dict[str, Team]]:
    teams = {name: Team(MAKERS[name](tracker), threads) for name in names}
    yield teams
    for team in teams.values():
        team.close()
        team.contender.close()


@pytest.fixture
def janitor(tracker: str) -> Iterator[Contender]:
    """Deletes what all uploaded: for fdfs-client-py3, a delete may take forty times as long as an upload."""
    janitor = MAKERS["unverified"](tracker)
    yield janitor
    janitor.close()


@pytest.mark.parametrize("threads", [1, 8])
@pytest.mark.parametrize("case", CASES)
def test_small_files(
    case: str,
    threads: int,
    teams: dict[str, Team],
    janitor: Contender,
    table: Table,
    benchmark: BenchmarkFixture,
) -> None:
    samples: dict[str, list[float]] = defaultdict(list)
    # Also warms up: connections, placements.
    counts = {name: _fitting(_one_round(team, janitor, CASES[case], 16)) for name, team in teams.items()}

    def run(name: str) -> None:
        samples[name].append(_one_round(teams[name], janitor, CASES[case], counts[name]))

    benchmark.pedantic(run, args=("ours",), setup=lambda: _others(run, list(teams)), rounds=ROUNDS)

    benchmark.extra_info.update(table.add(f"{case}, {threads} thread{'s' * (threads > 1)}", samples, 1, "/s"))


def _others(run: Callable[[str], None], names: list[str]) -> None:
    """Run all but `ours`, in no fixed order: who comes after whom must not matter."""
    for name in random.sample(names, len(names)):
        if name != "ours":
            run(name)


def _fitting(seconds: float) -> int:
    return max(8, min(200, round(SHARE_SECONDS / seconds)))


def _one_round(team: Team, janitor: Contender, work: Work, count: int) -> float:
    """Return the seconds per operation; leave nothing behind."""
    keep: list[str] = []
    try:
        return team.seconds(work(team.contender, count, keep), count) / count
    finally:
        for file_id in keep:
            janitor.delete(file_id)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    big, small = tmp_path / "big.bin", tmp_path / "small.bin"
    small.write_bytes(b"meow")
    with big.open("wb") as file:
        for _ in range(BIG_MIB):
            file.write(os.urandom(1024 * KIB))
    yield big, small
    big.unlink()


@pytest.mark.parametrize("direction", ["up", "down"])
def test_big_files(
    direction: str,
    files: tuple[Path, Path],
    tracker: str,
    names: list[str],
    table: Table,
    benchmark: BenchmarkFixture,
) -> None:
    samples: dict[str, list[float]] = defaultdict(list)
    grown: dict[str, int] = {}
    taking_part = [name for name in names if name != "py3" or direction == "up"]

    def run(name: str) -> None:
        seconds, grown[name] = runners[name].run(direction)
        samples[name].append(seconds)

    with contextlib.ExitStack() as stack:
        runners = {name: stack.enter_context(Runner(name, tracker, *files)) for name in taking_part}
        benchmark.pedantic(run, args=("ours",), setup=lambda: _others(run, taking_part), rounds=BIG_ROUNDS)

    case = f"{BIG_MIB} MB {direction}"
    benchmark.extra_info.update(table.add(case, samples, BIG_MIB, "MB/s"))
    table.note(f"{case}, memory", {name: f"{count / KIB / KIB:.1f} MB" for name, count in grown.items()})
