"""Which objects were given a file that another one has, and may yet write its name into a row?

No locks: finalizers come in here at any moment, and a forked child goes on with its copy.
"""

from __future__ import annotations

import weakref

_bearers: dict[str, dict[int, weakref.ref[object]]] = {}


def bear(name: str, bearer: object) -> None:
    """Count an object as a bearer of the name for as long as it lives."""
    key = id(bearer)
    reference = weakref.ref(bearer, lambda dead: _drop(name, key, dead))
    while True:
        references = _bearers.setdefault(name, {})
        references[key] = reference
        if _bearers.get(name) is references:  # else it was just given up for empty
            return


def put_down(name: str, bearer: object) -> None:
    """Count the object as a bearer of the name no longer."""
    reference = _bearers.get(name, {}).get(id(bearer))
    if reference is not None and reference() is bearer:
        _drop(name, id(bearer), reference)


def bears(name: str, bearer: object) -> bool:
    """Say whether the object counts as a bearer of the name."""
    reference = _bearers.get(name, {}).get(id(bearer))
    return reference is not None and reference() is bearer


def borne(name: str) -> bool:
    """Say whether an object that lives bears the name."""
    return any(reference() is not None for reference in list(_bearers.get(name, {}).values()))


def _drop(name: str, key: int, reference: weakref.ref[object]) -> None:
    references = _bearers.get(name)
    if references is None or references.get(key) is not reference:
        return
    references.pop(key, None)
    if not references:
        _bearers.pop(name, None)
        if references:  # another thread was faster
            _bearers.setdefault(name, {}).update(references)
