"""Fdfs_client: the class of the package fdfs-client-py3, on our own client.

    from fdfs_storage.compat import Fdfs_client      # was: from fdfs_client.client import Fdfs_client

Methods, arguments and results are those of fdfs_client.client.Fdfs_client 1.0.0; what always fails
there works. What is different:

- File ids are taken as str and as bytes; ids and addresses in results have the type they have there.
- An error is of our class and of theirs at once: `except fdfs_client.exceptions.DataError` and
  `except FileNotFoundError` both catch a missing file.
- The extension is what FastDFS can keep: "jpg" of my.photo.jpg, none where it has over six characters.
- 'Storage IP' is the storage that took the upload, also for downloads, which may come of another one.
- One instance serves any number of threads and forked processes.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from fdfs_client import exceptions as theirs
from fdfs_client.utils import appromix

from .compat_records import group_info, storage_info
from .fastdfs import Address, Client, FileId, Limits, extension_of
from .fastdfs.client_conf import read_client_conf
from .fastdfs.errors import (
    FastDFSError,
    IntegrityError,
    InvalidArgumentError,
    NetworkError,
    NoServerError,
    ProtocolError,
    ServerError,
)

P = ParamSpec("P")
T = TypeVar("T")
_Id = str | bytes
_Result = dict[str, Any]

_PORT = 22122
_THEIRS: tuple[tuple[tuple[type[FastDFSError], ...], type[Exception]], ...] = (
    ((NetworkError, NoServerError), theirs.ConnectionError),
    ((ProtocolError, IntegrityError), theirs.ResponseError),
    ((FastDFSError,), theirs.DataError),
)


# --- errors -------------------------------------------------------------------------------------


_made: dict[type[FastDFSError], type[FastDFSError]] = {}


def _both(kind: type[FastDFSError]) -> type[FastDFSError]:
    """Return the class that is `kind` and what the published package raises in its place."""
    if kind not in _made:
        other = next(other for kinds, other in _THEIRS if issubclass(kind, kinds))
        made = type(kind.__name__, (kind, other), {"__module__": __name__, "__reduce__": _reduce})
        _made.setdefault(kind, made)
    return _made[kind]


def _restored(kind: type[FastDFSError], args: tuple[Any, ...], state: Mapping[str, Any]) -> FastDFSError:
    error = _both(kind)(*args)
    error.__dict__.update(state)
    return error


def _reduce(error: FastDFSError) -> tuple[Any, ...]:
    return _restored, (type(error).__bases__[0], _arguments(error), error.__dict__)


def _arguments(error: FastDFSError) -> tuple[Any, ...]:
    if isinstance(error, ServerError):  # OSError, where it is a base, drops the third of its args
        return error.status, error.args[1], error.file_id
    return error.args


def _raises_both(method: Callable[P, T]) -> Callable[P, T]:
    """Let a method's errors be caught under their published names as well."""

    @functools.wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except theirs.FDFSError:
            raise  # of a method that this one called
        except FastDFSError as error:
            raise _restored(type(error), _arguments(error), error.__dict__) from error

    return wrapper


# --- configuration ------------------------------------------------------------------------------


@_raises_both
def get_tracker_conf(conf_path: str | os.PathLike[str] = "client.conf") -> _Result:
    """Read a client.conf into the dictionary that Fdfs_client takes, as later releases of theirs want it."""
    said = read_client_conf(conf_path)
    addresses = [Address.parse(where, _PORT) for where in said.trackers]
    return {
        "host_tuple": tuple(address.host for address in addresses),
        "port": addresses[-1].port,
        "timeout": said.connect_timeout or Limits().connect_timeout,
        "name": "Tracker Pool",
        "trackers": said.trackers,
        "network_timeout": said.network_timeout,
    }


def _client_of(conf: Mapping[str, Any]) -> Client:
    defaults = Limits()
    limits = Limits(
        float(conf.get("timeout") or defaults.connect_timeout),
        float(conf.get("network_timeout") or defaults.network_timeout),
    )
    by_hand = [str(Address(host, int(conf["port"]))) for host in conf.get("host_tuple", ())]
    return Client(conf.get("trackers") or by_hand, limits=limits)


class Fdfs_client:  # noqa: N801  # the published name
    """What fdfs_client.client.Fdfs_client promises, kept.

    `client`: the path of a client.conf, or what get_tracker_conf made of one. `trackers`: a list of
    host:port instead. `poolclass` is taken and has no meaning. Nothing is dialled before the first call.
    """

    @_raises_both
    def __init__(
        self,
        client: str | os.PathLike[str] | Mapping[str, Any] = "/etc/client/client.conf",
        poolclass: Any = None,
        *,
        trackers: Sequence[str] | None = None,
    ) -> None:
        if trackers is not None:
            self.trackers = {"trackers": trackers, "timeout": Limits().connect_timeout}
        else:
            self.trackers = dict(client) if isinstance(client, Mapping) else get_tracker_conf(client)
        self.timeout = self.trackers.get("timeout")
        self._client = _client_of(self.trackers)
        self._addresses: dict[tuple[str, str], str] = {}

    # --- uploads ----------------------------------------------------------------------------------

    @_raises_both
    def upload_by_filename(self, filename: str, meta_dict: Mapping[str, Any] | None = None) -> _Result:
        path = _file(filename, "uploading")
        file_id = self._client.upload(path, extension_of(path.name), metadata=_metadata(meta_dict))
        return self._uploaded(file_id, path.stat().st_size, filename)

    upload_by_file = upload_by_filename

    @_raises_both
    def upload_by_buffer(
        self, filebuffer: bytes, file_ext_name: str | None = None, meta_dict: Mapping[str, Any] | None = None
    ) -> _Result:
        _require(filebuffer, "filebuffer")
        file_id = self._client.upload(filebuffer, _extension(file_ext_name), metadata=_metadata(meta_dict))
        return self._uploaded(file_id, len(filebuffer))

    @_raises_both
    def upload_slave_by_filename(
        self, filename: str, remote_file_id: _Id, prefix_name: str, meta_dict: Mapping[str, Any] | None = None
    ) -> _Result:
        path = _file(filename, "uploading slave")
        _require(prefix_name, "prefix_name")
        master = _parsed(remote_file_id)
        file_id = self._client.upload_slave(master, prefix_name, path, extension_of(path.name))
        self._describe(file_id, meta_dict)
        result = self._uploaded(file_id, path.stat().st_size, filename)
        return {**result, "Status": "Upload slave file successed."}

    upload_slave_by_file = upload_slave_by_filename

    @_raises_both
    def upload_slave_by_buffer(
        self,
        filebuffer: bytes,
        remote_file_id: _Id,
        meta_dict: Mapping[str, Any] | None = None,
        file_ext_name: str | None = None,
        *,
        prefix_name: str = "",
    ) -> _Result:
        """Needs `prefix_name`, which the published signature has forgotten."""
        _require(filebuffer, "filebuffer")
        _require(prefix_name, "prefix_name")
        master = _parsed(remote_file_id)
        file_id = self._client.upload_slave(master, prefix_name, filebuffer, _extension(file_ext_name))
        self._describe(file_id, meta_dict)
        return self._uploaded(file_id, len(filebuffer))

    @_raises_both
    def upload_appender_by_filename(
        self, local_filename: str, meta_dict: Mapping[str, Any] | None = None
    ) -> _Result:
        path = _file(local_filename, "uploading appender")
        file_id = self._client.upload_appender(path, extension_of(path.name))
        self._describe(file_id, meta_dict)
        return self._uploaded(file_id, path.stat().st_size, local_filename)

    upload_appender_by_file = upload_appender_by_filename

    @_raises_both
    def upload_appender_by_buffer(
        self, filebuffer: bytes, file_ext_name: str | None = None, meta_dict: Mapping[str, Any] | None = None
    ) -> _Result:
        _require(filebuffer, "filebuffer")
        file_id = self._client.upload_appender(filebuffer, _extension(file_ext_name))
        self._describe(file_id, meta_dict)
        return self._uploaded(file_id, len(filebuffer))

    def _describe(self, file_id: FileId, meta_dict: Mapping[str, Any] | None) -> None:
        """Set a new file's metadata, or take the file back."""
        if not meta_dict:
            return
        try:
            self._client.set_metadata(file_id, _metadata(meta_dict))
        except BaseException:
            self._client.delete(file_id)
            raise

    def _uploaded(self, file_id: FileId, size: int, filename: str = "") -> _Result:
        return {
            "Group name": file_id.group,
            "Remote file_id": str(file_id),
            "Status": "Upload successed.",
            "Local file name": filename,
            "Uploaded size": appromix(size),
            "Storage IP": self._storage_ip(file_id),
        }

    # --- changes ----------------------------------------------------------------------------------

    @_raises_both
    def delete_file(self, remote_file_id: _Id) -> tuple[str, bytes, bytes]:
        file_id = _parsed(remote_file_id)
        self._client.delete(file_id)
        return "Delete file successed.", str(file_id).encode(), self._storage_ip(file_id).encode()

    @_raises_both
    def append_by_filename(self, local_filename: str, remote_fileid: _Id) -> _Result:
        path = _file(local_filename, "append")
        self._client.append(file_id := _parsed(remote_fileid), path)
        return self._appended(file_id, path.stat().st_size)

    append_by_file = append_by_filename

    @_raises_both
    def append_by_buffer(self, file_buffer: bytes, remote_fileid: _Id) -> _Result:
        _require(file_buffer, "file_buffer")
        self._client.append(file_id := _parsed(remote_fileid), file_buffer)
        return self._appended(file_id, len(file_buffer))

    def _appended(self, file_id: FileId, size: int) -> _Result:
        return {
            "Status": "Append file successed.",
            "Appender file name": str(file_id).encode(),
            "Appended size": appromix(size),
            "Storage IP": self._storage_ip(file_id).encode(),
        }

    @_raises_both
    def truncate_file(self, truncated_filesize: int, appender_fileid: _Id) -> _Result:
        self._client.truncate(file_id := _parsed(appender_fileid), int(truncated_filesize))
        return self._done("Truncate successed.", file_id)

    @_raises_both
    def modify_by_filename(self, filename: str, appender_fileid: _Id, offset: int = 0) -> _Result:
        self._client.modify(file_id := _parsed(appender_fileid), int(offset), _file(filename, "modify"))
        return self._done("Modify successed.", file_id)

    modify_by_file = modify_by_filename

    @_raises_both
    def modify_by_buffer(self, filebuffer: bytes, appender_fileid: _Id, offset: int = 0) -> _Result:
        _require(filebuffer, "filebuffer")
        self._client.modify(file_id := _parsed(appender_fileid), int(offset), filebuffer)
        return self._done("Modify successed.", file_id)

    def _done(self, status: str, file_id: FileId) -> _Result:
        return {"Status": status, "Storage IP": self._storage_ip(file_id).encode()}

    # --- reading ----------------------------------------------------------------------------------

    @_raises_both
    def download_to_file(
        self, local_filename: str, remote_file_id: _Id, offset: int = 0, down_bytes: int = 0
    ) -> _Result:
        file_id = _parsed(remote_file_id)
        size = self._client.download_to(file_id, local_filename, int(offset), int(down_bytes) or None)
        return self._downloaded(file_id, local_filename, size)

    @_raises_both
    def download_to_buffer(self, remote_file_id: _Id, offset: int = 0, down_bytes: int = 0) -> _Result:
        file_id = _parsed(remote_file_id)
        content = self._client.download(file_id, int(offset), int(down_bytes) or None)
        return self._downloaded(file_id, content, len(content))

    def _downloaded(self, file_id: FileId, content: str | bytes, size: int) -> _Result:
        return {
            "Remote file_id": str(file_id).encode(),
            "Content": content,
            "Download size": appromix(size),
            "Storage IP": self._storage_ip(file_id).encode(),
        }

    # --- metadata ---------------------------------------------------------------------------------

    @_raises_both
    def get_meta_data(self, remote_file_id: _Id) -> dict[str, str]:
        return self._client.get_metadata(_parsed(remote_file_id))

    @_raises_both
    def set_meta_data(
        self, remote_file_id: _Id, meta_dict: Mapping[str, Any], op_flag: str | bytes = "O"
    ) -> _Result:
        flag = _text(op_flag)
        if flag not in ("O", "M"):
            raise InvalidArgumentError(f"op_flag is 'O' (overwrite) or 'M' (merge), not {op_flag!r}")
        file_id = _parsed(remote_file_id)
        self._client.set_metadata(file_id, _metadata(meta_dict), merge=flag == "M")
        return self._done("Set meta data success.", file_id)

    # --- the cluster ------------------------------------------------------------------------------

    @_raises_both
    def list_one_group(self, group_name: str | bytes) -> Any:
        for group in self._client.groups():
            if group.name == _text(group_name):
                return group_info(group)
        raise InvalidArgumentError(f"[-] Error: 2, no group {_text(group_name)}")

    @_raises_both
    def list_all_groups(self) -> _Result:
        groups = [group_info(group) for group in self._client.groups()]
        return {"Groups count": len(groups), "Groups": groups}

    @_raises_both
    def list_servers(self, group_name: str | bytes, storage_ip: str | bytes | None = None) -> _Result:
        wanted = _text(storage_ip) if storage_ip else None
        servers = [
            storage_info(storage)
            for storage in self._client.storages(_text(group_name))
            if wanted in (None, storage.ip, storage.id)
        ]
        return {"Group name": group_name, "Servers": servers}

    def _storage_ip(self, file_id: FileId) -> str:
        """Return the address of the storage that took the upload; its server id where nobody knows it."""
        source = file_id.source
        if not source.isdecimal():
            return source
        if (file_id.group, source) not in self._addresses:
            try:
                storages = self._client.storages(file_id.group)
            except FastDFSError:  # the operation itself is done
                return source
            self._addresses.update({(file_id.group, storage.id): storage.ip for storage in storages})
        return self._addresses.get((file_id.group, source), source)


# --- arguments ------------------------------------------------------------------------------------


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def _parsed(remote_file_id: _Id) -> FileId:
    return FileId.parse(_text(remote_file_id))


def _file(filename: str, doing: str) -> Path:
    path = Path(filename)
    if not path.is_file():
        raise InvalidArgumentError(f"[-] Error: {filename} is not a file.({doing})")
    return path


def _require(value: object, name: str) -> None:
    if not value:
        raise InvalidArgumentError(f"[-] Error: argument {name} can not be null.")


def _extension(file_ext_name: str | None) -> str:
    return extension_of(f".{file_ext_name.lstrip('.')}") if file_ext_name else ""


def _metadata(meta_dict: Mapping[str, Any] | None) -> dict[str, str]:
    return {str(key): str(value) for key, value in (meta_dict or {}).items()}
