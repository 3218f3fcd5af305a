"""Who owns what after a change. Follows sigs.k8s.io/structured-merge-diff, merge/update.go.

Whoever changes a field by an update takes it from all others. Whoever applies a field shares it with all who have set
it to the same value; a change to what others own is a conflict unless it is forced. What an applier no longer applies,
and nobody else owns, is removed.

Who owns fields in another version of the kind sees the change as it is there (`views`). An update through another
version is another entry all the same, as upstream has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from corral.cluster.apiserver.apply import fieldset, pruning
from corral.cluster.apiserver.apply.comparing import compare
from corral.cluster.apiserver.apply.conflicts import Conflict, Conflicts
from corral.cluster.apiserver.apply.entries import UPDATE, Entries, Entry, Manager
from corral.cluster.apiserver.apply.fieldset import FieldSet
from corral.cluster.apiserver.apply.merging import merge
from corral.cluster.apiserver.apply.plan import Plan
from corral.cluster.apiserver.apply.reset_fields import NOTHING, Filter
from corral.cluster.apiserver.apply.typed import field_set
from corral.cluster.apiserver.apply.views import Change, View, Views, all_alike

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


def after_update(entries: Entries, change: Change, manager: Manager, now: str) -> Entries:
    """Pure: the entries after `manager` has made this change by an update. Raises as `Change.by`.

    >>> from corral.cluster.apiserver.apply.comparing import Comparison
    >>> seen = Comparison(modified=fieldset.of_paths(("spec", "replicas")))
    >>> change = Change({}, {}, seen, "apps/v1", all_alike)
    >>> found = after_update({}, change, Manager("kubectl-scale", "Update", "apps/v1"), "2026-01-02T03:04:05Z")
    >>> [entry.encoded()["fieldsV1"] for entry in found.values()]
    [{'f:spec': {'f:replicas': {}}}]
    """
    found = _without_changed(entries, change)
    own = fieldset.difference(fieldset.union(change.seen.modified, change.seen.added), _NEVER_OWNED)
    if own:
        key = manager.identifier
        before = found[key].fields if key in found else fieldset.EMPTY
        found[key] = Entry(manager, now, None, fieldset.union(own, before))
    return _capped(found)


def after_apply(
    live: Object,
    applied: Object,
    entries: Entries,
    manager: Manager,
    plan: Plan,
    reset: Filter,
    *,
    force: bool,
    views: Views = all_alike,
) -> tuple[Object, Entries]:
    """Pure: the new object, and the entries. `reset`: fields that cannot be set this way, so nobody owns them so.

    Raises Conflicts, and TypedError where items of the live object cannot be told apart.
    """
    key = manager.identifier
    last = entries.get(key)
    own = reset.of(field_set(applied, plan))
    others = {name: entry for name, entry in entries.items() if name != key}
    found = merge(live, applied, plan)
    if last is not None and (_moved(last, manager, views) or fieldset.difference(last.fields, own)):
        pruned = _Pruning(found, manager.api_version, plan, views).without(last, own, others)
        found = merge(pruned, applied, plan)  # what is applied empty stays, empty
    seen = compare(live, found, plan).through(reset)
    change = Change(live, found, seen, manager.api_version, views)
    if not force and (against := _conflicts(others, change)):
        raise Conflicts(against)
    after = _without_changed(others, change)
    if own := fieldset.difference(own, _NEVER_OWNED):
        time = entries[key].time if key in entries else ""
        after[key] = Entry(manager, time, None, own)
    return found, after


def _moved(last: Entry, manager: Manager, views: Views) -> bool:
    """Whether it was applied in a version with other fields."""
    before = last.manager.api_version
    return before != manager.api_version and isinstance(views(before), View)


class _Pruning:
    """Takes out of an object what was applied last time and is not now, unless somebody else owns it."""

    def __init__(self, merged: Object, api_version: str, plan: Plan, views: Views) -> None:
        self._merged, self._version, self._views = merged, api_version, views
        self._plain = View(plan, NOTHING, _same, _same)

    def without(self, last: Entry, own: FieldSet, others: Entries) -> Object:
        owned = {self._version: own}
        for entry in others.values():
            where = self._where(entry.manager.api_version)
            owned[where] = fieldset.union(owned.get(where, fieldset.EMPTY), entry.fields)
        where = self._where(last.manager.api_version)
        view = self._view(where)
        merged, gone = view.convert(self._merged), pruning.with_structs(last.fields, view.plan)
        pruned = pruning.remove(merged, gone, view.plan)
        pruned = view.back(_kept(merged, pruned, owned.pop(where, fieldset.EMPTY), view.plan))
        for version, fields in owned.items():
            other = self._view(version)
            pruned = other.back(_kept(other.convert(self._merged), other.convert(pruned), fields, other.plan))
        left = _members(view.convert(pruned), view.plan)
        gone = fieldset.intersection(fieldset.difference(_members(merged, view.plan), left), gone)
        return view.back(pruning.remove(merged, gone, view.plan))

    def _where(self, api_version: str) -> str:
        """Versions that name their fields alike are one."""
        return api_version if isinstance(self._views(api_version), View) else self._version

    def _view(self, api_version: str) -> View:
        found = self._views(api_version) if api_version != self._version else None
        return found if isinstance(found, View) else self._plain


def _same(obj: Object) -> Object:
    return obj


def _members(obj: Object, plan: Plan) -> FieldSet:
    return pruning.with_structs(field_set(obj, plan), plan)


def _kept(merged: Object, pruned: Object, owned: FieldSet, plan: Plan) -> Object:
    """The pruned object, and what was taken out of it though it is owned."""
    kept = fieldset.union(_members(pruned, plan), pruning.with_structs(owned, plan))
    return pruning.remove(merged, fieldset.difference(_members(merged, plan), kept), plan)


def _conflicts(others: Entries, change: Change) -> list[Conflict]:
    found = []
    for _, entry in sorted(others.items()):
        seen = change.by(entry.manager.api_version)
        touched = fieldset.union(seen.modified, seen.added)
        if entry.owns_of(touched):
            against = fieldset.intersection(entry.fields, touched)
            found += [Conflict(entry.manager, path) for path in fieldset.paths(against)]
    return found


def _without_changed(entries: Entries, change: Change) -> Entries:
    """What has changed no longer belongs to those who had set it."""
    found: Entries = {}
    for key, entry in entries.items():
        seen = change.by(entry.manager.api_version)
        touched = fieldset.union(fieldset.union(seen.modified, seen.added), seen.removed)
        if touched and entry.owns_of(touched):
            if fields := fieldset.difference(entry.fields, touched):
                found[key] = entry.with_fields(fields)
        elif entry.wire or entry.fields:
            found[key] = entry
    return found


def reconciled(entries: Entries, plan_of: Callable[[str], Plan]) -> Entries:
    """Pure: the entries, after a change of a schema has made maps or lists atomic. `plan_of` an apiVersion."""
    found: Entries = {}
    for key, entry in entries.items():
        fields = pruning.reconcile(entry.fields, plan_of(entry.manager.api_version))
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
