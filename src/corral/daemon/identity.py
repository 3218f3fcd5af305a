"""The identity provider whose users may log in to the cluster, as the settings want it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from corral.daemon.config import Settings
from corral.errors import HostError, InvalidInput

if TYPE_CHECKING:
    from corral.cluster.apiserver.authentication.oidc import Oidc, Provider

_PREFIX = "kubernetes-oidc-"
_WORDS = (
    *("issuer-url", "client-id", "ca-file"),
    *("username-claim", "username-prefix", "groups-claim", "groups-prefix"),
)
_LISTS = ("required-claim", "signing-alg")


def plan_provider(settings: Settings) -> Provider | None:
    """Pure; None where nobody is to log in so. InvalidInput."""
    given = {key: settings.text(_PREFIX + key) for key in _WORDS}
    if not given["issuer-url"]:
        others = {key: settings.list(_PREFIX + key) for key in _LISTS} | {**given, "username-claim": ""}
        if key := next((key for key, value in others.items() if value), ""):
            raise InvalidInput(f"{_PREFIX}{key} without {_PREFIX}issuer-url: whose users are meant?")
        return None
    from corral.cluster.apiserver.authentication.oidc import Provider

    required = {}
    for claim in settings.list(_PREFIX + "required-claim"):
        name, sign, value = claim.partition("=")
        if not (name and sign):
            raise InvalidInput(f"{_PREFIX}required-claim {claim!r}: must be CLAIM=VALUE")
        required[name] = value
    made = Provider(
        given["issuer-url"],
        given["client-id"],
        given["username-claim"],
        given["username-prefix"] or None,
        given["groups-claim"],
        given["groups-prefix"],
        required,
        tuple(settings.list(_PREFIX + "signing-alg")) or ("RS256",),
    )
    made.check()
    return made


def providers(settings: Settings) -> tuple[Oidc, ...]:
    """InvalidInput, HostError."""
    if not (provider := plan_provider(settings)):
        return ()
    from corral.cluster.apiserver.authentication.oidc import Oidc, fetcher

    return (Oidc(provider, fetcher(_authorities(settings.text(_PREFIX + "ca-file"))), time.monotonic),)


def _authorities(path: str) -> str:
    """HostError, InvalidInput."""
    if not path:
        return ""
    import ssl

    try:
        text = Path(path).read_text()
        ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError):
        raise InvalidInput(f"{_PREFIX}ca-file {path}: holds no certificate (PEM)") from None
    except OSError as error:
        raise HostError(f"{_PREFIX}ca-file {path}: {error.strerror}", error.errno) from None
    return text
