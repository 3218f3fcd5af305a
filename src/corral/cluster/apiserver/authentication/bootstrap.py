"""Bootstrap tokens: `abcdef.0123456789abcdef`, each a Secret in kube-system. New nodes join with them."""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
import re
from datetime import datetime
from typing import Final

from corral.cluster.apiserver.attributes import User
from corral.cluster.apiserver.lookup import Lookup
from corral.model.kubernetes.kind import Object

log = logging.getLogger("corral.cluster")

SECRET_TYPE: Final = "bootstrap.kubernetes.io/token"
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
    groups = _groups(_text(secret, "auth-extra-groups"))
    return User(f"system:bootstrap:{found[1]}", groups=tuple(sorted({GROUP, *groups})))


def _refusal(secret: Object, token_id: str, token_secret: str, now: int) -> str:
    """Pure: why the secret does not vouch for the token; "" when it does."""
    if secret["metadata"].get("deletionTimestamp"):
        return "is deleted and awaiting removal"
    if secret.get("type") != SECRET_TYPE:
        return f"has invalid type, expected {SECRET_TYPE}"
    if not hmac.compare_digest(_text(secret, "token-secret").encode(), token_secret.encode()):
        return "has another value for key token-secret"
    if _text(secret, "token-id") != token_id:
        return "has another value for key token-id"
    if _has_expired(_text(secret, "expiration"), now):
        return "has expired"
    if _text(secret, "usage-bootstrap-authentication") != "true":
        return "is not marked usage-bootstrap-authentication=true"
    groups = _text(secret, "auth-extra-groups")
    bad = [group for group in _groups(groups) if not _GROUP.fullmatch(group)]
    return f"has invalid value for key auth-extra-groups: {bad[0]}" if bad else ""


def _has_expired(text: str, now: int) -> bool:
    """Pure: a time that cannot be read has passed."""
    if not text:
        return False
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return True
    return at.tzinfo is None or now > at.timestamp()


def _groups(text: str) -> list[str]:
    return text.split(",") if text else []


def _text(secret: Object, key: str) -> str:
    try:
        return base64.b64decode((secret.get("data") or {}).get(key, "")).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
