"""The Secrets of bootstrap tokens, by which machines join: what the server and the cleaner read in them. Pure."""

from __future__ import annotations

import base64
import binascii
import math
from datetime import datetime
from typing import Final

from corral.model.kubernetes.kind import Object

SECRET_TYPE: Final = "bootstrap.kubernetes.io/token"
NAMESPACE: Final = "kube-system"


def read_text(secret: Object, key: str) -> str:
    """A value; "" where there is none that is text."""
    try:
        return base64.b64decode((secret.get("data") or {}).get(key, "")).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def seconds_left(secret: Object, now: float) -> float:
    """Until the token expires, below 0 when it has; without end where nothing is said. A time that cannot be read has
    passed. `now`: seconds since 1970.

    >>> data = {key: base64.b64encode(key.encode()).decode() for key in ("2026-01-02T03:04:05Z", "tomorrow")}
    >>> now = datetime.fromisoformat("2026-01-02T03:04:00Z").timestamp()
    >>> [seconds_left({"data": {"expiration": value}}, now) for value in data.values()], seconds_left({}, now)
    ([5.0, -inf], inf)
    """
    if not (secret.get("data") or {}).get("expiration"):
        return math.inf
    try:
        ends = datetime.fromisoformat(read_text(secret, "expiration"))
    except ValueError:
        return -math.inf
    return -math.inf if ends.tzinfo is None else ends.timestamp() - now
