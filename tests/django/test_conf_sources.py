"""Where options come from: OPTIONS, FDFS_*, FDFS_URL, client.conf; and where secrets do not go."""

import pickle
import traceback

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages
from django.db.migrations.writer import MigrationWriter
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from fdfs_storage import conf
from fdfs_storage.conf import SecretLostError
from fdfs_storage.conf.url import read_url, without_secrets
from fdfs_storage.storage import FastDFSStorage

SECRET = "0123456789abcdef-hidden"
NAME = "group1/M00/00/00/Ck0AFWsEpnGAcowKAAAACw1KEYU536.jpg"


@pytest.fixture
def bare(settings):
    """Settings that say nothing of FastDFS."""
    for name in conf.NAMES:
        if hasattr(settings, conf.PREFIX + name.upper()):
            delattr(settings, conf.PREFIX + name.upper())
    return settings


def secret_of(storage):
    secret = storage.options.token_secret
    return secret and secret().decode()


# --- FDFS_URL -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "values"),
    [
        ("fdfs://10.0.0.1", {"trackers": ("10.0.0.1:22122",)}),
        ("FDFS://t1:22122,t2:22123/", {"trackers": ("t1:22122", "t2:22123")}),
        ("fdfs://t1/group1", {"trackers": ("t1:22122",), "group": "group1"}),
        (
            "fdfs://[2001:db8::1]:22122,[2001:db8::2]",
            {"trackers": ("[2001:db8::1]:22122", "[2001:db8::2]:22122")},
        ),
        ("fdfs:///group1", {"group": "group1"}),
        ("fdfs://", {}),
        (" fdfs://t1?pool_size=8&&verify=no& ", {"trackers": ("t1:22122",), "pool_size": 8, "verify": False}),
        ("fdfs://?base_url=http://img.example.com:8888/a", {"base_url": "http://img.example.com:8888/a"}),
        ("fdfs://?verify=YES&url_with_group=off", {"verify": True, "url_with_group": False}),
        ("fdfs://?base_url=https%3A%2F%2Fimg.example.com", {"base_url": "https://img.example.com"}),
        ("fdfs://?base_url=http://[::1]:8888", {"base_url": "http://[::1]:8888"}),
        ("fdfs://?base_urls=g1=http://a:8888,g2=//b", {"base_urls": {"g1": "http://a:8888", "g2": "//b"}}),
        (
            "fdfs://?storage_address_map=172.18.0.0/16=10.0.0.6:23001",
            {"storage_address_map": {"172.18.0.0/16": "10.0.0.6:23001"}},
        ),
        ("fdfs://?network_timeout=2.5&placement_ttl=0", {"network_timeout": 2.5, "placement_ttl": 0.0}),
        (
            "fdfs://?url_with_group=false&token_ttl=900&token_window=60",
            {"url_with_group": False, "token_ttl": 900, "token_window": 60},
        ),
        ("fdfs://?client=fdfs-client-py3", {"client": "fdfs-client-py3"}),
    ],
)
@pytest.mark.parametrize("place", ["OPTIONS", "FDFS_URL"])
def test_a_url_says_every_option(bare, url, values, place):
    if place == "FDFS_URL":
        bare.FDFS_URL = url

    options = conf.resolve({} if place == "FDFS_URL" else {"url": url})

    assert options == conf.Options(**values)


def test_a_secret_in_a_url_is_percent_encoded_and_a_plus_is_a_plus(bare):
    bare.FDFS_URL = "fdfs://t1/?token_secret=a%26b%23c%25d+e=f%E5%AF%86"

    assert conf.resolve({}).token_secret() == "a&b#c%d+e=f密".encode()


def test_every_option_can_stand_in_a_url():
    for name in set(conf.NAMES) - {"url", "trackers", "group"}:
        assert read_url(f"fdfs://t1?{name}=1=1")[name] in (1, "1=1", True, {"1": "1"}, {"1": "1"})


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        (5, "must be a text such as fdfs://"),
        ("http://10.0.0.1", "must start with fdfs://"),
        ("10.0.0.1:22122", "must start with fdfs://"),
        ("fdfs://t1?poolsize=8", r"'poolsize': did you mean pool_size\?"),
        ("fdfs://t1?zzzzz=8", "unknown parameter: known are base_url, "),
        ("fdfs://t1?pool_size=8&pool_size=9", "names pool_size twice"),
        ("fdfs://t1?pool_size=8&pool%5fsize=9", "names pool_size twice"),
        ("fdfs://t1?pool_size", "pool_size without a value"),
        ("fdfs://t1?trackers=t2", "trackers stand after fdfs://"),
        ("fdfs://t1?group=group1", "fdfs://10.0.0.1:22122/group1"),
        ("fdfs://t1?url=fdfs://t2", "cannot name another"),
        ("fdfs://t1/#x", "write it as %23"),
        ("fdfs://user:pw@t1/", "user name or password"),
        ("fdfs://t1?base_url=%FF", "no UTF-8"),
        ("fdfs://t1?base_urls=http://a", "base_urls: must be name=value pairs"),
        ("fdfs://t1?base_urls=g1=http://a,g1=http://b", "base_urls: has one name twice"),
        ("fdfs://t1?pool_size=many", "pool_size must be a whole number .* got 'many'"),
        ("fdfs://t1?verify=perhaps", "verify must be True or False; got 'perhaps'"),
        ("fdfs://t1:port", "trackers not a server address"),
        ("fdfs://t1/group/1", "group must be a group's name"),
        (
            "fdfs://t1/group1&token_secret=x",
            r"group: has another parameter in it: parameters stand behind a \?",
        ),
        ("fdfs://t1?pool_size=8;token_secret=x", "pool_size: has another parameter in it"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused_with_a_hint(bare, url, hint):
    bare.FDFS_URL = url

    with pytest.raises(ImproperlyConfigured, match=f"^FDFS_URL.*{hint}"):
        conf.resolve({})
    with pytest.raises(ImproperlyConfigured, match=rf"^OPTIONS\['url'\].*{hint}"):
        conf.resolve({"url": url})


@pytest.mark.parametrize(
    "url",
    [
        "fdfs://t1?token_secret={}&token_secret=x",
        "fdfs://t1?token_secret=x&{}",
        "fdfs://t1?token_secret=x&{}=y",
        "fdfs://t1?token_secret=x#{}",
        "fdfs://user:{}@t1",
        "fdfs://t1;token_secret={}",
        "fdfs://t1/group1&token_secret={}",
        "fdfs://t1?pool_size=8;token_secret={}",
        "fdfs://t1?base_urls=g1=http://a;token_secert={}",
        "fdfs://t1?base_url=http://x:{}@y",
        "fdfs://t1?base_url=http://x y:{}@y",
        "fdfs://t1?token_secret={}%FF",
        "fdfs://t1?token_secret=%20{}",
        "http://t1?token_secret={}",
        "fdfs://t1?token_secret={0}{0}{0}{0}{0}{0}{0}{0}{0}",
        "fdfs://t1?token_secret={}&pool_size=0",
    ],
)
def test_no_error_shows_a_secret_in_a_url(bare, url):
    bare.FDFS_URL = url.format(SECRET)

    with pytest.raises(ImproperlyConfigured) as caught:
        conf.resolve({})

    assert "hidden" not in "".join(traceback.format_exception(caught.value))


@given(
    st.text(alphabet="fds:/?&=#%@[],.+ ag1_é\ud800", max_size=60).map(lambda text: f"fdfs://{text}")
    | st.text()
)
def test_any_text_is_a_url_or_refused(text):
    try:
        values = read_url(text)
    except ValueError:
        assert without_secrets(text) is None
        return

    assert set(values) <= set(conf.NAMES)
    assert {**values, "token_secret": None} == {**read_url(without_secrets(text)), "token_secret": None}


# --- what counts --------------------------------------------------------------------------------


def test_nearer_sources_win(bare, tmp_path):
    path = tmp_path / "client.conf"
    path.write_text("tracker_server = conf\nconnect_timeout = 1\nnetwork_timeout = 1\n")
    bare.FDFS_CLIENT_CONF = path
    assert conf.resolve({}).connect_timeout == 1

    bare.FDFS_URL = "fdfs://url?connect_timeout=2&network_timeout=2&pool_size=2&placement_ttl=2"
    bare.FDFS_NETWORK_TIMEOUT = bare.FDFS_POOL_SIZE = bare.FDFS_PLACEMENT_TTL = 3
    options = conf.resolve({"pool_size": 4})

    assert options.trackers == ("url:22122",)
    assert (options.connect_timeout, options.network_timeout) == (2, 3)
    assert (options.pool_size, options.placement_ttl) == (4, 3)


def test_a_url_in_options_takes_the_place_of_fdfs_url_and_wins_over_settings(bare):
    bare.FDFS_URL = "fdfs://global/global?verify=no"
    bare.FDFS_POOL_SIZE, bare.FDFS_CONNECT_TIMEOUT = 3, 3

    options = conf.resolve({"url": "fdfs://own?pool_size=4&network_timeout=4", "network_timeout": 5})

    assert (options.trackers, options.group, options.verify) == (("own:22122",), None, True)
    assert (options.pool_size, options.connect_timeout, options.network_timeout) == (4, 3, 5)
    assert conf.resolve({"url": None}).trackers == conf.resolve({"url": ""}).trackers == ()


def test_a_url_may_name_a_client_conf_that_counts_less(bare, tmp_path):
    (tmp_path / "client.conf").write_text("tracker_server = conf\nnetwork_timeout = 7\n")
    bare.FDFS_URL = f"fdfs://url?client_conf={tmp_path}/client.conf"

    options = conf.resolve({})

    assert (options.trackers, options.network_timeout) == (("url:22122",), 7)


@pytest.mark.parametrize(("check_token", "expected"), [("true", "from the file"), ("false", None)])
def test_a_client_conf_gives_the_token_secret_where_it_wants_tokens(bare, tmp_path, check_token, expected):
    bare.FDFS_CLIENT_CONF = tmp_path / "client.conf"
    lines = f"http.anti_steal.check_token = {check_token}\nhttp.anti_steal.secret_key = from the file\n"
    bare.FDFS_CLIENT_CONF.write_text(f"tracker_server = t1\n{lines}")

    assert secret_of(FastDFSStorage()) == expected
    bare.FDFS_TOKEN_SECRET = "from the settings"
    assert secret_of(FastDFSStorage()) == "from the settings"
    assert secret_of(FastDFSStorage(token_secret=None)) is None


def test_a_secret_in_a_client_conf_that_cannot_be_one_is_named_and_not_shown(bare, tmp_path):
    bare.FDFS_CLIENT_CONF = tmp_path / "client.conf"
    lines = f"http.anti_steal.check_token = on\nhttp.anti_steal.secret_key = {'hidden' * 40}\n"
    bare.FDFS_CLIENT_CONF.write_text(f"tracker_server = t1\n{lines}")

    with pytest.raises(
        ImproperlyConfigured, match=r"client\.conf: http\.anti_steal\.secret_key must"
    ) as caught:
        conf.resolve({})

    assert "hidden" not in str(caught.value)


OURS = "fdfs_storage.storage.FastDFSStorage"


def test_several_storages_stand_side_by_side(settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "public": {"BACKEND": OURS, "OPTIONS": {"base_url": "//cdn.example", "group": "group1"}},
        "private": {
            "BACKEND": OURS,
            "OPTIONS": {"url": "fdfs:///group2?base_url=http://in.example", "token_secret": SECRET},
        },
    }

    public, private = storages["public"], storages["private"]

    assert public.url(NAME) == f"//cdn.example/{NAME}"
    assert private.url(NAME).startswith(f"http://in.example/{NAME}?token=")
    assert (public.options.group, private.options.group) == ("group1", "group2")


CHANGES = {
    **dict.fromkeys(conf.NAMES, 7),
    "trackers": ["t2"],
    "base_url": "//b",
    "base_urls": {"g": "//b"},
    "url_with_group": False,
    "x_accel": "/_fdfs/",
    "token_secret": SECRET,
    "group": "g",
    "verify": False,
    "storage_address_map": {"10.0.0.1": "10.0.0.2"},
    "client_conf": "conf/client.conf",
    "client": "fdfs-client-py3",
}


@pytest.mark.parametrize("name", sorted(set(conf.NAMES) - {"url"}))
def test_a_change_of_any_setting_reaches_a_storage_in_use(bare, name):
    storage = FastDFSStorage()
    before = storage.options

    with override_settings(**{conf.PREFIX + name.upper(): CHANGES[name]}):
        assert getattr(storage.options, name) != getattr(before, name)

    assert storage.options == before


def test_a_change_of_the_url_or_of_base_dir_reaches_a_storage_in_use(bare, tmp_path):
    (tmp_path / "client.conf").write_text("tracker_server = conf\n")
    storage = FastDFSStorage()
    assert storage.options.trackers == ()

    with override_settings(FDFS_URL="fdfs://t1"):
        assert storage.options.trackers == ("t1:22122",)
    bare.BASE_DIR, bare.FDFS_CLIENT_CONF = tmp_path, "client.conf"
    assert storage.options.trackers == ("conf:22122",)


# --- secrets ------------------------------------------------------------------------------------


def test_a_secret_may_come_from_a_function_that_is_called_at_use(bare):
    calls = []
    storage = FastDFSStorage(base_url="//b", token_secret=lambda: calls.append(1) or SECRET)
    assert (storage.options.token_secret is not None, calls) == (True, [])

    url = storage.url(NAME)

    assert (calls, "token=" in url) == ([1], True)
    bare.FDFS_TOKEN_SECRET = SECRET.encode
    assert FastDFSStorage(base_url="//b").url(NAME).partition("&ts")[0] == url.partition("&ts")[0]


@pytest.mark.parametrize("value", ["", None, 5, " hidden", "hidden" * 100, "\ud800hidden"])
def test_what_a_function_gives_is_judged_and_not_shown(bare, value):
    storage = FastDFSStorage(base_url="//b", token_secret=lambda: value)

    with pytest.raises(ImproperlyConfigured, match="function in token_secret") as caught:
        storage.url(NAME)

    assert "hidden" not in "".join(traceback.format_exception(caught.value))


WITH_SECRETS = [
    {"token_secret": SECRET},
    {"token_secret": lambda: SECRET},
    {"url": f"fdfs://t1/group1?token_secret={SECRET}&verify=no"},
    {"url": f"fdfs://user:{SECRET}@t1"},
]


@pytest.mark.parametrize("given", WITH_SECRETS, ids=["text", "function", "url", "malformed url"])
def test_a_secret_is_in_no_repr_migration_or_pickle(bare, given):
    storage = FastDFSStorage(base_url="//b", **given)

    written, _ = MigrationWriter.serialize(storage)

    assert "base_url='//b'" in written
    for text in (
        written,
        repr(storage),
        repr(vars(storage)["_constructor_args"]),
        str(pickle.dumps(storage)),
    ):
        assert "hidden" not in text
        assert "lambda" not in text


def test_the_rest_of_a_url_goes_into_migrations_and_pickles(bare):
    storage = FastDFSStorage(url=f"fdfs://t1/group1?token_secret={SECRET}&verify=no")

    again = pickle.loads(pickle.dumps(storage))

    assert storage.deconstruct()[2] == {"url": "fdfs://t1/group1?verify=no"}
    assert (again.options.trackers, again.options.verify) == (("t1:22122",), False)
    assert secret_of(storage) == SECRET
    with pytest.raises(SecretLostError):
        secret_of(again)


def test_a_storage_out_of_a_pickle_says_that_its_secret_is_lost_rather_than_make_dead_urls(bare):
    again = pickle.loads(pickle.dumps(FastDFSStorage(base_url="//b", token_secret=SECRET)))

    with pytest.raises(SecretLostError, match="FDFS_TOKEN_SECRET"):
        again.url(NAME)


def test_a_secret_in_the_settings_outlives_a_pickle(bare):
    bare.FDFS_TOKEN_SECRET = SECRET

    again = pickle.loads(pickle.dumps(FastDFSStorage(base_url="//b")))

    assert "token=" in again.url(NAME)


def test_options_neither_show_nor_pickle_a_secret(bare):
    options = conf.resolve({"token_secret": SECRET})

    assert "hidden" not in repr(options) + repr(options.token_secret) + repr(options.links)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(options)
