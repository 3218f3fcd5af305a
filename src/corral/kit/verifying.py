"""Why a server's certificate is not believed, in the words of Go's clients, which users know and search for."""

from __future__ import annotations

import ssl
from typing import Final

# OpenSSL's X509_V_ERR_*: no issuer, self-signed (alone, or at the top of a chain), a leaf that cannot be verified.
_UNKNOWN: Final = frozenset((2, 18, 19, 20, 21))
_TIMES: Final = frozenset((9, 10))  # not yet valid, expired


def verify_words(error: ssl.SSLCertVerificationError) -> str:
    """
    >>> error = ssl.SSLCertVerificationError()
    >>> error.verify_code, error.verify_message = 18, "self-signed certificate"
    >>> verify_words(error)
    'tls: failed to verify certificate: x509: certificate signed by unknown authority'
    """
    words = error.verify_message
    if error.verify_code in _UNKNOWN:
        words = "certificate signed by unknown authority"
    elif error.verify_code in _TIMES:
        words = f"certificate has expired or is not yet valid: {words}"
    return f"tls: failed to verify certificate: x509: {words}"
