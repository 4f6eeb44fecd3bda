"""A contender in a process of its own, for big files: `python -m tests.benchmarks.transfer`.

Takes the name of a contender, a tracker, a big and a small file. Reads one word per line, `up` or
`down`, and answers with the seconds and the growth of the process's peak memory in bytes so far.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from .contenders import MAKERS, Contender


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _up(contender: Contender, path: Path) -> float:
    begin = time.perf_counter()
    file_id = contender.upload_file(path)
    seconds = time.perf_counter() - begin
    contender.delete(file_id)
    return seconds


def _down(contender: Contender, path: Path) -> float:
    file_id = contender.upload_file(path)
    try:
        begin = time.perf_counter()
        contender.download_to(file_id, len)
        return time.perf_counter() - begin
    finally:
        contender.delete(file_id)


def serve(contender: Contender, path: Path, small: Path) -> None:
    """Warm up, so that neither imports nor connects count; then do what each line says."""
    contender.delete(contender.upload_file(small))
    before = _peak_bytes()
    for line in sys.stdin:
        seconds = (_up if line.strip() == "up" else _down)(contender, path)
        print(json.dumps([seconds, _peak_bytes() - before]), flush=True)
    contender.close()


class Runner:
    """The other end of such a process."""

    def __init__(self, name: str, tracker: str, path: Path, small: Path) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.transfer", name, tracker, str(path), str(small)]
        # A process inherits the peak of the one that it was forked from, so a small shell stands between.
        command = ["/bin/sh", "-c", '"$@"; exit $?', "sh", *command]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.communicate(timeout=60)

    def run(self, what: str) -> tuple[float, int]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        print(what, file=stdin, flush=True)
        seconds, grown = json.loads(stdout.readline())
        return seconds, grown


if __name__ == "__main__":
    _, _name, _tracker, _path, _small = sys.argv
    serve(MAKERS[_name](_tracker), Path(_path), Path(_small))
