import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdfs_storage.fastdfs.address_map import AddressMap
from fdfs_storage.fastdfs.errors import InvalidArgumentError
from fdfs_storage.fastdfs.protocol import Address

RULES = {
    "172.17.0.2:23000": "10.0.0.5:23001",
    "172.17.0.2": "10.0.0.6",
    "172.17.0.0/16": "10.0.0.7:24000",
    "172.17.0.0/24": "storage.example.com",
    "2001:db8::/32": "[2001:db8:1::5]:23000",
    "[2001:db8::7]": "10.0.0.8",
}


@pytest.mark.parametrize(
    ("named", "dialled"),
    [
        ("172.17.0.2:23000", "10.0.0.5:23001"),
        ("172.17.0.2:23005", "10.0.0.6:23005"),
        ("172.17.0.9:23000", "storage.example.com:23000"),
        ("172.17.9.9:23000", "10.0.0.7:24000"),
        ("172.18.0.2:23000", "172.18.0.2:23000"),
        ("[2001:db8::9]:23009", "[2001:db8:1::5]:23000"),
        ("[2001:db8::7]:23009", "10.0.0.8:23009"),
        ("tracker.example.com:22122", "tracker.example.com:22122"),
    ],
)
def test_the_most_exact_rule_counts(named, dialled):
    assert str(AddressMap(RULES)(Address.parse(named, 1))) == dialled


def test_without_rules_every_address_is_its_own():
    empty = AddressMap({})

    assert not empty
    assert empty(Address("10.0.0.1", 23000)) == Address("10.0.0.1", 23000)
    assert AddressMap({"10.0.0.1": "10.0.0.2"})


@pytest.mark.parametrize(
    "rules",
    [
        {"": "10.0.0.5"},
        {"172.17.0.2": ""},
        {"172.17.0.2": "10.0.0.5:0"},
        {"172.17.0.2:99999": "10.0.0.5"},
        {"172.17.0.1/16": "10.0.0.5"},
        {"172.17.0.0/33": "10.0.0.5"},
        {"172.17.0.0/16": "10.0.0.0/16"},
        {"http://172.17.0.2": "10.0.0.5"},
        {"172.17.0.2": 5},
    ],
    ids=repr,
)
def test_a_rule_that_makes_no_sense_is_refused(rules):
    with pytest.raises(InvalidArgumentError):
        AddressMap(rules)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=3))
def test_any_rules_are_taken_or_refused(rules):
    try:
        mapped = AddressMap(rules)(Address("10.0.0.1", 23000))
    except InvalidArgumentError:
        return
    assert 0 < mapped.port < 65536
