"""The configurations in conf/ agree with each other: addresses, folders, ports."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from fdfs_storage.fastdfs.client_conf import read_client_conf

from .server import CONF

DAEMONS = ["client.conf", "tracker.conf", "storage.conf", "mod_fastdfs.conf"]


def settings(name: str) -> dict[str, str]:
    """Read FastDFS's format: `key = value`, a comment has a line of its own."""
    lines = [line.strip() for line in (CONF / name).read_text().splitlines()]
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    assert all(len(pair) == 2 for pair in pairs)
    return {key.strip(): value.strip() for key, value in pairs}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CONF / "compose.yaml").read_text())
    return loaded


@pytest.mark.parametrize("name", DAEMONS)
def test_no_value_has_a_comment_behind_it_and_no_key_comes_twice(name: str) -> None:
    keys = re.findall(r"^([a-z][\w.]*) *=", (CONF / name).read_text(), re.MULTILINE)

    assert not [value for value in settings(name).values() if "#" in value]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", ["tracker.conf", "storage.conf", "mod_fastdfs.conf"])
def test_every_setting_has_a_comment_in_both_languages(name: str) -> None:
    for paragraph in (CONF / name).read_text().split("\n\n"):
        comments = "".join(line for line in paragraph.splitlines() if line.startswith("#"))

        assert paragraph.startswith(("#", "max_connections"))
        assert re.search("[一-鿿]", comments) or paragraph.startswith("max_connections")


def test_the_storage_and_both_nginx_serve_one_store_path() -> None:
    path = settings("storage.conf")["store_path0"]

    assert settings("mod_fastdfs.conf")["store_path0"] == path
    assert f"alias {path}/data/$fdfs_file;" in (CONF / "nginx/fdfs.conf").read_text()
    assert settings("storage.conf")["base_path"] != path


def test_all_mean_the_same_group_tracker_and_port() -> None:
    storage, module = settings("storage.conf"), settings("mod_fastdfs.conf")

    assert storage["group_name"] == module["group_name"] == "group1"
    assert storage["port"] == module["storage_server_port"]
    assert storage["tracker_server"] == module["tracker_server"]
    assert storage["tracker_server"].endswith(f":{settings('tracker.conf')['port']}")


def test_the_trackers_replies_can_be_read_by_every_client() -> None:
    tracker = settings("tracker.conf")

    assert (tracker["response_ip_addr_size"], tracker["address_family"]) == ("auto", "IPv4")


def test_the_clients_configuration_is_one() -> None:
    port = settings("tracker.conf")["port"]

    assert read_client_conf(CONF / "client.conf").trackers == (f"127.0.0.1:{port}",)


# --- compose.yaml -------------------------------------------------------------------------------


def test_each_container_waits_for_the_one_before(compose: dict[str, Any]) -> None:
    services = compose["services"]

    assert list(services) == ["tracker", "storage", "nginx"]
    assert list(services["storage"]["depends_on"]) == ["tracker"]
    assert list(services["nginx"]["depends_on"]) == ["storage"]
    assert all(service["healthcheck"]["test"][0] == "CMD" for service in services.values())


def test_what_is_mounted_is_there_and_where_the_configurations_say(compose: dict[str, Any]) -> None:
    mounts = [mount.split(":") for service in compose["services"].values() for mount in service["volumes"]]
    files = [source for source, *_ in mounts if source.startswith(".")]
    folders = {target for source, target, *_ in mounts if not source.startswith(".")}

    assert all((CONF / file).is_file() for file in files)
    assert {source for source, *_ in mounts} - set(files) == set(compose["volumes"])
    storage, tracker = settings("storage.conf"), settings("tracker.conf")
    assert folders == {tracker["base_path"], storage["base_path"], storage["store_path0"]}


def test_only_this_machine_reaches_the_published_ports(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service["ports"]]

    assert published == ["127.0.0.1:22122:22122", "127.0.0.1:23000:23000", "127.0.0.1:8888:8888"]


def test_the_address_map_in_the_comment_is_that_of_the_storage(compose: dict[str, Any]) -> None:
    address = compose["services"]["storage"]["networks"]["fastdfs"]["ipv4_address"]

    assert f'{{"{address}": "127.0.0.1"}}' in (CONF / "compose.yaml").read_text()
