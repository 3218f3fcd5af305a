"""Why a machine that joins does not reach the server, and what helps. Pure."""

from __future__ import annotations

import os
import ssl
from typing import Final

# Of OpenSSL's: a certificate that is not valid yet, no longer; for another host, for another address.
EARLY: Final = 9
LATE: Final = 10
MISNAMED: Final = (62, 64)


def why_unreached(error: OSError) -> str:
    """
    >>> why_unreached(ConnectionRefusedError(111, "Connect call failed ('10.0.0.1', 6443)"))
    'connection refused: there, corral up --kubernetes-address 0.0.0.0:PORT'
    >>> why_unreached(OSError(113, "Connect call failed ('10.0.0.9', 6443)"))
    'no route to host'
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return _why_unproved(error)
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: there, corral up --kubernetes-address 0.0.0.0:PORT"
    if str(error.strerror).startswith(("Connect call failed", "Multiple exceptions")) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error) or "no answer"


def _why_unproved(error: ssl.SSLCertVerificationError) -> str:
    said = error.verify_message.rstrip(".")
    if error.verify_code in MISNAMED:
        return f"{said}: there, corral up --kubernetes-name with that name or address"
    if error.verify_code in (EARLY, LATE):
        return f"its {said} by this machine's clock: set this clock, or the other's, if it is off"
    return str(error)
