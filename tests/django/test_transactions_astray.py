"""Ways that do not end as they begin: savepoints by hand, stale instances, copies, what fails in between."""

import asyncio
import gc
import sys
import threading
from contextlib import suppress
from copy import copy

import pytest
from django import forms
from django.core import serializers
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from django.db.migrations.state import ModelState, ProjectState
from django.test import TestCase

from fdfs_storage.transactions import ledger, removal, settle
from tests.django.shelf.models import Folder, Keepsake, Paper, Plain, Tagged
from tests.django.test_transactions import WrongError, content, on_postgresql, undone

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def held():
    """Return the files that rows of Paper have, on any database."""
    rows = (Paper.objects.using(alias).values_list("file", flat=True) for alias in connections)
    return set().union(*rows) - {""}


@pytest.fixture
def row(files):
    """An instance as a request loads it."""
    Paper.objects.create(title="paper", file=content("old"))
    gc.collect()
    return Paper.objects.get()


# --- transactions -------------------------------------------------------------------------------


def test_a_savepoint_made_by_hand_and_rolled_back_leaves_no_file(files):
    with transaction.atomic():
        savepoint = connection.savepoint()
        Paper.objects.create(title="new", file=content())
        transaction.savepoint_rollback(savepoint)
    settle()

    assert files() == set()
    assert not ledger()


def test_a_savepoint_made_by_hand_and_rolled_back_deletes_nothing(files, row):
    with transaction.atomic():
        savepoint = connection.savepoint()
        row.delete()
        transaction.savepoint_rollback(savepoint)
    settle()

    assert files() == held() != set()


def test_a_row_written_after_the_rollback_of_a_savepoint_is_known_to_be_there(
    files, django_assert_num_queries
):
    with transaction.atomic():
        undone(lambda: Paper.objects.create(title="gone"))
        Paper.objects.create(title="new", file=content())

    assert not ledger()
    with django_assert_num_queries(0):
        settle()


def replace(row):
    row.file = content("new")
    row.save()


@pytest.mark.parametrize("go", [Paper.delete, replace])
def test_an_earlier_hook_that_raises_leaves_no_file_behind(files, row, go):
    def wrong():
        raise WrongError

    with suppress(WrongError), transaction.atomic():
        transaction.on_commit(wrong)
        go(row)
    settle()

    assert files() == held()


def test_an_upload_replaced_where_an_earlier_hook_raises_leaves_no_file_behind(files):
    def wrong():
        raise WrongError

    with suppress(WrongError), transaction.atomic():
        row = Paper.objects.create(title="paper", file=content("first"))
        transaction.on_commit(wrong)
        replace(row)
    settle()

    assert files() == held() != set()


def test_an_exception_that_django_keeps_keeps_no_file(files):
    Paper.objects.create(title="taken")
    with suppress(IntegrityError), transaction.atomic():
        Paper(title="taken", file=content()).save()
    assert connection.rollback_exc

    assert len(settle()) == 1


def test_callbacks_that_a_test_case_captures_delete_nothing_of_its_transaction(files, row):
    with suppress(WrongError), transaction.atomic():
        with TestCase.captureOnCommitCallbacks(execute=True):
            row.delete()
        with TestCase.captureOnCommitCallbacks(execute=True):
            Paper.objects.create(title="new", file=content())
        raise WrongError
    settle()

    assert files() >= held() != set()


def test_a_deletion_after_captured_callbacks_is_not_forgotten(files, row):
    Paper.objects.create(title="other", file=content("other"))

    with transaction.atomic():
        with TestCase.captureOnCommitCallbacks(execute=True):
            row.delete()
        Paper.objects.get().delete()
    settle()

    assert files() == set()


def test_many_uploads_burden_no_connection(files):
    for alias in connections:
        connections[alias].ensure_connection()
    Paper.objects.create(title="taken")
    failed = [Paper(title="taken", file=content()) for _ in range(50)]
    for paper in failed:
        with suppress(IntegrityError):
            paper.save()

    assert [len(each.execute_wrappers) <= 1 for each in connections.all()] == [True, True]
    del failed, paper
    settle()
    for alias in connections:
        Paper.objects.using(alias).exists()
        assert connections[alias].execute_wrappers == []


def test_a_failed_question_leaves_no_upload_in_doubt(files):
    def unreadable(execute, sql, *rest):
        if sql.startswith("SELECT"):
            raise OperationalError("no such table")
        return execute(sql, *rest)

    paper = Paper(title="new", file=content())
    undone(paper.save)
    with connections["other"].execute_wrapper(unreadable), suppress(OperationalError):
        Paper.objects.using("other").exists()
    del paper

    assert len(settle()) == 1


def test_a_transaction_with_more_files_than_the_ledger_holds_forgets_none(files, monkeypatch, caplog):
    module = sys.modules[ledger.__module__]
    Paper.objects.bulk_create([Paper(title=str(number), file=content()) for number in range(8)])
    gc.collect()
    settle()
    monkeypatch.setattr(module, "_TIDY_EVERY", 2)
    monkeypatch.setattr(module, "_MOST_UPLOADS", 2)

    Paper.objects.all().delete()

    assert files() == set()
    assert "orphan" not in caplog.text


def test_an_answer_that_is_out_of_date_when_it_comes_is_asked_for_again(files, row, monkeypatch):
    ask = removal.referenced

    def slow(names):
        answer = ask(names)
        monkeypatch.setattr(removal, "referenced", lambda names: 1 / 0)
        Paper.objects.get().delete()  # as another thread does, and it cannot ask
        monkeypatch.setattr(removal, "referenced", ask)
        return answer

    undone(row.delete)
    monkeypatch.setattr(removal, "referenced", slow)
    assert settle() == []

    assert len(settle()) == 1


def test_a_row_that_is_written_while_the_databases_are_asked_keeps_its_file(files, monkeypatch):
    paper = Paper(title="new", file=content())
    undone(paper.save)
    name = "".join(paper.file.name)
    ask = removal.referenced

    def slow(names):
        answer = ask(names)
        Paper.objects.create(title="again", file=name)
        return answer

    del paper
    monkeypatch.setattr(removal, "referenced", slow)
    assert settle() == []

    assert files() == held() == {name}


def test_files_are_asked_for_right_before_they_are_deleted(files, monkeypatch):
    Paper.objects.bulk_create([Paper(title=str(number), file=content()) for number in range(6)])
    monkeypatch.setattr(removal, "_MOST_AT_ONCE", 2)
    left = []
    ask = removal.referenced
    monkeypatch.setattr(removal, "referenced", lambda names: left.append(len(files())) or ask(names))

    gc.collect()
    settle()
    Paper.objects.all().delete()

    assert left[-3:] == [6, 4, 2]


def test_of_many_files_few_are_waited_for_where_the_cluster_does_not_answer(files, broken, caplog):
    Paper.objects.bulk_create([Paper(title=str(number), file=content()) for number in range(9)])
    gc.collect()
    settle()
    broken.storage_server.stop()
    broken.tracker_servers[0].stop()

    Paper.objects.all().delete()

    assert caplog.text.count("may be an orphan") == 9
    assert caplog.text.count("cannot delete") == 3


# --- stale and strange instances ----------------------------------------------------------------


def replace_deferred(row):
    replace(Paper.objects.only("title").get())


def replace_what_another_replaced(row):
    replace(Paper.objects.get())
    replace(row)


def delete_what_another_replaced(row):
    replace(Paper.objects.get())
    row.delete()


def replace_after_reloading(row):
    row.file = ""
    replace(Paper.objects.get())
    row.refresh_from_db()
    replace(row)


def replace_after_a_copy_was_saved(row):
    row.file.save("new.txt", content("new"), save=False)
    other = copy(row)
    other.pk, other.title = None, "other"
    other.save()
    row.save()


def overwrite_by_key(row):
    Paper(pk=row.pk, title="paper", file=content("new")).save()


def delete_what_is_gone(row):
    deferred = Paper.objects.only("title").get()
    row.delete()
    deferred.delete()


def replace_deferred_asynchronously(row):
    async def replace():
        deferred = await Paper.objects.only("title").aget()
        deferred.file = content("new")
        await deferred.asave()

    asyncio.run(replace())


STALE = [
    replace_deferred,
    replace_what_another_replaced,
    delete_what_another_replaced,
    replace_after_reloading,
    replace_after_a_copy_was_saved,
    overwrite_by_key,
    delete_what_is_gone,
    replace_deferred_asynchronously,
]


@pytest.mark.parametrize("go", STALE)
def test_files_are_those_of_the_rows_whatever_an_instance_knew(files, row, go):
    go(row)
    del row
    gc.collect()
    settle()

    assert files() == held()


def test_an_update_in_bulk_uploads_what_it_writes(files, row):
    row.file = content("new")
    Paper.objects.bulk_update([row], ["file"])
    settle()

    assert held() == {row.file.name} < files()


def test_a_new_row_with_a_key_of_its_own_is_not_asked_for_what_it_held(files, django_assert_num_queries):
    with django_assert_num_queries(1):
        Keepsake.objects.create(pk=5, file=content())


def test_a_file_that_is_not_to_go_with_its_row_stays_where_another_is_deleted_by_name(files):
    keepsake = Keepsake.objects.create(file=content("kept"))
    kept = keepsake.file.name

    keepsake.file.save("b.txt", content("new"), save=False)
    keepsake.file.delete()

    assert files() == {kept}


def test_a_deleted_row_takes_no_file_along_that_was_only_in_memory(files, row, storage):
    foreign = storage.save("a.txt", content("used elsewhere"))

    row.file = foreign
    row.delete()

    assert files() == {foreign}


@on_postgresql
def test_a_file_that_another_thread_has_just_copied_stays(files, row):
    copied, deleted = threading.Event(), threading.Event()

    def copy_it():
        with transaction.atomic():
            Paper.objects.create(title="copy", file=Paper.objects.get().file)
            gc.collect()
            copied.set()
            deleted.wait(10)
        connections.close_all()

    thread = threading.Thread(target=copy_it)
    thread.start()
    copied.wait(10)
    row.delete()
    deleted.set()
    thread.join()

    assert files() == held() != set()


def test_without_autocommit_a_copied_file_is_saved_like_any_other(files, row):
    transaction.set_autocommit(False)
    try:
        Paper(title="copy", file=row.file).save()
        transaction.commit()
    finally:
        transaction.set_autocommit(True)

    assert Paper.objects.count() == 2


def test_a_migration_deletes_no_file(files, row, caplog):
    state = ProjectState()
    state.add_model(ModelState.from_model(Paper))
    historical = state.apps.get_model("shelf", "Paper").objects.get()

    historical.file.delete(save=False)
    historical.save()
    settle()

    assert len(files()) == 1
    assert "a migration took it" in caplog.text


def test_a_file_of_another_storage_is_not_ours_to_delete(files, row, monkeypatch):
    field, elsewhere = Paper._meta.get_field("file"), InMemoryStorage()
    elsewhere.save(row.file.name, content())
    monkeypatch.setattr(field, "storage", elsewhere)

    row.delete()

    assert elsewhere.exists(row.file.name)


@pytest.mark.parametrize("language", ["json", "xml", "yaml"])
def test_a_new_file_s_name_can_be_serialized(files, language):
    paper = Paper.objects.create(title="paper", file=content())

    assert paper.file.name in serializers.serialize(language, [paper])


def test_several_rows_with_one_file_lose_it_with_the_last(files, row):
    for title in ("b", "c"):
        Paper.objects.create(title=title, file=row.file.name)

    Paper.objects.exclude(title="c").delete()
    assert len(files()) == 1
    Paper.objects.all().delete()

    assert files() == set()


# --- rows that Django loads by itself ------------------------------------------------------------


def test_rows_that_a_cascade_deletes_take_their_files_along(files):
    folder = Folder.objects.create()
    for _ in range(2):
        Tagged.objects.create(folder=folder, first=content())

    undone(folder.delete)
    settle()
    assert len(files()) == 2
    Folder.objects.get().delete()

    assert files() == set()


def test_a_row_that_its_manager_hides_keeps_its_file(files):
    hidden = Tagged.objects.create(hidden=True, first=content())
    Plain.objects.create(file=hidden.first.name)

    Plain.objects.all().delete()
    Paper.objects.create(title="paper", file=hidden.first.name).delete()

    assert files() == {hidden.first.name}


def test_a_file_assigned_to_another_field_brings_what_its_id_tells(files):
    Tagged.objects.create(first=ContentFile(b"1", "1.txt"), second=ContentFile(b"22", "2.txt"))
    source = Tagged.objects.get()

    other = Tagged.objects.create(second=source.first)

    assert (other.second_name, other.second_size) == ("", 1)


def test_a_formset_of_which_one_row_fails_leaves_no_file(files):
    Paper.objects.create(title="2")
    numbers = {"form-TOTAL_FORMS": 2, "form-INITIAL_FORMS": 0}
    Papers = forms.modelformset_factory(Paper, fields=["title", "file"], extra=2)  # noqa: N806
    uploads = {f"form-{number}-file": SimpleUploadedFile("a.txt", b"text") for number in range(2)}
    formset = Papers({**numbers, "form-0-title": "1", "form-1-title": "3"}, uploads)
    assert formset.is_valid()
    Paper.objects.filter(title="2").update(title="3")

    with suppress(IntegrityError), transaction.atomic():
        formset.save()
    del formset
    settle()

    assert files() == set()
