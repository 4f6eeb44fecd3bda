"""For test suites of projects that keep their files in FastDFS: a cluster that lives as long as the tests.

pytest finds the fixtures `fdfs_cluster` and `fdfs_storage` by itself (`fdfs_storage.testing.plugin`); for
unittest and `manage.py test` there is `FastDFSTestMixin`. See docs/testing.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .mixin import FastDFSTestMixin

__all__ = ["FastDFSTestMixin"]


def __getattr__(name: str) -> Any:
    # pytest loads this package at every start, in projects that never ask for it too.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .mixin import FastDFSTestMixin

    return FastDFSTestMixin
