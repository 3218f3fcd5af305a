"""What a certificate says (RFC 5280). Pure: reading takes microseconds and no library.

Nothing is verified here: a client's certificate comes from the TLS handshake, which has.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from corral.cluster.certificates import der

COMMON_NAME: Final = "2.5.4.3"
ORGANIZATION: Final = "2.5.4.10"
USER_ID: Final = "1.3.6.1.4.1.57683.2"  # the UID of a Kubernetes user

_ALTERNATIVE_NAMES: Final = "2.5.29.17"
_SUBJECT_KEY: Final = "2.5.29.14"
_AUTHORITY_KEY: Final = "2.5.29.35"
_DNS, _ADDRESS, _KEY = 0x82, 0x87, 0x80
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")


class Certificate(NamedTuple):
    """`subject`: (object identifier, text) in order; `issuer` and `subject_name`: the names as they are encoded.

    `names`: DNS names and addresses it is for, sorted. Times are seconds since the epoch; `key_id` and
    `authority_id` are empty where the certificate has none.
    """

    subject: tuple[tuple[str, str], ...]
    subject_name: bytes
    issuer: bytes
    not_before: int
    not_after: int
    names: tuple[str, ...]
    key_id: bytes
    authority_id: bytes
    fingerprint: str

    def parts(self, kind: str) -> tuple[str, ...]:
        return tuple(value for found, value in self.subject if found == kind)

    @property
    def common_name(self) -> str:
        """The last one: what Go's x509 package calls the common name."""
        found = self.parts(COMMON_NAME)
        return found[-1] if found else ""

    @property
    def organizations(self) -> tuple[str, ...]:
        return self.parts(ORGANIZATION)


def hold(certificates: Iterable[Certificate], now: int) -> bool:
    """Pure: whether all of a chain are valid at that time: one that has expired speaks for nobody any more, also not
    through those that it has signed."""
    return all(one.not_before <= now <= one.not_after for one in certificates)


def from_pem(text: str) -> Certificate:
    """The first certificate of a PEM text. ValueError."""
    return parse(pem_to_der(text))


def pem_to_der(text: str) -> bytes:
    """The bytes of the first certificate of a PEM text. ValueError."""
    found = _PEM.search(text)
    if found is None:
        raise ValueError("no certificate in PEM")
    try:
        return base64.b64decode("".join(found[1].split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"PEM: {error}") from None


@lru_cache(maxsize=1024)
def parse(data: bytes) -> Certificate:
    """A certificate in DER. Remembered, as a connection shows the same one with each request. ValueError."""
    outer, _ = der.read(data)
    inner, _ = der.read(der.only(outer, der.SEQUENCE))
    body = der.items(der.only(inner, der.SEQUENCE))
    try:
        first = next(body)
        if first.tag == 0xA0:  # the version; without it, it is version 1
            first = next(body)
        der.only(first, der.INTEGER)
        next(body)  # the signature's algorithm
        issuer, validity, subject, _key = next(body), next(body), next(body), next(body)
        begin, end = der.items(der.only(validity, der.SEQUENCE))
    except StopIteration as error:
        raise ValueError("a certificate with too few parts") from error
    extensions = _extensions(body)
    return Certificate(
        _name(subject),
        subject.whole,
        issuer.whole,
        der.moment(begin),
        der.moment(end),
        _names(extensions.get(_ALTERNATIVE_NAMES)),
        _key_id(extensions.get(_SUBJECT_KEY)),
        _authority_id(extensions.get(_AUTHORITY_KEY)),
        hashlib.sha256(data).hexdigest(),
    )


def _name(element: der.Element) -> tuple[tuple[str, str], ...]:
    found = []
    for group in der.items(der.only(element, der.SEQUENCE)):
        for pair in der.items(der.only(group, der.SET)):
            parts = list(der.items(der.only(pair, der.SEQUENCE)))
            if len(parts) != 2:
                raise ValueError("a name's part that is no pair")
            found.append((der.oid(der.only(parts[0], der.OBJECT)), der.text(parts[1])))
    return tuple(found)


def _extensions(rest: Iterator[der.Element]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for element in rest:
        if element.tag != 0xA3:
            continue
        listed, _ = der.read(element.content)
        for extension in der.items(der.only(listed, der.SEQUENCE)):
            parts = list(der.items(extension.content))
            if len(parts) < 2:
                raise ValueError("an extension without a value")
            found[der.oid(der.only(parts[0], der.OBJECT))] = der.only(parts[-1], der.OCTET_STRING)
    return found


def _names(value: bytes | None) -> tuple[str, ...]:
    if value is None:
        return ()
    listed, _ = der.read(value)
    found = []
    for one in der.items(der.only(listed, der.SEQUENCE)):
        if one.tag == _DNS:
            found.append(one.content.decode("ascii"))
        elif one.tag == _ADDRESS:
            found.append(str(ipaddress.ip_address(one.content)))
    return tuple(sorted(found))


def _key_id(value: bytes | None) -> bytes:
    return der.only(der.read(value)[0], der.OCTET_STRING) if value else b""


def _authority_id(value: bytes | None) -> bytes:
    if not value:
        return b""
    listed, _ = der.read(value)
    return next((one.content for one in der.items(listed.content) if one.tag == _KEY), b"")
