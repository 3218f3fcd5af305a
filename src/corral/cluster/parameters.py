"""Parameters of requests, as upstream reads them: what the API server and the kubelets have in common. Pure."""

from __future__ import annotations

import re
from typing import Final

from corral.http.query import Query
from corral.model.kubernetes.status import bad_request

_INT: Final = re.compile(r"[+-]?\d+")


def parse_bool(text: str) -> bool:
    """Pure: as upstream's query parameters are read: given without a value, or with any but these, is true.

    >>> parse_bool(""), parse_bool("0"), parse_bool("False"), parse_bool("1")
    (True, False, False, True)
    """
    return text.lower() not in ("false", "0")


def parse_integer(query: Query, name: str) -> int | None:
    """Pure: a number of 64 bits among the parameters; None if it is not there. 400.

    >>> parse_integer(Query("limit=9223372036854775808"), "limit")
    Traceback (most recent call last):
    corral.model.kubernetes.status.StatusError: strconv.ParseInt: parsing "9223372036854775808": value out of range
    """
    text = query.get(name)
    if not text:
        return None
    if not _INT.fullmatch(text):
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": value out of range')
    return number
