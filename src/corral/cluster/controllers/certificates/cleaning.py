"""How long a CertificateSigningRequest is kept. Pure.

Follows k8s.io/kubernetes/pkg/controller/certificates/cleaner.
"""

from __future__ import annotations

from typing import Final

from corral.cluster.client.protocol import Object
from corral.cluster.client.times import from_text

DONE_SECONDS: Final = 3600
PENDING_SECONDS: Final = 24 * 3600


def seconds_to_keep(found: Object, now: float) -> float:
    """From now on: an hour after it was denied, failed or issued; a day when nobody decides.

    >>> made = {"metadata": {"creationTimestamp": "1970-01-01T00:00:00Z"}}
    >>> denied = {"conditions": [{"type": "Denied", "lastUpdateTime": "1970-01-01T01:00:00Z"}]}
    >>> seconds_to_keep(made, 3600), seconds_to_keep({**made, "status": denied}, 4600)
    (82800.0, 2600.0)
    """
    status = found.get("status") or {}
    created = found["metadata"]["creationTimestamp"]
    ends = [from_text(created).timestamp() + PENDING_SECONDS]
    for one in status.get("conditions") or ():
        if one["type"] in ("Denied", "Failed") or status.get("certificate"):
            ends.append(from_text(one.get("lastUpdateTime") or created).timestamp() + DONE_SECONDS)
    return min(ends) - now
