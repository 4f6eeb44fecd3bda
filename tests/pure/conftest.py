from __future__ import annotations

import socket

import pytest


@pytest.fixture(autouse=True)
def _no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested here takes bytes and gives values: no test of it may open a socket."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a test in tests/pure opened a socket")

    monkeypatch.setattr(socket.socket, "__init__", refuse)
