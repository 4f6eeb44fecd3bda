"""What a storage remembers from one run to the next: its counts and its position, never its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class StateFile:
    """A small JSON file that is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, Any]:
        """Return what was saved last; nothing where that is missing or damaged."""
        try:
            state = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def save(self, state: dict[str, Any]) -> None:
        draft = self._path.with_suffix(".tmp")
        draft.write_text(json.dumps(state, indent=1))
        draft.replace(self._path)
