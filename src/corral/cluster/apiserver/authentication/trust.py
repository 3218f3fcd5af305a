"""What extension API servers must know to trust this one: a ConfigMap that they read at their start."""

from __future__ import annotations

import json
from typing import Final

from corral.cluster.apiserver.authentication import proxy
from corral.model.kubernetes.kind import Object

NAMESPACE: Final = "kube-system"
NAME: Final = "extension-apiserver-authentication"


def plan_trust(client_authority: str, front_proxy_authority: str, allowed: tuple[str, ...]) -> Object:
    """Pure: whose client certificates are users, and whose speak for others, with which headers.

    `allowed`: the common names of those who may.

    >>> plan_trust("C", "F", ("front-proxy-client",))["data"]["requestheader-username-headers"]
    '["X-Remote-User"]'
    """
    headers = {
        "requestheader-username-headers": [proxy.USER.title()],
        "requestheader-uid-headers": [proxy.UID.title()],
        "requestheader-group-headers": [proxy.GROUP.title()],
        "requestheader-extra-headers-prefix": [proxy.EXTRA.title()],
        "requestheader-allowed-names": list(allowed),
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "data": {
            "client-ca-file": client_authority,
            "requestheader-client-ca-file": front_proxy_authority,
            **{key: json.dumps(values) for key, values in headers.items()},
        },
    }
