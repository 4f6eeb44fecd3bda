"""The FastDFS client: no Django in it, usable on its own.

from fdfs_storage.fastdfs import Client

with Client(["10.0.0.1:22122", "10.0.0.2:22122"]) as client:
    file_id = client.upload(pathlib.Path("photo.jpg"), "jpg")
    content = client.download(file_id)
"""

from .client import Client
from .file_id import FileId, Kind, extension_of
from .protocol import Address, FileInfo
from .servers import Limits

__all__ = ["Address", "Client", "FileId", "FileInfo", "Kind", "Limits", "extension_of"]
