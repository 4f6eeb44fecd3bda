"""Is the cluster fit for work? What `manage.py fdfs_check` asks, and what it makes of the answers.

Every finding that is not good says what to do about it.
"""

from __future__ import annotations

import enum
import http.client
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from .conf import Options
from .fastdfs import Address, Client, FileId
from .fastdfs.cluster import TRACKER_PORT
from .fastdfs.errors import ConnectionLostError, FastDFSError
from .fastdfs.statistics import Status, StorageStat

_PROBE_BYTES = 4096
_OUTER = "10.0.0.5"


class _Answer(NamedTuple):
    """What a web server gave."""

    body: bytes
    content_type: str


class Verdict(enum.IntEnum):
    """The cluster's state; the number is the command's exit code."""

    HEALTHY = 0
    DEGRADED = 1
    UNUSABLE = 2


class Subject(str, enum.Enum):
    """What a finding is about."""

    TRACKER = "tracker"
    STORAGE = "storage"
    UPLOAD = "upload"
    DOWNLOAD = "download"
    URL = "url"
    DELETE = "delete"


# One of several servers may be down; the steps of the probe must all work.
_REDUNDANT = (Subject.TRACKER, Subject.STORAGE)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found, and the remedy where it is not good."""

    subject: Subject
    name: str
    good: bool
    detail: str
    remedy: str = ""


def verdict(findings: list[Finding]) -> Verdict:
    """Judge: healthy is all good, degraded is a server down while the probe's every step worked."""
    if all(finding.good for finding in findings):
        return Verdict.HEALTHY
    steps = [finding for finding in findings if finding.subject not in _REDUNDANT]
    return Verdict.DEGRADED if steps and all(step.good for step in steps) else Verdict.UNUSABLE


def examine(client: Client, options: Options) -> Iterator[Finding]:
    """Look at each tracker, at each storage that they name, then at a probe file's whole life.

    The probe is deleted whatever happens, an abandoned iteration included.
    """
    storages: dict[str, StorageStat] = {}
    answering = 0
    # The servers are asked by our own client, since the other engine has no words for it.
    with Client(options.trackers, limits=options.limits, address_map=options.storage_address_map) as own:
        for tracker in own.trackers:
            finding = _tracker(own, tracker, storages)
            answering += finding.good
            yield finding
        for storage in storages.values():
            yield _storage(own, storage)
    if answering:
        yield from _probe(client, options)


# --- servers ----------------------------------------------------------------------------------


def _tracker(client: Client, tracker: Address, storages: dict[str, StorageStat]) -> Finding:
    try:
        groups = client.groups(tracker=tracker)
        for group in groups:
            for storage in client.storages(group.name, tracker=tracker):
                _collect(storages, f"{group.name} {storage.id}", storage)
    except FastDFSError as error:
        remedy = _(
            "Start fdfs_trackerd there, open its port for this machine, "
            "or correct FDFS_TRACKERS (trackers listen on %(port)d by default)."
        )
        return Finding(Subject.TRACKER, str(tracker), False, str(error), remedy % {"port": TRACKER_PORT})
    if not groups:
        remedy = _("No storage has joined: check tracker_server in storage.conf, and the storages' logs.")
        return Finding(Subject.TRACKER, str(tracker), False, _("knows no group"), remedy)
    names = ", ".join(f"{group.name} ({group.writable_count}/{group.storage_count})" for group in groups)
    return Finding(Subject.TRACKER, str(tracker), True, _("groups: %(names)s") % {"names": names})


def _collect(storages: dict[str, StorageStat], key: str, storage: StorageStat) -> None:
    """Keep one record of each storage: where trackers disagree, the one that calls it not active."""
    if storage.status == Status.DELETED:
        return  # an operator took it out of the cluster; trackers go on listing it
    if key not in storages or storage.status != Status.ACTIVE:
        storages[key] = storage


def _storage(client: Client, storage: StorageStat) -> Finding:
    name = str(Address(storage.ip, storage.port))
    if storage.status != Status.ACTIVE:
        state = Status(storage.status).name if storage.status in list(Status) else str(storage.status)
        remedy = _(
            "Start fdfs_storaged there and look into its storaged.log; new ones are ACTIVE after a while."
        )
        return Finding(
            Subject.STORAGE, name, False, _("the trackers call it %(state)s") % {"state": state}, remedy
        )
    try:
        client.active_test(storage.address)
    except FastDFSError as error:
        remedy = _(
            "The trackers hand out this address, but it cannot be reached from here: start fdfs_storaged; "
            "open its port in the firewall; or, for the inner address of a container or NAT, set %(line)s"
        )
        line = f'FDFS_STORAGE_ADDRESS_MAP = {{"{name.rpartition(":")[0]}": "{_OUTER}"}}'
        return Finding(Subject.STORAGE, name, False, str(error), remedy % {"line": line})
    detail = _("FastDFS %(version)s, %(free)d of %(total)d MB free")
    facts = {"version": storage.version, "free": storage.free_mb, "total": storage.total_mb}
    return Finding(Subject.STORAGE, name, True, detail % facts)


# --- the probe --------------------------------------------------------------------------------


def _probe(client: Client, options: Options) -> Iterator[Finding]:
    content = b"fdfs_check " + secrets.token_bytes(_PROBE_BYTES)
    try:
        file_id = client.upload(content, "txt")
    except FastDFSError as error:
        yield Finding(Subject.UPLOAD, options.group or "", False, str(error), _upload_remedy(error, options))
        return
    try:
        yield Finding(Subject.UPLOAD, str(file_id), True, _("%(size)d bytes stored") % {"size": len(content)})
        yield _download(client, file_id, content)
        yield _fetch(options, file_id, content)
    finally:
        deleted = _delete(client, file_id)
    yield deleted


def _upload_remedy(error: FastDFSError, options: Options) -> str:
    if isinstance(error, ConnectionLostError):
        return _(
            "The storage died under the upload and may have kept a probe of %(size)d bytes; see its log."
        ) % {"size": _PROBE_BYTES}
    if options.group:
        return _("Check that the group %(group)s exists and has an ACTIVE storage with free space.") % {
            "group": options.group
        }
    return _("At least one storage must be ACTIVE, reachable from here and have free space.")


def _download(client: Client, file_id: FileId, content: bytes) -> Finding:
    try:
        same = client.download(file_id) == content
    except FastDFSError as error:
        return Finding(
            Subject.DOWNLOAD, str(file_id), False, str(error), _("See storaged.log of its storage.")
        )
    if not same:
        remedy = _("The storage's disk returned other bytes than were stored: check its hardware.")
        return Finding(Subject.DOWNLOAD, str(file_id), False, _("the content differs"), remedy)
    return Finding(Subject.DOWNLOAD, str(file_id), True, _("the same bytes came back"))


def _fetch(options: Options, file_id: FileId, content: bytes) -> Finding:
    """Fetch the probe as a browser would: through the base URL of its group, with a token if one is set."""
    if not options.links:
        return Finding(Subject.URL, "", False, _("no base URL"), 'FDFS_BASE_URL = "http://10.0.0.1:8888"')
    try:
        url = options.links.url(str(file_id), time.time())
    except ImproperlyConfigured as error:
        remedy = _("The function in token_secret must return http.anti_steal.secret_key of http.conf.")
        return Finding(Subject.URL, "", False, str(error), remedy)
    try:
        answer = _get(url, len(content), options.network_timeout)
    except (OSError, ValueError, http.client.HTTPException) as error:
        detail = str(error) or type(error).__name__
        return Finding(Subject.URL, url, False, detail, _url_remedy(error, options))
    if answer.body == content:
        return Finding(Subject.URL, url, True, _("the same bytes are served"))
    if answer.content_type.startswith("image/"):
        # http.anti_steal.token_check_fail: a refused token is answered 200, with a picture.
        return Finding(Subject.URL, url, False, _("a picture is served in its place"), _token_remedy(options))
    remedy = _("Another server answers there: FDFS_BASE_URL must lead to nginx with fastdfs-nginx-module.")
    return Finding(Subject.URL, url, False, _("the content differs"), remedy)


def _get(url: str, size: int, timeout: float) -> _Answer:
    """Fetch a little more than expected; no proxy, since the URL is the cluster's own."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    url = f"http:{url}" if url.startswith("//") else url
    try:
        deadline = time.monotonic() + timeout
        body = b""
        with opener.open(url, timeout=timeout) as response:
            while len(body) <= size and (piece := response.read1(size + 1 - len(body))):
                body += piece
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no end of it within {timeout:g} s")
            return _Answer(body, response.headers.get_content_type())
    except urllib.error.HTTPError as error:
        error.close()
        raise


def _url_remedy(error: Exception, options: Options) -> str:
    if isinstance(error, urllib.error.HTTPError) and error.code == http.HTTPStatus.BAD_REQUEST:
        return _token_remedy(options)
    if isinstance(error, urllib.error.HTTPError):
        return _(
            "A web server answers there but does not serve the files: FDFS_BASE_URL must lead to nginx with "
            "fastdfs-nginx-module (url_have_group_name = true), usually on port 8888."
        )
    return _("FDFS_BASE_URL must lead to the nginx of the storages, usually on port 8888; is it running?")


def _token_remedy(options: Options) -> str:
    if options.token_secret is None:
        return _(
            "nginx refuses the URL. If http.conf has http.anti_steal.check_token = true, set "
            "FDFS_TOKEN_SECRET to its http.anti_steal.secret_key; if mod_fastdfs.conf has "
            "url_have_group_name = false, set FDFS_URL_WITH_GROUP = False."
        )
    return _(
        "nginx refuses the token: FDFS_TOKEN_SECRET must be http.anti_steal.secret_key of http.conf, "
        "FDFS_TOKEN_TTL at most its token_ttl, both clocks right, and FDFS_URL_WITH_GROUP what "
        "url_have_group_name in mod_fastdfs.conf is."
    )


def _delete(client: Client, file_id: FileId) -> Finding:
    try:
        client.delete(file_id)
    except FastDFSError as error:
        remedy = _("Delete the probe by hand: fdfs_delete_file client.conf %(file_id)s") % {
            "file_id": file_id
        }
        return Finding(Subject.DELETE, str(file_id), False, str(error), remedy)
    return Finding(Subject.DELETE, str(file_id), True, _("the probe is gone"))
