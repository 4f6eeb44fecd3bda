import shutil
from pathlib import Path

import pytest
from django.utils import translation

from tests.demo.process import Demo


@pytest.fixture
def files(settings, cluster):
    """The project on the cluster under test."""
    settings.FDFS_TRACKERS = cluster.trackers
    settings.FDFS_BASE_URL = cluster.base_url or "http://127.0.0.1:8888"


@pytest.fixture
def data(tmp_path) -> Path:
    return tmp_path / "data"


@pytest.fixture(scope="session")
def first_run(tmp_path_factory) -> Path:
    """What a demo leaves behind; painting takes its time, and most tests begin after it."""
    folder = tmp_path_factory.mktemp("demo") / "data"
    demo = Demo("--port", "0", "--data", str(folder))
    demo.ready().stop()
    return folder


@pytest.fixture
def seeded(first_run, data) -> Path:
    return shutil.copytree(first_run, data)


@pytest.fixture
def demo(data):
    """Starts demos on a folder of the test's own; ends those that the test did not."""
    started: list[Demo] = []

    def start(*arguments: str, **environment: str) -> Demo:
        demo = Demo("--port", "0", "--data", str(data), *arguments, **environment)
        started.append(demo)
        return demo

    yield start
    for each in started:
        each.kill()


@pytest.fixture(autouse=True)
def english():
    """A request leaves its language behind in the thread: not beyond the test that made it."""
    with translation.override("en"):
        yield
