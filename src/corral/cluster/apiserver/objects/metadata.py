"""What every object carries, and who may change it: pure checks and changes of `metadata`.

Follows k8s.io/apimachinery/pkg/api/validation/objectmeta.go and k8s.io/apiserver/pkg/registry/rest.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

from corral.model.kubernetes import names
from corral.model.kubernetes import problems as p
from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.problems import Problem
from corral.model.kubernetes.selectors import problems_of_labels
from corral.model.kubernetes.status import bad_request

ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
RANDOM_LENGTH: Final = 5
LONGEST_PREFIX: Final = 63 - RANDOM_LENGTH
ANNOTATIONS_LIMIT: Final = 256 * 1024
ORPHAN: Final = "orphan"
FOREGROUND: Final = "foregroundDeletion"
IMMUTABLE: Final = "field is immutable"
_FIXED: Final = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


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
    for name in ("creationTimestamp", "deletionTimestamp", "generation"):
        if name in old:
            new[name] = old[name]
        else:
            new.pop(name, None)
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


def check_new(obj: Object, kind: Kind, namespaced: bool) -> list[Problem]:
    """Pure: what is wrong with a new object's metadata."""
    metadata = obj["metadata"]
    name, base = metadata.get("name", ""), metadata.get("generateName", "")
    check = kind.validate_name or names.dns_subdomain
    found = [p.invalid("metadata.generateName", base, text) for text in _name_problems(names.mask_dash(base), check)]
    if not name:
        found.append(p.required("metadata.name", "name or generateName is required"))
    else:
        found += [p.invalid("metadata.name", name, text) for text in check(name)]
    return found + _check_namespace(metadata, namespaced) + check_both(metadata)


def _name_problems(name: str, check: Callable[[str], Sequence[str]]) -> Sequence[str]:
    return check(name) if name else ()


def _check_namespace(metadata: dict[str, Any], namespaced: bool) -> list[Problem]:
    namespace = metadata.get("namespace", "")
    if not namespaced:
        return [p.forbidden("metadata.namespace", "not allowed on this type")] if namespace else []
    if not namespace:
        return [p.required("metadata.namespace")]
    return [p.invalid("metadata.namespace", namespace, text) for text in names.dns_label(namespace)]


def check_both(metadata: dict[str, Any]) -> list[Problem]:
    """Pure: what is wrong with labels, annotations, owners and finalizers, new or changed."""
    found = list(problems_of_labels(metadata.get("labels"), "metadata.labels"))
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        found += [p.invalid("metadata.annotations", key, text) for text in names.qualified_name(key.lower())]
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > ANNOTATIONS_LIMIT:
        found.append(p.too_long("metadata.annotations", ANNOTATIONS_LIMIT))
    return (
        found + check_owners(metadata.get("ownerReferences") or ()) + check_finalizers(metadata.get("finalizers") or [])
    )


def check_owners(owners: Sequence[dict[str, Any]]) -> list[Problem]:
    """Pure."""
    found, controller = [], ""
    for owner in owners:
        at = "metadata.ownerReferences"
        api_version, name = owner.get("apiVersion") or "", owner.get("name") or ""
        if not api_version.rpartition("/")[2]:
            found.append(p.invalid(f"{at}.apiVersion", api_version, "version must not be empty"))
        for key in ("kind", "name", "uid"):
            if not owner.get(key):
                found.append(p.invalid(f"{at}.{key}", owner.get(key) or "", f"{key} must not be empty"))
        if (api_version, owner.get("kind")) == ("v1", "Event"):
            found.append(p.invalid(at, "", "/v1, Kind=Event is disallowed from being an owner"))
        if owner.get("controller"):
            if controller:
                text = 'Only one reference can have Controller set to true. Found "true" in references for '
                found.append(p.invalid(at, list(owners), f"{text}{controller} and {name}"))
            else:
                controller = name
    return found


def check_finalizers(finalizers: Sequence[str]) -> list[Problem]:
    """Pure."""
    at = "metadata.finalizers"
    found = [p.invalid(at, one, text) for one in finalizers for text in names.qualified_name(one)]
    if ORPHAN in finalizers and FOREGROUND in finalizers:
        text = f"finalizer {ORPHAN} and {FOREGROUND} cannot be both set"
        found.append(p.invalid(at, list(finalizers), text))
    return found


def check_change(new: dict[str, Any], old: dict[str, Any]) -> list[Problem]:
    """Pure: what is wrong with changed metadata.

    >>> [str(one) for one in check_change({"name": "b"}, {"name": "a"})]
    ['metadata.name: Invalid value: "b": field is immutable']
    """
    found = []
    if old.get("deletionTimestamp"):
        added = sorted(set(new.get("finalizers") or ()) - set(old.get("finalizers") or ()))
        if added:
            shown = "[]string{" + ", ".join(f'"{one}"' for one in added) + "}"
            text = f"no new finalizers can be added if the object is being deleted, found new finalizers {shown}"
            found.append(p.forbidden("metadata.finalizers", text))
    for name in _FIXED:
        if new.get(name) != old.get(name):
            found.append(p.invalid(f"metadata.{name}", new.get(name), IMMUTABLE))
    return found + check_both(new)
