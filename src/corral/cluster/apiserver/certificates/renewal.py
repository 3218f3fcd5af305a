"""When a certificate is made anew."""

from __future__ import annotations

from typing import Final, NamedTuple

from corral.cluster.certificates.x509 import Certificate

DAY: Final = 86400
LEAF_LIFE: Final = 365 * DAY
AUTHORITY_LIFE: Final = 3650 * DAY


class Wanted(NamedTuple):
    """A certificate as it should be. `names`: DNS names and addresses, sorted; a client's certificate has none.

    `server`, `client`: what it may be used for.
    """

    common_name: str
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    server: bool = False
    client: bool = False


def plan_renewal(found: Certificate | None, wanted: Wanted, authority: Certificate, now: int) -> str:
    """Pure: why the certificate must be made (anew); "" when the one that was found does.

    It is renewed when only a third of its life is left: one of 90 days after 60.

    >>> made = Certificate((("2.5.4.3", "me"),), b"", b"CA", 0, 90 * DAY, (), b"", b"", "")
    >>> by = made._replace(subject_name=b"CA")
    >>> [plan_renewal(made, Wanted("me"), by, day * DAY) for day in (59, 60)]
    ['', 'expires soon']
    >>> plan_renewal(made, Wanted("you"), by, 0), plan_renewal(None, Wanted("me"), by, 0)
    ('is for another subject', 'is not there')
    """
    if found is None:
        return "is not there"
    if found.issuer != authority.subject_name or found.authority_id != authority.key_id:
        return "is of another authority"
    if (found.common_name, found.organizations) != (wanted.common_name, wanted.organizations):
        return "is for another subject"
    if found.names != wanted.names:
        return "is for other names"
    if now < found.not_before:
        return "is not valid yet"
    return "expires soon" if now >= renew_at(found) else ""


def renew_at(found: Certificate) -> int:
    """Pure: the second at which only a third of its life is left.

    >>> renew_at(Certificate((), b"", b"", 100, 400, (), b"", b"", ""))
    300
    """
    return found.not_after - (found.not_after - found.not_before) // 3
