"""Keys that sign tokens, and sets of keys that verify them: ES256/384/512 and RS256/384/512 (RFC 7518).

`cryptography` is imported with the first token.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from corral.cluster.apiserver.authentication import jwt

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

_CURVES: Final = {"secp256r1": ("P-256", "ES256", 32), "secp384r1": ("P-384", "ES384", 48),
                  "secp521r1": ("P-521", "ES512", 66)}  # fmt: skip
ALGORITHMS: Final = ("ES256", "ES384", "ES512", "RS256", "RS384", "RS512")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key that verifies. `id` is what tokens name it by; "" fits all."""

    id: str
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey

    def verify(self, token: jwt.Token) -> bool:
        """Whether this key has signed it. The comparison is OpenSSL's, whose time tells nothing."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec, padding

        try:
            if isinstance(self.key, ec.EllipticCurvePublicKey):
                signature = _to_der(token.signature, *_CURVES[self.key.curve.name][1:], token.algorithm)
                self.key.verify(signature, token.signed, ec.ECDSA(_hash(token.algorithm)))
            elif token.algorithm.startswith("RS"):
                self.key.verify(token.signature, token.signed, padding.PKCS1v15(), _hash(token.algorithm))
            else:
                return False
        except (InvalidSignature, ValueError, KeyError):
            return False
        return True

    def jwk(self) -> dict[str, str]:
        """The key as a JSON Web Key (RFC 7517)."""
        from cryptography.hazmat.primitives.asymmetric import ec

        if isinstance(self.key, ec.EllipticCurvePublicKey):
            curve, algorithm, size = _CURVES[self.key.curve.name]
            at = self.key.public_numbers()
            x, y = (jwt.to_base64(one.to_bytes(size, "big")) for one in (at.x, at.y))
            return {"use": "sig", "kty": "EC", "kid": self.id, "crv": curve, "alg": algorithm, "x": x, "y": y}
        numbers = self.key.public_numbers()
        n, e = (jwt.to_base64(one.to_bytes((one.bit_length() + 7) // 8, "big")) for one in (numbers.n, numbers.e))
        return {"use": "sig", "kty": "RSA", "kid": self.id, "alg": "RS256", "n": n, "e": e}


class SigningKey:
    """A private key on P-256 (PEM)."""

    def __init__(self, pem: str) -> None:
        from corral.cluster.apiserver.certificates.issuing import load_key

        self._key = load_key(pem)
        self.public = PublicKey(key_id(self._key.public_key()), self._key.public_key())

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The token that says so."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        body = jwt.encode({"alg": "ES256", "kid": self.public.id}, claims)
        r, s = decode_dss_signature(self._key.sign(body.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{body}.{jwt.to_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def verify(token: jwt.Token, keys: Iterable[PublicKey], algorithms: Iterable[str] = ALGORITHMS) -> bool:
    """Whether one of the keys has signed it; a token that names a key is tried with that one only."""
    if token.algorithm not in algorithms:
        return False
    return any(key.verify(token) for key in keys if not token.key_id or not key.id or key.id == token.key_id)


def key_id(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> str:
    """The name of a key: its hash, from which nobody can tell the key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    data = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return jwt.to_base64(hashlib.sha256(data).digest())


def from_jwk(found: Mapping[str, Any]) -> PublicKey | None:
    """A key of somebody else's set; None for what is not for signatures, or of another kind."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    identity = found.get("kid", "")
    if found.get("use", "sig") != "sig" or not isinstance(identity, str):
        return None
    try:
        if found.get("kty") == "RSA":
            public = rsa.RSAPublicNumbers(_number(found["e"]), _number(found["n"])).public_key()
            return PublicKey(identity, public) if public.key_size >= 2048 else None
        curves: dict[str, ec.EllipticCurve] = {
            "P-256": ec.SECP256R1(),
            "P-384": ec.SECP384R1(),
            "P-521": ec.SECP521R1(),
        }
        if found.get("kty") == "EC" and found.get("crv") in curves:
            at = ec.EllipticCurvePublicNumbers(_number(found["x"]), _number(found["y"]), curves[found["crv"]])
            return PublicKey(identity, at.public_key())
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return None


def _number(text: str) -> int:
    return int.from_bytes(jwt.from_base64(text), "big")


def _hash(algorithm: str) -> HashAlgorithm:
    from cryptography.hazmat.primitives import hashes

    found: dict[str, HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
    return found[algorithm[2:]]


def _to_der(signature: bytes, expected: str, size: int, algorithm: str) -> bytes:
    """A signature of JOSE (both numbers side by side) as OpenSSL wants it. ValueError when it is none."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    if algorithm != expected or len(signature) != 2 * size:
        raise ValueError("not a signature of this key's kind")
    return encode_dss_signature(int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big"))
