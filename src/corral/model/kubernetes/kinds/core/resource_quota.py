"""ResourceQuota. Pure. Follows ValidateResourceQuota."""

from __future__ import annotations

from collections.abc import Iterable

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import AGE, column
from corral.model.kubernetes.kinds.checks import IMMUTABLE, Problems, listed
from corral.model.kubernetes.kinds.core import resources
from corral.model.kubernetes.kinds.fields import ensure, objects, pairs, part, text, texts
from corral.model.kubernetes.kinds.statuses import clear_status, keep_spec, keep_status
from corral.model.kubernetes.problems import invalid, required

_EXISTING = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity")
_SCOPES = (*_EXISTING, "PriorityClass", "VolumeAttributesClass")
_PODS = frozenset(("pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"))
_CLAIMS = frozenset(("persistentvolumeclaims", "requests.storage"))
_CONFLICTS = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
_ONLY_EXISTS = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


def _default(obj: Object) -> None:
    resources.canonical(ensure(obj, "spec"), "hard")
    resources.canonical(ensure(obj, "status"), "hard", "used")


def _applies(scope: str, resource: str) -> bool:
    if scope == "BestEffort":
        return resource == "pods"
    if scope == "VolumeAttributesClass":
        return resource in _CLAIMS
    return resource in _PODS if scope in _SCOPES else True


def _amounts(holder: Object, which: str, path: str) -> Problems:
    for name, amount, at in resources.amounts(holder, which, f"{path}.{which}"):
        yield from resources.quota_resource(name, at)
        yield from resources.amount_value(name, amount, at)


def _validate(obj: Object) -> Problems:
    spec = part(obj, "spec")
    yield from _amounts(spec, "hard", "spec")
    yield from _scopes(spec)
    yield from _selector(spec)
    yield from _check_status(obj)


def _check_status(obj: Object) -> Problems:
    for which in ("hard", "used"):
        yield from _amounts(part(obj, "status"), which, "status")


def _misapplied(spec: Object, scope: str) -> Iterable[str]:
    known = (name for name, _ in pairs(spec, "hard") if name in resources.QUOTA)
    return [name for name in known if not _applies(scope, name)]


def _scopes(spec: Object) -> Problems:
    """
    >>> [one.detail for one in _scopes({"hard": {"services": "1"}, "scopes": ["BestEffort", "X"]})]
    ['unsupported scope applied to resource', 'unsupported scope']
    """
    found = texts(spec, "scopes")
    for scope in found:
        if scope not in _SCOPES:
            yield invalid("spec.scopes", found, "unsupported scope")
        for _ in _misapplied(spec, scope):
            yield invalid("spec.scopes", found, "unsupported scope applied to resource")
    yield from _conflicts(found, "spec.scopes", found)


def _conflicts(scopes: list[str], path: str, shown: list[str]) -> Problems:
    for pair in _CONFLICTS:
        if set(pair) <= set(scopes):
            yield invalid(path, shown, "conflicting scopes")


def _selector(spec: Object) -> Problems:
    path, scopes = "spec.scopeSelector.matchExpressions", []
    for one in objects(part(spec, "scopeSelector"), "matchExpressions"):
        scope, operator, wanted = text(one, "scopeName"), text(one, "operator"), texts(one, "values")
        scopes.append(scope)
        if scope not in _SCOPES:
            yield invalid(f"{path}.scopeName", scope, "unsupported scope")
        for _ in _misapplied(spec, scope):
            yield invalid(path, spec["scopeSelector"], "unsupported scope applied to resource")
        if scope in _EXISTING and operator != "Exists":
            yield invalid(f"{path}.operator", operator, _ONLY_EXISTS)
        if operator in ("In", "NotIn"):
            if not wanted:
                detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                yield required(f"{path}.values", detail)
        elif operator not in ("Exists", "DoesNotExist"):
            yield invalid(f"{path}.operator", operator, "not a valid selector operator")
        elif wanted:
            detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            yield invalid(f"{path}.values", wanted, detail)
    yield from _conflicts(scopes, path, texts(spec, "scopes"))


def _validate_update(new: Object, old: Object) -> Problems:
    after, before = texts(part(new, "spec"), "scopes"), texts(part(old, "spec"), "scopes")
    if set(after) != set(before):
        yield invalid("spec.scopes", after, IMMUTABLE)


def _shown(obj: Object, limits: bool) -> str:
    """The column for what starts with `limits.`, or for all else."""
    status = part(obj, "status")
    return ", ".join(
        f"{name}: {part(status, 'used').get(name, '0')}/{hard}"
        for name, hard in pairs(status, "hard")
        if name.startswith("limits.") == limits
    )


RESOURCE_QUOTA = Kind(
    default=_default,
    prepare_create=clear_status,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_validate),
    validate_update=listed(_validate_update),
    validate_status=listed(lambda new, old: _check_status(new)),
    has_status=True,
    has_generation=False,
    columns=(
        column("Request", lambda obj: _shown(obj, limits=False)),
        column("Limit", lambda obj: _shown(obj, limits=True)),
        AGE,
    ),
)
