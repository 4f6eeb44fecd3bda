"""Which file a request gets: the checks of fastdfs-nginx-module, in its order (PROTOCOL 9)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from fdfs_storage.fastdfs.errors import EINVAL, ENOENT, InvalidFileIdError
from fdfs_storage.fastdfs.file_id import GROUP_BYTES, NORMAL_NAME_BYTES, FileId
from fdfs_storage.fastdfs.token import TokenFault, token_fault

from .http_options import DEFAULTS, HttpOptions
from .http_request import HttpError, HttpRequest
from .http_response import HttpResponse, file_response, picture_response
from .http_url import Url
from .names import METADATA_SUFFIX, FileFacts
from .refusal import RefusedError
from .volume import Volume

Elsewhere = Callable[[str, bytes], FileFacts]
"""Finds a file by group and name where this storage has it not, or raises RefusedError."""

_TOKEN_NAME_BYTES = 22  # with shorter names the module does not get as far as the token
_STATUSES = {ENOENT: HTTPStatus.NOT_FOUND, EINVAL: HTTPStatus.BAD_REQUEST}


@dataclass(frozen=True)
class Site:
    """The files of a volume, the options they are served with, and whom to ask for those of others."""

    volume: Volume
    options: HttpOptions = DEFAULTS
    elsewhere: Elsewhere | None = None

    def respond(self, head: bytes) -> tuple[HttpRequest | None, HttpResponse]:
        """Answer a request's head; never raises. The request is None where the head made no sense."""
        request = None
        try:
            request = HttpRequest.parse(head)
            return request, self._serve(request)
        except HttpError as error:
            return request, HttpResponse.of(error)
        except FileNotFoundError:  # removed since it was found
            return request, HttpResponse.of(HttpError(HTTPStatus.NOT_FOUND))
        except OSError:
            return request, HttpResponse.of(HttpError(HTTPStatus.INTERNAL_SERVER_ERROR))

    def _serve(self, request: HttpRequest) -> HttpResponse:
        request.check()
        url = Url.parse(request.target)
        group, name = self._split(url.path)
        if not self._may_see(name, url.parameters) and self.options.token_fail:
            return picture_response(self.options.token_fail)
        facts = self._locate(group, name, may_be_sent_on=url.may_be_sent_on)
        return file_response(request, facts, url.parameters.get("filename", ""))

    def _split(self, path: bytes) -> tuple[bytes, bytes]:
        """Return group and name, neither of them checked."""
        group, name = self.volume.group.encode("ascii"), path[1:]
        if self.options.with_group:
            group, _, name = name.partition(b"/")
        if len(name) < _TOKEN_NAME_BYTES:
            raise HttpError(HTTPStatus.BAD_REQUEST)
        return group, name

    def _may_see(self, name: bytes, parameters: Mapping[str, str]) -> bool:
        """Say whether the token is right; where it is wrong and no picture answers that, raise 400."""
        if not self.options.token_secret:
            return True
        fault = token_fault(
            name.decode("utf-8", "replace"),
            self.options.token_secret,
            parameters.get("token"),
            parameters.get("ts"),
            ttl_seconds=self.options.token_ttl,
            now=int(time.time()),
        )
        if fault is TokenFault.MISSING or (fault and not self.options.token_fail):
            raise HttpError(HTTPStatus.BAD_REQUEST)
        return fault is None

    def _locate(self, group: bytes, name: bytes, *, may_be_sent_on: bool) -> FileFacts:
        if len(name) < NORMAL_NAME_BYTES or not 0 < len(group) <= GROUP_BYTES:
            raise HttpError(HTTPStatus.BAD_REQUEST)
        if name.endswith(METADATA_SUFFIX.encode("ascii")):  # the module serves it
            raise HttpError(HTTPStatus.NOT_FOUND)
        own = group == self.volume.group.encode("ascii")
        try:
            if own:
                return FileFacts.of(self.volume.find(name), name)
        except RefusedError as error:
            if error.status != ENOENT:
                raise HttpError(HTTPStatus.BAD_REQUEST) from error
        return self._locate_elsewhere(group, name, own=own, may_be_sent_on=may_be_sent_on)

    def _locate_elsewhere(self, group: bytes, name: bytes, *, own: bool, may_be_sent_on: bool) -> FileFacts:
        """Ask for what is not here, unless the module could not send the request on: then 400."""
        if not own and not may_be_sent_on:
            raise HttpError(HTTPStatus.BAD_REQUEST)
        if not self.elsewhere:
            raise HttpError(HTTPStatus.NOT_FOUND)
        try:
            file_id = FileId.parse(b"/".join([group, name]).decode("ascii"))
            facts = self.elsewhere(file_id.group, name)
        except (InvalidFileIdError, UnicodeDecodeError) as error:
            raise HttpError(HTTPStatus.BAD_REQUEST) from error
        except RefusedError as error:
            raise HttpError(_STATUSES.get(error.status, HTTPStatus.BAD_GATEWAY)) from error
        if not may_be_sent_on:
            raise HttpError(HTTPStatus.BAD_REQUEST)
        return facts
