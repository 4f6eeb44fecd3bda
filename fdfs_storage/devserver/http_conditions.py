"""Conditional requests. There are no entity tags: neither the module nor FastDFS has any."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus


def http_date(seconds: int) -> str:
    """Return unix seconds as a header has them."""
    return formatdate(seconds, usegmt=True)


def unmet_condition(headers: Mapping[str, str], modified: int) -> HTTPStatus | None:
    """Return 304 or 412 where the request is to be answered with that, and None where with the file.

    If-Modified-Since is compared as text, as the module does; another date, a later one as well, gets the
    file. The rest is RFC 9110, section 13.2.2, of which nginx holds the larger part.
    """
    match = headers.get("if-match")
    if match is not None:
        if match != "*":
            return HTTPStatus.PRECONDITION_FAILED
    elif _is_before(headers.get("if-unmodified-since", ""), modified):
        return HTTPStatus.PRECONDITION_FAILED
    none_match = headers.get("if-none-match")
    if none_match is not None:
        return HTTPStatus.NOT_MODIFIED if none_match == "*" else None
    unmodified = headers.get("if-modified-since") == http_date(modified)
    return HTTPStatus.NOT_MODIFIED if unmodified else None


def wants_ranges(headers: Mapping[str, str], modified: int) -> bool:
    """Say whether If-Range leaves the Range header in force; the module does not know it."""
    date = http_date(modified)
    return headers.get("if-range", date) == date


def _is_before(date: str, modified: int) -> bool:
    try:
        return parsedate_to_datetime(date).timestamp() < modified
    except (ValueError, TypeError, OverflowError):  # no date, no condition
        return False
