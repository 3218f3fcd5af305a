import pytest

from corral.model.kubernetes import names


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (names.dns_label, ["a", "a-1", "1a", "a" * 63], ["", "A", "-a", "a-", "a" * 64, "a_b", "a\n"]),
        (names.dns_subdomain, ["a.b", "a", "x" * 253], ["", ".a", "a..b", "a_b", "x" * 254, "a."]),
        (names.dns_subdomain_with_underscore, ["_a.b_c", "a"], ["a..b", "A"]),
        (names.dns_1035_label, ["a", "a-1"], ["1a", "a.b", ""]),
        (names.wildcard_subdomain, ["*.a.b"], ["*.*.a", "*", "a.b"]),
        (
            names.qualified_name,
            ["a", "A_b.c", "x.y/z", "n" * 63, "x.y/" + "n" * 63],
            ["", "x/", "/y", "a/b/c", "X/y", "n" * 64, "x.y/" + "n" * 64, "-a", "a-", "a\n"],
        ),
        (names.label_value, ["", "a", "A.b_c-d", "a" * 63], ["-", "a b", "a" * 64, "ä", "a\n"]),
        (names.fully_qualified, ["a.b.c"], ["a.b", "a..b"]),
        (names.fully_qualified_domain, ["a.b", "a.b."], ["a", "a..b", "a" * 64 + ".b"]),
        (names.domain_prefixed_path, ["a.io/x/y"], ["a.io", "a.io/", "/x", "A/x", "a/ü"]),
        (names.c_identifier, ["_a1"], ["1a", "a-b", ""]),
        (names.environment_name, ["a b", "1"], ["", "a=b", "ä", "a\t"]),
        (names.config_key, ["a.b", ".a"], ["", ".", "..", "..a", "a/b"]),
        (names.http_header, ["X-A"], ["X_A", ""]),
        (names.percent, ["0%", "150%"], ["%", "-1%", "1"]),
        (names.port_name, ["http", "a-1"], ["", "1", "a--b", "-a", "a" * 16, "A"]),
        (names.path_segment, ["a"], [".", "..", "a/b", "a%"]),
        (names.time_zone, ["Europe/Berlin", "UTC"], ["", "Local", "local", "Europe", "../x", "a b", "x\0"]),
    ],
)
def test_what_is_right_and_what_is_wrong(check, good, bad):
    assert [one for one in good if check(one)] == []
    assert [one for one in bad if not check(one)] == []


def test_the_texts_are_the_ones_that_kubectl_shows():
    assert names.dns_subdomain("A") == [
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    ]
    assert names.label_value("a b") == [
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
        "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    ]
    assert names.dns_label("a" * 64) == ["must be no more than 63 characters"]
    assert names.label_value("a" * 64) == ["must be no more than 63 bytes"]


def test_length_is_counted_in_bytes():
    assert "must be no more than 63 bytes" in names.label_value("ä" * 32)


def test_numbers_have_ranges():
    assert names.port_number(0) == names.port_number(65536) == ["must be between 1 and 65535, inclusive"]
    assert names.port_number(1) == names.user_id(0) == []
    assert names.user_id(-1) == ["must be between 0 and 2147483647, inclusive"]


def test_a_prefix_may_end_with_a_dash():
    assert names.dns_subdomain(names.mask_dash("web-")) == []
    assert names.path_segment(".", prefix=True) == []


def test_what_is_wrong_is_only_looked_for_where_something_is(monkeypatch: pytest.MonkeyPatch):
    """An object may have a hundred thousand labels."""
    monkeypatch.delattr(names, "regex_text")
    assert names.qualified_name("app.kubernetes.io/name") == names.label_value("web-1") == []
