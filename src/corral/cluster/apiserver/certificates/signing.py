"""Reading and signing certificate requests (PKCS#10); what may be signed is decided in the model."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from corral.cluster.apiserver.certificates import issuing
from corral.errors import InvalidInput
from corral.model.kubernetes.certificate_requests import (
    SIGNERS,
    Subject,
    check_request,
    failed,
    is_due,
    longest_life,
    plan_life,
)
from corral.model.kubernetes.kind import Object

if TYPE_CHECKING:
    from cryptography import x509

_BITS: Final = {
    "digital signature": "digital_signature",
    "signing": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "data encipherment": "data_encipherment",
    "key agreement": "key_agreement",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}
_EXTENDED: Final = {
    "any": "2.5.29.37.0",
    "server auth": "1.3.6.1.5.5.7.3.1",
    "client auth": "1.3.6.1.5.5.7.3.2",
    "code signing": "1.3.6.1.5.5.7.3.3",
    "email protection": "1.3.6.1.5.5.7.3.4",
    "s/mime": "1.3.6.1.5.5.7.3.4",
    "ipsec end system": "1.3.6.1.5.5.7.3.5",
    "ipsec tunnel": "1.3.6.1.5.5.7.3.6",
    "ipsec user": "1.3.6.1.5.5.7.3.7",
    "timestamping": "1.3.6.1.5.5.7.3.8",
    "ocsp signing": "1.3.6.1.5.5.7.3.9",
    "microsoft sgc": "1.3.6.1.4.1.311.10.3.3",
    "netscape sgc": "2.16.840.1.113730.4.1",
}


def plan_signing(found: Object, authority: str, now: int) -> Object | None:
    """The CertificateSigningRequest as a signer leaves it: with its certificate, or with the condition Failed.

    None when there is nothing to do: not approved, done already, or for a signer that is somebody else's.
    """
    spec = found["spec"]
    signer = spec.get("signerName", "")
    if signer not in SIGNERS or not is_due(found):
        return None
    usages = spec.get("usages") or ()
    try:
        cause = check_request(signer, read_subject(spec["request"]), usages)
        if cause:
            return failed(found, cause, now)
        begin, end = plan_life(spec.get("expirationSeconds"), longest_life(signer), now)
        made = sign(spec["request"], usages, authority, begin, end)
    except InvalidInput as error:
        return failed(found, error.message, now)
    status = found.get("status") or {}
    return {**found, "status": {**status, "certificate": base64.b64encode(made.encode()).decode()}}


def read_subject(request: str) -> Subject:
    """What `spec.request` (base64 of PEM) asks to be called. InvalidInput, also when its signature is not its key's."""
    from cryptography import x509

    found = _parse(request)
    try:
        names: list[x509.GeneralName] = list(
            found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        )
    except x509.ExtensionNotFound:
        names = []
    except ValueError as error:
        raise InvalidInput(f"unable to parse csr: {error}") from None
    common = [str(one.value) for one in found.subject if one.oid == x509.NameOID.COMMON_NAME]
    organizations = [str(one.value) for one in found.subject if one.oid == x509.NameOID.ORGANIZATION_NAME]
    return Subject(
        common[-1] if common else "",
        tuple(organizations),
        tuple(one.value for one in names if isinstance(one, x509.DNSName)),
        tuple(str(one.value) for one in names if isinstance(one, x509.IPAddress)),
        tuple(one.value for one in names if isinstance(one, x509.RFC822Name)),
        tuple(one.value for one in names if isinstance(one, x509.UniformResourceIdentifier)),
    )


def sign(request: str, usages: Sequence[str], authority: str, begin: int, end: int) -> str:
    """The certificate in PEM, for the request's own subject, names and key. InvalidInput."""
    from cryptography import x509

    found = _parse(request)
    unknown = [one for one in usages if one not in _BITS and one not in _EXTENDED]
    if unknown:
        raise InvalidInput(f'unrecognized key usage "{unknown[0]}"')
    try:
        names = list(found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = []
    extended = [x509.ObjectIdentifier(oid) for oid in dict.fromkeys(_EXTENDED[u] for u in usages if u in _EXTENDED)]
    usage = _key_usage({_BITS[one] for one in usages if one in _BITS})
    try:
        return issuing.sign(found.public_key(), found.subject, names, usage, extended, authority, begin, end)
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"unable to sign: {error}") from None


def _key_usage(bits: set[str]) -> x509.KeyUsage | None:
    """None when nothing is asked for: an extension without a use is malformed (RFC 5280, 4.2.1.3).

    `encipher only` and `decipher only` mean something only with `key agreement`: without it they are left out.
    """
    from cryptography import x509

    if "key_agreement" not in bits:
        bits -= {"encipher_only", "decipher_only"}
    if not bits:
        return None
    return x509.KeyUsage(**{name: name in bits for name in dict.fromkeys(_BITS.values())})


def _parse(request: str) -> x509.CertificateSigningRequest:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        found = x509.load_pem_x509_csr(base64.b64decode(request, validate=True))
        valid = found.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # binascii.Error is a ValueError
        raise InvalidInput(f"unable to parse csr: {error}") from None
    if not valid:
        raise InvalidInput("unable to parse csr: its signature does not fit its key")
    return found
