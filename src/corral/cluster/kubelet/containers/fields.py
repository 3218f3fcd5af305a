"""What a pod may be told of itself: fieldRef and resourceFieldRef. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from corral.cluster.kubelet.errors import BadConfig
from corral.model.kubernetes.quantity import parse

Object = dict[str, Any]

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")


def field(pod: Object, path: str) -> str:
    """The text of one field. BadConfig for one that cannot be had.

    >>> pod = {"metadata": {"name": "web", "labels": {"app": "x"}}, "spec": {}}
    >>> field(pod, "metadata.name"), field(pod, "metadata.labels['app']"), field(pod, "metadata.labels")
    ('web', 'x', 'app="x"')
    """
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    found = _SUBSCRIPT.fullmatch(path)
    if found:
        return str((meta.get(found[1]) or {}).get(found[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        values = meta.get(path.removeprefix("metadata.")) or {}
        return "\n".join(f"{key}={_quoted(values[key])}" for key in sorted(values))
    plain = {
        "metadata.name": meta.get("name"),
        "metadata.namespace": meta.get("namespace"),
        "metadata.uid": meta.get("uid"),
        "spec.nodeName": spec.get("nodeName"),
        "spec.serviceAccountName": spec.get("serviceAccountName"),
        "status.hostIP": status.get("hostIP"),
        "status.hostIPs": ",".join(one["ip"] for one in status.get("hostIPs") or ()),
        "status.podIP": status.get("podIP"),
        "status.podIPs": ",".join(one["ip"] for one in status.get("podIPs") or ()),
    }
    if path not in plain:
        raise BadConfig(f"unsupported fieldPath: {path}")
    return str(plain[path] or "")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped.replace(chr(13), chr(92) + "r")}"'


def resource(container: Object, path: str, divisor: str, allocatable: Mapping[str, str]) -> str:
    """A request or limit, divided and rounded up. Without a limit it is what the node has.

    >>> resource({"resources": {"limits": {"memory": "5Mi"}}}, "limits.memory", "1Mi", {})
    '5'
    >>> resource({}, "limits.cpu", "0", {"cpu": "2"}), resource({}, "requests.cpu", "1m", {})
    ('2', '0')
    """
    kind, _, name = path.partition(".")
    limits, requests = (((container.get("resources") or {}).get(key) or {}) for key in ("limits", "requests"))
    if kind not in ("limits", "requests"):
        raise BadConfig(f"unsupported container resource : {path}")
    value = limits.get(name) if kind == "limits" else requests.get(name)
    if value is None and kind == "limits":
        value = allocatable.get(name)
    wanted, unit = parse(str(value or "0")).nanos, parse(str(divisor or "0")).nanos or 10**9
    return str(-(-wanted // unit))
