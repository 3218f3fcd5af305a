"""Upstream's configuration file, KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1), as Settings. Pure.

What it says of the process itself (addresses, leader election, client) is not the scheduler's here; any other field
that is not known is refused by name, extenders too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from corral.cluster.scheduler.settings import DEFAULT_NAME, Profile, Settings, Strategy
from corral.errors import InvalidInput, Unsupported, from_oserror

Object = dict[str, Any]

API_VERSION: Final = "kubescheduler.config.k8s.io/v1"
KIND: Final = "KubeSchedulerConfiguration"
ELSEWHERE: Final = ("parallelism", "leaderElection", "clientConnection", "enableProfiling", "enableContentionProfiling")
POINTS: Final = ("multiPoint", "preFilter", "filter", "preScore", "score")
FILTERS: Final = ("multiPoint", "filter", "preFilter")
SCORES: Final = ("multiPoint", "score", "preScore")
# Those with a filter or a score, and those that are not plugins here but parts: queue, preemption, binder.
KNOWN: Final = frozenset(
    (
        "NodeUnschedulable",
        "NodeName",
        "TaintToleration",
        "NodeAffinity",
        "NodePorts",
        "NodeResourcesFit",
        "VolumeRestrictions",
        "NodeVolumeLimits",
        "VolumeBinding",
        "VolumeZone",
        "PodTopologySpread",
        "InterPodAffinity",
        "NodeResourcesBalancedAllocation",
        "ImageLocality",
        "DynamicResources",
    )
)
PARTS: Final = frozenset(("PrioritySort", "SchedulingGates", "DefaultPreemption", "DefaultBinder"))

ARGUMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "PodTopologySpread": ("defaultingType", "defaultConstraints"),
    "InterPodAffinity": ("hardPodAffinityWeight",),
    "NodeAffinity": ("addedAffinity",),
    "NodeResourcesFit": ("scoringStrategy",),
}
STRATEGIES: Final = ("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio")
STEP: Final = 10  # a curve's scores go from 0 to 10


def load(path: Path) -> Settings:
    """InvalidInput, Unsupported, HostError."""
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        return read(found)
    except OSError as error:
        raise from_oserror(f"read {path}", error) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput(f"scheduler configuration {path}: {error}") from None
    except (AttributeError, KeyError, TypeError) as error:
        raise InvalidInput(f"scheduler configuration {path}: a field is missing or of another type: {error}") from None


def read(given: Object) -> Settings:
    """InvalidInput, Unsupported.

    >>> head = {"apiVersion": API_VERSION, "kind": KIND}
    >>> read({**head, "podMaxBackoffSeconds": 5, "profiles": [{"schedulerName": "mine"}]}).profiles[0].name
    'mine'
    """
    if (given.get("apiVersion"), given.get("kind")) != (API_VERSION, KIND):
        raise InvalidInput(f"scheduler configuration: it must have apiVersion {API_VERSION} and kind {KIND}")
    if given.get("extenders"):
        raise Unsupported(
            "scheduler configuration: extenders are not supported: use plugins' settings, or run a scheduler of your "
            "own for pods with another schedulerName"
        )
    fields = ("apiVersion", "kind", "extenders", "profiles", "podInitialBackoffSeconds", "podMaxBackoffSeconds")
    _refuse_others(given, (*fields, "percentageOfNodesToScore", *ELSEWHERE), "")
    percentage = given.get("percentageOfNodesToScore") or 0
    listed = given.get("profiles") or [{}]
    profiles = tuple(_profile(one, f"profiles[{number}].", percentage) for number, one in enumerate(listed))
    first, longest = given.get("podInitialBackoffSeconds", 1), given.get("podMaxBackoffSeconds", 10)
    if not 0 < first <= longest:
        raise InvalidInput("scheduler configuration: podMaxBackoffSeconds must not be below podInitialBackoffSeconds")
    return Settings(profiles=profiles, first_backoff=float(first), longest_backoff=float(longest))


def _profile(given: Object, path: str, percentage: int) -> Profile:
    _refuse_others(given, ("schedulerName", "plugins", "pluginConfig", "percentageOfNodesToScore"), path)
    plugins, more = given.get("plugins") or {}, f"{path}plugins."
    _refuse_others(plugins, (*POINTS, "postFilter"), more)
    args = {one["name"]: one.get("args") or {} for one in given.get("pluginConfig") or ()}
    unknown = sorted(set(args) - KNOWN - PARTS)
    if unknown:
        raise Unsupported(f"scheduler configuration: {path}pluginConfig: there is no plugin {unknown[0]}")
    for name, told in args.items():
        _refuse_others(told, ("apiVersion", "kind", *ARGUMENTS.get(name, ())), f"{path}pluginConfig[{name}].")
    spreading = args.get("PodTopologySpread", {})
    return Profile(
        name=given.get("schedulerName") or DEFAULT_NAME,
        no_filter=_disabled(plugins, FILTERS, more),
        no_score=_disabled(plugins, SCORES, more),
        weights=_weights(plugins, more),
        percentage=given.get("percentageOfNodesToScore") or percentage,
        preempts="DefaultPreemption" not in _disabled(plugins, ("multiPoint", "postFilter"), more, KNOWN | PARTS),
        hard_affinity_weight=args.get("InterPodAffinity", {}).get("hardPodAffinityWeight", 1),
        default_spread=_default_spread(spreading),
        added_affinity=args.get("NodeAffinity", {}).get("addedAffinity"),
        strategy=_strategy(args.get("NodeResourcesFit", {}), f"{path}pluginConfig[NodeResourcesFit]."),
    )


def _disabled(plugins: Object, points: Iterable[str], path: str, known: frozenset[str] = KNOWN) -> frozenset[str]:
    """Those that are switched off at one of the points and not on again at the same."""
    found: set[str] = set()
    for point in points:
        wanted = plugins.get(point) or {}
        off = {one["name"] for one in wanted.get("disabled") or ()}
        on = {one["name"] for one in wanted.get("enabled") or ()}
        unknown = sorted((off | on) - KNOWN - PARTS - {"*"})
        if unknown:
            raise Unsupported(f"scheduler configuration: {path}{point}: there is no plugin {unknown[0]}")
        found |= (known if "*" in off else off) - on
    return frozenset(found)


def _weights(plugins: Object, path: str) -> Mapping[str, int]:
    listed = [one for point in ("multiPoint", "score") for one in (plugins.get(point) or {}).get("enabled") or ()]
    found = {one["name"]: one["weight"] for one in listed if one.get("weight")}
    if any(not 0 < weight <= 100 for weight in found.values()):
        raise InvalidInput(f"scheduler configuration: {path}score: weights must be from 1 to 100")
    return found


def _default_spread(args: Object) -> tuple[tuple[str, int, bool], ...] | None:
    if args.get("defaultingType", "System") == "System":
        return None
    return tuple(
        (one["topologyKey"], one["maxSkew"], one.get("whenUnsatisfiable") == "DoNotSchedule")
        for one in args.get("defaultConstraints") or ()
    )


def _strategy(args: Object, path: str) -> Strategy:
    if (given := args.get("scoringStrategy")) is None:
        return Strategy()
    path += "scoringStrategy."
    _refuse_others(given, ("type", "resources", "requestedToCapacityRatio"), path)
    kind = given.get("type") or STRATEGIES[0]
    if kind not in STRATEGIES:
        raise InvalidInput(f"scheduler configuration: {path}type: {kind} is none of {', '.join(STRATEGIES)}")
    weights = tuple((one["name"], one.get("weight") or 1) for one in given.get("resources") or ())
    if any(not 0 < weight <= 100 for _, weight in weights):
        raise InvalidInput(f"scheduler configuration: {path}resources: weights must be from 1 to 100")
    curve = (given.get("requestedToCapacityRatio") or {}).get("shape") or ()
    shape = tuple((one.get("utilization", 0), one.get("score", 0) * STEP) for one in curve)
    if kind == STRATEGIES[2]:
        _check_shape(shape, f"{path}requestedToCapacityRatio.shape")
    return Strategy(kind, weights or Strategy().weights, shape)


def _check_shape(shape: Sequence[tuple[int, int]], path: str) -> None:
    used = [one for one, _ in shape]
    well = used == sorted(set(used)) and all(0 <= one <= 100 for one in used)
    if not shape or not well or any(not 0 <= score <= 10 * STEP for _, score in shape):
        raise InvalidInput(
            f"scheduler configuration: {path}: there must be a point at least; utilizations go up from 0 to 100, and "
            "scores are from 0 to 10"
        )


def _refuse_others(given: Object, known: Iterable[str], path: str) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise Unsupported(f"scheduler configuration: {path}{unknown[0]} is not supported")
