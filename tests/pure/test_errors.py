from __future__ import annotations

import copy
import pickle

import pytest

from fdfs_storage.fastdfs import errors
from fdfs_storage.fastdfs.errors import (
    ConnectError,
    ConnectionLostError,
    DeadlineExceededError,
    FastDFSError,
    FileMissingError,
    FileTakenError,
    IntegrityError,
    InvalidArgumentError,
    InvalidFileIdError,
    InvalidRequestError,
    NetworkError,
    NoServerError,
    NoSpaceError,
    PoolTimeoutError,
    ProtocolError,
    ServerBusyError,
    ServerError,
    UnsupportedOperationError,
    refusal,
)

PARENTS = {
    FastDFSError: {Exception},
    InvalidArgumentError: {FastDFSError, ValueError},
    InvalidFileIdError: {FastDFSError, ValueError},
    ProtocolError: {FastDFSError},
    IntegrityError: {FastDFSError},
    UnsupportedOperationError: {FastDFSError, NotImplementedError},
    NetworkError: {FastDFSError},
    ConnectError: {NetworkError},
    ConnectionLostError: {NetworkError},
    DeadlineExceededError: {NetworkError, TimeoutError},
    PoolTimeoutError: {NetworkError, TimeoutError},
    NoServerError: {FastDFSError},
    ServerError: {FastDFSError},
    FileMissingError: {ServerError, FileNotFoundError},
    FileTakenError: {ServerError, FileExistsError},
    NoSpaceError: {ServerError},
    InvalidRequestError: {ServerError},
    ServerBusyError: {ServerError},
}
RETRIABLE = {ConnectError, PoolTimeoutError, ServerBusyError}
# The builtins that a caller might catch by habit, to whom an error must not come by accident.
BUILTINS = {ValueError, OSError, TimeoutError, FileNotFoundError, FileExistsError, ConnectionError}
STATUSES = {
    2: FileMissingError,
    16: ServerBusyError,
    17: FileTakenError,
    22: InvalidRequestError,
    28: NoSpaceError,
}
FILE = "group1/M00/00/0F/Ck0AFWsEqX2APPhcAAAAE8e8Khc334.txt"
PEER = "10.77.0.21:23000"


def pickled(error: FastDFSError) -> FastDFSError:
    restored: FastDFSError = pickle.loads(pickle.dumps(error))
    return restored


@pytest.mark.parametrize(("kind", "parents"), PARENTS.items())
def test_each_class_is_what_callers_catch_it_as(kind, parents):
    assert all(issubclass(kind, parent) for parent in parents)


@pytest.mark.parametrize(("kind", "parents"), PARENTS.items())
def test_no_class_is_a_builtin_by_accident(kind, parents):
    meant = {builtin for builtin in BUILTINS for parent in parents if issubclass(parent, builtin)}

    assert {builtin for builtin in BUILTINS if issubclass(kind, builtin)} == meant


def test_every_error_of_the_package_stands_in_the_table():
    classes = {thing for thing in vars(errors).values() if isinstance(thing, type)}

    assert {thing for thing in classes if issubclass(thing, Exception)} == set(PARENTS)


@pytest.mark.parametrize("kind", PARENTS)
def test_only_what_cannot_have_happened_is_retriable(kind):
    assert kind.retriable is (kind in RETRIABLE)


@pytest.mark.parametrize("kind", PARENTS)
def test_an_instance_can_be_marked_retriable_without_its_class(kind):
    error = kind(22, "because") if issubclass(kind, ServerError) else kind("because")

    error.retriable = not kind.retriable

    assert pickled(error).retriable is not kind.retriable


@pytest.mark.parametrize("kind", [kind for kind in PARENTS if not issubclass(kind, ServerError)])
def test_what_is_no_refusal_keeps_its_message_through_pickle(kind):
    error = kind("10.77.0.21:23000 went away")

    restored = pickled(error)

    assert type(restored) is kind
    assert str(restored) == str(error) == "10.77.0.21:23000 went away"
    assert restored.args == error.args


def test_a_lost_connection_says_whether_a_reply_had_begun():
    error = ConnectionLostError("closed")
    error.unanswered = True

    assert pickled(error).unanswered is True
    assert ConnectionLostError("closed").unanswered is False


@pytest.mark.parametrize("kind", [kind for kind in PARENTS if issubclass(kind, ServerError)])
@pytest.mark.parametrize("file_id", [FILE, None])
@pytest.mark.parametrize("peer", [PEER, None])
def test_a_refusal_keeps_all_it_says_through_pickle(kind, file_id, peer):
    error = kind(28, "because", file_id)
    error.peer = peer

    restored = pickled(error)

    assert type(restored) is kind
    assert (restored.status, restored.file_id, restored.peer) == (28, file_id, peer)
    assert str(restored) == str(error)
    assert repr(restored) == repr(error)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_missing_file_survives_every_pickle_protocol(protocol):
    error = refusal(2, FILE, PEER)

    restored = pickle.loads(pickle.dumps(error, protocol))

    assert (restored.errno, restored.filename, restored.file_id, restored.peer) == (2, FILE, FILE, PEER)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_refusal_can_be_copied(duplicate):
    error = duplicate(refusal(17, FILE, PEER))

    assert (error.status, error.file_id, error.peer, error.filename) == (17, FILE, PEER, FILE)


def test_attempts_survive_pickle_with_their_errors():
    error = NoServerError(
        "no tracker answers", {PEER: refusal(2, FILE, PEER), "b:1": ConnectError("refused")}
    )

    restored = pickled(error)

    assert list(restored.attempts) == [PEER, "b:1"]
    assert isinstance(restored.attempts[PEER], FileMissingError)
    assert restored.attempts[PEER].file_id == FILE
    assert str(restored) == str(error)


def test_what_no_server_could_do_names_each_peer_with_its_error():
    error = NoServerError(
        "no tracker answers", {"a:1": ConnectError("refused"), "b:2": ProtocolError("noise")}
    )

    assert str(error) == "no tracker answers (a:1: refused; b:2: noise)"


def test_without_attempts_only_the_reason_is_told():
    error = NoServerError("no tracker is configured")

    assert str(error) == "no tracker is configured"
    assert error.attempts == {}


def test_attempts_are_a_copy_of_what_the_caller_goes_on_filling():
    attempts = {"a:1": ConnectError("refused")}

    error = NoServerError("no tracker answers", attempts)
    attempts.clear()

    assert list(error.attempts) == ["a:1"]


@pytest.mark.parametrize("status", range(1, 256))
def test_every_status_has_its_class(status):
    error = refusal(status, FILE, PEER)

    assert type(error) is STATUSES.get(status, ServerError)
    assert (error.status, error.file_id, error.peer) == (status, FILE, PEER)


@pytest.mark.parametrize("status", range(1, 256))
def test_every_refusal_says_status_peer_and_file(status):
    said = str(refusal(status, FILE, PEER))

    assert f"status {status} " in said
    assert PEER in said
    assert FILE in said


@pytest.mark.parametrize("status", range(1, 256))
def test_a_refusal_without_peer_and_file_does_not_say_none(status):
    error = refusal(status)

    assert (error.status, error.file_id, error.peer) == (status, None, None)
    assert "None" not in str(error)
    assert f"(status {status})" in str(error)


@pytest.mark.parametrize(
    ("status", "reason"), [(2, "no such"), (17, "exists"), (22, "invalid"), (28, "space")]
)
def test_a_known_status_is_put_into_words(status, reason):
    assert reason in str(refusal(status, FILE))


def test_an_unknown_group_is_no_missing_file():
    error = refusal(2, peer=PEER)

    assert type(error) is ServerError
    assert not isinstance(error, FileNotFoundError)


def test_a_missing_file_is_what_django_and_users_catch():
    with pytest.raises(FileNotFoundError) as caught:
        raise refusal(2, FILE, PEER)

    assert caught.value.errno == 2
    assert caught.value.filename == FILE
    assert caught.value.strerror


def test_a_taken_name_is_the_builtin_too():
    with pytest.raises(FileExistsError) as caught:
        raise refusal(17, FILE, PEER)

    assert (caught.value.errno, caught.value.filename) == (17, FILE)


@pytest.mark.parametrize("kind", [DeadlineExceededError, PoolTimeoutError])
def test_both_ways_to_run_out_of_time_are_timeouts(kind):
    with pytest.raises(TimeoutError, match="too long"):
        raise kind("too long")
