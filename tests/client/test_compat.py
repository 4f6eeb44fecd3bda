"""The published class on our client: the same names and results, and what always fails there works."""

import inspect
import pickle
import random

import pytest
from fdfs_client import client as published
from fdfs_client import exceptions
from fdfs_client.tracker_client import Storage_info

from fdfs_storage import compat
from fdfs_storage.compat_records import storage_info
from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs import errors
from fdfs_storage.fastdfs.file_id import FileId, stem

CONTENT = random.Random(9).randbytes(3_000_001)
METHODS = sorted(name for name in vars(published.Fdfs_client) if not name.startswith("_"))


@pytest.fixture
def conf(cluster, tmp_path):
    path = tmp_path / "client.conf"
    path.write_text("connect_timeout=20\n" + "".join(f"tracker_server={each}\n" for each in cluster.trackers))
    return str(path)


@pytest.fixture
def fdfs(conf):
    return compat.Fdfs_client(conf)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "my.photo.jpg"
    path.write_bytes(CONTENT)
    return str(path)


def content(fdfs, file_id):
    return fdfs.download_to_buffer(file_id)["Content"]


def shape(value):
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(shape(each) for each in value)
    return type(value)


# --- names, arguments, results ------------------------------------------------------------------


@pytest.mark.parametrize("name", [*METHODS, "__init__"])
def test_every_method_has_the_published_parameters(name):
    def parameters(owner):
        found = inspect.signature(getattr(owner, name)).parameters.values()
        return [(each.name, each.default) for each in found if each.kind is not each.KEYWORD_ONLY]

    ours, theirs = parameters(compat.Fdfs_client), parameters(published.Fdfs_client)

    assert [each for each in ours if each[0] != "poolclass"] == [
        each for each in theirs if each[0] != "poolclass"
    ]
    assert [each[0] for each in ours] == [each[0] for each in theirs]


def test_there_are_the_published_methods_and_no_others():
    assert sorted(name for name in vars(compat.Fdfs_client) if not name.startswith("_")) == METHODS
    assert len(METHODS) == 24


def test_results_are_those_of_the_published_class(fdfs, conf, cluster, photo):
    results = []
    theirs = published.Fdfs_client(conf)
    try:
        theirs.upload_by_buffer(b"content")
    except exceptions.ResponseError:
        pytest.skip("the trackers answer wide, which the published class cannot read")
    for client in (fdfs, theirs):
        up = client.upload_by_buffer(CONTENT, "jpg")
        appender = client.upload_appender_by_buffer(b"0123456789", "log")["Remote file_id"].encode()
        results.append(
            [
                up,
                client.upload_by_filename(photo),
                client.upload_appender_by_filename(photo),
                client.append_by_buffer(b"abc", appender),
                client.append_by_filename(photo, appender),
                client.modify_by_buffer(b"X", appender, 0),
                client.truncate_file(5, appender),
                client.download_to_buffer(up["Remote file_id"].encode()),
                client.delete_file(up["Remote file_id"].encode()),
            ]
        )

    for ours, theirs in zip(*results, strict=True):
        assert shape(ours) == shape(theirs)
        if isinstance(ours, dict) and not cluster.real:  # several storages take turns there
            varying = {"Remote file_id", "Appender file name"}
            assert {key: ours[key] for key in ours if key not in varying} == {
                key: theirs[key] for key in theirs if key not in varying
            }


@pytest.mark.parametrize(("size", "text"), [(11, "11B"), (1024, "1.00KB"), (3_000_001, "2.86MB")])
def test_sizes_are_told_as_there(fdfs, size, text):
    assert fdfs.upload_by_buffer(CONTENT[:size])["Uploaded size"] == text


# --- what FIELD's table says of the published package, row by row -------------------------------


def test_wide_trackers_are_read():
    with EmbeddedCluster(wide=True) as wide:
        fdfs = compat.Fdfs_client(trackers=wide.trackers)

        assert content(fdfs, fdfs.upload_by_buffer(b"content")["Remote file_id"]) == b"content"


@pytest.mark.parametrize("by", ["upload_by_filename", "upload_by_file", "upload_appender_by_file"])
def test_a_file_is_uploaded_with_its_last_extension(fdfs, photo, by):
    result = getattr(fdfs, by)(photo)

    assert result["Local file name"] == photo
    assert result["Remote file_id"].endswith(".jpg")
    assert not result["Remote file_id"].endswith("photo.jpg")
    assert content(fdfs, result["Remote file_id"]) == CONTENT


@pytest.mark.parametrize(("given", "kept"), [("jpg", ".jpg"), (".jpg", ".jpg"), ("tar.gz", ".tar.gz")])
def test_an_extension_may_be_given_with_its_dot(fdfs, given, kept):
    assert fdfs.upload_by_buffer(b"content", given)["Remote file_id"].endswith(kept)


@pytest.mark.parametrize("kind", ["", "appender_"])
def test_metadata_comes_with_an_upload(fdfs, kind):
    upload = getattr(fdfs, f"upload_{kind}by_buffer")

    file_id = upload(b"content", "jpg", {"width": 160, "标题": "西湖"})["Remote file_id"]

    assert fdfs.get_meta_data(file_id) == {"width": "160", "标题": "西湖"}


def test_a_file_whose_metadata_cannot_be_set_is_taken_back(embedded):
    fdfs = compat.Fdfs_client(trackers=embedded.trackers)

    for upload in (fdfs.upload_by_buffer, fdfs.upload_appender_by_buffer):
        with pytest.raises(exceptions.DataError):
            upload(b"content", "jpg", {"k" * 65: "v"})

    assert list(embedded.volume.files()) == []


def test_metadata_is_set_and_merged(fdfs):
    file_id = fdfs.upload_by_buffer(b"content")["Remote file_id"].encode()

    assert fdfs.set_meta_data(file_id, {"a": "1"})["Status"] == "Set meta data success."
    fdfs.set_meta_data(file_id, {"b": "2"}, "M")
    assert fdfs.get_meta_data(file_id) == {"a": "1", "b": "2"}
    fdfs.set_meta_data(file_id, {"c": "3"}, op_flag=b"O")
    assert fdfs.get_meta_data(file_id) == {"c": "3"}
    with pytest.raises(exceptions.DataError):
        fdfs.set_meta_data(file_id, {}, "X")


def test_a_large_file_is_downloaded_to_a_file(fdfs, photo, tmp_path):
    file_id = fdfs.upload_by_filename(photo)["Remote file_id"]
    copy = str(tmp_path / "copy")

    result = fdfs.download_to_file(copy, file_id)

    assert result == {
        "Remote file_id": file_id.encode(),
        "Content": copy,
        "Download size": "2.86MB",
        "Storage IP": result["Storage IP"],
    }
    assert (tmp_path / "copy").read_bytes() == CONTENT


@pytest.mark.parametrize(("offset", "count"), [(0, 0), (5, 0), (5, 7), (0, 7)])
def test_a_range_is_downloaded(fdfs, offset, count, tmp_path):
    file_id = fdfs.upload_by_buffer(CONTENT[:100])["Remote file_id"]
    expected = CONTENT[offset : offset + count if count else 100]

    fdfs.download_to_file(str(tmp_path / "part"), file_id, offset, count)

    assert fdfs.download_to_buffer(file_id, offset, count)["Content"] == expected
    assert (tmp_path / "part").read_bytes() == expected


@pytest.mark.parametrize("by", ["filename", "file", "buffer"])
def test_a_slave_with_a_prefix_is_uploaded(fdfs, photo, by):
    master = fdfs.upload_by_buffer(b"master", "jpg")["Remote file_id"]
    upload = getattr(fdfs, f"upload_slave_by_{by}")

    if by == "buffer":
        result = upload(CONTENT, master, {"a": "b"}, "jpg", prefix_name="_small")
    else:
        result = upload(photo, master.encode(), "_small", {"a": "b"})

    assert result["Remote file_id"] == master[:-4] + "_small.jpg"
    assert content(fdfs, result["Remote file_id"]) == CONTENT
    assert fdfs.get_meta_data(result["Remote file_id"]) == {"a": "b"}


def test_a_slave_without_a_prefix_is_refused(fdfs):
    master = fdfs.upload_by_buffer(b"master", "jpg")["Remote file_id"]

    with pytest.raises(exceptions.DataError, match="prefix_name"):
        fdfs.upload_slave_by_buffer(b"content", master)


@pytest.mark.parametrize("by", ["filename", "file", "buffer"])
def test_an_appender_file_is_appended_and_modified_at_its_offset(fdfs, tmp_path, by):
    file_id = fdfs.upload_appender_by_buffer(b"0123456789", "log")["Remote file_id"]
    (tmp_path / "new").write_bytes(b"new")
    new = b"new" if by == "buffer" else str(tmp_path / "new")

    getattr(fdfs, f"modify_by_{by}")(new, file_id, 4)
    appended = getattr(fdfs, f"append_by_{by}")(new, file_id)

    assert appended["Appended size"] == "3B"
    assert content(fdfs, file_id) == b"0123new789new"


def test_groups_and_storages_are_listed(fdfs):
    groups = fdfs.list_all_groups()
    name = groups["Groups"][0].group_name
    servers = fdfs.list_servers(name)

    assert groups["Groups count"] == len(groups["Groups"]) >= 1
    assert f"group name = {name}" in str(fdfs.list_one_group(name.decode()))
    assert servers["Group name"] == name
    for server in servers["Servers"]:
        assert f"ip_addr = {server.ip_addr} (ACTIVE)" in str(server)
        assert server.freeMB[-2:] in ("MB", "GB", "TB")
        listed = fdfs.list_servers(name, server.ip_addr)["Servers"]
        assert server.id in [each.id for each in listed]
    assert fdfs.list_servers(name, "10.255.255.1")["Servers"] == []
    for unknown in (fdfs.list_one_group, fdfs.list_servers):
        with pytest.raises(exceptions.DataError):
            unknown("nogroup")


def test_every_count_of_a_storage_is_filled_in():
    class Stat:
        id = ip = sync_source = version = domain = "1"

        def __getattr__(self, name):
            return 7

    info = vars(storage_info(Stat()))

    assert info.keys() == vars(Storage_info()).keys()
    assert {info[name] for name in info if name.startswith(("total_", "success_"))} == {7}


def test_a_tracker_that_is_down_is_passed_over(cluster):
    fdfs = compat.Fdfs_client(trackers=["127.0.0.1:1", *cluster.trackers])

    assert content(fdfs, fdfs.upload_by_buffer(b"content")["Remote file_id"]) == b"content"


# --- errors -------------------------------------------------------------------------------------


def test_without_any_tracker_it_is_their_connection_error_and_ours():
    fdfs = compat.Fdfs_client(trackers=["127.0.0.1:1"])

    with pytest.raises(exceptions.ConnectionError) as caught:
        fdfs.upload_by_buffer(b"content")

    assert isinstance(caught.value, errors.NoServerError)
    assert list(caught.value.attempts) == ["127.0.0.1:1"]


@pytest.mark.parametrize("kind", [str, str.encode])
def test_a_missing_file_is_their_data_error_and_a_file_not_found(fdfs, kind):
    file_id = fdfs.upload_by_buffer(b"content")["Remote file_id"]
    fdfs.delete_file(kind(file_id))

    for operation in (fdfs.delete_file, fdfs.download_to_buffer, fdfs.get_meta_data):
        with pytest.raises(exceptions.DataError) as caught:
            operation(kind(file_id))
        assert isinstance(caught.value, errors.FileMissingError)
        assert isinstance(caught.value, FileNotFoundError)
        assert (caught.value.filename, caught.value.status) == (file_id, 2)


@pytest.mark.parametrize("by_alias", [False, True])
def test_an_error_can_be_pickled(fdfs, by_alias):
    with pytest.raises(exceptions.DataError) as caught:
        fdfs.upload_by_file("/nowhere") if by_alias else fdfs.delete_file("nonsense")

    copy = pickle.loads(pickle.dumps(caught.value))

    assert type(copy) is type(caught.value)
    assert str(copy) == str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda fdfs: fdfs.upload_by_filename("/nowhere"),
        lambda fdfs: fdfs.upload_by_buffer(b""),
        lambda fdfs: fdfs.append_by_buffer(b"", "group1/x"),
        lambda fdfs: fdfs.delete_file("group1"),
        lambda fdfs: fdfs.delete_file(b"\xff"),
    ],
)
def test_what_cannot_be_asked_is_their_data_error(fdfs, call):
    with pytest.raises(exceptions.DataError) as caught:
        call(fdfs)

    assert isinstance(caught.value, errors.InvalidArgumentError)


# --- configuration ------------------------------------------------------------------------------


def test_later_releases_way_of_two_steps_works(conf, cluster):
    trackers = compat.get_tracker_conf(conf)

    assert trackers["timeout"] == 20
    assert compat.Fdfs_client(trackers).upload_by_buffer(b"content")["Uploaded size"] == "7B"


def test_a_dictionary_made_by_hand_works(embedded):
    by_hand = {
        "host_tuple": ("127.0.0.1",),
        "port": embedded.tracker_port,
        "timeout": 3,
        "name": "Tracker Pool",
    }

    fdfs = compat.Fdfs_client(by_hand)

    assert (fdfs.timeout, fdfs.trackers) == (3, by_hand)
    assert content(fdfs, fdfs.upload_by_buffer(b"content")["Remote file_id"]) == b"content"


def test_a_client_conf_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(exceptions.DataError, match=r"none\.conf"):
        compat.Fdfs_client(str(tmp_path / "none.conf"))
    with pytest.raises(exceptions.DataError, match="trackers"):
        compat.Fdfs_client(trackers=[])


BY_SERVER_ID = FileId("group1", f"M00/00/00/{stem('77', 1_700_000_000, 5, 6, random_bits=1)}123.jpg")


def test_the_address_behind_a_server_id_is_asked_for_once(fdfs, monkeypatch):
    class Storage:
        id, ip = "77", "10.0.0.7"

    asked = []
    monkeypatch.setattr(fdfs._client, "storages", lambda group: asked.append(group) or [Storage()])

    assert [fdfs._storage_ip(BY_SERVER_ID) for _ in range(2)] == ["10.0.0.7"] * 2
    assert asked == ["group1"]


def test_without_an_answer_the_server_id_stands_for_the_address():
    fdfs = compat.Fdfs_client(trackers=["127.0.0.1:1"])

    assert fdfs._storage_ip(BY_SERVER_ID) == "77"
