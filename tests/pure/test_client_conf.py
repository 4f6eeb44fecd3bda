"""PROTOCOL, section 10, line by line; FastDFS's own fdfs_monitor judges where it is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fdfs_storage.fastdfs.client_conf import ClientConf, read_client_conf
from fdfs_storage.fastdfs.errors import InvalidArgumentError
from fdfs_storage.fastdfs.protocol import Address

ROOT = Path(__file__).parents[2]
ONE = b"tracker_server = 10.0.0.1:22122\n"


@pytest.fixture
def read(tmp_path):
    def read(content: bytes, **included: bytes) -> ClientConf:
        for name, text in included.items():
            (tmp_path / f"{name}.conf").write_bytes(text)
        (tmp_path / "client.conf").write_bytes(content)
        return read_client_conf(tmp_path / "client.conf")

    return read


@pytest.fixture
def refused(read, tmp_path):
    def refused(content: bytes, **included: bytes) -> str:
        with pytest.raises(InvalidArgumentError) as caught:
            read(content, **included)
        return str(caught.value).replace(f"{tmp_path}/", "")

    return refused


def test_the_file_of_this_repository_is_read():
    assert read_client_conf(str(ROOT / "conf/client.conf")) == ClientConf(("127.0.0.1:22122",), 5.0, 30.0)


def test_what_is_absent_is_none(read):
    assert read(ONE) == ClientConf(("10.0.0.1:22122",), None, None, check_token=False, secret_key=None)


# --- lines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"connect_timeout=7", 7),
        (b"\t connect_timeout \t=\t 7 \t", 7),
        (b"connect_timeout = 7\r", 7),
        (b"connect_timeout = 7 # seconds", 7),
        (b"connect_timeout = 7 = 8", 7),
        (b"connect_timeout = 7s", 7),
        (b"connect_timeout = 1m", 1),
        (b"connect_timeout = 7.9", 7),
        (b"connect_timeout = +7", 7),
        (b"connect_timeout = 0x10", None),
        (b"connect_timeout = seven", None),
        (b"connect_timeout = \xd9\xa7", None),
        (b"connect_timeout =", None),
        (b"connect_timeout = 0", None),
        (b"connect_timeout = -7", None),
        (b"connect_timeout = 7\nconnect_timeout = 9", 9),
        (b"connect_timeout = 7\nconnect_timeout = 0", None),
        (b"Connect_Timeout = 7", None),
        (b"connect_timeout 7", None),
        (b"connect_timeout: 7", None),
        (b"# connect_timeout = 7", None),
        (b"  #connect_timeout = 7", None),
        (b"; connect_timeout = 7", None),
        (b"\xef\xbb\xbfconnect_timeout = 7", None),
        (b"x = y\rconnect_timeout = 7", None),
        (b"\0\nconnect_timeout = 7", None),
        (b"[x]\nconnect_timeout = 7", None),
        (b"[ x ]\r\nconnect_timeout = 7\n[]", None),
        (b"[x]\n[ ]\nconnect_timeout = 7", 7),
        (b"[x] # no section\nconnect_timeout = 7", 7),
        (b"[x]=y\nconnect_timeout = 7", 7),
        (b"[x=y]\nconnect_timeout = 7", None),
        (b"connect_timeout" + b" " * 48 + b"= 7", 7),
        (b"x" * 48 + b"connect_timeout = 7", None),
        (b"connect_timeout = " + b"\t" * 253 + b"75", 7),
        (b"connect_timeout = " + b"\t" * 254 + b"7", None),
        (b"=7\n=\n\n[\n]\n#\nconnect_timeout = 7", 7),
    ],
)
def test_a_line_means_what_it_means_to_the_c_client(read, text, seconds):
    assert read(text + b"\n[]\n" + ONE if b"\0" not in text else ONE + text).connect_timeout == seconds


def test_only_the_first_63_bytes_of_a_key_count(read):
    assert read(b"tracker_server" + b" " * 49 + b"junk = 10.0.0.1\n").trackers == ("10.0.0.1:22122",)


def test_both_timeouts_are_read(read):
    conf = read(ONE + b"connect_timeout = 3\nnetwork_timeout = 4\n")

    assert (conf.connect_timeout, conf.network_timeout) == (3.0, 4.0)


def test_a_byte_order_mark_spoils_the_first_key_and_is_named(read, refused):
    assert read(b"\xef\xbb\xbf" + ONE + b"tracker_server = 10.0.0.2\n").trackers == ("10.0.0.2:22122",)
    assert "byte order mark" in refused(b"\xef\xbb\xbf" + ONE)


@pytest.mark.parametrize(
    "directive", [b"#@if x in y", b"#@for i from 1 to 2", b"#@set a = b", b"#@function F"]
)
def test_a_directive_is_a_comment_and_is_logged(read, caplog, directive):
    conf = read(directive + b"\n" + ONE + b"#@else\n#@endif\n")

    assert conf.trackers == ("10.0.0.1:22122",)
    assert "client.conf:1: #@" in caplog.text


# --- #include -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [b"#include a.conf", b" #INCLUDE\t a.conf \r", b"#include file://a.conf", b"#include FILE://./a.conf"],
)
def test_a_file_is_included_in_place(read, line):
    conf = read(ONE + line + b"\ntracker_server = 10.0.0.3\n", a=b"tracker_server = 10.0.0.2\n")

    assert conf.trackers == ("10.0.0.1:22122", "10.0.0.2:22122", "10.0.0.3:22122")


@pytest.mark.parametrize("line", [b"# include a.conf", b"#include", b"#includea.conf", b"x #include a.conf"])
def test_what_only_looks_like_an_include_is_a_comment(read, line):
    assert read(ONE + line).trackers == ("10.0.0.1:22122",)


def test_an_include_may_be_absolute(read, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/b.conf").write_bytes(ONE)

    assert read(b"#include %s/deep/b.conf\n" % os.fsencode(tmp_path)).trackers == ("10.0.0.1:22122",)


def test_an_include_starts_at_the_main_file_whichever_file_it_stands_in(read, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/b.conf").write_bytes(b"#include a.conf\n")

    assert read(b"#include deep/b.conf\n", a=ONE).trackers == ("10.0.0.1:22122",)


def test_a_relative_main_file_starts_at_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "x.conf").write_bytes(b"#include y.conf\n")
    (tmp_path / "y.conf").write_bytes(ONE)
    monkeypatch.chdir(tmp_path)

    assert read_client_conf("x.conf").trackers == ("10.0.0.1:22122",)


def test_an_include_is_global_before_and_after(read):
    conf = read(b"[x]\n#include a.conf\nconnect_timeout = 7\n", a=ONE + b"[y]\nconnect_timeout = 8\n")

    assert conf == ClientConf(("10.0.0.1:22122",), 7.0)


def test_an_include_of_a_url_is_refused(refused):
    assert refused(ONE + b"#include HTTP://10.0.0.1/http.conf\n").startswith(
        "client.conf:2: #include of a URL"
    )


def test_an_include_that_is_missing_is_named_with_its_line(refused):
    assert refused(b"\n#include no.conf\n") == "client.conf:2: #include no.conf: No such file or directory"


def test_a_name_that_is_no_text_can_be_shown(refused):
    refused(b"#include \xff\n").encode()


def test_a_circle_is_refused_by_the_line_that_closes_it(refused):
    assert refused(b"#include a.conf\n", a=ONE + b"#include ./client.conf\n").startswith("a.conf:2: #include")


def test_a_file_may_be_included_twice_side_by_side(read):
    assert read(b"#include a.conf\n#include a.conf\n", a=ONE).trackers == ("10.0.0.1:22122",)


def test_the_number_of_files_is_bounded(refused):
    assert refused(b"#include a.conf\n" * 33, a=ONE).startswith("client.conf:32: ")


def test_the_size_of_all_files_is_bounded(refused):
    assert "client.conf:2: #include a.conf: more than" in refused(
        b"#include a.conf\n" * 2, a=ONE + b"#" * 131_072
    )


# --- files that cannot be read --------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"/no\.conf: No such file") as caught:
        read_client_conf(tmp_path / "no.conf")

    assert isinstance(caught.value.__cause__, FileNotFoundError)


@pytest.mark.parametrize("name", ["client.conf/x", "x" * 300])
def test_another_failure_of_the_system_is_named(read, tmp_path, name):
    read(ONE)

    with pytest.raises(InvalidArgumentError, match=r"Not a directory|File name too long") as caught:
        read_client_conf(tmp_path / name)

    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_named(read, tmp_path):
    (tmp_path / "client.conf").touch(0o200)

    with pytest.raises(InvalidArgumentError, match=r"client\.conf: Permission denied"):
        read_client_conf(tmp_path / "client.conf")


def test_what_is_no_regular_file_is_refused_without_blocking(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(InvalidArgumentError, match="not a regular file"):
            read_client_conf(path)


@pytest.mark.parametrize("path", ["a\0b", "a\ud800b"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(InvalidArgumentError, match="not a path"):
        read_client_conf(path)


# --- tracker_server -------------------------------------------------------------------------------

SERVERS = [
    (b"127.0.0.1:1", ["127.0.0.1:1"]),
    (b"127.0.0.9", ["127.0.0.9:22122"]),
    (b"[127.0.0.1]:1", ["127.0.0.1:1"]),
    (b"[127.0.0.9]", ["127.0.0.9:22122"]),
    (b"[::1]:1", ["[::1]:1"]),
    (b"[::1]", ["[::1]:22122"]),
    (b"[::1]1", ["[::1]:22122"]),
    (b"[::1] # no port: the default", ["[::1]:22122"]),
    (b"::1:1", ["[::1]:1"]),
    (b"127.0.0.1:1 # first", ["127.0.0.1:1"]),
    (b"127.0.0.1: +1", ["127.0.0.1:1"]),
    (b"localhost:1", ["localhost:1"]),
    (b"[::1,127.0.0.1]:1", ["[::1]:1", "127.0.0.1:1"]),
    (b"127.0.0.1,::1:1", ["127.0.0.1:1", "[::1]:1"]),
]
NO_SERVERS = [
    b"",
    b":1",
    b"[::1:1",
    b"[]:1",
    b"127.0.0.1 :1",
    b" # 127.0.0.1:1 # x",
    b"127.0.0.1, ::1:1",
    b"127.0.0.1,:1",
    b",127.0.0.1:1",
    b"127.0.0.1,::1,127.0.0.2:1",
    b"127.0.0.1,127.0.0.2:1",
    b"[::1,::2]:1",
    b"::1",
    b"\xff:1",
    b"http://127.0.0.1:1",
]


@pytest.mark.parametrize(("value", "trackers"), SERVERS)
def test_an_address_has_these_forms(read, value, trackers):
    assert read(b"tracker_server = " + value).trackers == tuple(trackers)


@pytest.mark.parametrize("value", NO_SERVERS)
def test_what_the_c_client_refuses_is_refused_by_its_line(refused, value):
    assert refused(ONE + b"tracker_server = " + value).startswith("client.conf:2: tracker_server '")


@pytest.mark.parametrize("port", [b"", b"0", b"-1", b"port", b"65536", b"4294967297", b"9" * 200])
def test_a_port_that_nobody_can_dial_is_refused_at_once(refused, port):
    assert "write it as 10.0.0.1:22122" in refused(b"tracker_server = 10.0.0.1:" + port)


@pytest.mark.parametrize(
    ("hosts", "different"),
    [
        (b"10.0.0.1,192.168.0.1", True),
        (b"10.0.0.1,172.16.0.1", True),
        (b"172.31.0.1,192.168.0.1", True),
        (b"10.0.0.1,203.0.113.1", True),
        (b"203.0.113.1,[2001:db8::1]", False),  # not a form at all
        (b"10.0.0.1,10.9.9.9", False),
        (b"192.168.0.1,192.168.9.9", False),
        (b"172.16.0.1,172.31.0.1", False),
        (b"172.15.0.1,172.32.0.1", False),
        (b"203.0.113.1,198.51.100.1", False),
        (b"[2001:db8::1,2001:db8::2]", False),
        (b"1.1.1.1,8.8.8.8", False),  # too short to have a kind, says the C client
        (b"1.1.1.1,203.0.113.1", True),
        (b"inner,outer", True),  # names are not resolved here
        (b"tracker,10.0.0.1", True),
    ],
)
def test_two_addresses_of_a_server_are_of_different_kinds(tmp_path, hosts, different):
    (tmp_path / "client.conf").write_bytes(b"tracker_server = %s:1\n" % hosts)

    if different:
        expected = tuple(f"{host}:1" for host in hosts.decode().split(","))
        assert read_client_conf(tmp_path / "client.conf").trackers == expected
    else:
        with pytest.raises(InvalidArgumentError, match=r"client\.conf:1: "):
            read_client_conf(tmp_path / "client.conf")


def many(ports: range) -> bytes:
    return b"".join(b"tracker_server = 127.0.0.1:%d\n" % port for port in ports)


def test_duplicates_are_dropped_and_the_order_is_kept(read):
    conf = read(b"tracker_server=10.0.0.2\ntracker_server=10.0.0.1:22122\ntracker_server=10.0.0.2:22122\n")

    assert conf.trackers == ("10.0.0.2:22122", "10.0.0.1:22122")


def test_the_first_sixteen_lines_count_duplicates_included(read, caplog):
    assert len(read(many(range(1, 18))).trackers) == 16
    assert "client.conf:17: only 16 tracker_server lines count" in caplog.text
    assert len(read(many(range(1, 2)) * 16 + many(range(2, 3))).trackers) == 1


def test_no_tracker_server_is_an_error_that_names_the_file(refused):
    assert refused(b"[tracker]\n" + ONE) == "client.conf: no tracker_server among the global keys"


# --- anti-steal token -----------------------------------------------------------------------------

SECRET = b"http.anti_steal.secret_key = FastDFS1234567890\n"


@pytest.mark.parametrize("value", [b"true", b"YES", b"On", b"1"])
def test_these_are_true(read, value):
    conf = read(ONE + b"http.anti_steal.check_token = " + value + b"\n" + SECRET)

    assert (conf.check_token, conf.secret_key) == (True, "FastDFS1234567890")


@pytest.mark.parametrize("value", [b"false", b"no", b"0", b"2", b"01", b"true # x", b"enabled", b""])
def test_everything_else_is_false(read, value):
    assert not read(ONE + b"http.anti_steal.check_token = " + value).check_token


def test_a_token_without_a_secret_is_refused_as_by_the_c_client(refused):
    text = ONE + b"http.anti_steal.check_token = true\nhttp.anti_steal.secret_key =\n"

    assert refused(text).startswith("client.conf:2: http.anti_steal.check_token")


def test_the_secret_is_never_shown(read):
    assert "FastDFS1234567890" not in repr(read(ONE + SECRET))


def test_a_secret_that_is_no_text_keeps_its_bytes(read):
    conf = read(ONE + b"http.anti_steal.secret_key = \xc3\xa9\xff\n")

    assert conf.secret_key is not None
    assert conf.secret_key.encode("utf-8", "surrogateescape") == b"\xc3\xa9\xff"


# --- any bytes ------------------------------------------------------------------------------------

WORDS = b"""tracker_server = [ ] : , #include client.conf #@if 10.0.0.1 ::1 22122 -1 connect_timeout
    http.anti_steal.check_token http.anti_steal.secret_key true file:// http:// /dev/null .. /"""
FRAGMENTS = st.sampled_from([*WORDS.split(), b"\n", b" ", b"\r", b"\0", b"\xff", b"9" * 300])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(), st.lists(st.one_of(FRAGMENTS, st.binary(max_size=3))).map(b"".join)))
def test_any_bytes_are_read_or_refused(tmp_path, content):
    path = tmp_path / "client.conf"
    path.write_bytes(content)

    try:
        conf = read_client_conf(path)
    except InvalidArgumentError as error:
        message = str(error).encode()
    else:
        message = b"%s: read" % os.fsencode(path)
        assert_sound(conf)
    assert message.startswith(os.fsencode(path))


def assert_sound(conf: ClientConf) -> None:
    assert 1 <= len(conf.trackers) <= 32
    assert tuple(str(Address.parse(tracker, 1)) for tracker in conf.trackers) == conf.trackers


@pytest.mark.timeout(20)
@pytest.mark.parametrize("line", [b"\n", b"a=\n", ONE, b"[x]\n", b"#@if x\n", b"=" * 1000, b" " * 1000])
def test_the_largest_file_is_read_or_refused_soon(tmp_path, line):
    (tmp_path / "client.conf").write_bytes((ONE + line * 262_144)[:262_144])

    assert read_client_conf(tmp_path / "client.conf").trackers[0] == "10.0.0.1:22122"


# --- FastDFS's own client -------------------------------------------------------------------------

MONITOR = shutil.which("fdfs_monitor")
c_client = pytest.mark.skipif(not MONITOR, reason="FastDFS's fdfs_monitor is not installed")
DIALLED = re.compile(rb"connect to server (\S+) fail")


def dialled_by_the_c_client(path: Path) -> set[str]:
    """Return what fdfs_monitor dials, all of it closed ports of this machine; nothing if it refuses."""
    done = subprocess.run([str(MONITOR), str(path)], capture_output=True, timeout=60, check=False)
    return {address.decode() for address in DIALLED.findall(done.stdout + done.stderr)}


@c_client
@pytest.mark.parametrize("value", [value for value, _ in SERVERS if b"22122" not in value])
def test_the_c_client_dials_the_same_servers(tmp_path, value):
    path = tmp_path / "client.conf"
    path.write_bytes(b"tracker_server = %s\n" % value)

    trackers = {tracker.replace("localhost", "127.0.0.1") for tracker in read_client_conf(path).trackers}
    dialled = {
        address.replace("[::1]:1", "127.0.0.1:1") if b"localhost" in value else address
        for address in dialled_by_the_c_client(path)
    }
    assert dialled == trackers


@c_client
@pytest.mark.parametrize("value", NO_SERVERS)
def test_the_c_client_refuses_the_same_servers(tmp_path, value):
    (tmp_path / "client.conf").write_bytes(b"tracker_server = %s\n" % value)

    assert dialled_by_the_c_client(tmp_path / "client.conf") == set()


@c_client
@pytest.mark.parametrize(
    "text",
    [
        many(range(1, 18)),
        many(range(1, 2)) * 16 + many(range(2, 3)),
        b"\xef\xbb\xbf" + many(range(1, 3)),
        b"[x]\n" + many(range(1, 2)) + b"[ ]\r\n" + many(range(2, 3)),
        b"[x] # no section\n" + many(range(1, 2)),
        b"[x=y]\n" + many(range(1, 2)) + b"[]\n" + many(range(2, 3)),
        b"[x]\n#include a.conf\n" + many(range(1, 2)),
        b"[x]\n#INCLUDE\tfile://deep/b.conf\n" + many(range(1, 2)),
        b"tracker_server" + b" " * 49 + b"junk = 127.0.0.1:1\n",
        b"tracker_server = " + b"\t" * 243 + b"127.0.0.1:12\n",
        many(range(1, 2)) + b"\0\n" + many(range(2, 3)),
        b"; x\n# x\n" + many(range(1, 2)).replace(b"\n", b"\r"),
        b"Tracker_Server = 127.0.0.1:1\n" + many(range(2, 3)),
    ],
)
def test_the_c_client_reads_the_same_lines(tmp_path, text):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/b.conf").write_bytes(b"#include a.conf\n")
    (tmp_path / "a.conf").write_bytes(many(range(3, 5)) + b"[y]\n" + many(range(5, 6)))
    (tmp_path / "client.conf").write_bytes(text)

    trackers = read_client_conf(tmp_path / "client.conf").trackers
    assert dialled_by_the_c_client(tmp_path / "client.conf") == set(trackers)
