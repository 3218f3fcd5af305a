"""Who owns what after a change. Follows sigs.k8s.io/structured-merge-diff, merge/update.go.

Whoever changes a field by an update takes it from all others. Whoever applies a field shares it with all who have set
it to the same value; a change to what others own is a conflict unless it is forced. What an applier no longer applies,
and nobody else owns, is removed.

Sets of other API versions of a kind are taken as they are: the versions that are served together name their fields
alike. An update through another version is another entry all the same, as upstream has it.
"""

from __future__ import annotations

from typing import Any

from corral.cluster.apiserver.apply import fieldset, pruning
from corral.cluster.apiserver.apply.comparing import Comparison, compare
from corral.cluster.apiserver.apply.conflicts import Conflict, Conflicts
from corral.cluster.apiserver.apply.entries import UPDATE, Entries, Entry, Manager
from corral.cluster.apiserver.apply.fieldset import FieldSet
from corral.cluster.apiserver.apply.merging import merge
from corral.cluster.apiserver.apply.plan import Plan
from corral.cluster.apiserver.apply.reset_fields import Filter
from corral.cluster.apiserver.apply.typed import field_set

Object = dict[str, Any]

MOST_UPDATERS = 10
_ANCIENT = "ancient-changes"
_NEVER_OWNED = fieldset.of_paths(
    ("apiVersion",),
    ("kind",),
    ("metadata",),
    *(
        ("metadata", name)
        for name in (
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "clusterName",
            "generation",
            "managedFields",
            "resourceVersion",
        )
    ),
)


def after_update(entries: Entries, change: Comparison, manager: Manager, now: str) -> Entries:
    """Pure: the entries after `manager` has made this change by an update.

    >>> change = Comparison(modified=fieldset.of_paths(("spec", "replicas")))
    >>> found = after_update({}, change, Manager("kubectl-scale", "Update", "apps/v1"), "2026-01-02T03:04:05Z")
    >>> [entry.encoded()["fieldsV1"] for entry in found.values()]
    [{'f:spec': {'f:replicas': {}}}]
    """
    found = _without_changed(entries, change)
    own = fieldset.difference(fieldset.union(change.modified, change.added), _NEVER_OWNED)
    if own:
        key = manager.identifier
        before = found[key].fields if key in found else fieldset.EMPTY
        found[key] = Entry(manager, now, None, fieldset.union(own, before))
    return _capped(found)


def after_apply(
    live: Object, applied: Object, entries: Entries, manager: Manager, plan: Plan, reset: Filter, *, force: bool
) -> tuple[Object, Entries]:
    """Pure: the new object, and the entries. `reset`: fields that cannot be set this way, so nobody owns them so.

    Raises Conflicts, and TypedError where items of the live object cannot be told apart.
    """
    key = manager.identifier
    last = entries[key].fields if key in entries else fieldset.EMPTY
    own = reset.of(field_set(applied, plan))
    others = {name: entry for name, entry in entries.items() if name != key}
    found = merge(live, applied, plan)
    if fieldset.difference(last, own):
        found = merge(_pruned(found, last, own, others, plan), applied, plan)  # what is applied empty stays, empty
    change = compare(live, found, plan).through(reset)
    if not force and (against := _conflicts(others, change)):
        raise Conflicts(against)
    after = _without_changed(others, change)
    if own := fieldset.difference(own, _NEVER_OWNED):
        time = entries[key].time if key in entries else ""
        after[key] = Entry(manager, time, None, own)
    return found, after


def _pruned(merged: Object, last: FieldSet, own: FieldSet, others: Entries, plan: Plan) -> Object:
    """Without what was applied last time and is not now, unless somebody else owns it."""
    owned = own
    for entry in others.values():
        owned = fieldset.union(owned, entry.fields)
    last = pruning.with_structs(last, plan)
    pruned = pruning.remove(merged, last, plan)
    everything = pruning.with_structs(field_set(merged, plan), plan)
    left = pruning.with_structs(field_set(pruned, plan), plan)
    kept = fieldset.union(left, pruning.with_structs(owned, plan))
    pruned = pruning.remove(merged, fieldset.difference(everything, kept), plan)
    left = pruning.with_structs(field_set(pruned, plan), plan)
    gone = fieldset.intersection(fieldset.difference(everything, left), last)
    return pruning.remove(merged, gone, plan)


def _conflicts(others: Entries, change: Comparison) -> list[Conflict]:
    touched = fieldset.union(change.modified, change.added)
    found = []
    for _, entry in sorted(others.items()):
        if entry.owns_of(touched):
            against = fieldset.intersection(entry.fields, touched)
            found += [Conflict(entry.manager, path) for path in fieldset.paths(against)]
    return found


def _without_changed(entries: Entries, change: Comparison) -> Entries:
    """What has changed no longer belongs to those who had set it."""
    touched = fieldset.union(fieldset.union(change.modified, change.added), change.removed)
    found: Entries = {}
    for key, entry in entries.items():
        if touched and entry.owns_of(touched):
            if fields := fieldset.difference(entry.fields, touched):
                found[key] = entry.with_fields(fields)
        elif entry.wire or entry.fields:
            found[key] = entry
    return found


def reconciled(entries: Entries, plan: Plan) -> Entries:
    """Pure: the entries, after a change of the schema has made maps or lists atomic."""
    found: Entries = {}
    for key, entry in entries.items():
        fields = pruning.reconcile(entry.fields, plan)
        found[key] = entry if fields is entry.fields else entry.with_fields(fields)
    return found


def _capped(entries: Entries) -> Entries:
    """At most ten entries of updates: of one API version, the oldest become one."""
    updaters = [key for key, entry in entries.items() if not entry.applied]
    if len(updaters) <= MOST_UPDATERS:
        return entries
    updaters.sort(key=lambda key: (entries[key].seconds, key))
    found, count = dict(entries), len(updaters)
    first: dict[str, str] = {}
    for key in updaters:
        if count <= MOST_UPDATERS:
            break
        version = found[key].manager.api_version
        if version not in first:
            first[version] = key
            continue
        entry, bucket = found.pop(key), Manager(_ANCIENT, UPDATE, version)
        old = found.pop(bucket.identifier, None) or found.pop(first[version])
        found[bucket.identifier] = Entry(bucket, entry.time, None, fieldset.union(old.fields, entry.fields))
        count -= 1
    return found
