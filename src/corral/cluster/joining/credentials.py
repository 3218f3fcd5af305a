"""The key of a node, the request for its certificate, and the hash by which it knows the cluster. PEM text in and out.

Follows kubeadm's `sha256:` hash of the public key (RFC 7469's SubjectPublicKeyInfo), and PKCS#10 for the request.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from corral.errors import InvalidInput

if TYPE_CHECKING:
    from cryptography import x509


def authority_hash(pem: str) -> str:
    """`sha256:` and the hash of the certificate's public key. InvalidInput."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    except ValueError:
        raise InvalidInput("not a certificate in PEM") from None
    return "sha256:" + hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def new_key() -> str:
    """A private key on P-256, as PKCS#8."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    form, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(encoding, form, serialization.NoEncryption()).decode()


def request(node: str, key: str, names: Sequence[str] = ()) -> str:
    """The request for the certificate of system:node:NODE. `names`: names and addresses that it shall be for."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
    from cryptography.x509.oid import NameOID

    loaded = load_pem_private_key(key.encode(), None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    parts = ((NameOID.ORGANIZATION_NAME, "system:nodes"), (NameOID.COMMON_NAME, f"system:node:{node}"))
    name = x509.Name([x509.NameAttribute(kind, text) for kind, text in parts])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    if names:
        alternatives = x509.SubjectAlternativeName([_general_name(one) for one in names])
        builder = builder.add_extension(alternatives, critical=False)
    made = builder.sign(loaded, hashes.SHA256())
    return made.public_bytes(Encoding.PEM).decode()


def _general_name(text: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def is_serving_due(identity: str, names: Sequence[str], now: float) -> bool:
    """Whether a new certificate of a server is wanted: this is none, or for other names, or most of its time is over.

    >>> is_serving_due("", ["a"], 0)
    True
    """
    from corral.cluster.certificates.x509 import from_pem

    try:
        found = from_pem(identity)
    except ValueError:
        return True
    if "PRIVATE KEY" not in identity or set(found.names) != set(names):
        return True
    return now > found.not_before + 0.8 * (found.not_after - found.not_before)


def is_due(identity: str, node: str, now: float) -> bool:
    """Whether a new certificate is wanted: this is none, another node's, or four fifths of its time are over."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        found = x509.load_pem_x509_certificate(identity.encode())
    except ValueError:
        return True
    names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if [one.value for one in names] != [f"system:node:{node}"]:
        return True
    begin, end = found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp()
    return now > begin + 0.8 * (end - begin)


def expired(identity: str, now: float) -> bool:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(identity.encode()).not_valid_after_utc < datetime.fromtimestamp(now, UTC)
    except ValueError:
        return True
