"""Bootstrap tokens: `abcdef.0123456789abcdef`, each a Secret in kube-system. New nodes join with them."""

from __future__ import annotations

import hmac
import logging
import re
from typing import Final

from corral.cluster.apiserver.attributes import User
from corral.cluster.apiserver.lookup import Lookup
from corral.model.kubernetes.bootstrap_tokens import SECRET_TYPE, read_text, seconds_left
from corral.model.kubernetes.kind import Object

log = logging.getLogger("corral.cluster")

GROUP: Final = "system:bootstrappers"
_TOKEN: Final = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_GROUP: Final = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


def authenticate(token: str, lookup: Lookup, now: int) -> User | None:
    """The user of a bootstrap token; None when it is none, or holds no (more): then other ways may know it."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        return None
    secret = lookup.get("", "secrets", "kube-system", f"bootstrap-token-{found[1]}")
    if secret is None:
        return None
    cause = _refusal(secret, found[1], found[2], now)
    if cause:
        log.info("bootstrap secret kube-system/bootstrap-token-%s %s", found[1], cause)
        return None
    groups = _groups(read_text(secret, "auth-extra-groups"))
    return User(f"system:bootstrap:{found[1]}", groups=tuple(sorted({GROUP, *groups})))


def _refusal(secret: Object, token_id: str, token_secret: str, now: int) -> str:
    """Pure: why the secret does not vouch for the token; "" when it does."""
    if secret["metadata"].get("deletionTimestamp"):
        return "is deleted and awaiting removal"
    if secret.get("type") != SECRET_TYPE:
        return f"has invalid type, expected {SECRET_TYPE}"
    if not hmac.compare_digest(read_text(secret, "token-secret").encode(), token_secret.encode()):
        return "has another value for key token-secret"
    if read_text(secret, "token-id") != token_id:
        return "has another value for key token-id"
    if seconds_left(secret, now) < 0:
        return "has expired"
    if read_text(secret, "usage-bootstrap-authentication") != "true":
        return "is not marked usage-bootstrap-authentication=true"
    groups = read_text(secret, "auth-extra-groups")
    bad = [group for group in _groups(groups) if not _GROUP.fullmatch(group)]
    return f"has invalid value for key auth-extra-groups: {bad[0]}" if bad else ""


def _groups(text: str) -> list[str]:
    return text.split(",") if text else []
