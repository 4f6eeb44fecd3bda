"""The recordings of a real cluster (tests/golden) as values; nothing here knows the code under test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

GOLDEN = Path(__file__).parents[1] / "golden"
RECORDINGS = ("narrow", "wide")
# The cluster behind them: group1 is .21 and .22, group2 is .31.
ADDRESSES = {"group1": {"10.77.0.21", "10.77.0.22"}, "group2": {"10.77.0.31"}}
PORT = 23000


class Exchange(NamedTuple):
    recording: str
    case: str
    command: int
    request: bytes
    reply: bytes
    status: int | None
    """None where the server closed the connection without a reply."""

    @property
    def body(self) -> bytes:
        return self.request[10:]

    @property
    def answer(self) -> bytes:
        return self.reply[10:]


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (GOLDEN / name).read_text("utf-8").splitlines()]


IDS = _lines("ids.jsonl")
EXCHANGES = [
    Exchange(
        recording,
        line["case"],
        line["cmd"],
        bytes.fromhex(line["request_hex"]),
        bytes.fromhex(line["reply_hex"]),
        line["reply_status"],
    )
    for recording in RECORDINGS
    for line in _lines(f"fastdfs-6.16.1-{recording}.jsonl")
]


def recorded(recording: str, case: str) -> Exchange:
    """Return one exchange by its name."""
    return next(e for e in EXCHANGES if (e.recording, e.case) == (recording, case))


def each(exchanges: list[Exchange]) -> pytest.MarkDecorator:
    """Run a test once for each exchange; there must be some."""
    assert exchanges, "no such exchange in the recordings"
    names = [f"{exchange.recording}-{exchange.case}" for exchange in exchanges]
    return pytest.mark.parametrize("exchange", exchanges, ids=names)


def replies(*commands: int, status: int | None = 0) -> pytest.MarkDecorator:
    """Run a test once for each exchange of these commands that was answered with this status."""
    return each([e for e in EXCHANGES if e.command in commands and e.status == status])
