"""Parts of objects that controllers make and compare. Pure."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object

T = TypeVar("T")


def copied(value: T) -> T:
    """A deep copy of JSON."""
    found: T = msgspec.json.decode(msgspec.json.encode(value))
    return found


def sorted_by_key(value: T) -> T:
    """A deep copy of JSON whose keys are in alphabetical order, as Go writes maps.

    >>> sorted_by_key({"b": [{"d": 1, "c": 2}], "a": 3})
    {'a': 3, 'b': [{'c': 2, 'd': 1}]}
    """
    found: T = msgspec.json.decode(msgspec.json.encode(value, order="sorted"))
    return found


def canonical(value: Any) -> bytes:
    """The same bytes for equal JSON, whatever the order of its keys; what is empty counts as left out.

    >>> canonical({"b": 1, "a": {"c": None, "d": []}}) == canonical({"b": 1})
    True
    """
    return msgspec.json.encode(_full(value), order="sorted")


def _full(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: inner for key, one in value.items() if (inner := _full(one)) not in (None, {}, [])}
    if isinstance(value, list):
        return [_full(one) for one in value]
    return value


def with_labels(metadata: Object, labels: dict[str, str]) -> Object:
    return {**metadata, "labels": {**(metadata.get("labels") or {}), **labels}}


def replicas(obj: Object) -> int:
    """What its spec wants; 1 if it says nothing."""
    found = obj["spec"].get("replicas")
    return 1 if found is None else int(found)


def counted(status: Object, name: str) -> int:
    return int(status.get(name) or 0)


def pod_of_template(template: Object, owner: Object, owner_reference: Object, *, prefix: str = "") -> Object:
    """A new pod of `owner`, by a template. Its name begins with `prefix`, or else with the owner's.

    >>> template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}
    >>> pod = pod_of_template(template, {"metadata": {"name": "web", "namespace": "d"}}, {"uid": "u"})
    >>> pod["metadata"]
    {'generateName': 'web-', 'namespace': 'd', 'labels': {'app': 'web'}, 'ownerReferences': [{'uid': 'u'}]}
    """
    given = template.get("metadata") or {}
    start = prefix or f"{meta.name(owner)}-"
    metadata: Object = {"generateName": start, "namespace": meta.namespace(owner)}
    metadata |= {key: given[key] for key in ("labels", "annotations", "finalizers") if given.get(key)}
    metadata["ownerReferences"] = [owner_reference]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.get("spec") or {}}
    return copied(pod)
