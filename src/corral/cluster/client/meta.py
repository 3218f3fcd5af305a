"""Small questions about any object's metadata. Pure."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def name(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def namespace(obj: Object) -> str:
    return str(obj["metadata"].get("namespace", ""))


def key(obj: Object) -> str:
    """What informers and queues call an object by.

    >>> key({"metadata": {"name": "web", "namespace": "default"}}), key({"metadata": {"name": "node-1"}})
    ('default/web', 'node-1')
    """
    inside = namespace(obj)
    return f"{inside}/{name(obj)}" if inside else name(obj)


def split_key(text: str) -> tuple[str, str]:
    """Pure: (namespace, name).

    >>> split_key("default/web"), split_key("node-1")
    (('default', 'web'), ('', 'node-1'))
    """
    inside, slash, last = text.rpartition("/")
    return (inside, last) if slash else ("", text)


def uid(obj: Object) -> str:
    return str(obj["metadata"].get("uid", ""))


def version(obj: Object) -> int:
    """The resourceVersion as a number: of two versions of one server the greater is the later.

    >>> version({"metadata": {"resourceVersion": "41"}}), version({"metadata": {}})
    (41, 0)
    """
    return int(obj["metadata"].get("resourceVersion") or 0)


def deleting(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def controller_of(obj: Object) -> Object | None:
    """The owner reference that is marked as the controller, None if there is none."""
    return next((one for one in obj["metadata"].get("ownerReferences", ()) if one.get("controller")), None)


def controlled_by(obj: Object, owner: Object) -> bool:
    """
    >>> owner = {"metadata": {"uid": "u1"}}
    >>> controlled_by({"metadata": {"ownerReferences": [{"uid": "u1", "controller": True}]}}, owner)
    True
    """
    found = controller_of(obj)
    return found is not None and found.get("uid") == uid(owner)


def reference(owner: Object, api_version: str, kind: str) -> Object:
    """The owner reference that makes `owner` the controller of what carries it."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name(owner),
        "uid": uid(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }
