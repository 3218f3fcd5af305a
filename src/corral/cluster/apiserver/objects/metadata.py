"""What every object carries, and who may change it: what the server itself writes into `metadata`.

Follows k8s.io/apiserver/pkg/registry/rest. What is wrong with metadata is said by `model/kubernetes/kinds/metadata.py`.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.status import bad_request

ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
RANDOM_LENGTH: Final = 5
LONGEST_PREFIX: Final = 63 - RANDOM_LENGTH
ORPHAN: Final = "orphan"
FOREGROUND: Final = "foregroundDeletion"


def random_suffix() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))


def generate_name(base: str, suffix: str) -> str:
    """Pure: a generateName with its random end; a long one is cut.

    >>> generate_name("web-", "x2c4v"), len(generate_name("a" * 80, "x2c4v"))
    ('web-x2c4v', 63)
    """
    return base[:LONGEST_PREFIX] + suffix


def ensure_namespace(metadata: dict[str, Any], namespace: str, namespaced: bool) -> None:
    """In place: the request's namespace is the object's. 400 if the object names another."""
    if namespaced:
        if metadata.setdefault("namespace", namespace) != namespace:
            if metadata["namespace"]:
                raise bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
            metadata["namespace"] = namespace
    elif metadata.get("namespace") == "":
        del metadata["namespace"]


def fill_new(metadata: dict[str, Any], kind: Kind, uid: str, now: str) -> None:
    """In place: what the server alone sets on a new object.

    >>> metadata = {"name": "a", "uid": "mine", "deletionTimestamp": "x"}
    >>> fill_new(metadata, Kind(), "u", "2026-01-02T03:04:05Z"); metadata
    {'name': 'a', 'uid': 'u', 'creationTimestamp': '2026-01-02T03:04:05Z', 'generation': 1}
    """
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"):
        metadata.pop(name, None)
    metadata["uid"] = uid
    metadata["creationTimestamp"] = now
    if kind.has_generation:
        metadata["generation"] = 1


def keep_old(new: dict[str, Any], old: dict[str, Any]) -> None:
    """In place: what an update cannot change stays, where it is not an error to have tried."""
    new.pop("selfLink", None)
    if not new.get("uid"):
        new["uid"] = old.get("uid", "")
    for name in ("creationTimestamp", "generation"):
        if name in old:
            new[name] = old[name]
        else:
            new.pop(name, None)
    if "deletionTimestamp" in old:  # to set one is an error: only a deletion may
        new["deletionTimestamp"] = old["deletionTimestamp"]
    if "deletionGracePeriodSeconds" in old:
        new.setdefault("deletionGracePeriodSeconds", old["deletionGracePeriodSeconds"])


def spec_changed(new: Object, old: Object) -> bool:
    """Pure: whether anything but metadata and status differs.

    >>> spec_changed({"spec": 1, "status": 2}, {"spec": 1}), spec_changed({"spec": 1}, {})
    (False, True)
    """
    left = {key: value for key, value in new.items() if key not in ("metadata", "status", "apiVersion", "kind")}
    right = {key: value for key, value in old.items() if key not in ("metadata", "status", "apiVersion", "kind")}
    return left != right
