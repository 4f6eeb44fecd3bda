"""Files that the storage itself does not have: the module's proxy, PROTOCOL, section 9."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fdfs_storage.devserver import EmbeddedCluster, HttpOptions
from fdfs_storage.devserver.names import FileFacts
from fdfs_storage.devserver.refusal import RefusedError
from fdfs_storage.devserver.volume import Volume
from fdfs_storage.fastdfs import Client
from fdfs_storage.fastdfs.errors import EBUSY, EINVAL, ENOENT
from fdfs_storage.fastdfs.token import anti_steal_token

from .browser import Browser, put, served

CONTENT = b"0123456789"
MISSING = "M00/00/00/fwAAAWsGBV2ASHKdAAAACqaEx8Y860.txt"


class Neighbours:
    """Another storage of the cluster, which is asked for files."""

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self.asked: list[tuple[str, bytes]] = []
        self.status = 0

    def __call__(self, group: str, name: bytes) -> FileFacts:
        self.asked.append((group, name))
        if self.status:
            raise RefusedError(self.status)
        return FileFacts.of(self.volume.find(name), name)


class Town(NamedTuple):
    browser: Browser
    neighbours: Neighbours
    url: str
    """Of a file that only the neighbour has."""


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    other = Volume(tmp_path / "other", group="group2")
    other.open()
    neighbours = Neighbours(other)
    with served(tmp_path / "own", elsewhere=neighbours) as (browser, _):
        yield Town(browser, neighbours, f"/{put(other, CONTENT)}")
    other.close()


@pytest.mark.parametrize("group", ["group1", "group2"])
def test_what_is_not_here_is_served_from_elsewhere(town: Town, group: str) -> None:
    reply = town.browser.get(town.url.replace("group2", group), Range="bytes=2-3,5-")

    assert reply.status == 206
    assert b"\r\n56789\r\n" in reply.body
    assert town.neighbours.asked == [(group, town.url.removeprefix("/group2/").encode())]


def test_what_is_here_is_not_asked_of_others(tmp_path: Path) -> None:
    def never(group: str, name: bytes) -> FileFacts:
        raise AssertionError("asked for a file that is here")

    with served(tmp_path, elsewhere=never) as (browser, volume):
        assert browser.get(f"/{put(volume, CONTENT)}").body == CONTENT


@pytest.mark.parametrize(("refusal", "status"), [(ENOENT, 404), (EINVAL, 400), (EBUSY, 502)])
def test_a_refusal_becomes_a_status(town: Town, refusal: int, status: int) -> None:
    town.neighbours.status = refusal

    assert town.browser.get(town.url).status == status
    assert town.browser.get(town.url).status == status


@pytest.mark.parametrize("group", ["group1", "group2"])
def test_a_request_is_sent_on_only_once(town: Town, group: str) -> None:
    assert town.browser.get(town.url.replace("group2", group) + "?redirect=1").status == 400
    assert town.browser.get(f"/{group}/{MISSING}").status == 404


@pytest.mark.parametrize("group", ["group1", "group2"])
@pytest.mark.parametrize(("length", "status"), [(499, 200), (500, 400)])
def test_a_request_that_is_sent_on_needs_room_for_saying_so(
    town: Town, group: str, length: int, status: int
) -> None:
    url = town.url.replace("group2", group)

    assert town.browser.get(f"{url}?{'x' * (length - len(url) - 1)}").status == status


def test_a_file_that_nobody_has_is_404_though_the_request_was_sent_on(town: Town) -> None:
    assert town.browser.get(f"/group1/{MISSING}?redirect=1").status == 404


@pytest.mark.parametrize(
    "name",
    [
        "M00/00/00/" + "+" * 34,
        "M00/00/00/..%2f" + "x" * 44,
        "MZZ/00/00/" + "x" * 34,
        "x" * 44,
        "M00/00/00/" + "%ff" * 34,
        "M00/00/00/" + "x" * 118,
    ],
)
def test_only_well_formed_ids_are_asked_for(town: Town, name: str) -> None:
    assert town.browser.get(f"/group2/{name}").status == 400
    assert town.neighbours.asked == []


@pytest.mark.parametrize("suffix", ["-m", "%2Dm"])
def test_others_metadata_is_not_public_either(town: Town, suffix: str) -> None:
    assert town.browser.get(town.url + suffix).status == 404
    assert town.neighbours.asked == []


def test_without_others_another_group_is_404(tmp_path: Path) -> None:
    with served(tmp_path) as (browser, _):
        assert browser.get(f"/group2/{MISSING}").status == 404


# --- in a cluster -------------------------------------------------------------------------------


def addresses(cluster: EmbeddedCluster) -> list[str]:
    return [storage.http_server.address for storage in cluster.storages]


def statuses(cluster: EmbeddedCluster, url: str) -> list[int]:
    """Ask every HTTP server of the cluster."""
    found = []
    for address in addresses(cluster):
        browser = Browser(address)
        found.append(browser.get(url).status)
        browser.close()
    return found


def test_every_server_serves_every_file_before_it_is_replicated() -> None:
    with (
        EmbeddedCluster(groups=2, storages=2, lag=3600) as cluster,
        Client(cluster.trackers) as client,
    ):
        urls = [f"/{client.upload(CONTENT, 'txt')}" for _ in range(8)]

        assert [statuses(cluster, url) for url in urls] == [[200] * 4] * 8
        cluster.replicate()
        assert [statuses(cluster, url) for url in urls] == [[200] * 4] * 8


def test_the_files_of_every_store_path_are_served() -> None:
    with EmbeddedCluster(store_paths=2) as cluster, Client(cluster.trackers) as client:
        ids = [client.upload(CONTENT, "txt") for _ in range(4)]

        assert {file_id.store_path for file_id in ids} == {0, 1}
        assert [statuses(cluster, f"/{file_id}") for file_id in ids] == [[200]] * 4
        assert statuses(cluster, f"/{ids[0]}".replace("/M0", "/M1")) == [400]


def test_a_file_that_is_gone_is_404_on_every_server() -> None:
    with EmbeddedCluster(groups=2, storages=2) as cluster, Client(cluster.trackers) as client:
        file_id = client.upload(CONTENT, "txt")
        client.delete(file_id)

        assert statuses(cluster, f"/{file_id}") == [404] * 4


def test_a_file_whose_source_is_down_is_502_where_it_is_not() -> None:
    with EmbeddedCluster(storages=2, lag=3600) as cluster, Client(cluster.trackers) as client:
        file_id = client.upload(CONTENT, "txt")
        source = next(each for each in cluster.storages if each.id == file_id.source)
        source.stop()

        assert sorted(statuses(cluster, f"/{file_id}")) == [200, 502]


def test_a_cluster_wants_tokens_on_every_server() -> None:
    options = HttpOptions(token_secret="secret")
    with EmbeddedCluster(groups=2, http=options) as cluster, Client(cluster.trackers) as client:
        file_id = client.upload(CONTENT, "txt")
        token = anti_steal_token(file_id.name, "secret", 0)

        assert statuses(cluster, f"/{file_id}?token={token}&ts=0") == [200, 200]
        assert statuses(cluster, f"/{file_id}") == [400, 400]
