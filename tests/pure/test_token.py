"""Anti-steal tokens: PROTOCOL 9.1, whose vector and cases were tried on nginx with the module."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdfs_storage.fastdfs.file_id import NAME_BYTES
from fdfs_storage.fastdfs.token import SECRET_BYTES, TokenFault, anti_steal_token, token_fault

NAME = "M00/00/00/Ck0AFWsEpnGAcowKAAAACw1KEYU536.jpg"
SECRET = "FastDFS1234567890"
MADE_AT = 1_700_000_000
TOKEN = "14da7cd517c0633ecaf0ff28ab689c20"
TTL = 600

ANY_TEXT = st.text(st.characters())  # lone surrogates included
TIMES = st.integers(0, 10**18 - 1)
patient = settings(deadline=None)  # a busy machine is no failure


def fault(
    *,
    name: str = NAME,
    secret: str | bytes = SECRET,
    token: str | None = TOKEN,
    ts: str | None = str(MADE_AT),
    now: int = MADE_AT,
) -> TokenFault | None:
    return token_fault(name, secret, token, ts, ttl_seconds=TTL, now=now)


# --- making -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [NAME, f"/{NAME}"])
@pytest.mark.parametrize("secret", [SECRET, SECRET.encode()])
def test_the_token_is_the_one_that_a_real_nginx_accepts(name: str, secret: str | bytes) -> None:
    assert anti_steal_token(name, secret, MADE_AT) == TOKEN


def test_only_one_slash_is_no_part_of_the_name() -> None:
    assert anti_steal_token(f"//{NAME}", SECRET, MADE_AT) != TOKEN


@patient
@given(ANY_TEXT, ANY_TEXT | st.binary(), st.integers())
def test_a_token_is_made_for_whatever_a_row_holds(name: str, secret: str | bytes, timestamp: int) -> None:
    token = anti_steal_token(name, secret, timestamp)

    assert len(token) == 32
    assert not token.strip("0123456789abcdef")


@patient
@given(st.text("M0/ab.", min_size=1), st.text(min_size=1), TIMES)
def test_the_token_is_the_md5_of_name_secret_and_decimal_time(name: str, secret: str, when: int) -> None:
    expected = hashlib.md5(f"{name}{secret}{when}".encode(), usedforsecurity=False).hexdigest()

    assert anti_steal_token("/" + name, secret, when) == expected


# --- checking -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (MADE_AT, None),
        (MADE_AT + TTL, None),
        (MADE_AT + TTL + 1, TokenFault.EXPIRED),
        (MADE_AT - 10**9, None),  # a time in the future
    ],
)
def test_a_token_is_good_until_its_time_is_over(now: int, expected: TokenFault | None) -> None:
    assert fault(now=now) is expected


def test_a_time_of_0_never_expires() -> None:
    token = anti_steal_token(NAME, SECRET, 0)

    assert fault(token=token, ts="0", now=10**12) is None


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"token": None}, TokenFault.MISSING),
        ({"ts": None}, TokenFault.MISSING),
        ({"token": ""}, TokenFault.MALFORMED),
        ({"token": TOKEN[:-1]}, TokenFault.MALFORMED),
        ({"token": TOKEN + "0"}, TokenFault.MALFORMED),
        ({"ts": ""}, TokenFault.MALFORMED),
        ({"ts": f"{MADE_AT}x"}, TokenFault.MALFORMED),
        ({"ts": f"+{MADE_AT}"}, TokenFault.MALFORMED),
        ({"ts": "-1"}, TokenFault.MALFORMED),
        ({"ts": "²"}, TokenFault.MALFORMED),
        ({"ts": "９"}, TokenFault.MALFORMED),
        ({"ts": "9" * 5000}, TokenFault.MALFORMED),
        ({"token": TOKEN.upper()}, TokenFault.WRONG),
        ({"token": "照" * 32}, TokenFault.WRONG),
        ({"ts": str(MADE_AT + 1)}, TokenFault.WRONG),
        ({"ts": "0"}, TokenFault.WRONG),
        ({"secret": SECRET + "1"}, TokenFault.WRONG),
        ({"name": NAME.replace("536", "537")}, TokenFault.WRONG),
        ({"name": f"group1/{NAME}"}, TokenFault.WRONG),
    ],
)
def test_what_does_not_fit_is_refused(changed: dict[str, Any], expected: TokenFault) -> None:
    assert fault(**changed) is expected


def test_a_token_over_the_name_with_its_group_is_refused() -> None:
    assert fault(token=anti_steal_token(f"group1/{NAME}", SECRET, MADE_AT)) is TokenFault.WRONG


@pytest.mark.parametrize(("secret_bytes", "expected"), [(264, None), (265, TokenFault.TOO_LONG)])
def test_name_and_secret_share_320_bytes(secret_bytes: int, expected: TokenFault | None) -> None:
    secret = "x" * secret_bytes

    assert len(NAME) + 264 + 12 == 320
    assert fault(secret=secret, token=anti_steal_token(NAME, secret, MADE_AT)) is expected


def test_a_secret_within_the_limit_serves_the_longest_name() -> None:
    name, secret = NAME.ljust(NAME_BYTES, "x"), "s" * SECRET_BYTES

    assert fault(name=name, secret=secret, token=anti_steal_token(name, secret, MADE_AT)) is None


@patient
@given(st.text("M0/ab.", max_size=127), st.text(max_size=40), TIMES)
def test_what_is_made_is_accepted(name: str, secret: str, when: int) -> None:
    token = anti_steal_token(name, secret, when)

    assert fault(name=name, secret=secret, token=token, ts=str(when), now=when) is None


@patient
@given(ANY_TEXT, ANY_TEXT, ANY_TEXT | st.none(), ANY_TEXT | st.none(), st.integers(0))
def test_no_request_makes_the_check_fail(
    name: str, secret: str, token: str | None, ts: str | None, now: int
) -> None:
    found = token_fault(name, secret, token, ts, ttl_seconds=TTL, now=now)

    assert isinstance(found, TokenFault)
