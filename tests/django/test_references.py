"""Whatever a row holds that leads to a file keeps the file."""

import os

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fdfs_storage.transactions import references
from fdfs_storage.transactions.references import file_fields, referenced
from tests.django.shelf.models import Plain

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

ID = "group1/M00/00/0F/Ck0AFWsEqX2APPhcAAAAE8e8Khc334.txt"
OTHER = "group1/M00/00/0F/Ck0AFWsEqX2AIf3kAAAAE8e8Khc815.txt"
SLAVE = "group1/M00/00/0F/Ck0AFWsEqX2APPhcAAAAE8e8Khc334_80x80.png"
SHORT = "group1/M00/00/0F/Ck0AFWsEqX2AIf3kAAAAE8e8Khc_b"
NAME = ID.partition("/")[2]
MARK = NAME.rpartition("/")[2]
BASE, GROUPS_BASE = "https://img.example/x", "http://10.0.0.1:8888"

FORMS = {
    "the id": ID,
    "a slash": f"/{ID}",
    "two slashes": f"//{ID}",
    "backslashes": ID.replace("/", "\\"),
    "a backslash in front": f"\\{ID}".replace("/", "\\"),
    "slashes of both kinds": ID.replace("M00/", "M00\\"),
    "a dot segment": f"./{ID}",
    "no group": NAME,
    "a slash and no group": f"/{NAME}",
    "backslashes and no group": NAME.replace("/", "\\"),
    "a URL": f"{BASE}/{ID}",
    "a URL with two slashes": f"{BASE}//{ID}",
    "a URL without the group": f"{BASE}/{NAME}",
    "a URL of another scheme": f"http{BASE[5:]}/{ID}",
    "a URL without a scheme": f"{BASE[6:]}/{ID}",
    "a URL in capitals": f"HTTPS{BASE[5:]}/{ID}",
    "the base of its group": f"{GROUPS_BASE}/{ID}",
    "the base of its group, without the group": f"{GROUPS_BASE}/{NAME}",
    "the base of its group in capitals": f"HTTP{GROUPS_BASE[4:]}/{ID}",
    "the base of another group": f"//img2.example/{ID}",
    "a token": f"{BASE}/{NAME}?token=0123456789abcdef&ts=17",
    "a download name": f"{BASE}/{ID}?filename=报告.pdf",
    "an id with a query": f"{ID}?filename=a.txt",
    "an id with a query that makes it as long as its slave's": f"{ID}?a=123",
    "a fragment": f"{BASE}/{ID}#page=2",
    "a former host": f"http://old.example:8080/{ID}",
    "a host without a scheme": f"172.16.222.151:8888/{ID}",
    "quoted slashes": f"{BASE}/{ID.replace('/', '%2F')}",
    "a size behind it": f"{ID}_200x200.jpg",
}


@pytest.fixture(autouse=True)
def bases(settings):
    settings.FDFS_BASE_URL = BASE
    settings.FDFS_BASE_URLS = {"group1": GROUPS_BASE, "group2": "//img2.example"}


@pytest.mark.parametrize("held", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("database", ["default", "other"])
def test_a_row_refers_to_a_file_by(held, database):
    Plain(file=held).save(using=database)

    assert referenced({ID, OTHER, SLAVE, SHORT}) == {ID}


@pytest.mark.parametrize("group", ["group1", None])
@pytest.mark.parametrize("with_group", [True, False])
@pytest.mark.parametrize("held", ["no group", "a URL without the group", "backslashes"])
def test_that_is_so_whatever_urls_and_uploads_are_like(settings, group, with_group, held):
    settings.FDFS_GROUP, settings.FDFS_URL_WITH_GROUP = group, with_group
    Plain.objects.create(file=FORMS[held])

    assert referenced({ID, OTHER}) == {ID}


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@settings(deadline=None)
@given(ANY_TEXT, ANY_TEXT)
@example("group1/M00/00/0F/", "?")
@example("group1/M00/00/0F/", "?a=123")
def test_whatever_stands_around_it(before, behind):
    Plain.objects.all().delete()
    Plain.objects.create(file=f"{before}{MARK}{behind}")

    assert referenced({ID, OTHER, SLAVE, SHORT}) == {ID}


@pytest.mark.parametrize("held", ["", "photo.txt", f"{BASE}/", OTHER, SLAVE, f"{BASE}/{SLAVE}"])
def test_a_row_does_not_refer_to_it_by(held):
    Plain.objects.create(file=held)

    assert referenced({ID}) == set()


@pytest.mark.parametrize("name", ["photos/a", "other/banana.txt", "group1/photos/", "%", "_"])
def test_what_is_no_id_is_looked_for_as_it_is(name):
    Plain.objects.create(file="group1/photos/banana.txt")

    assert referenced({name}) == {name} & {"group1/photos/"}


def test_a_slave_is_another_file_than_its_master():
    Plain.objects.create(file=SLAVE)

    assert referenced({ID, SLAVE}) == {SLAVE}


def test_a_query_behind_a_short_name_is_seen_as_well():
    Plain.objects.create(file=f"{SHORT}?a={'1' * (len(ID) - len(SHORT) - 3)}")

    assert referenced({ID, SLAVE, SHORT}) == {SHORT}


def test_where_the_database_does_not_tell_capitals_apart_neither_does_this():
    Plain(file=ID.lower()).save(using="other")  # SQLite, always

    assert referenced({ID, OTHER}) == {ID}


def test_what_only_the_database_takes_for_the_same_means_any_of_the_files():
    assert references._meant("somebody's collation", [ID, OTHER]) == {ID, OTHER}


def many(count):
    """Ids of as many groups, of several lengths."""
    return {f"g{number}/{NAME[:33]}{number:05}.{'t' * (number % 6 + 1)}" for number in range(count)}


def test_among_many_files_each_is_found():
    names = many(250)
    for name in names:
        Plain.objects.create(file=f"{BASE}/{name}?ts=1" if len(name) % 2 else name)

    assert referenced({*names, ID}) == names


@pytest.mark.skipif(
    "FDFS_TEST_POSTGRES" not in os.environ, reason="for PostgreSQL: test_on_postgresql runs it there"
)
def test_the_index_of_the_documentation_answers():
    column = Plain._meta.get_field("file")
    rows = Plain.objects.filter(references._refers(column, [ID]))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION pg_trgm")
        cursor.execute("CREATE INDEX file_trigrams ON shelf_plain USING gin (file gin_trgm_ops)")
        cursor.execute("SET LOCAL enable_seqscan = off")
        plan = rows.explain()
        transaction.set_rollback(True)

    assert "Bitmap Index Scan on file_trigrams" in plan


def test_sixty_files_are_one_question_to_each_column_that_any_database_takes():
    asked = []

    def listen(execute, sql, params, many, context):
        asked.append(len(params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(listen):
        referenced(many(60))

    assert len(asked) == len(file_fields())
    assert max(asked) < 999


@pytest.mark.parametrize("table", ["renamed_later", 'archive"."plain'])
def test_a_table_that_is_nowhere_to_be_found_may_have_rows_that_refer_to_a_file(monkeypatch, table):
    monkeypatch.setattr(Plain._meta, "db_table", table)

    with pytest.raises(DatabaseError):
        referenced({ID})
