"""FastDFSTestMixin: a cluster for a unittest class."""

from __future__ import annotations

import unittest
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

from fdfs_storage.devserver import EmbeddedCluster

from .fresh import fresh
from .project import override, pointed_at

if TYPE_CHECKING:
    from fdfs_storage.storage import FastDFSStorage

    _Base = unittest.TestCase
else:
    _Base = object


class FastDFSTestMixin(_Base):
    """Put before TestCase, TransactionTestCase or LiveServerTestCase, it gives the class a cluster.

    Every FastDFS storage of the project is led to it, from before `setUpTestData` until the class is
    done. What `setUpTestData` stores stays for all its tests; what a test stores is gone after it.
    """

    fdfs_cluster_options: ClassVar[dict[str, Any]] = {}
    """Arguments for EmbeddedCluster."""
    fdfs_cluster: ClassVar[EmbeddedCluster]
    fdfs_storage: ClassVar[FastDFSStorage]

    @classmethod
    def setUpClass(cls) -> None:
        cls.fdfs_cluster = EmbeddedCluster(**cls.fdfs_cluster_options).start()
        # Clean-ups of the class run also where the rest of setUpClass fails, and after tearDownClass.
        cls.addClassCleanup(cls.fdfs_cluster.stop)
        led = pointed_at(cls.fdfs_cluster, override())
        cls.fdfs_storage = led.__enter__()
        cls.addClassCleanup(led.__exit__, None, None, None)
        super().setUpClass()

    # Not in setUp: a class that forgets to call super().setUp() is to be clean all the same.

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        with self._fresh():
            return super().run(result)

    def debug(self) -> None:
        with self._fresh():
            super().debug()

    def _fresh(self) -> AbstractContextManager[None]:
        # A class that is skipped was never set up; what it inherits is another class's cluster.
        cluster = vars(type(self)).get("fdfs_cluster")
        return fresh(cluster) if cluster else nullcontext()
