"""Making keys and certificates: the only place (with signing and the tokens' keys) that imports `cryptography`.

ECDSA on P-256: a key costs a tenth of a millisecond, an RSA key a tenth of a second. Everything goes in and comes
out as PEM text.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from corral.cluster.apiserver.certificates.renewal import AUTHORITY_LIFE, LEAF_LIFE, Wanted

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

BACKDATE: Final = 300  # seconds that clocks of clients may be behind


def new_key() -> str:
    """A private key, as PKCS#8 in PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    form, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(encoding, form, serialization.NoEncryption()).decode()


def new_authority(common_name: str, now: int) -> str:
    """An authority: its certificate and its key. It signs leaves only, no further authorities."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    pem = new_key()
    key = load_key(pem)
    name = subject(Wanted(common_name))
    builder = _builder(name, key.public_key(), now - BACKDATE, now + AUTHORITY_LIFE).issuer_name(name)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(key_usage(sign=True, cert_sign=True), critical=True)
    return certificate_pem(builder.sign(key, hashes.SHA256())) + pem


def new_leaf(wanted: Wanted, authority: str, now: int, life: int = LEAF_LIFE) -> str:
    """A certificate that `authority` (certificate and key) signs, and its key. It does not outlive the authority."""
    pem = new_key()
    signed = sign_leaf(load_key(pem).public_key(), wanted, authority, now - BACKDATE, now + life)
    return signed + pem


def sign_leaf(key: CertificatePublicKeyTypes, wanted: Wanted, authority: str, begin: int, end: int) -> str:
    """The certificate alone, for somebody else's key."""
    from cryptography.x509.oid import ExtendedKeyUsageOID as Usage

    usages = [Usage.SERVER_AUTH] * wanted.server + [Usage.CLIENT_AUTH] * wanted.client
    names: list[x509.GeneralName] = [_general_name(name) for name in wanted.names]
    usage = key_usage(sign=True, encipher=wanted.server)
    return sign(key, subject(wanted), names, usage, usages, authority, begin, end)


def sign(
    key: CertificatePublicKeyTypes,
    name: x509.Name,
    names: list[x509.GeneralName],
    usage: x509.KeyUsage | None,
    usages: list[x509.ObjectIdentifier],
    authority: str,
    begin: int,
    end: int,
) -> str:
    """A certificate as PEM: what all kinds of leaves have in common. Never valid for longer than the authority."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    parent, parent_key = x509.load_pem_x509_certificate(authority.encode()), load_key(authority)
    end = min(end, int(parent.not_valid_after_utc.timestamp()))
    builder = _builder(name, key, begin, end).issuer_name(parent.subject)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    parent_id = parent.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(parent_id)
    builder = builder.add_extension(identifier, critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return certificate_pem(builder.sign(parent_key, hashes.SHA256()))


def load_key(pem: str) -> ec.EllipticCurvePrivateKey:
    """The private key of a PEM text that may hold certificates too. ValueError."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    start = pem.find("-----BEGIN PRIVATE KEY-----")
    if start < 0:
        raise ValueError("no private key in PEM")
    key = load_pem_private_key(pem[start:].encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not an elliptic curve's key")
    return key


def subject(wanted: Wanted) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in wanted.organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, wanted.common_name)])


def certificate_pem(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode()


def key_usage(*, sign: bool = False, encipher: bool = False, cert_sign: bool = False) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=sign,
        content_commitment=False,
        key_encipherment=encipher,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=cert_sign,
        crl_sign=cert_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(name: x509.Name, key: CertificatePublicKeyTypes, begin: int, end: int) -> x509.CertificateBuilder:
    from cryptography import x509

    builder = x509.CertificateBuilder().subject_name(name).public_key(key).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(datetime.fromtimestamp(begin, UTC))
    builder = builder.not_valid_after(datetime.fromtimestamp(end, UTC))
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
