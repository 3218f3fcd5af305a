"""Taints of devices, and the tolerations of who asks for them. Pure. Follows k8s.io/dynamic-resource-allocation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

Object = Mapping[str, Any]

BARS: Final = ("NoSchedule", "NoExecute")  # the effects that keep a device from being given to anybody else


def tolerates(toleration: Object, taint: Object) -> bool:
    """
    >>> taint = {"key": "broken", "value": "yes", "effect": "NoSchedule"}
    >>> tolerates({"operator": "Exists"}, taint), tolerates({"key": "broken", "value": "no"}, taint)
    (True, False)
    """
    return (
        toleration.get("effect") in (None, "", taint["effect"])
        and toleration.get("key") in (None, "", taint["key"])
        and (toleration.get("operator") == "Exists" or (toleration.get("value") or "") == (taint.get("value") or ""))
    )


def is_barred(taints: Iterable[Object], tolerations: Sequence[Object]) -> bool:
    """Whether a taint keeps the device from who asks.

    >>> is_barred([{"key": "a", "effect": "None"}], []), is_barred([{"key": "a", "effect": "NoExecute"}], [])
    (False, True)
    """
    return any(one["effect"] in BARS and not any(tolerates(each, one) for each in tolerations) for one in taints)


def is_selected(rule: Object, driver: str, pool: str, device: str) -> bool:
    """Whether a DeviceTaintRule is about a device; one without a selector is about all that there are.

    >>> is_selected({"spec": {"deviceSelector": {"driver": "d"}}}, "d", "p", "x"), is_selected({"spec": {}}, "", "", "")
    (True, True)
    """
    selector = rule["spec"].get("deviceSelector") or {}
    wanted = (selector.get("driver"), selector.get("pool"), selector.get("device"))
    return all(want in (None, has) for want, has in zip(wanted, (driver, pool, device), strict=True))
