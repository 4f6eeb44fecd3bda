"""A file whose row does not come to be is deleted again; a file that a row refers to never is."""

import atexit
import gc
import os
import pickle
import sys
import threading
from contextlib import nullcontext, suppress
from copy import copy
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.signals import request_finished
from django.db import DatabaseError, IntegrityError, OperationalError, connection, connections, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from fdfs_storage.signals import file_deleted, file_uploaded
from fdfs_storage.transactions import ledger, removal, settle
from tests.django.postgres import Line
from tests.django.shelf.models import Draft, Keepsake, Letter, Narrow, Paper, Picture, Plain

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

on_postgresql = pytest.mark.skipif(
    "FDFS_TEST_POSTGRES" not in os.environ, reason="for PostgreSQL: test_on_postgresql runs it there"
)


def content(text="text"):
    return ContentFile(text.encode(), "a.txt")


class WrongError(Exception):
    pass


def undone(action, using="default"):
    """Do it in a transaction that is rolled back."""
    with suppress(WrongError), transaction.atomic(using):
        action()
        raise WrongError


# --- rows that do not come to be ----------------------------------------------------------------


def duplicate():
    with suppress(IntegrityError):
        Paper.objects.create(title="taken", file=content())


def rolled_back():
    undone(lambda: Paper.objects.create(title="new", file=content()))


def savepoint():
    with transaction.atomic():
        undone(lambda: Paper.objects.create(title="new", file=content()))
        Paper.objects.create(title="other row")


def on_the_other_database():
    undone(lambda: Paper(title="new", file=content()).save(using="other"), "other")


def in_bulk():
    with suppress(IntegrityError):
        Paper.objects.bulk_create([Paper(title=title, file=content()) for title in ("new", "taken")])


def child():
    with suppress(IntegrityError):
        Letter.objects.create(title="taken", file=content())


def by_hand():
    def save():
        paper = Paper(title="new")
        paper.file.save("a.txt", content())

    undone(save)


def two_of_three():
    def save():
        with transaction.atomic():
            Paper.objects.create(title="1", file=content())
        undone(lambda: Paper.objects.create(title="2", file=content()))

    undone(save)


def second_time():
    paper = Paper(title="new", file=content())
    undone(paper.save)
    undone(paper.save)


FAILURES = [
    duplicate,
    rolled_back,
    savepoint,
    on_the_other_database,
    in_bulk,
    child,
    by_hand,
    two_of_three,
    second_time,
]


@pytest.mark.parametrize("failure", FAILURES)
def test_an_upload_whose_row_does_not_come_to_be_is_deleted(files, failure):
    taken = Paper.objects.create(title="taken", file=content())

    failure()
    assert len(files()) > 1
    settle()

    assert files() == {taken.file.name}
    assert not ledger()


def test_the_end_of_a_request_settles(files):
    rolled_back()

    request_finished.send(None)

    assert files() == set()


def failing_view(request):
    try:
        Paper.objects.create(title="taken", file=request.FILES["file"])
    except IntegrityError:
        return HttpResponse("taken", status=400)
    raise AssertionError


def undone_view(request):
    Paper.objects.create(title="new", file=request.FILES["file"])
    transaction.set_rollback(True)
    return HttpResponse()


urlpatterns = [path("failing", failing_view), path("undone", transaction.atomic(undone_view))]


@pytest.mark.parametrize("url", ["/failing", "/undone"])
def test_a_request_that_writes_no_row_leaves_no_file(files, settings, url):
    settings.ROOT_URLCONF = __name__
    taken = Paper.objects.create(title="taken", file=content())

    Client().post(url, {"file": SimpleUploadedFile("a.txt", b"text")})

    assert files() == {taken.file.name}


def test_a_column_too_short_for_an_id_is_refused_before_the_upload(files):
    with pytest.raises(ImproperlyConfigured, match="max_length=100"):
        Narrow.objects.create(short=content())

    assert files() == set()


@on_postgresql
def test_a_value_too_long_for_another_column_leaves_no_file(files):
    with suppress(DatabaseError):
        Paper.objects.create(title="x" * 21, file=content())

    assert len(settle()) == 1
    assert files() == set()


def test_rows_that_came_to_be_ask_the_database_nothing(files, django_assert_num_queries):
    with transaction.atomic():
        for number in range(3):
            Paper.objects.create(title=str(number), file=content())
    Paper.objects.create(title="autocommit", file=content())
    Letter.objects.create(title="child", file=content())

    assert not ledger()
    with django_assert_num_queries(0):
        settle()
    assert len(files()) == 5


def test_rows_made_in_bulk_keep_their_files(files):
    Paper.objects.bulk_create([Paper(title=str(number), file=content()) for number in range(3)])
    gc.collect()

    assert settle() == []
    assert len(files()) == 3


def test_an_upload_without_an_attempt_to_save_a_row_is_left_for_later(files, caplog):
    Paper(title="new").file.save("a.txt", content(), save=False)

    assert settle() == []

    assert len(files()) == 1
    assert "no row was saved" in caplog.text


# --- six traps ----------------------------------------------------------------------------------


def test_the_same_instance_saved_again_after_a_rollback_has_its_file(files):
    paper = Paper(title="new", file=content())
    undone(paper.save)

    assert settle() == []
    paper.pk = None
    paper.save()
    settle()

    assert files() == {paper.file.name} == {Paper.objects.get().file.name}


def saved_again_after_the_rollback_of_a_savepoint(paper):
    with transaction.atomic():
        undone(paper.save)
        paper.pk = None
        paper.save()


def updated_after_the_rollback_of_a_savepoint(paper):
    row = Paper.objects.create(title="row")
    with transaction.atomic():
        undone(paper.save)
        name = "".join(paper.file.name)
        del paper
        gc.collect()
        thread = threading.Thread(target=settle)
        thread.start()
        thread.join()
        Paper.objects.filter(pk=row.pk).update(file=name)


def saved_by_name_through_another_instance(paper):
    undone(paper.save)
    Paper.objects.create(title="another", file=paper.file.name)


def saved_through_a_copy(paper):
    undone(paper.save)
    other = copy(paper)
    other.pk = None
    del paper
    assert settle() == []
    other.save()


def saved_through_a_pickle(paper):
    undone(paper.save)
    other = pickle.loads(pickle.dumps(paper))
    other.pk = None
    other.save()


def updated_by_name(paper):
    row = Paper.objects.create(title="row")
    undone(paper.save)
    Paper.objects.filter(pk=row.pk).update(file=paper.file.name)


def referred_to_by_a_plain_field_elsewhere(paper):
    undone(paper.save)
    Plain(file=paper.file.name).save(using="other")


def referred_to_by_its_url(paper):
    undone(paper.save)
    Plain.objects.create(file=paper.file.url)


AGAIN = [
    saved_again_after_the_rollback_of_a_savepoint,
    updated_after_the_rollback_of_a_savepoint,
    saved_by_name_through_another_instance,
    saved_through_a_copy,
    saved_through_a_pickle,
    updated_by_name,
    referred_to_by_a_plain_field_elsewhere,
    referred_to_by_its_url,
]


@pytest.mark.parametrize("again", AGAIN)
def test_a_file_that_got_into_a_row_by_another_way_stays(files, again):
    again(Paper(title="new", file=content()))
    gc.collect()

    assert settle() == []
    assert len(files()) == 1


def test_an_earlier_hook_that_raises_costs_no_file(files):
    def wrong():
        raise WrongError

    with suppress(WrongError), transaction.atomic():
        transaction.on_commit(wrong)
        Paper.objects.create(title="new", file=content())
    settle()

    assert files() == {Paper.objects.get().file.name}


def test_a_lost_acknowledgement_of_a_commit_costs_no_file(files, monkeypatch):
    commit = connection.commit

    def lost():
        commit()
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(connection, "commit", lost)
    with suppress(OperationalError):
        rolled = transaction.atomic()
        with rolled:
            Paper.objects.create(title="new", file=content())
    monkeypatch.undo()
    settle()

    assert files() == {Paper.objects.get().file.name}


@pytest.fixture
def line(tmp_path):
    """A line to PostgreSQL that can be cut."""
    target = connection.settings_dict["HOST"]
    line = Line(tmp_path, Path(target))
    connection.close()
    connection.settings_dict["HOST"] = str(tmp_path)
    yield line
    connection.close()
    connection.settings_dict["HOST"] = target
    line.close()


@on_postgresql
def test_a_commit_whose_answer_is_lost_costs_no_file(files, line):
    line.how = "lose"
    with suppress(OperationalError), transaction.atomic():
        Paper.objects.create(title="new", file=content())

    line.how = None
    assert settle() == []

    assert files() == {Paper.objects.get().file.name}


@on_postgresql
@pytest.mark.parametrize("in_atomic", [True, False])
def test_a_commit_that_arrives_after_everything_else_costs_no_file(files, line, in_atomic, caplog):
    line.how = "hold"
    with suppress(OperationalError), transaction.atomic() if in_atomic else nullcontext():
        (Paper if in_atomic else Letter).objects.create(title="new", file=content())
    line.how = None
    request_finished.send(None)
    assert not Paper.objects.exists()

    line.deliver()

    assert files() == {Paper.objects.get().file.name}
    assert "may be an orphan" in caplog.text


def test_a_statement_whose_fate_is_unknown_leaves_a_suspect_and_no_deletion(files):
    def lost(execute, sql, params, many, context):
        execute(sql, params, many, context)
        raise OperationalError("server closed the connection unexpectedly")

    with suppress(OperationalError), connection.execute_wrapper(lost):
        Paper.objects.create(title="new", file=content())

    assert settle() == []
    assert files() == {Paper.objects.get().file.name}
    assert not ledger()


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("settled_by", [settle, removal._after_request, gc.collect])
def test_a_forked_child_deletes_nothing_of_its_parent_s(files, settled_by):
    with transaction.atomic():
        Paper.objects.create(title="new", file=content())
        child = os.fork()
        if not child:
            connection.run_on_commit.clear()  # as at the end of the child's own transaction, or of itself
            gc.collect()
            settled_by()
            atexit._run_exitfuncs()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    settle()

    assert files() == {Paper.objects.get().file.name}


@pytest.mark.parametrize(("rolled_back", "written"), [("default", "other"), ("other", "default")])
def test_a_row_on_another_database_keeps_its_file(files, rolled_back, written):
    undone(lambda: Paper(title="new", file=content()).save(using=written), rolled_back)

    settle()

    assert files() == {Paper.objects.using(written).get().file.name}


def test_a_transaction_open_on_another_database_is_waited_for(files):
    Paper.objects.create(title="taken")
    with transaction.atomic("other"):
        Paper(title="new", file=content()).save(using="other")
        duplicate()
        assert settle() == []
    settle()

    assert files() == {Paper.objects.using("other").get().file.name}


def test_nothing_is_deleted_inside_of_a_transaction(files):
    rolled_back()

    with transaction.atomic():
        assert settle() == []
    assert len(settle()) == 1


def test_without_autocommit_nothing_is_deleted_and_the_files_are_suspects(files, caplog):
    transaction.set_autocommit(False)
    try:
        Paper.objects.create(title="kept", file=content())
        transaction.commit()
        Paper.objects.create(title="gone", file=content())
        assert settle() == []
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)

    assert settle() == []
    assert len(files()) == 2
    assert caplog.text.count("may be an orphan") == 2


@pytest.mark.parametrize(("finish", "left"), [(transaction.commit, 0), (transaction.rollback, 1)])
def test_without_autocommit_a_deleted_row_s_file_goes_when_that_is_known(files, finish, left):
    Paper.objects.create(title="paper", file=content())
    transaction.set_autocommit(False)
    try:
        Paper.objects.get().delete()
        assert len(files()) == 1
        finish()
    finally:
        transaction.set_autocommit(True)

    assert len(files()) == Paper.objects.count() == left


@pytest.mark.parametrize("finish", [transaction.commit, transaction.rollback])
def test_without_autocommit_a_replaced_file_is_a_suspect(files, caplog, finish):
    paper = Paper.objects.create(title="paper", file=content())
    transaction.set_autocommit(False)
    try:
        clear(paper)
        finish()
    finally:
        transaction.set_autocommit(True)

    assert settle() == []
    assert len(files()) == 1
    assert "autocommit is off" in caplog.text


def test_a_process_that_never_settles_stays_bounded(files, monkeypatch, caplog):
    module = sys.modules[ledger.__module__]
    monkeypatch.setattr(module, "_TIDY_EVERY", 4)
    monkeypatch.setattr(module, "_MOST_UPLOADS", 2)

    papers = [Paper(title=str(number)) for number in range(8)]
    for paper in papers:
        paper.file.save("a.txt", content(), save=False)

    assert caplog.text.count("call settle() now and then") == 5
    assert len(ledger()._uploads) == 3
    assert len(files()) == 8


def test_a_pickled_name_is_out_of_our_hands(files, caplog):
    paper = Paper(title="new", file=content())
    undone(paper.save)
    pickled = pickle.dumps(paper)
    del paper

    assert settle() == []
    assert "may be an orphan" in caplog.text
    assert pickle.loads(pickled).file.name in files()


def test_a_deletion_while_another_database_has_a_transaction_open_waits(files):
    paper = Paper.objects.create(title="paper", file=content())

    with transaction.atomic("other"):
        paper.delete()
        assert len(files()) == 1
    settle()

    assert files() == set()


def test_a_settling_thread_keeps_others_out(files):
    rolled_back()

    with ledger().settling:
        assert settle() == []
    assert len(settle()) == 1


def test_no_more_files_are_dealt_with_than_was_said(files):
    for _ in range(3):
        rolled_back()

    assert [len(settle(2)), len(settle(2)), len(settle(2))] == [2, 1, 0]


def test_when_a_database_cannot_be_asked_nothing_is_deleted(files, caplog):
    def silent(*_):
        raise OperationalError("the other database is down")

    rolled_back()
    with connections["other"].execute_wrapper(silent):
        for _ in range(3):
            assert settle() == []

    assert len(files()) == 1
    assert "could not be asked" in caplog.text


def test_a_table_that_is_not_in_every_database_is_no_obstacle(files):
    rolled_back()
    with connections["other"].schema_editor() as editor:
        editor.delete_model(Keepsake)
    try:
        assert len(settle()) == 1
    finally:
        with connections["other"].schema_editor() as editor:
            editor.create_model(Keepsake)


# --- rows that go -------------------------------------------------------------------------------


@pytest.fixture
def paper(files):
    return Paper.objects.create(title="paper", file=content("old"))


def delete(paper):
    paper.delete()


def delete_queryset(paper):
    Paper.objects.all().delete()


def delete_deferred(paper):
    Paper.objects.only("title").get().delete()


def delete_proxy(paper):
    Draft.objects.get().delete()


def clear(paper):
    paper.file = ""
    paper.save()


def delete_file(paper):
    paper.file.delete()


def delete_file_with_the_row(paper):
    paper.delete()
    paper.file.delete(save=False)


def delete_file_and_save_later(paper):
    paper.file.delete(save=False)
    paper.save()


def load_and_clear(paper):
    row = Paper.objects.get()
    row.file = None
    row.save(update_fields=["file"])


GOING = [
    delete,
    delete_queryset,
    delete_deferred,
    delete_proxy,
    clear,
    delete_file,
    delete_file_with_the_row,
    delete_file_and_save_later,
    load_and_clear,
]


@pytest.mark.parametrize("go", GOING)
def test_a_file_goes_with_its_row_when_that_is_committed(files, paper, go):
    with transaction.atomic():
        go(paper)
        assert len(files()) == 1

    assert files() == set()


@pytest.mark.parametrize("go", GOING)
def test_a_file_goes_at_once_in_autocommit(files, paper, go):
    go(paper)

    assert files() == set()


@pytest.mark.parametrize("go", GOING)
def test_a_file_stays_when_its_row_does(files, paper, go):
    undone(lambda: go(paper))
    settle()

    assert files() == {Paper.objects.get().file.name}


@pytest.mark.parametrize("go", GOING)
def test_a_file_that_another_row_refers_to_stays(files, paper, go):
    Plain(file=paper.file.name).save(using="other")

    go(paper)
    settle()

    assert files() == {Plain.objects.using("other").get().file.name}


def test_a_replaced_file_goes_and_the_new_one_stays(files, paper):
    for text in ("second", "third"):
        paper.file = content(text)
        paper.save()

    assert files() == {paper.file.name}


def test_of_files_replaced_in_one_transaction_only_the_last_stays(files, paper):
    with transaction.atomic():
        for text in ("second", "third"):
            paper.file.save("a.txt", content(text))
        assert len(files()) == 3

    assert files() == {paper.file.name}


def test_a_replacement_that_is_rolled_back_and_done_again_leaves_one_file(files, paper):
    paper.file = content("new")
    undone(paper.save)
    assert len(files()) == 2

    paper.save()

    assert files() == {paper.file.name} == {Paper.objects.get().file.name}


def test_a_replacement_that_is_rolled_back_leaves_the_old_file(files, paper):
    old = paper.file.name
    row = Paper.objects.get()
    row.file = content("new")
    undone(row.save)
    del row

    settle()

    assert files() == {old} == {Paper.objects.get().file.name}


def test_a_file_that_was_only_in_memory_is_not_taken_for_replaced(files, paper, storage):
    foreign = storage.save("elsewhere.txt", content("used elsewhere"))

    paper.file = foreign
    paper.file = content("new")
    paper.save()

    assert files() == {foreign, paper.file.name}


def test_a_file_moved_to_another_instance_stays(files, paper):
    moved = Paper(title="moved", file=paper.file)

    paper.delete()
    assert len(files()) == 1
    moved.save()
    settle()

    assert files() == {moved.file.name}


def test_saving_other_fields_replaces_nothing(files, paper):
    paper.file.save("b.txt", content("new"), save=False)

    paper.save(update_fields=["title"])

    assert Paper.objects.get().file.name in files()
    assert len(files()) == 2


def test_a_reloaded_file_replaces_nothing(files, paper):
    row = Paper.objects.get()
    paper.file = content("new")
    paper.save()

    row.refresh_from_db()
    row.save()

    assert files() == {row.file.name} == {paper.file.name}


def test_delete_unused_false_leaves_files_where_they_are(files):
    keepsake = Keepsake.objects.create(file=content())
    keepsake.file = content("new")
    keepsake.save()
    keepsake.delete()

    settle()

    assert len(files()) == 2


def test_delete_unused_false_does_not_keep_what_is_deleted_by_name(files):
    keepsake = Keepsake.objects.create(file=content())

    keepsake.file.delete()

    assert files() == set()


def test_many_rows_are_one_question_for_each_column(files, django_assert_max_num_queries):
    Paper.objects.bulk_create([Paper(title=str(number), file=content()) for number in range(50)])

    with django_assert_max_num_queries(18):
        Paper.objects.all().delete()

    assert files() == set()


def test_a_deletion_that_fails_is_logged_and_raises_nothing(files, paper, broken, caplog):
    broken.storage_server.stop()
    broken.tracker_servers[0].stop()

    paper.delete()

    assert "may be an orphan" in caplog.text
    assert not Paper.objects.exists()


def test_storage_delete_is_immediate(files, paper):
    undone(lambda: paper.file.storage.delete(paper.file.name))

    assert files() == set()


# --- signals ------------------------------------------------------------------------------------


@pytest.fixture
def told():
    heard = []

    def uploaded(sender, instance, field, name, **_):
        heard.append(("uploaded", sender, field, name))
        raise WrongError

    def deleted(sender, field, name, **_):
        heard.append(("deleted", sender, field, name))
        raise WrongError

    file_uploaded.connect(uploaded)
    file_deleted.connect(deleted)
    yield heard
    file_uploaded.disconnect(uploaded)
    file_deleted.disconnect(deleted)


def test_signals_tell_what_is_stored_and_deleted_and_their_receivers_stop_nothing(files, told):
    paper = Paper.objects.create(title="paper", file=content())
    name = paper.file.name

    paper.delete()

    assert told == [("uploaded", Paper, "file", name), ("deleted", Paper, "file", name)]


def test_an_image_clears_up_like_a_file(files, picture):
    row = Picture.objects.create(image=ContentFile(picture, "a.jpg"))
    row.image = ContentFile(picture, "b.jpg")
    row.save()

    assert files() == {row.image.name}
    row.delete()
    assert files() == set()
