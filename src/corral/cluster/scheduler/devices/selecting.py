"""Which devices the selectors of a wish select, by what has been found out about expressions. Pure.

An expression is judged once for each look of a device (`Judged`); the judging itself is somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from corral.cluster.scheduler.devices.pools import Device, Pool
from corral.cluster.scheduler.devices.wishes import CannotAllocate, Step, Wish

Key = tuple[str, str]  # an expression, a device's look
Judged = Mapping[Key, bool | str]  # a text says why there is no answer


def selects(wish: Wish, device: Device, judged: Judged) -> bool:
    """One after the other; the first that says no is the last that is asked. CannotAllocate."""
    if device.spec.get("bindingConditions"):
        return False  # it must be made ready before a pod is bound: nobody here waits for that
    for one in wish.selectors:
        found = judged[one.expression, device.look]
        if isinstance(found, str):
            raise CannotAllocate(f"{one.owner}: selector #{one.number} on device {device.id}: {found}")
        if not found:
            return False
    return True


def plan_questions(steps: Iterable[Step], pools: Iterable[Pool], judged: Judged) -> dict[Key, Device]:
    """What must be judged next: of each wish and device the first selector that is not yet. Empty: all is known.

    >>> from corral.cluster.scheduler.devices.pools import DeviceId
    >>> from corral.cluster.scheduler.devices.wishes import Selector
    >>> device = Device(DeviceId("d", "p", "x"), {}, {}, "look")
    >>> wish = Wish(0, "r", {}, 1, (Selector("class c", 0, "one"), Selector("claim d/c", 0, "two")))
    >>> ask = lambda judged: list(plan_questions([Step(0, "r", (wish,))], [Pool("d", "p", (device,))], judged))
    >>> ask({}), ask({("one", "look"): True}), ask({("one", "look"): False})
    ([('one', 'look')], [('two', 'look')], [])
    """
    devices = [one for pool in pools if not pool.problem for one in pool.devices]
    found: dict[Key, Device] = {}
    for wish in [wish for step in steps for wish in step.wishes]:
        for device in devices:
            for one in wish.selectors:
                key = (one.expression, device.look)
                known = judged.get(key)
                if known is None:
                    found[key] = device
                if known is not True:
                    break
    return found
