"""May a definition have the names that it wants? Decided along with the write of it. Pure.

Follows k8s.io/apiextensions-apiserver/pkg/controller/status: within a group each name belongs to one definition, the
first that was accepted with it. Each accepted name is a key of the store as well, written in the commit that accepts
it: of two that are written at once, by whichever servers, one finds the key there and decides anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from corral.cluster.apiserver.objects.core import Claims
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.fields import objects, part, text, texts

_WORDS: Final = ("plural", "singular", "shortNames")
_KINDS: Final = ("kind", "listKind")
_REASONS: Final = {
    "plural": "PluralConflict",
    "singular": "SingularConflict",
    "shortNames": "ShortNamesConflict",
    "kind": "KindConflict",
    "listKind": "ListKindConflict",
}


CLAIMS: Final = "/claims/definitions/"


class Naming(NamedTuple):
    """`reason` "" : all names are accepted."""

    accepted: dict[str, Any]
    reason: str
    message: str


def _all(names: Object, keys: Iterable[str]) -> set[str]:
    return {one for key in keys for one in (texts(names, key) if key == "shortNames" else [text(names, key)]) if one}


def plan_names(definition: Object, others: Iterable[Object]) -> Naming:
    """Pure: which of the wanted names a definition gets; `others`: all definitions of its group, itself left out.

    >>> mine = {"spec": {"names": {"plural": "cows", "kind": "Cow"}}}
    >>> plan_names(mine, []).reason
    ''
    >>> theirs = {"status": {"acceptedNames": {"plural": "oxen", "singular": "cow", "kind": "Cow"}}}
    >>> plan_names(mine, [theirs])
    Naming(accepted={'plural': 'cows', 'kind': ''}, reason='KindConflict', message='"Cow" is already in use')
    """
    taken_words: set[str] = set()
    taken_kinds: set[str] = set()
    for one in others:
        found = part(one, "status", "acceptedNames")
        taken_words |= _all(found, _WORDS)
        taken_kinds |= _all(found, _KINDS)
    wanted, before = part(definition, "spec", "names"), part(definition, "status", "acceptedNames")
    accepted: dict[str, Any] = {"plural": text(before, "plural"), "kind": text(before, "kind")}
    accepted |= {key: before[key] for key in ("singular", "listKind", "shortNames", "categories") if before.get(key)}
    failed: list[tuple[str, str]] = []
    for key in (*_WORDS, *_KINDS):
        values = texts(wanted, key) if key == "shortNames" else [text(wanted, key)]
        taken = taken_kinds if key in _KINDS else taken_words
        clash = next((one for one in values if one in taken), "")
        if clash:
            failed.append((_REASONS[key], f'"{clash}" is already in use'))
        elif values and values[0]:
            accepted[key] = wanted[key]
    if wanted.get("categories"):
        accepted["categories"] = wanted["categories"]
    reason, message = failed[-1] if failed else ("", "")
    return Naming(accepted, reason, message)


def plan_claims(new: Object | None, old: Object | None) -> Claims:
    """Pure: the keys that come and go with accepted names. Plurals, singulars and short names share a space; kinds do.

    >>> cow = {"metadata": {"name": "cows.a.b"}, "spec": {"group": "a.b"},
    ...        "status": {"acceptedNames": {"plural": "cows", "kind": "Cow"}}}
    >>> plan_claims(cow, None).expect
    {'/claims/definitions/a.b/kinds/Cow': 0, '/claims/definitions/a.b/words/cows': 0}
    >>> plan_claims(None, cow).deletes
    ['/claims/definitions/a.b/kinds/Cow', '/claims/definitions/a.b/words/cows']
    """
    before, after = _claimed(old), _claimed(new)
    added = sorted(after - before)
    owner = str((new or {}).get("metadata", {}).get("name", "")).encode()
    return Claims(dict.fromkeys(added, owner), sorted(before - after), dict.fromkeys(added, 0))


def _claimed(definition: Object | None) -> set[str]:
    group = text(part(definition or {}, "spec"), "group")
    names = part(definition or {}, "status", "acceptedNames")
    spaces = {"words": _all(names, _WORDS), "kinds": _all(names, _KINDS)}
    return {f"{CLAIMS}{group}/{space}/{one}" for space, found in spaces.items() for one in found}


def waits(definition: Object) -> bool:
    """Pure: whether a definition wants a name that another has."""
    found = objects(part(definition, "status"), "conditions")
    return any(one.get("type") == "NamesAccepted" and one.get("status") == "False" for one in found)


def frees(old: Object | None, new: Object | None) -> bool:
    """Pure: whether a change gives names up that others may wait for.

    >>> cow = {"spec": {"group": "a.b"}, "status": {"acceptedNames": {"shortNames": ["moo"]}}}
    >>> frees(cow, None), frees(None, cow), frees(cow, cow)
    (True, False, False)
    """
    return bool(_claimed(old) - _claimed(new))


def condition(name: str, status: bool, reason: str, message: str, now: str) -> Object:
    return {
        "type": name,
        "status": "True" if status else "False",
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


def set_condition(conditions: list[Object], wanted: Object) -> list[Object]:
    """Pure: the conditions with one in the place of its like; the time of a state that lasts stays."""
    old = next((one for one in conditions if one.get("type") == wanted["type"]), None)
    if old is not None and old.get("status") == wanted["status"]:
        wanted = {**wanted, "lastTransitionTime": old.get("lastTransitionTime", wanted["lastTransitionTime"])}
    if old is None:
        return [*conditions, wanted]
    return [wanted if one is old else one for one in conditions]


def plan_status(definition: Object, others: Iterable[Object], now: str) -> Object:
    """Pure: the status with names and conditions as they should be."""
    status = part(definition, "status")
    naming = plan_names(definition, others)
    conditions = objects(status, "conditions")
    if naming.reason:
        accepted = condition("NamesAccepted", False, naming.reason, naming.message, now)
    else:
        accepted = condition("NamesAccepted", True, "NoConflicts", "no conflicts found", now)
    conditions = set_condition(conditions, accepted)
    was = any(one.get("type") == "Established" and one.get("status") == "True" for one in conditions)
    if not naming.reason or was:
        established = condition(
            "Established", True, "InitialNamesAccepted", "the initial names have been accepted", now
        )
    else:
        established = condition("Established", False, "NotAccepted", "not all names are accepted", now)
    return {**status, "acceptedNames": naming.accepted, "conditions": set_condition(conditions, established)}
