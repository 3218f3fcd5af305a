"""`format.dns1123Label().validate(text)`: named formats of texts, and what is wrong with a text. Pure.

Follows k8s.io/apiserver/pkg/cel/library/format.go.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Final

from corral.cluster.apiserver.cel import things
from corral.model.kubernetes import names

Check = Callable[[str], list[str]]
_UUID: Final = re.compile(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")


def _prefix(check: Check) -> Check:
    return lambda text: check(names.mask_dash(text))


def _dotted_prefix(text: str) -> list[str]:
    return names.dns_subdomain(names.mask_dash(text))


def _uri(text: str) -> list[str]:
    try:
        things.to_url(text)
    except ValueError as error:
        return [str(error).removeprefix("URL parse error during conversion from string: ")]
    return []


def _uuid(text: str) -> list[str]:
    return [] if _UUID.fullmatch(text) else ["does not match the UUID format"]


def _byte(text: str) -> list[str]:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return ["invalid base64"]
    return [] if text else ["invalid base64"]


def _date(text: str) -> list[str]:
    try:
        date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError:
        return ["invalid date"]
    return []


def _datetime(text: str) -> list[str]:
    try:
        datetime.fromisoformat(text.upper() if _MOMENT.fullmatch(text) else "")
    except ValueError:
        return ["invalid datetime"]
    return []


FORMATS: Final[dict[str, Check]] = {
    "dns1123Label": names.dns_label,
    "dns1123Subdomain": names.dns_subdomain,
    "dns1035Label": names.dns_1035_label,
    "qualifiedName": names.qualified_name,
    "dns1123LabelPrefix": _prefix(names.dns_label),
    "dns1123SubdomainPrefix": _dotted_prefix,
    "dns1035LabelPrefix": _prefix(names.dns_1035_label),
    "labelValue": names.label_value,
    "uri": _uri,
    "uuid": _uuid,
    "byte": _byte,
    "date": _date,
    "datetime": _datetime,
}


def named(name: str) -> list[things.Thing]:
    """The format of a name; none, or one: `[?0]` makes an optional value of it.

    >>> named("uuid"), named("x")
    ([{'#kind': 'format', 'name': 'uuid'}], [])
    """
    return [{things.KIND: "format", "name": name}] if name in FORMATS else []


def validate(thing: things.Thing, text: str) -> list[list[str]]:
    """Nothing, or one list of what is wrong.

    >>> validate(named("date")[0], "2026-02-29"), validate(named("date")[0], "2026-02-28")
    ([['invalid date']], [])
    """
    found = FORMATS[str(things.need(thing, "format")["name"])](text)
    return [found] if found else []
