import urllib.error
import urllib.request

import pytest

from fdfs_storage.fastdfs.links import public_url
from tests.conftest import eventually


def fetch(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""


@pytest.fixture
def base_url(cluster):
    if cluster.base_url is None:
        pytest.skip("FDFS_TEST_BASE_URL does not name the real cluster's nginx")
    return cluster.base_url


def test_an_uploaded_file_is_served_at_its_id(client, base_url):
    content = bytes(range(256)) * 400
    file_id = client.upload(content, "jpg")

    assert eventually(lambda: fetch(public_url(base_url, str(file_id))) == (200, content))


def test_a_deleted_file_is_not_served(client, base_url):
    file_id = client.upload(b"content", "txt")
    url = public_url(base_url, str(file_id))
    assert eventually(lambda: fetch(url)[0] == 200)

    client.delete(file_id)

    assert eventually(lambda: fetch(url)[0] in (400, 404))
