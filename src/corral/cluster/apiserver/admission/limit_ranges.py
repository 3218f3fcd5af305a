"""LimitRanger: what containers, pods and claims of a namespace need at least, may take at most, and get by default.

Follows plugin/pkg/admission/limitranger.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from corral.cluster.apiserver.admission.plugin import Base, Object, is_about, refused
from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.lookup import Lookup
from corral.model.kubernetes.kinds.fields import objects, part, text
from corral.model.kubernetes.quantity import Quantity, of_json

NOTE: Final = "kubernetes.io/limit-ranger"
_LISTS: Final = (("containers", "container"), ("initContainers", "init container"))


def with_defaults(pod: Object, ranges: list[Object]) -> Object:
    """Pure: a pod whose containers have what the ranges give by default.

    >>> limits = [{"spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1m"}}]}}]
    >>> pod = with_defaults({"metadata": {}, "spec": {"containers": [{"name": "a"}]}}, limits)
    >>> pod["spec"]["containers"][0]["resources"], pod["metadata"]["annotations"][NOTE]
    ({'limits': {'cpu': '1'}, 'requests': {'cpu': '1m'}}, 'LimitRanger plugin set: cpu request for container a; cpu limit for container a')
    """  # noqa: E501
    limits: Object = {}
    requests: Object = {}
    for item in _items(ranges, "Container"):
        limits |= part(item, "default")
        requests |= part(item, "defaultRequest")
    notes: list[str] = []
    spec = dict(part(pod, "spec"))
    for key, word in _LISTS:
        if key in spec:
            spec[key] = [_filled(one, limits, requests, word, notes) for one in objects(spec, key)]
    if not notes:
        return pod
    metadata = dict(part(pod, "metadata"))
    note = f"LimitRanger plugin set: {'; '.join(notes)}"
    metadata["annotations"] = {**part(metadata, "annotations"), NOTE: note}
    return {**pod, "metadata": metadata, "spec": spec}


def _filled(container: Object, limits: Object, requests: Object, word: str, notes: list[str]) -> Object:
    resources = dict(part(container, "resources"))
    for kind, key, given in (("request", "requests", requests), ("limit", "limits", limits)):
        present = part(resources, key)
        missing = {name: value for name, value in given.items() if name not in present}
        if missing:
            resources[key] = {**present, **missing}
            notes.append(f"{', '.join(sorted(missing))} {kind} for {word} {text(container, 'name')}")
    if not resources:
        return container
    ordered = {key: resources[key] for key in ("limits", "requests") if key in resources}
    return {**container, "resources": {**ordered, **resources}}


def _items(ranges: list[Object], kind: str) -> Iterator[Object]:
    for one in ranges:
        yield from (item for item in objects(part(one, "spec"), "limits") if text(item, "type") == kind)


def check(item: Object, kind: str, requests: Object, limits: Object | None) -> Iterator[str]:
    """Pure: how a container, pod or claim breaks one item of a range. `limits` None: it is one that has none, a claim.

    >>> list(check({"max": {"cpu": "1"}}, "Container", {}, {"cpu": "2"}))
    ['maximum cpu usage per Container is 1, but limit is 2']
    >>> list(check({"max": {"storage": "1Gi"}}, "PersistentVolumeClaim", {"storage": "5Gi"}, None))
    ['maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 5Gi']
    """
    for name, enforced in sorted(part(item, "min").items()):
        head = f"minimum {name} usage per {kind} is {_show(enforced)}"
        if name not in requests:
            yield f"{head}.  No request is specified"
        elif of_json(requests[name]) < of_json(enforced):
            yield f"{head}, but request is {_show(requests[name])}"
        elif limits and name in limits and of_json(limits[name]) < of_json(enforced):
            yield f"{head}, but limit is {_show(limits[name])}"
    for name, enforced in sorted(part(item, "max").items()):
        head = f"maximum {name} usage per {kind} is {_show(enforced)}"
        if name not in (requests if limits is None else limits):
            yield f"{head}.  No {'request' if limits is None else 'limit'} is specified"
        elif limits is not None and of_json(limits[name]) > of_json(enforced):
            yield f"{head}, but limit is {_show(limits[name])}"
        elif name in requests and of_json(requests[name]) > of_json(enforced):
            yield f"{head}, but request is {_show(requests[name])}"
    for name, enforced in sorted(part(item, "maxLimitRequestRatio").items()):
        yield from _ratio(name, kind, of_json(enforced), requests, limits or {})


def _ratio(name: str, kind: str, most: Quantity, requests: Object, limits: Object) -> Iterator[str]:
    head = f"{name} max limit to request ratio per {kind} is {most}"
    request, limit = of_json(requests.get(name)), of_json(limits.get(name))
    if not request:
        yield f"{head}, but no request is specified or request is 0"
    elif not limit:
        yield f"{head}, but no limit is specified or limit is 0"
    elif limit.nanos * 10**9 > most.nanos * request.nanos:
        yield f"{head}, but provided ratio is {limit.nanos / request.nanos:f}"


def _show(value: object) -> str:
    return str(of_json(value))


def problems(pod: Object, ranges: list[Object]) -> list[str]:
    """Pure: how a pod breaks the ranges of its namespace."""
    spec = part(pod, "spec")
    plain, initial = objects(spec, "containers"), objects(spec, "initContainers")
    found: list[str] = []
    for item in _items(ranges, "Container"):
        for one in (*plain, *initial):
            resources = part(one, "resources")
            found += check(item, "Container", part(resources, "requests"), part(resources, "limits"))
    for item in _items(ranges, "Pod"):
        found += check(item, "Pod", total(plain, initial, "requests"), total(plain, initial, "limits"))
    return found


def total(plain: list[Object], initial: list[Object], key: str) -> Object:
    """Pure: what the containers need together: their sum, or the largest initial one if that is more.

    >>> total([{"resources": {"requests": {"cpu": "1"}}}] * 2, [{"resources": {"requests": {"cpu": "3"}}}], "requests")
    {'cpu': '3'}
    """
    found: dict[str, Quantity] = {}
    for one in plain:
        for name, value in part(one, "resources", key).items():
            found[name] = found[name] + of_json(value) if name in found else of_json(value)
    beside = dict[str, Quantity]()
    for one in initial:
        keeps = text(one, "restartPolicy") == "Always"
        for name, value in part(one, "resources", key).items():
            amount = of_json(value)
            if keeps:
                beside[name] = beside[name] + amount if name in beside else amount
                found[name] = found[name] + amount if name in found else amount
            else:
                peak = amount + beside[name] if name in beside else amount
                found[name] = max(found.get(name, peak), peak)
    return {name: str(value) for name, value in found.items()}


class LimitRanges(Base):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def _ranges(self, admission: Admission) -> list[Object]:
        return list(self._lookup.list("", "limitranges", admission.namespace))

    async def admit(self, admission: Admission) -> None:
        if is_about(admission, "pods", "CREATE") and admission.object is not None:
            ranges = self._ranges(admission)
            if ranges:
                admission.object = with_defaults(admission.object, ranges)

    async def validate(self, admission: Admission) -> None:
        obj = admission.object
        if obj is None or admission.operation not in ("CREATE", "UPDATE"):
            return
        found: list[str] = []
        if is_about(admission, "pods", "CREATE") or _is_resize(admission):
            found = problems(obj, self._ranges(admission))
        elif is_about(admission, "persistentvolumeclaims"):
            requests = part(obj, "spec", "resources", "requests")
            for item in _items(self._ranges(admission), "PersistentVolumeClaim"):
                found += check(item, "PersistentVolumeClaim", requests, None)
        if found:
            raise refused(admission, found[0] if len(found) == 1 else f"[{', '.join(found)}]")


def _is_resize(admission: Admission) -> bool:
    return (admission.resource.plural, admission.subresource) == ("pods", "resize")
