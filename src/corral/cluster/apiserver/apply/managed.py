"""Managed fields on every write: the door to server-side apply.

`on_update` is for create, update and all patches but apply patches; `on_apply` for these. Both give a new object whose
metadata.managedFields is up to date, and leave their arguments alone.
Follows k8s.io/apimachinery/pkg/util/managedfields.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from corral.cluster.apiserver.apply import entries as managed
from corral.cluster.apiserver.apply import (
    fieldset,
    last_applied,
    ownership,
    plan,
    reset_fields,
    typed,
    typed_errors,
    zero,
)
from corral.cluster.apiserver.apply.comparing import compare
from corral.cluster.apiserver.apply.conflicts import Conflicts
from corral.cluster.apiserver.apply.entries import APPLY, UPDATE, BadEntry, Entries, Manager
from corral.cluster.apiserver.apply.plan import Plan
from corral.cluster.apiserver.apply.reset_fields import Filter
from corral.cluster.apiserver.apply.typed_errors import TypedError
from corral.cluster.apiserver.apply.views import Change, View, Views, all_alike, known
from corral.cluster.apiserver.patch.values import bounded, shown
from corral.model.kubernetes import status
from corral.model.kubernetes.resources import split_api_version
from corral.model.kubernetes.schema.types import Schema

Object = dict[str, Any]

_BEFORE = "before-first-apply"
_UNKNOWN = "unknown"


def on_update(
    live: Object | None,
    new: Object,
    manager: str,
    subresource: str,
    api_version: str,
    schema: Schema | None,
    now: datetime,
    *,
    reset: Filter = reset_fields.NOTHING,
    views: Views = all_alike,
) -> Object:
    """Pure: the new object; its fields that differ from the live one (None: it is created) belong to `manager`.

    A client may set metadata.managedFields itself: entries that cannot be decoded are ignored, `[]` disowns everybody.
    `reset` are the fields that a request to this resource or subresource cannot change (see reset_fields.py);
    `views` are the other versions of the kind; entries of versions that it has no longer are forgotten.
    Never raises: where the items of a list cannot be told apart, lie too deep, or cannot be converted, the live
    object's managedFields stay.
    """
    entries = _of_update(live, new, subresource)
    if not entries and live is not None:
        return _without_managed(new)  # nobody owns anything of it until someone applies
    compiled, entries = plan.of_schema(schema), known(entries, api_version, views)
    try:
        if schema is not None and schema.raw:  # the schemas of built-in kinds do not change
            entries = ownership.reconciled(entries, _plans(compiled, api_version, views))
        found = _updated(live, new, entries, Manager(manager or _UNKNOWN, UPDATE, api_version, subresource), compiled,
                         reset, _time(now), views)  # fmt: skip
    except (TypedError, RecursionError, status.StatusError):
        kept = ((live or {}).get("metadata") or {}).get("managedFields")
        return _with_managed(new, kept) if kept else _without_managed(new)
    return _with_managed(new, managed.encode(found))


@bounded
def on_apply(
    live: Object | None,
    applied: Object,
    manager: str,
    force: bool,
    subresource: str,
    api_version: str,
    schema: Schema | None,
    now: datetime,
    *,
    kind: str = "",
    reset: Filter = reset_fields.NOTHING,
    views: Views = all_alike,
) -> Object:
    """Pure: the live object (None: there is none yet) with `applied` merged in. Defaults are for the caller to fill in.

    Raises StatusError: 409 with a cause for each field that others own, 400 for an object that does not fit the schema
    or is of another kind than `kind` (if given) or `api_version`. `reset` and `views` are as for an update.
    """
    _check_kind(applied, api_version, kind)
    check_fits(applied, api_version, schema)
    compiled = plan.of_schema(schema)
    base = _without_managed(live) if live is not None else {}
    time = _time(now)
    try:
        entries = _of_live(live, subresource, api_version, compiled, reset, time)
        plans = _plans(compiled, api_version, views)
        entries = ownership.reconciled(known(entries, api_version, views), plans)
        who = Manager(manager, APPLY, api_version, subresource)
        found, entries = _applied(base, applied, entries, who, compiled, reset, force, views)
    except TypedError as error:
        raise status.bad_request(f"failed to merge config: {error}") from None
    if who.identifier in entries and found != base:
        entries[who.identifier].time = time
    if manager == last_applied.MANAGER:
        found = last_applied.updated(found, applied)
    return _with_managed(found, managed.encode(entries))


@bounded
def check_fits(applied: Object, api_version: str, schema: Schema | None) -> None:
    """Raises 400 for fields that the schema does not have, values of other types, and items that are there twice."""
    faults = typed.check(applied, plan.of_schema(schema))
    if not faults and not isinstance(applied.get("metadata", {}), dict | None):
        faults = [TypedError(f"expected map, got &{{{shown(applied['metadata'])}}}", ".metadata")]
    if faults:
        name = _named(applied, api_version)
        raise status.bad_request(f"failed to create typed patch object ({name}): {typed_errors.text(faults)}")


def keep_times(live: Object, new: Object) -> Object:
    """Pure: the new object, with the live one's times in managedFields if nothing else has changed.

    Without this, a controller that applies the same over and over would write a new version each time.
    """
    before, after = ((one.get("metadata") or {}).get("managedFields") for one in (live, new))
    if not after or not before or len(before) != len(after) or before == after:
        return new
    if any({**left, "time": ""} != {**right, "time": ""} for left, right in zip(before, after, strict=True)):
        return new
    restored = _with_managed(new, before)
    return restored if restored == live else new


def after_admission(before: Object | None, new: Object) -> tuple[Object, str]:
    """Pure: the object as admission made it, and a warning ("" if none).

    managedFields that it has broken are taken back: `before` has the old ones.
    """
    kept = ((before or {}).get("metadata") or {}).get("managedFields")
    made = (new.get("metadata") or {}).get("managedFields")
    fault = managed.problem(made) if made != kept else ""
    if not fault:
        return new, ""
    return _with_managed(new, kept) if kept else _without_managed(new), (
        ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating "
        f"admission controller; please fix your requests: {fault}"
    )


def _plans(compiled: Plan, own: str, views: Views) -> Callable[[str], Plan]:
    def plan_of(api_version: str) -> Plan:
        view = views(api_version) if api_version != own else None
        return view.plan if isinstance(view, View) else compiled

    return plan_of


def _applied(
    base: Object, applied: Object, entries: Entries, who: Manager, plan: Plan, reset: Filter, force: bool, views: Views
) -> tuple[Object, Entries]:
    try:
        return ownership.after_apply(base, applied, entries, who, plan, reset, force=force, views=views)
    except Conflicts as conflicts:
        if who.name != last_applied.MANAGER:
            raise conflicts.status() from None
        mine = last_applied.allowed(base, who.api_version, plan)
        left = [one for one in conflicts.found if not fieldset.has(mine, one.path)]
        if left or not mine:
            raise Conflicts(left or conflicts.found).status() from None
    return ownership.after_apply(base, applied, entries, who, plan, reset, force=True, views=views)


def _updated(
    live: Object | None, new: Object, entries: Entries, who: Manager, plan: Plan, reset: Filter, now: str, views: Views
) -> Entries:
    old, new = zero.of_plan(plan) if live is None else _without_managed(live), _without_managed(new)
    change = Change(old, new, compare(old, new, plan).through(reset), who.api_version, views)
    return ownership.after_update(entries, change, who, now)


def _of_update(live: Object | None, new: Object, subresource: str) -> Entries:
    """The entries that a write begins with: the client's own, or those of the live object."""
    stored = ((live or {}).get("metadata") or {}).get("managedFields")
    given = (new.get("metadata") or {}).get("managedFields")
    if subresource or given is stored or given == stored:
        return managed.decode(stored, trusted=True)
    if managed.is_reset(given):
        return {}
    try:
        return managed.decode(given) or managed.decode(stored, trusted=True)
    except BadEntry:
        return managed.decode(stored, trusted=True)


def _of_live(live: Object | None, subresource: str, api_version: str, plan: Plan, reset: Filter, now: str) -> Entries:
    """What is there before the first apply belongs to a manager of that name."""
    if live is None:
        return {}
    entries = managed.decode((live.get("metadata") or {}).get("managedFields"), trusted=True)
    if entries:
        return entries
    who = Manager(_BEFORE, UPDATE, api_version, subresource)
    return _updated(None, live, {}, who, plan, reset, now, all_alike)


def _check_kind(applied: Object, api_version: str, kind: str) -> None:
    found = applied.get("apiVersion"), applied.get("kind")
    if found[0] != api_version or (kind and found[1] != kind):
        raise status.bad_request(f"invalid object type: {_gvk(str(found[0] or ''), str(found[1] or ''))}")
    if _metadata(applied).get("managedFields") is not None:
        raise status.bad_request("metadata.managedFields must be nil")


def _metadata(obj: Object) -> Object:
    found = obj.get("metadata")
    return found if isinstance(found, dict) else {}


def _named(obj: Object, api_version: str) -> str:
    found = _metadata(obj)
    return f"{found.get('namespace') or ''}/{found.get('name') or ''}; {_gvk(api_version, str(obj.get('kind') or ''))}"


def _gvk(api_version: str, kind: str) -> str:
    """As Go shows it.

    >>> _gvk("apps/v1", "Deployment"), _gvk("v1", "Pod")
    ('apps/v1, Kind=Deployment', '/v1, Kind=Pod')
    """
    group, version = split_api_version(api_version)
    return f"{group}/{version}, Kind={kind}"


def _time(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _without_managed(obj: Object) -> Object:
    metadata = obj.get("metadata")
    if not metadata or "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}


def _with_managed(obj: Object, entries: Any) -> Object:
    metadata = obj.get("metadata") or {}
    return {**obj, "metadata": {**metadata, "managedFields": entries}} if entries else _without_managed(obj)
