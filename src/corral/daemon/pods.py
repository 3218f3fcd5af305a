"""The settings that are about a node's pods, in the kubelet's words. Pure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from corral.cli.instance import Instance
from corral.daemon.config import Settings
from corral.errors import InvalidInput
from corral.kit.clock import SECOND, parse_duration

if TYPE_CHECKING:
    from corral.cluster.kubelet.eviction.thresholds import EvictionSettings
    from corral.cluster.kubelet.garbage.policy import GarbagePolicy

PREFIX: Final = "kubernetes-eviction-"
GARBAGE: Final = "kubernetes-image-"
SHARED: Final = tuple(
    f"{PREFIX}{name}"
    for name in (
        *("hard", "soft", "soft-grace-period", "minimum-reclaim", "max-pod-grace-period"),
        "pressure-transition-period",
    )
) + tuple(f"{GARBAGE}{name}" for name in ("gc-high-threshold", "gc-low-threshold", "minimum-gc-age", "maximum-gc-age"))


def eviction_settings(settings: Settings) -> EvictionSettings:
    """InvalidInput names the setting.

    >>> found = eviction_settings(Settings.of({}, {"kubernetes-eviction-hard": ["pid.available<5%"]}))
    >>> [one.signal for one in found.thresholds], found.transition
    (['pid.available'], 300.0)
    """
    from corral.cluster.kubelet.eviction.thresholds import DEFAULT_HARD, EvictionSettings, plan_thresholds

    hard = {"default": DEFAULT_HARD, "none": ""}.get(settings.text(f"{PREFIX}hard"), settings.text(f"{PREFIX}hard"))
    names = ("soft", "soft-grace-period", "minimum-reclaim")
    seconds = _seconds(settings, f"{PREFIX}pressure-transition-period")
    grace = settings.number(f"{PREFIX}max-pod-grace-period")
    if seconds < 0 or grace < 0:
        raise InvalidInput(f"{PREFIX}pressure-transition-period, {PREFIX}max-pod-grace-period: not less than nothing")
    try:
        thresholds = plan_thresholds(hard, *(settings.text(f"{PREFIX}{name}") for name in names))
    except InvalidInput as error:
        raise InvalidInput(f"kubernetes-{error.message}") from None
    return EvictionSettings(thresholds, grace, seconds)


def garbage_policy(settings: Settings) -> GarbagePolicy:
    """InvalidInput names the setting.

    >>> found = garbage_policy(Settings.of({}, {"kubernetes-image-maximum-gc-age": ["168h"]}))
    >>> found.high, found.low, found.youngest, found.oldest
    (90, 85, 120.0, 604800.0)
    """
    from corral.cluster.kubelet.garbage.policy import GarbagePolicy, check_policy

    ages = (_seconds(settings, f"{GARBAGE}{name}-gc-age") for name in ("minimum", "maximum"))
    percents = (settings.number(f"{GARBAGE}gc-{name}-threshold") for name in ("high", "low"))
    try:
        return check_policy(GarbagePolicy(*percents, *ages))
    except InvalidInput as error:
        raise InvalidInput(f"kubernetes-{error.message}") from None


def _seconds(settings: Settings, name: str) -> float:
    try:
        return parse_duration(settings.text(name)) / SECOND
    except ValueError:
        raise InvalidInput(f"{name} {settings.text(name)!r}: no duration such as 5m") from None


def manifests(settings: Settings, instance: Instance) -> str:
    """The folder of static pods.

    >>> manifests(Settings.of({}, {}), Instance("/tmp/x"))
    '/tmp/x/manifests'
    """
    return settings.text("kubernetes-manifests") or os.path.join(instance.root, "manifests")


def kubelet_root(root: str) -> str:
    """Pure: where the kubelet of an instance keeps what outlives a boot."""
    return f"{root}/kubelet"
