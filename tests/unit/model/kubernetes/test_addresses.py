import ipaddress

import pytest

from corral.model.kubernetes import addresses

LEADING = "must not have leading 0s"


@pytest.mark.parametrize("value", ["10.0.0.1", "::", "fd00::1", "0.0.0.0", "1:0:0:2::3"])
def test_canonical_addresses_are_fine(value):
    assert addresses.ip(value) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", addresses._NO_IP),
        ("1.2.3", addresses._NO_IP),
        ("1.2.3.256", addresses._NO_IP),
        ("fe80::1%lo", addresses._NO_IP),
        ("\u0661.2.3.4", addresses._NO_IP),
        ("1.2.3.04", LEADING),
        ("::ffff:01.2.3.4", LEADING),
        ("::ffff:1.2.3.4", "must not be an IPv4-mapped IPv6 address"),
        ("FD00::1", 'must be in canonical form ("fd00::1")'),
    ],
)
def test_other_addresses_are_not(value, text):
    assert addresses.ip(value) == [text]


def test_old_fields_take_any_form_and_what_they_had():
    assert addresses.legacy_ip("FD00::1") == []
    assert addresses.legacy_ip("01.2.3.4") == [LEADING]
    assert addresses.legacy_ip("01.2.3.4", old=["01.2.3.4"]) == []
    assert addresses.legacy_cidr("10.0.0.1/8", old=["10.0.0.1/8"]) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("10.0.0.0", addresses._NO_CIDR),
        ("10.0.0.0/33", addresses._NO_CIDR),
        ("10.0.0.0/-1", addresses._NO_CIDR),
        ("::ffff:1.2.3.4/95", addresses._NO_CIDR),
        ("10.0.0.0/08", "must not have leading 0s in IP or prefix length"),
        ("010.0.0.0/8", "must not have leading 0s in IP or prefix length"),
        ("::ffff:10.0.0.0/104", "must not have an IPv4-mapped IPv6 address"),
        ("10.0.0.1/8", "must not have bits set beyond the prefix length"),
        ("FD00::/8", 'must be in canonical form ("fd00::/8")'),
    ],
)
def test_what_is_wrong_with_networks(value, text):
    assert addresses.cidr(value) == [text]


def test_networks_that_are_fine():
    assert addresses.cidr("10.0.0.0/8") == addresses.cidr("::/0") == []
    assert addresses.parse_cidr("10.1.2.3/8") == (
        ipaddress.ip_address("10.1.2.3"),
        ipaddress.ip_network("10.0.0.0/8"),
    )


def test_warnings_say_what_to_write():
    assert addresses.ip_warnings("f", "01.2.3.4") == ['f: non-standard IP address "01.2.3.4" is invalid: use "1.2.3.4"']
    assert addresses.ip_warnings("f", "FD00::1") == [
        'f: IPv6 address "FD00::1" should be in RFC 5952 canonical format ("fd00::1")'
    ]
    assert addresses.ip_warnings("f", "1.2.3.4") == addresses.cidr_warnings("f", "10.0.0.0/8") == []
    assert addresses.cidr_warnings("f", "10.0.0.1/8") == [
        'f: CIDR value "10.0.0.1/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.0.0.1/32"?)'
    ]
    assert addresses.cidr_warnings("f", "FD00::/8") == [
        'f: IPv6 CIDR value "FD00::/8" should be in RFC 5952 canonical format ("fd00::/8")'
    ]
