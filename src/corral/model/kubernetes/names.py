"""Names, labels and keys: what is wrong with each, in upstream's words.

Every function takes a text and returns what is wrong with it: an empty list means nothing. The texts become the
details of a Problem. Follows k8s.io/apimachinery/pkg/util/validation and pkg/api/validate/content, whose two texts
about length ("bytes" of labels, "characters" of the rest) differ as they do here.
"""

from __future__ import annotations

import re
import zoneinfo
from functools import lru_cache

EMPTY = "must be non-empty"

_LABEL_1123 = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1123_SAYS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_SUBDOMAIN = rf"{_LABEL_1123}(\.{_LABEL_1123})*"
_SUBDOMAIN_SAYS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_UNDERSCORED_LABEL = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_UNDERSCORED = rf"{_UNDERSCORED_LABEL}(\.{_UNDERSCORED_LABEL})*"
_UNDERSCORED_SAYS = _SUBDOMAIN_SAYS.replace("characters, '-' or", "characters, '_', '-' or")
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035_SAYS = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character"
)
_WILDCARD = rf"\*\.{_SUBDOMAIN}"
_WILDCARD_SAYS = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
)
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_KEY_SAYS = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_VALUE = f"({_KEY})?"
_SHORT_KEY = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")  # what almost all keys and values are
_VALUE_SAYS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)
_C_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_C_IDENTIFIER_SAYS = (
    "a valid C identifier must start with alphabetic character or '_', "
    "followed by a string of alphanumeric characters or '_'"
)
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_HEADER = "[-A-Za-z0-9]+"
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_PERCENT = "[0-9]+%"


@lru_cache(maxsize=256)
def regex_text(says: str, pattern: str, *examples: str) -> str:
    """Pure: upstream's sentence for a text that does not match.

    >>> regex_text("must be so", "[a-z]+", "my-name", "abc")
    "must be so (e.g. 'my-name',  or 'abc', regex used for validation is '[a-z]+')"
    """
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{says} ({f'e.g. {shown}' if examples else ''}regex used for validation is '{pattern}')"


def range_text(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


def dns_label(value: str) -> list[str]:
    """A label of RFC 1123, such as a namespace's name.

    >>> dns_label("web-1"), dns_label("a.b")
    ([], ['must not contain dots'])
    """
    found = _long(value, 63)
    if not _fits(_LABEL_1123, value):
        dotted = _fits(_SUBDOMAIN, value)
        text = regex_text(_LABEL_1123_SAYS, _LABEL_1123, "my-name", "123-abc")
        found.append("must not contain dots" if dotted else text)
    return found


def dns_subdomain(value: str) -> list[str]:
    """A subdomain of RFC 1123: what most objects are called."""
    return _long(value, 253) + _matching(value, _SUBDOMAIN_SAYS, _SUBDOMAIN, "example.com")


def dns_subdomain_with_underscore(value: str) -> list[str]:
    return _long(value, 253) + _matching(value, _UNDERSCORED_SAYS, _UNDERSCORED, "example.com")


def dns_1035_label(value: str) -> list[str]:
    """A label of RFC 1035, such as a service's name: it may not begin with a digit."""
    return _long(value, 63) + _matching(value, _LABEL_1035_SAYS, _LABEL_1035, "my-name", "abc-123")


def wildcard_subdomain(value: str) -> list[str]:
    """`*.example.com`, as the hosts of an Ingress may be."""
    return _long(value, 253) + _matching(value, _WILDCARD_SAYS, _WILDCARD, "*.example.com")


def mask_dash(prefix: str) -> str:
    """Pure: a generateName as a name to check: something goes behind its last dash.

    >>> mask_dash("web-"), mask_dash("-"), mask_dash("web")
    ('wea', '-', 'web')
    """
    return prefix[:-2] + "a" if len(prefix) > 1 and prefix.endswith("-") else prefix


def path_segment(value: str, *, prefix: bool = False) -> list[str]:
    """A name that goes into a URL's path. `prefix`: something will be appended, so "." is fine.

    >>> path_segment(".."), path_segment("a/b%")
    (["may not be '..'"], ["may not contain '/'", "may not contain '%'"])
    """
    if not prefix and value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{one}'" for one in "/%" if one in value]


def qualified_name(value: str) -> list[str]:
    """The key of a label: a name of 63 bytes, after an optional DNS subdomain and a slash.

    >>> qualified_name("app.kubernetes.io/name"), qualified_name("/name")
    ([], ['prefix part must be non-empty'])
    """
    prefix, slash, name = value.rpartition("/")
    if _SHORT_KEY.fullmatch(name) and not (slash and _label_prefix(prefix)):
        return []
    text = regex_text(_KEY_SAYS, _KEY, "MyName", "my.name", "123-abc")
    if "/" in prefix:
        return [f"a valid label key {text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    found = [f"prefix part {one}" for one in _label_prefix(prefix)] if slash else []
    if not name:
        found.append(f"name part {EMPTY}")
    found += [f"name part {one}" for one in _long(name, 63, "bytes")]
    return found if _fits(_KEY, name) else [*found, f"name part {text}"]


def label_value(value: str) -> list[str]:
    if not value or _SHORT_KEY.fullmatch(value):
        return []
    return _long(value, 63, "bytes") + _matching(value, _VALUE_SAYS, _VALUE, "MyValue", "my_value", "12345")


def fully_qualified(value: str) -> list[str]:
    """A name of at least three segments; that it is not empty is for the caller to check (it is a required value)."""
    if found := dns_subdomain(value):
        return [",".join(found)]
    short = value.count(".") < 2
    return ["should be a domain with at least three segments separated by dots"] if short else []


def fully_qualified_domain(value: str) -> list[str]:
    """A domain of at least two segments, with or without the last dot; not empty (see `fully_qualified`)."""
    bare = value.removesuffix(".")
    if found := dns_subdomain(bare):
        return [",".join(found)]
    if "." not in bare:
        return ["should be a domain with at least two segments separated by dots"]
    return [",".join(found) for label in bare.split(".") if (found := dns_label(label))]


def domain_prefixed_path(value: str) -> list[str]:
    """`example.com/some/path`, as signers are called; not empty (see `fully_qualified`)."""
    host, slash, path = value.partition("/")
    if not (host and slash and path):
        return ['must be a domain-prefixed path (such as "acme.io/foo")']
    found = dns_subdomain(host)
    return found if _fits(_HTTP_PATH, path) else [*found, regex_text("Invalid path", _HTTP_PATH)]


def c_identifier(value: str) -> list[str]:
    return _matching(value, _C_IDENTIFIER_SAYS, _C_IDENTIFIER, "my_name", "MY_NAME", "MyName")


def environment_name(value: str) -> list[str]:
    """An environment variable's name: printable ASCII without "=".

    >>> environment_name("A B"), environment_name("")
    ([], ['environment variable name must be non-empty'])
    """
    if not value:
        return [f"environment variable name {EMPTY}"]
    fine = all(" " <= one <= "~" and one != "=" for one in value)
    text = "a valid environment variable name must consist only of printable ASCII characters other than '='"
    return [] if fine else [text]


def config_key(value: str) -> list[str]:
    """The key of a ConfigMap or Secret: it becomes a file's name."""
    text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
    found = _matching(value, text, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name")
    return _long(value, 253) + found + _upwards(value)


def http_header(value: str) -> list[str]:
    text = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return _matching(value, text, _HEADER, "X-Header-Name")


def percent(value: str) -> list[str]:
    text = "a valid percent string must be a numeric string followed by an ending '%'"
    return _matching(value, text, _PERCENT, "1%", "93%")


def port_number(value: int) -> list[str]:
    return in_range(value, 1, 65535)


def in_range(value: int, low: int, high: int) -> list[str]:
    return [] if low <= value <= high else [range_text(low, high)]


def user_id(value: int) -> list[str]:
    """A user's or group's number."""
    return in_range(value, 0, 2**31 - 1)


def port_name(value: str) -> list[str]:
    """The name of a port, as RFC 6335 names services (in lower case only).

    >>> port_name("80")
    ['must contain at least one letter (a-z)']
    """
    found = _long(value, 15)
    if not _fits("[-a-z0-9]+", value):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        found.append("must contain at least one letter (a-z)")
    if "--" in value:
        found.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        found.append("must not begin or end with a hyphen")
    return found


def time_zone(value: str) -> list[str]:
    """The zone of a CronJob, by its name in the IANA's list.

    >>> time_zone("Etc/UTC"), time_zone("Atlantis/Capital")
    ([], ['unknown time zone Atlantis/Capital'])
    """
    if not value:
        return ["timeZone must be nil or non-empty string"]
    if value.lower() == "local":
        return ["timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"]
    try:
        if _fits(r"[A-Za-z0-9_\-+/]+", value):
            zoneinfo.ZoneInfo(value)
            return []
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # an OSError where the name is a folder of zones
        pass
    return [f"unknown time zone {value}"]


def _label_prefix(prefix: str) -> list[str]:
    if not prefix:
        return [EMPTY]
    return _long(prefix, 253, "bytes") + _matching(prefix, _SUBDOMAIN_SAYS, _SUBDOMAIN, "example.com")


def _fits(pattern: str, value: str) -> bool:
    return re.fullmatch(pattern, value) is not None


def _matching(value: str, says: str, pattern: str, *examples: str) -> list[str]:
    return [] if _fits(pattern, value) else [regex_text(says, pattern, *examples)]


def _long(value: str, limit: int, unit: str = "characters") -> list[str]:
    """Both units are bytes in truth."""
    return [f"must be no more than {limit} {unit}"] if len(value.encode("utf-8", "surrogatepass")) > limit else []


def _upwards(value: str) -> list[str]:
    if value in (".", ".."):
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []
