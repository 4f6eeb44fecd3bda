"""The fixtures, loaded by pytest at every start: nothing else may be imported before they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fdfs_storage.devserver import EmbeddedCluster
    from fdfs_storage.storage import FastDFSStorage


@pytest.fixture(scope="session")
def fdfs_cluster_options() -> dict[str, Any]:
    """What `fdfs_cluster` is made with: override it to return other arguments of EmbeddedCluster."""
    return {}


@pytest.fixture(scope="session")
def fdfs_cluster(fdfs_cluster_options: dict[str, Any]) -> Iterator[EmbeddedCluster]:
    """A FastDFS on free ports of the loopback, for the session; each pytest-xdist worker has its own."""
    from fdfs_storage.devserver import EmbeddedCluster

    with EmbeddedCluster(**fdfs_cluster_options) as cluster:
        yield cluster


@pytest.fixture
def fdfs_storage(request: pytest.FixtureRequest, fdfs_cluster: EmbeddedCluster) -> Iterator[FastDFSStorage]:
    """The project's default storage, on `fdfs_cluster`; what the test stores is gone after it.

    Every FastDFS storage of the project is led there: those in STORAGES and those of model fields,
    whatever their OPTIONS say. Servers that the test stopped are up again for the next one.
    """
    from .fresh import fresh
    from .project import override, pointed_at, require_project

    require_project(pytest.fail)
    # Through pytest-django's own fixture where there is one: what the test changes on top of it is then
    # undone before this is.
    with_django = request.config.pluginmanager.hasplugin("django")
    settings = request.getfixturevalue("settings") if with_django else None
    with fresh(fdfs_cluster), pointed_at(fdfs_cluster, override(settings)) as storage:
        yield storage
