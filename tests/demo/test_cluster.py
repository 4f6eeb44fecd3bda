import socket
from contextlib import ExitStack

import pytest
from django.conf import settings as project
from django.core.management import CommandError

from demo_site.demo import cluster as embedded
from demo_site.demo.cluster import ANY, Ports, files_in
from fdfs_storage.devserver import EmbeddedCluster


@pytest.fixture
def no_cluster(settings):
    settings.FDFS_TRACKERS = []
    settings.FDFS_BASE_URL = ""


@pytest.fixture
def busy(monkeypatch):
    """The usual ports, all taken."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in ANY]
        usual = Ports(*(server.getsockname()[1] for server in taken))
        monkeypatch.setattr(embedded, "USUAL", usual)
        yield usual


@pytest.mark.usefixtures("no_cluster")
def test_servers_whose_usual_port_is_taken_take_another_and_say_so(tmp_path, busy):
    with files_in(tmp_path) as notes:
        assert len(notes) == 3
        port = project.FDFS_TRACKERS[0].rpartition(":")[2]
        assert notes[0] == f"Port {busy.tracker_port} is taken, so the tracker listens on {port}."
        assert project.FDFS_BASE_URL.rpartition(":")[2] in notes[2]


@pytest.mark.usefixtures("no_cluster", "busy")
def test_a_port_lost_at_the_last_moment_is_replaced_too(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "free", lambda port: True)

    with files_in(tmp_path) as notes:
        assert len(notes) == 3


@pytest.mark.usefixtures("no_cluster")
def test_the_settings_name_the_cluster_only_while_it_runs(tmp_path):
    with files_in(tmp_path):
        address = project.FDFS_TRACKERS[0].split(":")
        socket.create_connection(address, timeout=5).close()

    assert project.FDFS_TRACKERS == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)


@pytest.mark.usefixtures("no_cluster")
def test_a_folder_that_another_cluster_uses_is_refused(tmp_path):
    with EmbeddedCluster(tmp_path), pytest.raises(CommandError, match="cannot start"), files_in(tmp_path):
        pass


def test_a_cluster_of_ones_own_is_used_as_it_is(settings, tmp_path):
    settings.FDFS_TRACKERS, settings.FDFS_BASE_URL = ["10.0.0.1:22122"], "http://files.example.com"

    with files_in(tmp_path / "unused") as notes:
        assert notes == []
        assert project.FDFS_TRACKERS == ["10.0.0.1:22122"]

    assert not (tmp_path / "unused").exists()


def test_a_cluster_of_ones_own_needs_its_base_url(settings, tmp_path):
    settings.FDFS_TRACKERS, settings.FDFS_BASE_URL = ["10.0.0.1:22122"], ""

    with pytest.raises(CommandError, match="FDFS_BASE_URL="), files_in(tmp_path):
        pass
