"""What crashes leave behind is in the journal, and `manage.py fdfs_sweep` finds it."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections, transaction
from hypothesis import given
from hypothesis import strategies as st

from fdfs_storage.fields.checks import check_journal
from fdfs_storage.transactions import journal, journal_reading, settle
from fdfs_storage.transactions.journal_reading import SETTLED, SUSPECT, UPLOADED, line, unsettled
from tests.django.shelf.models import Paper, Plain

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
FIELD = "shelf.Paper.file"
LONG_AGO = 1_700_000_000


def content(text="text"):
    return ContentFile(text.encode(), "a.txt")


def sweep(*arguments):
    output = io.StringIO()
    try:
        call_command("fdfs_sweep", *arguments, stdout=output, no_color=True)
    except SystemExit as exit_:
        return exit_.code, output.getvalue()
    return 0, output.getvalue()


@pytest.fixture(autouse=True)
def clean_slate():
    """Let what other tests rolled back be settled before, and not in here."""
    settle()


@pytest.fixture
def folder(tmp_path, settings):
    settings.FDFS_JOURNAL = tmp_path
    yield tmp_path
    for key in [key for key in journal._journals if key[1] == tmp_path]:
        journal._journals.pop(key).close()


@pytest.fixture
def stored(broken, storage):
    """A file that no row refers to."""
    return storage.save("a.txt", content())


def leave(folder, *lines, name="gone-1-abc.journal"):
    """Leave a journal behind, as a process that is gone."""
    (folder / name).write_bytes(b"".join(lines))
    return folder / name


def own_lines(folder):
    return [text for path in folder.glob("*.journal") for text in path.read_text("ascii").splitlines()]


# --- what is written down -----------------------------------------------------------------------


def test_an_upload_is_written_down_before_its_row_and_settled_after(broken, folder):
    with transaction.atomic():
        paper = Paper.objects.create(title="new", file=content())
        [uploaded] = own_lines(folder)
        assert uploaded.startswith("+ ")
        assert uploaded.endswith(f" {FIELD} {paper.file.name}")

    assert [text[0] for text in own_lines(folder)] == [UPLOADED, SETTLED]


def test_what_is_discarded_is_written_down_until_it_is_deleted(broken, folder):
    paper = Paper.objects.create(title="new", file=content())
    broken.storage_server.stop()
    broken.tracker_servers[0].stop()

    paper.delete()

    assert [text[0] for text in own_lines(folder)] == [UPLOADED, SETTLED, UPLOADED, SUSPECT]


def test_what_is_to_be_deleted_is_written_down_before_the_commit(broken, folder):
    paper = Paper.objects.create(title="new", file=content())

    with transaction.atomic():
        paper.delete()
        assert [text[0] for text in own_lines(folder)] == [UPLOADED, SETTLED, UPLOADED]

    assert own_lines(folder)[-1][0] == SETTLED


def test_what_cannot_be_read_in_the_folder_hinders_no_upload(broken, folder):
    (folder / "other-1-abc.journal").symlink_to("/of/another/user")
    (folder / "other-2-abc.journal").mkdir()

    Paper.objects.create(title="new", file=content())

    assert Paper.objects.get().file.name in journal.own().path.read_text("ascii")


@pytest.mark.parametrize("value", [5, "/no/such/folder", "relative/nowhere", b"/tmp"])
def test_a_journal_that_cannot_be_kept_is_told_before_the_upload(broken, settings, value):
    settings.FDFS_JOURNAL = value

    with pytest.raises(ImproperlyConfigured, match="FDFS_JOURNAL"):
        Paper.objects.create(title="new", file=content())

    assert list(broken.volume.files()) == []
    assert [message.id for message in check_journal(None)] == ["fdfs.E022"]


def test_a_relative_journal_starts_at_base_dir(tmp_path, settings):
    (tmp_path / "journal").mkdir()
    settings.BASE_DIR, settings.FDFS_JOURNAL = tmp_path, "journal"

    assert journal.folder() == tmp_path / "journal"
    assert check_journal(None) == []


def test_a_relative_journal_needs_a_base_dir(settings):
    settings.BASE_DIR, settings.FDFS_JOURNAL = None, "journal"

    with pytest.raises(ImproperlyConfigured, match="BASE_DIR"):
        journal.folder()


def test_a_full_disk_is_logged_with_the_file_and_stops_nothing(broken, folder, caplog):
    own = journal.own()
    own._descriptor, kept = os.open("/dev/full", os.O_WRONLY), own._descriptor

    paper = Paper.objects.create(title="new", file=content())

    os.close(own._descriptor)
    own._descriptor = kept
    assert f"cannot write + {paper.file.name}" in caplog.text
    assert Paper.objects.exists()


def test_a_journal_that_is_full_names_what_it_forgets(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(journal, "_GROWTH_BYTES", 200)
    monkeypatch.setattr(journal, "_MOST_OPEN", 2)
    kept = journal.Journal(tmp_path)

    for number in range(20):
        kept.note(UPLOADED, FIELD, f"group1/{number}")

    assert "group1/0 any more" in caplog.text
    assert kept.path.stat().st_size < 500
    kept.close()


def test_a_journal_stays_small_and_forgets_nothing_that_is_open(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "_GROWTH_BYTES", 2000)
    kept = journal.Journal(tmp_path)
    kept.note(UPLOADED, FIELD, "group1/open")
    for number in range(500):
        kept.note(UPLOADED, FIELD, f"group1/{number}")
        kept.note(SETTLED, FIELD, f"group1/{number}")

    [path] = journal_reading.journals(tmp_path)
    assert path.stat().st_size < 3000
    assert [entry.name for entry in unsettled(path.read_bytes())[0]] == ["group1/open"]
    kept.close()


def test_a_living_process_s_journal_is_not_inherited_and_a_finished_one_is_removed(tmp_path):
    finished, living = journal.Journal(tmp_path), journal.Journal(tmp_path)
    os.close(finished._descriptor)
    living.note(UPLOADED, FIELD, "group1/a")

    with journal_reading.inherited(living.path) as ours:
        assert not ours
    journal_reading.remove_finished(tmp_path)

    assert journal_reading.journals(tmp_path) == [living.path]
    living.close()


@given(st.lists(st.binary(max_size=60)))
def test_any_bytes_are_read_as_a_journal_without_an_error(pieces):
    good = line(UPLOADED, FIELD, "group1/M00/00/00/a.txt", 5)

    entries, unreadable = unsettled(b"\n".join([*pieces, b"", good.strip()]))

    assert entries[-1].name == "group1/M00/00/00/a.txt"
    assert 0 <= unreadable <= sum(piece.count(b"\n") + 1 for piece in pieces)


def test_a_field_may_have_a_name_in_any_script():
    assert unsettled(line(UPLOADED, "画廊.照片.文件", "group1/a", 5))[0] == [
        (UPLOADED, 5, "画廊.照片.文件", "group1/a")
    ]


def test_a_line_that_a_crash_cut_is_counted_and_the_others_are_read():
    whole = line(UPLOADED, FIELD, "group1/a", 5)

    assert unsettled(whole + whole[:-12]) == ([(UPLOADED, 5, FIELD, "group1/a")], 1)


# --- what is swept ------------------------------------------------------------------------------

CRASH = """
import os, signal, sys
import django
from django.conf import settings
settings.configure(
    USE_TZ=True, FDFS_TRACKERS=[sys.argv[1]], FDFS_BASE_URL="http://127.0.0.1:8888", FDFS_JOURNAL=sys.argv[2],
    STORAGES={"default": {"BACKEND": "fdfs_storage.storage.FastDFSStorage"}},
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[2] + "/db.sqlite3"}},
    INSTALLED_APPS=["fdfs_storage", "tests.django.shelf"],
)
django.setup()
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import transaction
from tests.django.shelf.models import Paper
call_command("migrate", run_syncdb=True, verbosity=0)
Paper.objects.create(title="kept", file=ContentFile(b"kept", "a.txt"))
with transaction.atomic():
    paper = Paper.objects.create(title="lost", file=ContentFile(b"lost", "a.txt"))
    print(paper.file.name, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_behind_is_found_and_deleted(broken, folder, storage):
    done = subprocess.run(
        [sys.executable, "-c", CRASH, broken.trackers[0], str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    name = done.stdout.strip()

    code, output = sweep("--older-than=0")
    assert (code, f"orphan   {name}  {FIELD}" in output) == (1, True)
    assert storage.exists(name)

    code, output = sweep("--older-than=0", "--delete")
    assert (code, "1 deleted" in output) == (0, True)
    assert not storage.exists(name)
    assert journal_reading.journals(folder) == []
    assert len(list(broken.volume.files())) == 1


def test_nothing_is_deleted_unless_asked_for(folder, stored, storage):
    path = leave(folder, line(UPLOADED, FIELD, stored, LONG_AGO))
    before = path.read_bytes()

    for _ in range(2):
        code, output = sweep()
        assert (code, "1 orphans" in output, "--delete" in output) == (1, True, True)

    assert storage.exists(stored)
    assert path.read_bytes() == before


def row_of_our_field(name):
    Paper.objects.create(title="row", file=name)


def row_of_another_field_on_another_database(name):
    Plain(file=name).save(using="other")


def row_with_a_slash(name):
    Plain.objects.create(file=f"/{name}")


@pytest.mark.parametrize(
    "refer", [row_of_our_field, row_of_another_field_on_another_database, row_with_a_slash]
)
def test_a_file_that_a_row_refers_to_is_not_an_orphan(folder, stored, storage, refer):
    refer(stored)
    leave(folder, line(UPLOADED, FIELD, stored, LONG_AGO))

    code, output = sweep("--delete")

    assert (code, "1 in use" in output) == (0, True)
    assert storage.exists(stored)
    assert journal_reading.journals(folder) == []


def test_a_young_file_is_left_alone(folder, stored, storage):
    path = leave(folder, line(UPLOADED, FIELD, stored, time.time() - 3600))

    assert sweep("--delete")[0] == 0
    assert storage.exists(stored)
    assert path.exists()

    assert sweep("--delete", "--older-than=0.5")[0] == 0
    assert not storage.exists(stored)


def test_of_a_living_process_only_what_it_gave_up_is_swept(broken, folder, storage):
    in_work, given_up = (storage.save("a.txt", content()) for _ in range(2))
    living = journal.Journal(folder)
    living.note(UPLOADED, FIELD, in_work)
    living.note(SUSPECT, FIELD, given_up)

    for _ in range(2):
        assert sweep("--delete", "--older-than=0")[0] == 0

    assert (storage.exists(in_work), storage.exists(given_up)) == (True, False)
    living.close()


@pytest.mark.parametrize(
    "text",
    [
        line(UPLOADED, "nosuch.Model.field", "group1/M00/00/00/CgAAAWsEummAAVjNAAAAZIN-b7g764.jpg", 5),
        line(UPLOADED, "shelf.Paper.title", "group1/M00/00/00/CgAAAWsEummAAVjNAAAAZIN-b7g764.jpg", 5),
        line(UPLOADED, "nonsense", "group1/M00/00/00/CgAAAWsEummAAVjNAAAAZIN-b7g764.jpg", 5),
        line(UPLOADED, FIELD, "../../etc/passwd", 5),
    ],
)
def test_what_cannot_be_judged_stays_and_is_said(folder, text):
    path = leave(folder, text)

    code, output = sweep("--delete")

    assert (code, "unknown" in output) == (1, True)
    assert path.read_bytes() == text


def test_a_file_that_is_gone_already_is_no_orphan(folder, stored, storage):
    storage.delete(stored)
    path = leave(folder, line(SUSPECT, FIELD, stored, LONG_AGO))

    assert sweep("--delete")[0] == 0
    assert not path.exists()


def test_when_the_cluster_does_not_answer_the_suspects_stay(broken, folder, stored):
    path = leave(folder, line(UPLOADED, FIELD, stored, LONG_AGO))
    broken.storage_server.stop()
    broken.tracker_servers[0].stop()

    assert sweep("--delete")[0] == 1
    assert stored in path.read_text("ascii")


def test_when_a_database_does_not_answer_nothing_is_deleted(folder, stored, storage):
    def silent(*_):
        raise OperationalError("the other database is down")

    leave(folder, line(UPLOADED, FIELD, stored, LONG_AGO))

    with connections["other"].execute_wrapper(silent), pytest.raises(CommandError, match="down") as caught:
        call_command("fdfs_sweep", delete=True)

    assert caught.value.returncode == 2
    assert storage.exists(stored)


def test_without_a_journal_or_inside_a_transaction_it_says_what_to_do(settings, tmp_path):
    settings.FDFS_JOURNAL = None
    with pytest.raises(CommandError, match="FDFS_JOURNAL =") as caught:
        call_command("fdfs_sweep")
    assert caught.value.returncode == 2

    settings.FDFS_JOURNAL = tmp_path
    with transaction.atomic(), pytest.raises(CommandError, match="transaction"):
        call_command("fdfs_sweep")


@pytest.mark.parametrize("hours", ["-1", "nan", "inf", "soon"])
def test_an_age_that_makes_no_sense_is_refused(folder, hours):
    with pytest.raises(CommandError, match="older-than"):
        call_command("fdfs_sweep", f"--older-than={hours}")


def test_a_failed_deletion_is_swept_later(broken, folder, storage):
    paper = Paper.objects.create(title="new", file=content())
    name = paper.file.name
    broken.storage_server.stop()
    paper.delete()
    broken.storage_server.start()

    assert settle() == []
    assert sweep("--delete", "--older-than=0")[0] == 0

    assert not storage.exists(name)
