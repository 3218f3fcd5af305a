"""A client certificate: the common name is the user, the organizations are the groups."""

from __future__ import annotations

from corral.cluster.apiserver.attributes import User
from corral.cluster.apiserver.authentication.identity import CREDENTIAL_ID
from corral.cluster.apiserver.authentication.problem import BadCredentials
from corral.cluster.certificates import x509


def user_of(data: bytes, authority: x509.Certificate, now: int) -> User | None:
    """The user of a certificate (DER) that the TLS handshake has verified, if `authority` has signed it.

    None when it has no common name. The time is looked at again, as connections outlive certificates; so is the
    authority, as the handshake also lets those of the front proxy's in. BadCredentials.
    """
    found = check(data, authority, now)
    name = found.common_name
    if not name:
        return None
    uids = found.parts(x509.USER_ID)
    if len(uids) > 1:
        raise BadCredentials(f"expected 1 UID, but found multiple: {', '.join(uids)}")
    extra = {CREDENTIAL_ID: (f"X509SHA256={found.fingerprint}",)}
    return User(name, uids[0] if uids else "", found.organizations, extra)


def check(data: bytes, authority: x509.Certificate, now: int) -> x509.Certificate:
    """The certificate, if `authority` has signed it and both still hold. BadCredentials."""
    try:
        found = x509.parse(data)
    except ValueError as error:
        raise BadCredentials(f"x509: malformed certificate: {error}") from None
    if found.issuer != authority.subject_name or found.authority_id != authority.key_id:
        raise BadCredentials("x509: certificate signed by unknown authority")
    if not x509.hold((found, authority), now):
        raise BadCredentials("x509: certificate has expired or is not yet valid")
    return found
