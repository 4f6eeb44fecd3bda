from __future__ import annotations

import base64
import dataclasses
import pickle
import string
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdfs_storage.fastdfs.errors import FastDFSError, InvalidFileIdError
from fdfs_storage.fastdfs.file_id import FileId, Kind, extension_of, stem, valid_extension, valid_group

from .recordings import IDS

GOOD = "group1/M00/00/0F/Ck0AFWsEqX2APPhcAAAAE8e8Khc334.txt"
RANDOM_FORM = 1 << 63
TRUNK = 1 << 59
APPENDER = 1 << 58
RANDOM_BITS = 0x7FFFFF << 32
IP = bytes([10, 77, 0, 21])
CRC32 = 0xC0FFEE11
# The trunk file's number, offset and allocated size: twelve bytes, sixteen characters.
TRUNK_PART = base64.b64encode(bytes.fromhex("00000001 00000400 00000200"), b"-_").decode()

ALNUM = string.ascii_letters + string.digits
HEX = string.digits + "ABCDEF"
patient = settings(deadline=None)  # a busy machine is no failure


def payload(source: bytes, created: int, field: int, crc32: int) -> str:
    """27 characters by the offsets of PROTOCOL 7.1: source at 0, time at 4, size field at 8, CRC32 at 16."""
    raw = source + created.to_bytes(4, "big") + field.to_bytes(8, "big") + crc32.to_bytes(4, "big")
    return base64.b64encode(raw, b"-_").decode().rstrip("=")


def named(
    *,
    source: bytes = IP,
    created: int = 1795471745,
    field: int,
    crc32: int = CRC32,
    rest: str = "334.txt",
) -> FileId:
    return FileId.parse(f"group1/M00/00/0F/{payload(source, created, field, crc32)}{rest}")


def refused(text: str) -> bool:
    """Whether parse calls it no id; whatever else it raises comes out of here."""
    try:
        FileId.parse(text)
    except InvalidFileIdError:
        return True
    return False


def well_formed(text: str) -> bool:
    """PROTOCOL 2, 5.1 and 7 once more, in words other than a pattern's."""
    group, _, name = text.partition("/")
    head, stem27, tail = name[:10], name[10:37], name[37:]
    shape = [HEX if place == "H" else place for place in "MHH/HH/HH/"]
    return (
        0 < len(group) <= 16
        and set(group) <= set(ALNUM)
        and len(head) == 10
        and all(character in allowed for character, allowed in zip(head, shape, strict=True))
        and len(stem27) == 27
        and set(stem27) <= set(ALNUM + "-_")
        and set(tail) <= set(ALNUM + "._-")
        and 38 <= len(name) < 128
    )


# --- ids of a real cluster ----------------------------------------------------------------------


def test_all_recorded_ids_are_there():
    assert len(IDS) == 288


@pytest.mark.parametrize("recorded", IDS, ids=lambda line: line["file_id"])
def test_a_recorded_id_says_what_fastdfs_says_of_it(recorded):
    judge = recorded["fdfs_file_info"]

    parsed = FileId.parse(recorded["file_id"])

    assert str(parsed) == recorded["file_id"]
    assert f"{parsed.group}/{parsed.name}" == recorded["file_id"]
    assert parsed.source == judge["source_ip"]
    assert parsed.created.strftime("%Y-%m-%d %H:%M:%S %Z") == f"{judge['created_utc']} UTC"
    assert parsed.kind.value == judge["type"]
    assert parsed.extension == recorded["ext"]
    assert parsed.store_path == 0


@pytest.mark.parametrize("recorded", IDS, ids=lambda line: line["file_id"])
def test_size_and_crc_of_a_recorded_id_are_the_contents_or_unknown(recorded):
    trusted = recorded["kind"] == "normal"

    parsed = FileId.parse(recorded["file_id"])

    assert parsed.size == (recorded["content_size"] if trusted else None)
    assert parsed.crc32 == (recorded["content_crc32"] if trusted else None)


@pytest.mark.parametrize(
    "recorded", [line for line in IDS if line["kind"] == "slave"], ids=lambda line: line["file_id"]
)
def test_a_slave_has_its_masters_source_and_time(recorded):
    slave, master = FileId.parse(recorded["file_id"]), FileId.parse(recorded["master"])

    assert (slave.source, slave.created) == (master.source, master.created)
    assert (slave.kind, master.kind) == (Kind.SLAVE, Kind.NORMAL)


def test_an_id_of_the_protocol_text_reads_as_its_bytes_say():
    parsed = FileId.parse("group1/M00/00/00/Ck0AFWsEpnGAcowKAAAACw1KEYU536.jpg")

    assert parsed.source == "10.77.0.21"
    assert parsed.created == datetime.fromtimestamp(0x6B04A671, timezone.utc)
    assert (parsed.size, parsed.crc32) == (11, 0x0D4A1185)  # "hello world"
    assert parsed.extension == "jpg"


# --- the rules of PROTOCOL 7 --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "means"),
    [
        (bytes([10, 77, 0, 21]), "10.77.0.21"),
        (bytes([255, 255, 255, 255]), "255.255.255.255"),
        (bytes([0, 0, 0, 0]), "0.0.0.0"),
        (bytes([1, 0, 0, 0]), "1"),
        (bytes([100, 0, 0, 0]), "100"),
        (bytes([0, 1, 0, 0]), "256"),
        (bytes([255, 255, 255, 0]), "16777215"),
        (bytes([0, 0, 0, 1]), "0.0.0.1"),
        (bytes([10, 77, 3, 0]), str(10 + 77 * 256 + 3 * 65536)),  # a.b.c.0 is taken for an id
    ],
)
def test_the_source_is_a_little_endian_server_id_or_else_an_address(source, means):
    assert named(source=source, field=RANDOM_FORM | 5).source == means


@pytest.mark.parametrize("created", [0, 1, 1795471745, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_the_time_is_unsigned_and_aware(created):
    moment = named(created=created, field=RANDOM_FORM).created

    assert moment.timestamp() == created
    assert moment.utcoffset().total_seconds() == 0
    assert moment.microsecond == 0


@pytest.mark.parametrize("size", [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
@pytest.mark.parametrize("bits", [0, 1 << 32, RANDOM_BITS])
def test_below_four_gib_the_size_is_the_low_half(size, bits):
    file = named(field=RANDOM_FORM | bits | size)

    assert (file.kind, file.size, file.crc32) == (Kind.NORMAL, size, CRC32)


@pytest.mark.parametrize("size", [1 << 32, (1 << 32) + 1, 5 << 30, 123456789012345, (1 << 58) - 1])
def test_from_four_gib_on_the_size_is_the_plain_field(size):
    file = named(field=size)

    assert (file.kind, file.size, file.crc32) == (Kind.NORMAL, size, CRC32)


@pytest.mark.parametrize("rest", ["334.log", "3095951", "X.tar.g"])
def test_of_an_appender_neither_size_nor_crc_is_known(rest):
    file = named(field=RANDOM_FORM | APPENDER | RANDOM_BITS, rest=rest)

    assert (file.kind, file.size, file.crc32) == (Kind.APPENDER, None, None)
    assert file.source == "10.77.0.21"


def test_a_trunk_file_has_sixty_characters_and_all_facts():
    file = named(field=RANDOM_FORM | TRUNK | RANDOM_BITS | 4096, rest=TRUNK_PART + "334.txt")

    assert len(file.name) == 60
    assert (file.kind, file.size, file.crc32) == (Kind.TRUNK, 4096, CRC32)
    assert (file.source, file.extension) == ("10.77.0.21", "txt")


@pytest.mark.parametrize("rest", ["334_100x100.txt", "1234567_b", "334_b.tar.gz", "_a-long-prefix_.png"])
def test_a_slave_of_a_trunk_file_is_a_slave(rest):
    file = named(field=RANDOM_FORM | TRUNK | 4096, rest=TRUNK_PART + rest)

    assert (file.kind, file.size, file.crc32) == (Kind.SLAVE, None, None)


@pytest.mark.parametrize("rest", ["334_100x100.txt", "3095951-b", "_b"])
def test_a_slave_of_an_appender_is_an_appender(rest):
    file = named(field=RANDOM_FORM | APPENDER, rest=rest)

    assert (file.kind, file.size, file.crc32) == (Kind.APPENDER, None, None)


@pytest.mark.parametrize("field", [RANDOM_FORM | 5, 5 << 30])
@pytest.mark.parametrize("rest", ["b", "_b", "334_b.cc", "334_100x100.txt", "3095951_b", "7" * 90])
def test_a_name_of_another_length_than_a_normal_ones_is_a_slaves(field, rest):
    file = named(field=field, rest=rest)

    assert (file.kind, file.size, file.crc32) == (Kind.SLAVE, None, None)
    assert file.source == "10.77.0.21"


def test_a_slave_whose_name_comes_out_at_44_characters_looks_normal():
    file = named(field=RANDOM_FORM | 2, rest="12_b.gz")

    assert len(file.name) == 44
    assert (file.kind, file.size) == (Kind.NORMAL, 2)


def test_the_name_of_a_metadata_file_claims_no_facts():
    file = FileId.parse(f"{GOOD}-m")

    assert (file.kind, file.size, file.crc32) == (Kind.SLAVE, None, None)


@pytest.mark.parametrize(
    ("rest", "extension"),
    [
        ("1234567", ""),
        ("334.txt", "txt"),
        ("63616.c", "c"),
        (".tar.gz", "tar.gz"),
        ("NN..jpg", ".jpg"),
        ("33.a.b", "a.b"),
        ("12345_b.png", "png"),
        ("_b.c.tar.gz", "tar.gz"),
        ("334_b.longer7", ""),
        ("123456.", ""),
    ],
)
def test_the_extension_follows_the_first_dot_of_the_last_seven_characters(rest, extension):
    assert named(field=RANDOM_FORM, rest=rest).extension == extension


@pytest.mark.parametrize(("text", "index"), [("M00", 0), ("M01", 1), ("M0A", 10), ("MFF", 255)])
def test_the_store_path_is_hexadecimal(text, index):
    assert FileId.parse(GOOD.replace("M00", text)).store_path == index


# --- stem is the inverse ------------------------------------------------------------------------

addresses = st.tuples(*[st.integers(0, 255)] * 3, st.integers(1, 255)).map(
    lambda part: "{}.{}.{}.{}".format(*part)
)
server_ids = st.integers(1, 16777215).map(str)
uint32 = st.integers(0, 0xFFFFFFFF)
sizes = st.one_of(uint32, st.sampled_from([0, 0xFFFFFFFF, 1 << 32]), st.integers(1 << 32, (1 << 58) - 1))
bits = st.integers(0, 0x7FFFFF)


@patient
@given(st.one_of(addresses, server_ids), uint32, sizes, uint32, bits)
def test_what_a_storage_names_is_read_back(source, created, size, crc32, random_bits):
    text = stem(source, created, size, crc32, random_bits=random_bits)

    file = FileId.parse(f"group1/M00/00/0F/{text}334.txt")

    assert (file.source, file.created.timestamp()) == (source, created)
    assert (file.kind, file.size, file.crc32) == (Kind.NORMAL, size, crc32)


@patient
@given(st.one_of(addresses, server_ids), uint32, sizes, uint32, bits)
def test_what_a_storage_names_as_appender_is_read_back(source, created, size, crc32, random_bits):
    text = stem(source, created, size, crc32, random_bits=random_bits, appender=True)

    file = FileId.parse(f"group1/M00/00/0F/{text}334.txt")

    assert (file.source, file.created.timestamp()) == (source, created)
    assert (file.kind, file.size, file.crc32) == (Kind.APPENDER, None, None)


@patient
@given(st.tuples(*[st.integers(0, 255)] * 4), uint32, sizes, uint32, bits)
def test_a_stem_is_the_base64_of_the_bytes_at_their_offsets(parts, created, size, crc32, random_bits):
    field = size if size > 0xFFFFFFFF else RANDOM_FORM | random_bits << 32 | size
    source = ".".join(map(str, parts))

    text = stem(source, created, size, crc32, random_bits=random_bits)

    assert text == payload(bytes(parts), created, field, crc32)


@patient
@given(st.integers(1, 16777215), uint32, uint32, bits)
def test_a_server_id_is_little_endian_and_an_appender_has_no_size(number, created, crc32, random_bits):
    field = RANDOM_FORM | APPENDER | random_bits << 32

    text = stem(str(number), created, 4711, crc32, random_bits=random_bits, appender=True)

    assert text == payload(number.to_bytes(4, "little"), created, field, crc32)


def test_more_random_bits_than_there_is_room_for_touch_nothing_else():
    file = FileId.parse(f"group1/M00/00/0F/{stem('10.77.0.21', 1, 11, 2, random_bits=(1 << 64) - 1)}334.txt")

    assert (file.kind, file.size, file.crc32) == (Kind.NORMAL, 11, 2)


@pytest.mark.parametrize(
    "recorded", [line for line in IDS if line["kind"] != "slave"], ids=lambda line: line["file_id"]
)
def test_the_stem_of_a_recorded_id_is_made_of_its_facts(recorded):
    text = recorded["file_id"].partition("/")[2][10:37]
    raw = base64.b64decode(text + "=", b"-_")
    created, bits, crc32 = (int.from_bytes(raw[at : at + 4], "big") for at in (4, 8, 16))
    appender = recorded["kind"] == "appender"
    where, size = recorded["stored_on"], recorded["content_size"]

    made = stem(where, created, size, crc32, random_bits=bits & 0x7FFFFF, appender=appender)

    assert made == text


# --- what is no id ------------------------------------------------------------------------------

MALFORMED = {
    "empty": "",
    "one slash": "/",
    "no slash": "group1",
    "no name": "group1/",
    "no group": GOOD.removeprefix("group1/"),
    "empty group": GOOD.removeprefix("group1"),
    "group of 17": GOOD.replace("group1", "g" * 17),
    "group with underscore": GOOD.replace("group1", "group_1"),
    "group with hyphen": GOOD.replace("group1", "group-1"),
    "group with dot": GOOD.replace("group1", "group.1"),
    "group with non-ASCII letter": GOOD.replace("group1", "grüpp1"),
    "group with non-ASCII digit": GOOD.replace("group1", "group\uff11"),
    "group of dots": GOOD.replace("group1", ".."),
    "lower-case m": GOOD.replace("M00", "m00"),
    "no M": GOOD.replace("M00", "000"),
    "store path of one digit": GOOD.replace("M00", "M0"),
    "store path of three digits": GOOD.replace("M00", "M000"),
    "store path not hexadecimal": GOOD.replace("M00", "M0G"),
    "lower-case store path": GOOD.replace("M00", "M0a"),
    "non-ASCII store path": GOOD.replace("M00", "M0\u0660"),
    "no store path": GOOD.replace("M00/", ""),
    "lower-case first directory": GOOD.replace("/00/0F/", "/0a/0F/"),
    "lower-case second directory": GOOD.replace("/00/0F/", "/00/0f/"),
    "non-ASCII directory": GOOD.replace("/00/0F/", "/0\uff10/0F/"),
    "directory not hexadecimal": GOOD.replace("/00/0F/", "/00/0G/"),
    "one directory": GOOD.replace("/00/0F/", "/0F/"),
    "three directories": GOOD.replace("/00/0F/", "/00/00/0F/"),
    "directories of dots": GOOD.replace("/00/0F/", "/../../"),
    "traversal as the name": "group1/M00/00/00/..",
    "traversal behind the directories": "group1/M00/00/00/../../../../etc/passwd",
    "traversal at the end": f"{GOOD}/../../../../../etc/passwd",
    "traversal at the start": f"../{GOOD}",
    "traversal behind the group": GOOD.replace("group1/", "group1/../group1/"),
    "percent-encoded traversal": f"{GOOD}%2f..%2f..",
    "doubled slash": GOOD.replace("group1/", "group1//"),
    "slash at the end": f"{GOOD}/",
    "leading slash": f"/{GOOD}",
    "leading slashes": f"//{GOOD}",
    "backslashes": GOOD.replace("/", "\\"),
    "one backslash": GOOD.replace("0F/", "0F\\"),
    "newline at the end": f"{GOOD}\n",
    "carriage return at the end": f"{GOOD}\r\n",
    "newline behind the group": GOOD.replace("group1", "group1\n"),
    "NUL at the end": f"{GOOD}\0",
    "NUL behind the group": GOOD.replace("group1", "group1\0"),
    "space before": f" {GOOD}",
    "space behind": f"{GOOD} ",
    "space inside": GOOD.replace("334", "3 4"),
    "tab behind": f"{GOOD}\t",
    "byte order mark": f"\ufeff{GOOD}",
    "dot in the base64": GOOD.replace("APPhc", "A.Phc"),
    "plus in the base64": GOOD.replace("APPhc", "A+Phc"),
    "padding in the base64": GOOD.replace("Khc334", "Khc=34"),
    "non-ASCII letter in the base64": GOOD.replace("APPhc", "A\u0420Phc"),
    "fullwidth letter in the base64": GOOD.replace("APPhc", "A\uff30Phc"),
    "non-ASCII digit in the tail": GOOD.replace("334", "33\u0664"),
    "non-ASCII extension": GOOD.replace("txt", "t\u00d7t"),
    "lone surrogate": GOOD.replace("334", "3\udc334"),
    "nothing behind the base64": GOOD[:-7],
    "short base64": GOOD[:-8],
    "a name of 128": GOOD + "x" * (128 - 44),
    "a name of a thousand": GOOD + "x" * 1000,
    "http URL": f"http://files.example:8888/{GOOD}",
    "URL without a scheme": f"//files.example/{GOOD}",
    "query": f"{GOOD}?token=1",
    "fragment": f"{GOOD}#x",
    "two ids": f"{GOOD},{GOOD}",
    "two lines": f"{GOOD}\n{GOOD}",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_no_storage_can_have_issued_is_refused(text):
    with pytest.raises(InvalidFileIdError):
        FileId.parse(text)


CHARACTERS = [*"\\\0 \n\r%?#:+=~é", "\u0663", "\ud800"]
PIECES = ["../", "/..", "/", "//", *CHARACTERS]


@pytest.mark.parametrize("piece", PIECES)
def test_no_foreign_piece_is_let_in_at_any_position(piece):
    spoilt = [GOOD[:at] + piece + GOOD[at:] for at in range(len(GOOD) + 1)]

    assert [text for text in spoilt if not refused(text)] == []


@pytest.mark.parametrize("piece", CHARACTERS)
def test_no_character_can_be_replaced_by_a_foreign_one(piece):
    spoilt = [GOOD[:at] + piece + GOOD[at + 1 :] for at in range(len(GOOD))]

    assert [text for text in spoilt if not refused(text)] == []


def test_a_slash_is_only_where_it_was():
    places = [at for at in range(len(GOOD)) if not refused(GOOD[:at] + "/" + GOOD[at + 1 :])]

    assert places == [at for at, character in enumerate(GOOD) if character == "/"]


def test_truncated_ids_are_refused_until_no_slave_could_be_shorter():
    shortest = len("group1/") + 38

    assert [end for end in range(len(GOOD)) if not refused(GOOD[:end])] == list(range(shortest, len(GOOD)))


@pytest.mark.parametrize("length", [38, 43, 44, 45, 60, 127])
def test_names_of_up_to_127_characters_are_ids(length):
    text = GOOD[: len("group1/") + 37] + "x" * (length - 37)

    assert str(FileId.parse(text)) == text


@pytest.mark.parametrize("group", ["g", "1", "G" * 16, "group1", "ABCxyz0189"])
def test_groups_of_one_to_sixteen_letters_and_digits_are_groups(group):
    assert FileId.parse(GOOD.replace("group1", group)).group == group


def test_a_bad_id_is_a_value_error_and_shown_with_its_quotes():
    with pytest.raises(ValueError, match=r"'\.\./etc/passwd\\n'") as caught:
        FileId.parse("../etc/passwd\n")

    assert isinstance(caught.value, FastDFSError)
    assert caught.value.retriable is False


@pytest.mark.parametrize("text", ["x" * 1_000_000, "group1/" + "x" * 1_000_000, GOOD + "x" * 1_000_000])
def test_a_message_does_not_repeat_a_megabyte_of_rubbish(text):
    with pytest.raises(InvalidFileIdError) as caught:
        FileId.parse(text)

    assert len(str(caught.value)) < 1000


nearly = st.tuples(st.integers(0, len(GOOD)), st.integers(0, 3), st.text(st.characters(), max_size=4)).map(
    lambda edit: GOOD[: edit[0]] + edit[2] + GOOD[edit[0] + edit[1] :]
)
shaped = st.from_regex(r"[A-Za-z0-9]{1,17}/M[0-9A-F]{2}(/[0-9A-Fa]{2}){2}/[\w.-]{20,130}\n?", fullmatch=True)


well_shaped = st.from_regex(
    r"[A-Za-z0-9]{1,16}/M[0-9A-F]{2}(/[0-9A-F]{2}){2}/[A-Za-z0-9_-]{28}[A-Za-z0-9._-]{0,89}", fullmatch=True
)


@patient
@given(st.one_of(st.text(st.characters()), nearly, shaped, well_shaped))
def test_any_text_is_either_an_id_or_refused_as_none(text):
    try:
        parsed = FileId.parse(text)
    except InvalidFileIdError:
        assert not well_formed(text)
    else:
        assert well_formed(text)
        assert str(parsed) == text


@patient
@given(
    st.from_regex(r"[A-Za-z0-9]{1,16}/M[0-9A-F]{2}(/[0-9A-F]{2}){2}/[\w-]{27}[\w.-]{1,90}", fullmatch=True)
)
def test_every_fact_of_every_id_can_be_read(text):
    if not text.isascii():
        text = GOOD
    file = FileId.parse(text)

    assert file.created.tzinfo is timezone.utc
    assert file.source.replace(".", "").isdecimal()
    assert 0 <= file.store_path <= 255
    assert (file.size is None) is (file.crc32 is None) is (file.kind in (Kind.SLAVE, Kind.APPENDER))
    assert valid_extension(file.extension)


# --- a value ------------------------------------------------------------------------------------


def test_equal_texts_are_equal_ids_with_one_hash():
    one, same, other = FileId.parse(GOOD), FileId.parse(GOOD), FileId.parse(GOOD.replace("334", "335"))

    assert one == same
    assert one != other
    assert one != GOOD
    assert {one, same, other} == {one, other}


def test_the_same_name_in_another_group_is_another_file():
    assert FileId.parse(GOOD) != FileId.parse(GOOD.replace("group1", "group2"))


@pytest.mark.parametrize("attribute", ["group", "name"])
def test_an_id_cannot_be_changed(attribute):
    file = FileId.parse(GOOD)

    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(file, attribute, "x")


def test_an_id_survives_pickle():
    file = FileId.parse(GOOD)

    restored = pickle.loads(pickle.dumps(file))

    assert restored == file
    assert (str(restored), hash(restored)) == (GOOD, hash(file))


# --- groups and extensions ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "group", ["", "g" * 17, "group_1", "group 1", "group1\n", "gruppe-1", "группа", "g\0", "１"]
)
def test_no_storage_joins_under_such_a_group(group):
    assert not valid_group(group)


@pytest.mark.parametrize("extension", ["", "c", "jpg", "tar.gz", "A-Z_09", ".jpg", "......"])
def test_storages_take_these_extensions(extension):
    assert valid_extension(extension)


@pytest.mark.parametrize("extension", ["sevenly", "a/b", "a b", "jpg\n", "jpg\0", "jpé", "jp％", "٣", "a\\b"])
def test_storages_refuse_these_extensions(extension):
    assert not valid_extension(extension)


@pytest.mark.parametrize(
    ("filename", "extension"),
    [
        ("photo.jpg", "jpg"),
        ("photo.JPG", "JPG"),
        ("照片.png", "png"),
        ("photo", ""),
        ("photo.", ""),
        ("", ""),
        (".", ""),
        ("..", ""),
        ("photo.jpeg2000", ""),
        ("photo.sixsix", "sixsix"),
        ("photo.图", ""),
        ("photo.j g", ""),
        ("photo.jpg\n", ""),
        ("holiday/photo.jpg", "jpg"),
        ("holiday.2024/photo", ""),
        ("C:\\holiday.jpg\\photo", ""),
        ("C:\\holiday\\photo.jpg", "jpg"),
        ("backup.tar.gz", "tar.gz"),
        ("backup.tar.xz", "tar.xz"),
        ("backup.TAR.GZ", "TAR.GZ"),
        ("table.csv.gz", "csv.gz"),
        ("backup.tar.bz2", "bz2"),
        ("tar.gz", "gz"),
        ("my.phot.o.jpg", "jpg"),
        ("v1.2.png", "png"),
        ("holiday.tar/photo.gz", "gz"),
    ],
)
def test_a_filename_gives_the_extension_of_its_type(filename, extension):
    assert extension_of(filename) == extension


@patient
@given(st.one_of(st.text(st.characters()), st.text("ab./\\-_ 图.tgzar")))
def test_any_filename_gives_an_extension_that_storages_take(filename):
    extension = extension_of(filename)

    assert valid_extension(extension)
    assert filename.endswith(f".{extension}" if extension else "")
