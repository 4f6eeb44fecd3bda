"""A WSGI application whose client exists before its workers do, as with gunicorn --preload."""

import os

from fdfs_storage.fastdfs import Client, Limits

client = Client([os.environ["TRACKER"]], limits=Limits(pool_size=2))
warm = client.upload(b"before the fork")


def application(environ, start_response):
    content = environ["QUERY_STRING"].encode() * 300
    file_id = client.upload(content)
    fine = client.download(file_id) == content and client.download(warm) == b"before the fork"
    start_response("200 OK" if fine else "500 Not The Same", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
