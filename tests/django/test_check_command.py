import ast
import dataclasses
import io
import json
import socket

import pytest
from django.core.management import CommandError, call_command

from fdfs_storage import health
from fdfs_storage.devserver import EmbeddedCluster, HttpOptions
from fdfs_storage.fastdfs import Address, Client, protocol
from fdfs_storage.fastdfs.address_map import AddressMap
from fdfs_storage.fastdfs.protocol import Command
from tests.client.peer import peer

from .web import serving

SECRET = "0123456789abcdef"


def check(*arguments):
    """Run the command; return its exit code and what it printed."""
    output = io.StringIO()
    try:
        call_command("fdfs_check", *arguments, stdout=output, no_color=True)
    except SystemExit as exit_:
        return exit_.code, output.getvalue()
    return 0, output.getvalue()


def remedies(output):
    return [line for line in output.splitlines() if line.startswith("     -> ")]


@pytest.fixture
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"127.0.0.1:{port}"


def test_a_healthy_cluster_is_0_and_every_step_is_named(cluster):
    if cluster.base_url is None:
        pytest.skip("FDFS_TEST_BASE_URL does not name the real cluster's nginx")

    code, output = check()

    assert code == 0, output
    for subject in health.Subject:
        assert f"ok   {subject.value}" in output
    assert output.endswith("healthy: everything works\n")
    assert remedies(output) == []


def test_the_probe_is_gone_afterwards(broken):
    assert check()[0] == 0

    assert list(broken.volume.files()) == []


def test_json_has_the_same_findings(broken):
    code, output = check("--json")

    report = json.loads(output)
    assert (code, report["status"]) == (0, "healthy")
    subjects = [finding["subject"] for finding in report["findings"]]
    assert subjects == ["tracker", "storage", "upload", "download", "url", "delete"]
    assert all(finding["good"] for finding in report["findings"])


def test_one_tracker_of_two_down_is_degraded(broken, settings, closed_port):
    settings.FDFS_TRACKERS = [closed_port, *broken.trackers]

    code, output = check()

    assert code == 1
    assert f"FAIL tracker  {closed_port}" in output
    assert "FDFS_TRACKERS" in remedies(output)[0]
    assert "degraded" in output


def test_no_tracker_is_unusable(settings, closed_port):
    settings.FDFS_TRACKERS = [closed_port]

    code, output = check()

    assert code == 2
    assert "fdfs_trackerd" in remedies(output)[0]
    assert "unusable" in output


def test_a_tracker_that_talks_nonsense_is_unusable_and_named(settings):
    with peer(*[lambda sock: (sock.recv(99), sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))] * 3) as liar:
        settings.FDFS_TRACKERS = [str(liar)]
        code, output = check()

    assert code == 2
    assert f"FAIL tracker  {liar}" in output


def test_a_dead_storage_is_unusable_and_its_address_is_explained(broken):
    broken.storage_server.stop()

    code, output = check()

    assert code == 2
    assert f"FAIL storage  {broken.storage_server.address}" in output
    assert 'FDFS_STORAGE_ADDRESS_MAP = {"127.0.0.1": ' in remedies(output)[0]
    assert "FAIL upload" in output


def test_an_ipv6_address_is_shown_as_the_address_map_takes_it(broken, monkeypatch, closed_port):
    def storages(*asked, **how):
        port = int(closed_port.rpartition(":")[2])
        return [dataclasses.replace(storage, ip="::1", port=port) for storage in listed(*asked, **how)]

    listed = Client.storages
    monkeypatch.setattr(Client, "storages", storages)

    _, output = check()

    assert "FAIL storage  [::1]:" in output
    (line,) = [line for line in remedies(output) if "FDFS_STORAGE_ADDRESS_MAP" in line]
    mapped = AddressMap(ast.literal_eval(line.partition(" = ")[2]))
    assert mapped(Address("::1", 23000)) == Address("10.0.0.5", 23000)


def test_a_base_url_where_nothing_listens_is_unusable(broken, settings, closed_port):
    settings.FDFS_BASE_URL = closed_port

    code, output = check()

    assert code == 2
    assert f"FAIL url      http://{closed_port}/group1/" in output
    assert "8888" in remedies(output)[0]
    assert list(broken.volume.files()) == []


def test_a_base_url_of_another_web_server_is_unusable(broken, settings):
    with EmbeddedCluster() as other:
        settings.FDFS_BASE_URL = other.base_url
        code, output = check()

    assert code == 2
    assert "404" in output
    assert "nginx" in remedies(output)[0]


@pytest.mark.parametrize("with_group", [True, False])
def test_a_server_that_wants_tokens_is_asked_with_one(broken, settings, with_group):
    settings.FDFS_TOKEN_SECRET, settings.FDFS_URL_WITH_GROUP = SECRET, with_group
    with serving(broken, HttpOptions(token_secret=SECRET, with_group=with_group)) as base_url:
        settings.FDFS_BASE_URL = base_url
        code, output = check()

    assert code == 0, output
    assert "&ts=" in output


@pytest.mark.parametrize(
    ("secret", "picture", "detail", "remedy"),
    [
        (None, False, "400", "set FDFS_TOKEN_SECRET to its http.anti_steal.secret_key"),
        (None, True, "400", "set FDFS_TOKEN_SECRET to its http.anti_steal.secret_key"),
        (SECRET[::-1], False, "400", "FDFS_TOKEN_SECRET must be http.anti_steal.secret_key"),
        (SECRET[::-1], True, "a picture is served", "FDFS_TOKEN_SECRET must be http.anti_steal.secret_key"),
    ],
)
def test_a_refused_token_says_what_to_do(broken, settings, tmp_path, secret, picture, detail, remedy):
    settings.FDFS_TOKEN_SECRET = secret
    (tmp_path / "no.png").write_bytes(b"a picture")
    options = HttpOptions(token_secret=SECRET, token_fail=tmp_path / "no.png" if picture else None)

    with serving(broken, options) as settings.FDFS_BASE_URL:
        code, output = check()

    assert code == 2
    assert detail in output
    assert remedy in remedies(output)[0]


@pytest.mark.parametrize(
    ("type_", "detail", "remedy"),
    [
        ("text/html", "the content differs", "Another server answers there"),
        ("image/png", "a picture is served", "FDFS_TOKEN_SECRET"),
    ],
)
def test_other_content_is_not_taken_for_the_probe(broken, settings, type_, detail, remedy):
    def answer(sock):
        sock.recv(65536)
        sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {type_}\r\nConnection: close\r\n\r\nhi".encode())

    with peer(answer) as address:
        settings.FDFS_BASE_URL = str(address)
        code, output = check()

    assert code == 2
    assert detail in output
    assert remedy in remedies(output)[0]


def test_an_upload_into_a_group_that_is_not_there_names_the_group(broken, settings):
    settings.FDFS_GROUP = "nogroup"

    code, output = check()

    assert code == 2
    assert "the group nogroup exists" in remedies(output)[0]


def test_an_upload_whose_outcome_is_unknown_says_so(broken):
    broken.storage_server.drop_next_reply(command=Command.UPLOAD_FILE)

    code, output = check()

    assert code == 2
    assert "may have kept a probe of" in remedies(output)[0]


def test_a_secret_that_cannot_be_had_is_a_finding_and_removes_the_probe(broken, settings):
    settings.FDFS_TOKEN_SECRET = lambda: ""

    code, output = check()

    assert code == 2
    assert "function in token_secret" in remedies(output)[0]
    assert list(broken.volume.files()) == []


def test_a_group_with_a_base_of_its_own_is_asked_there(broken, settings, closed_port):
    settings.FDFS_BASE_URL, settings.FDFS_BASE_URLS = closed_port, {"group1": broken.base_url}

    assert check()[0] == 0


@pytest.mark.parametrize("where", ["storage", "tracker"])
def test_a_base_url_that_leads_to_fastdfs_itself_is_unusable(broken, settings, where):
    server = broken.storage_server if where == "storage" else broken.tracker_servers[0]
    settings.FDFS_BASE_URL = server.address
    settings.FDFS_NETWORK_TIMEOUT = 1

    code, output = check()

    assert code == 2
    assert "FAIL url" in output


def test_without_a_base_url_the_setting_is_shown(settings):
    settings.FDFS_BASE_URL = ""

    code, output = check()

    assert code == 2
    assert "FDFS_BASE_URL =" in remedies(output)[0]


@pytest.mark.parametrize("broken_step", [Command.DOWNLOAD_FILE, Command.DELETE_FILE])
def test_the_probe_is_removed_or_named_when_a_step_fails(broken, broken_step):
    for _ in range(2):
        broken.storage_server.answer_next(protocol.refusal(5), broken_step)

    code, output = check()

    left = [line for line in output.splitlines() if line.startswith("FAIL delete")]
    assert code == 2
    assert len(list(broken.volume.files())) == len(left)


def test_an_examination_that_is_abandoned_removes_the_probe(broken, settings):
    from fdfs_storage.storage import FastDFSStorage

    storage = FastDFSStorage()
    examination = health.examine(storage.client, storage.options)
    while next(examination).subject is not health.Subject.UPLOAD:
        pass
    assert len(list(broken.volume.files())) == 1

    examination.close()

    assert list(broken.volume.files()) == []


def test_a_storage_that_is_not_fastdfs_says_so():
    with pytest.raises(CommandError, match="StaticFilesStorage"):
        call_command("fdfs_check", storage="staticfiles")
    with pytest.raises(CommandError, match="nosuch"):
        call_command("fdfs_check", storage="nosuch")


def test_json_says_what_is_wrong_with_the_settings(settings, capsys):
    settings.FDFS_TRACKERS = []
    output = io.StringIO()

    with pytest.raises(CommandError):
        call_command("fdfs_check", "--json", stdout=output)

    assert json.loads(output.getvalue())["status"] == "unusable"


@pytest.mark.parametrize(("name", "value"), [("FDFS_TRACKERS", []), ("FDFS_POOL_SIZE", "many")])
def test_settings_that_are_not_valid_are_one_line_and_code_2(settings, name, value):
    setattr(settings, name, value)

    with pytest.raises(CommandError, match=name) as caught:
        call_command("fdfs_check")

    assert caught.value.returncode == 2


def test_the_report_speaks_chinese(broken, settings):
    settings.LANGUAGE_CODE = "zh-hans"

    code, output = check()

    assert code == 0
    assert "一切正常" in output
