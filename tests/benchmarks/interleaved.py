"""Rounds in which every contender does the same in turn, so that the machine's moods fall on all alike."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from .contenders import Contender

Work = Callable[[Contender, int, list[str]], Callable[[int], object]]
"""Prepares so many operations; notes the ids to delete afterwards; returns what does the one of an index."""


class Team:
    """One contender and its threads, which stay alive from round to round as a web server's do."""

    def __init__(self, contender: Contender, threads: int) -> None:
        self.contender = contender
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads)

    def seconds(self, act: Callable[[int], object], count: int) -> float:
        """Do `count` operations on all threads, and return how long it took from start to finish."""
        if self._threads == 1:
            begin = time.perf_counter()
            for index in range(count):
                act(index)
            return time.perf_counter() - begin
        gate = threading.Barrier(self._threads + 1)

        def share(first: int) -> None:
            gate.wait()
            for index in range(first, count, self._threads):
                act(index)

        shares = [self._pool.submit(share, first) for first in range(self._threads)]
        gate.wait()
        begin = time.perf_counter()
        for done in shares:
            done.result()
        return time.perf_counter() - begin

    def close(self) -> None:
        self._pool.shutdown()


def per_round(samples: dict[str, list[float]], over: str, under: str) -> float | None:
    """Return the median over the rounds of one contender's speed as a multiple of another's."""
    if not samples.get(over) or not samples.get(under):
        return None
    pairs = zip(samples[over], samples[under], strict=True)
    return statistics.median(theirs / ours for ours, theirs in pairs)


RATIOS = [
    ("ours", "floor"),
    ("unverified", "floor"),
    ("ours", "py3"),
    ("unverified", "py3"),
    ("py3", "floor"),
]


def ratios(samples: dict[str, list[float]]) -> dict[str, float | None]:
    """Return each ratio of speeds; None where a contender cannot do it."""
    return {f"{over}/{under}": per_round(samples, over, under) for over, under in RATIOS}


class Table:
    """The ratios of every case, and absolute speeds as information."""

    def __init__(self) -> None:
        self.where = self.how = ""
        self._rows: list[tuple[str, dict[str, float | None], dict[str, str]]] = []

    def add(
        self, case: str, samples: dict[str, list[float]], amount: float, unit: str
    ) -> dict[str, float | None]:
        """Add a case; `amount` is what one sample moved, `unit` what that counts per second."""
        measured = ratios(samples)
        speeds = {
            name: f"{amount / statistics.median(seconds):.0f} {unit}"
            for name, seconds in samples.items()
            if seconds
        }
        self._rows.append((case, measured, speeds))
        return measured

    def note(self, case: str, values: dict[str, str]) -> None:
        """Add a row of values that are no ratios."""
        self._rows.append((case, {}, values))

    def lines(self) -> Iterable[str]:
        columns = [f"{over}/{under}" for over, under in RATIOS]
        yield f"Speed as a multiple, {self.where}{self.how}; medians of interleaved rounds."
        yield "ours: all verified; unverified: verify=False; py3: fdfs-client-py3; floor: plain sockets."
        yield f"{'':<24}" + "".join(f"{column:>18}" for column in columns)
        for case, measured, _ in self._rows:
            if measured:
                cells = [measured[column] for column in columns]
                yield f"{case:<24}" + "".join(
                    f"{'-' if cell is None else f'{cell:.2f}':>18}" for cell in cells
                )
        yield "For information, on this machine at this hour:"
        for case, _, speeds in self._rows:
            yield f"{case:<24}" + ", ".join(f"{name} {speed}" for name, speed in speeds.items())
