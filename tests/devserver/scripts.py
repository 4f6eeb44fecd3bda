"""Python run in a process of its own, for what must not happen to the tests'."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# From 3.12 on, Python warns of every fork of a process that has threads; this is about just that.
_OPTIONS = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]
PATIENCE_SECONDS = 60


def run(script: str, *arguments: str) -> list[str]:
    """Run a script that must succeed and write nothing to stderr; return the lines that it prints."""
    done = subprocess.run(
        [sys.executable, *_OPTIONS, "-c", script, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


class Running:
    """A Django command in a process of its own, read line by line."""

    def __init__(self, *arguments: str, settings: str, cwd: Path = ROOT) -> None:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": settings,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "django", *arguments],
            cwd=cwd,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()
        self._process.communicate()

    def allow_descriptors(self, count: int) -> None:
        """Let the process have so many files and sockets open from now on."""
        resource.prlimit(self._process.pid, resource.RLIMIT_NOFILE, (count, count))

    def read_until(self, part: str) -> list[str]:
        """Return the lines up to the first that contains `part`."""
        assert self._process.stdout
        lines: list[str] = []
        while not lines or part not in lines[-1]:
            line = self._process.stdout.readline()
            if not line:
                raise AssertionError(f"no {part!r} in {lines}, {self._process.communicate()[1]}")
            lines.append(line.rstrip("\n"))
        return lines

    def finish(self, number: signal.Signals | None = None) -> tuple[int, str, str]:
        """Send a signal if asked to, wait for the end, return exit code, stdout and stderr."""
        if number:
            self._process.send_signal(number)
        out, err = self._process.communicate(timeout=PATIENCE_SECONDS)
        return self._process.returncode, out, err
