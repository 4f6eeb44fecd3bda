"""Everything that users of FastDFS expect of a client, a row each; `pytest -v` of this file prints the table.

Each row is something that at least one published Python client fails at, and that the C client does.
"""

import io
import os
import random
import socket

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs import Client, extension_of, protocol
from fdfs_storage.fastdfs.errors import ConnectionLostError, NoServerError

from .peer import peer

CONTENT = random.Random(6).randbytes(3_000_000)


def narrow_tracker(client, cluster, tmp_path):
    return client.download(client.upload(CONTENT)) == CONTENT


def wide_tracker(client, cluster, tmp_path):
    with EmbeddedCluster(wide=True) as wide, Client(wide.trackers) as other:
        return other.download(other.upload(CONTENT)) == CONTENT and bool(other.storages("group1"))


def upload_buffer_and_filename(client, cluster, tmp_path):
    (tmp_path / "a.bin").write_bytes(CONTENT)
    return all(client.download(client.upload(source)) == CONTENT for source in (CONTENT, tmp_path / "a.bin"))


def upload_stream(client, cluster, tmp_path):
    return client.download(client.upload(io.BytesIO(CONTENT))) == CONTENT


def upload_open_file(client, cluster, tmp_path):
    (tmp_path / "a.bin").write_bytes(CONTENT)
    with (tmp_path / "a.bin").open("rb") as file:
        return client.download(client.upload(file)) == CONTENT


def upload_with_metadata(client, cluster, tmp_path):
    return client.get_metadata(client.upload(b"x", metadata={"width": "160"})) == {"width": "160"}


def get_and_set_metadata(client, cluster, tmp_path):
    file_id = client.upload(b"x")
    client.set_metadata(file_id, {"a": "1", "b": "2"})
    client.set_metadata(file_id, {"b": "3"}, merge=True)
    return client.get_metadata(file_id) == {"a": "1", "b": "3"}


def download_to_file(client, cluster, tmp_path):
    client.download_to(client.upload(CONTENT), tmp_path / "copy")
    return (tmp_path / "copy").read_bytes() == CONTENT


def ranged_download(client, cluster, tmp_path):
    return client.download(client.upload(CONTENT), 1000, 2000) == CONTENT[1000:3000]


def file_info(client, cluster, tmp_path):
    file_id = client.upload(CONTENT)
    info = client.info(file_id)
    return (info.size, info.crc32) == (len(CONTENT), file_id.crc32)


def slave_with_prefix(client, cluster, tmp_path):
    master = client.upload(CONTENT, "jpg")
    return client.download(client.upload_slave(master, "_150x150", b"small", "jpg")) == b"small"


def modify_at_an_offset(client, cluster, tmp_path):
    file_id = client.upload_appender(b"0123456789")
    client.modify(file_id, 4, b"xx")
    return client.download(file_id) == b"0123xx6789"


def list_groups_and_storages(client, cluster, tmp_path):
    return [group.name for group in client.groups()] == ["group1"] and len(client.storages("group1")) == 1


def name_with_two_dots(client, cluster, tmp_path):
    return client.upload(b"x", extension_of("my.photo.jpg")).extension == "jpg"


def one_tracker_of_two_down(client, cluster, tmp_path):
    with Client([closed_port(), *cluster.trackers]) as other:
        return other.download(other.upload(b"content")) == b"content"


def all_trackers_down(client, cluster, tmp_path):
    with Client([closed_port()]) as other, pytest.raises(NoServerError):
        other.upload(b"content")
    return True


def peer_closes_in_the_middle_of_a_reply(client, cluster, tmp_path):
    cluster.storage_server.drop_next_reply(after_bytes=12)
    with pytest.raises(ConnectionLostError):
        client.upload(b"content")
    return client.download(client.upload(b"content")) == b"content"


def header_in_two_pieces(client, cluster, tmp_path):
    def halves(sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.recv(99)
        for half in (protocol.reply()[:5], protocol.reply()[5:]):
            sock.sendall(half)

    with peer(halves) as address, Client([str(address)]) as other:
        other.active_test(address)
    return True


def idle_connection_dropped(client, cluster, tmp_path):
    client.groups()
    cluster.tracker_servers[0].stop()
    cluster.tracker_servers[0].start()
    return bool(client.groups())


def after_fork(client, cluster, tmp_path):
    file_id = client.upload(b"content")
    child = os.fork()
    if child == 0:
        os._exit(0 if client.download(file_id) == b"content" else 1)
    _, status = os.waitpid(child, 0)
    return status == 0 and client.download(file_id) == b"content"


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


ROWS = {
    "tracker replies with 16-byte addresses": narrow_tracker,
    "tracker replies with 46-byte addresses": wide_tracker,
    "upload buffer / filename": upload_buffer_and_filename,
    "upload from a stream": upload_stream,
    "upload_by_file": upload_open_file,
    "upload with metadata": upload_with_metadata,
    "get / set metadata": get_and_set_metadata,
    "download to file, 3 MB": download_to_file,
    "ranged download": ranged_download,
    "query file info": file_info,
    "slave with prefix": slave_with_prefix,
    "modify at an offset": modify_at_an_offset,
    "list groups / storages": list_groups_and_storages,
    "my.photo.jpg is stored as .jpg": name_with_two_dots,
    "one tracker of two down": one_tracker_of_two_down,
    "all trackers down is a clean error": all_trackers_down,
    "peer closes in the middle of a reply": peer_closes_in_the_middle_of_a_reply,
    "header arrives in two TCP pieces": header_in_two_pieces,
    "tracker dropped the idle connection": idle_connection_dropped,
    "after fork": after_fork,
}


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("row", ROWS)
def test_operation(row, embedded, tmp_path):
    with Client(embedded.trackers) as client:
        assert ROWS[row](client, embedded, tmp_path)
