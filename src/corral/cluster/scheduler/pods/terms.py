"""Rules in a pod about nodes and about other pods, as values that can be compared and hashed. Pure."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from corral.model.kubernetes.selectors import NOTHING, Requirement, Selector, of_object
from corral.model.kubernetes.selectors.requirements import EQUALS, EXISTS, GREATER, IN, LESS, NOT_EXISTS, NOT_IN

Object = dict[str, Any]
Labels = Mapping[str, str]
NamespaceLabels = Callable[[str], Labels]


_OPERATORS: Final = {
    "In": IN,
    "NotIn": NOT_IN,
    "Exists": EXISTS,
    "DoesNotExist": NOT_EXISTS,
    "Gt": GREATER,
    "Lt": LESS,
}


class NodeTerm(NamedTuple):
    """All must hold. `names`: the node's own, from matchFields. A term without any requirement selects no node."""

    labels: tuple[Requirement, ...] = ()
    names: tuple[Requirement, ...] = ()

    @property
    def only_names(self) -> frozenset[str] | None:
        """The nodes that alone can match, where the term says so."""
        found: frozenset[str] | None = None
        for one in self.names:
            if one.operator == IN:
                found = frozenset(one.values) if found is None else found & set(one.values)
        return found


class Weighted(NamedTuple):
    weight: int
    term: NodeTerm


@dataclass(frozen=True, slots=True)
class PodTerm:
    """Pods that match, in the same domain of `topology_key`. `namespaces` and those that the selector selects."""

    topology_key: str
    selector: Selector
    namespaces: frozenset[str]
    namespace_selector: Selector = NOTHING
    _hash: int = field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = (self.topology_key, self.selector, self.namespaces, self.namespace_selector)
        object.__setattr__(self, "_hash", hash(parts))  # it is asked for often, and takes long to find

    def __hash__(self) -> int:
        return self._hash

    @property
    def about(self) -> Selector:
        return self.selector

    def covers(self, namespace: str, labels_of: NamespaceLabels) -> bool:
        if namespace in self.namespaces or self.namespace_selector.empty:
            return True
        return not self.namespace_selector.nothing and self.namespace_selector.matches(labels_of(namespace))

    def matches(self, namespace: str, labels: Labels, labels_of: NamespaceLabels) -> bool:
        """
        >>> term = pod_term({"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}, "default", {})
        >>> term.matches("default", {"a": "b"}, lambda name: {}), term.matches("other", {"a": "b"}, lambda name: {})
        (True, False)
        """
        return self.selector.matches(labels) and self.covers(namespace, labels_of)


class WeightedPods(NamedTuple):
    """`weight` is below zero for anti-affinity."""

    weight: int
    term: PodTerm

    @property
    def about(self) -> Selector:
        return self.term.selector


class Spread(NamedTuple):
    """One topology spread constraint, on the pods of `term`."""

    term: PodTerm
    max_skew: int
    hard: bool
    min_domains: int = 1
    honour_affinity: bool = True
    honour_taints: bool = False

    @property
    def topology_key(self) -> str:
        return self.term.topology_key


def requirements(listed: Iterable[Object] | None) -> tuple[Requirement, ...]:
    return tuple(
        Requirement(one["key"], _OPERATORS[one["operator"]], tuple(one.get("values") or ())) for one in listed or ()
    )


def node_term(term: Object) -> NodeTerm:
    """
    >>> node_term({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}).only_names
    frozenset({'n1'})
    """
    return NodeTerm(requirements(term.get("matchExpressions")), requirements(term.get("matchFields")))


def node_terms(selector: Object | None) -> tuple[NodeTerm, ...] | None:
    """Any of them must hold; None if there is no rule."""
    if selector is None:
        return None
    return tuple(node_term(one) for one in selector.get("nodeSelectorTerms") or ())


def preferred_nodes(affinity: Object) -> tuple[Weighted, ...]:
    listed = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return tuple(Weighted(one["weight"], node_term(one["preference"])) for one in listed)


def pod_term(term: Object, namespace: str, labels: Labels) -> PodTerm:
    """`namespace`, `labels` are those of the pod that has the rule: matchLabelKeys speak of its own labels."""
    spaces, chosen = term.get("namespaces") or (), term.get("namespaceSelector")
    selector = _with_keys(of_object(term.get("labelSelector")), labels, term.get("matchLabelKeys"), IN)
    selector = _with_keys(selector, labels, term.get("mismatchLabelKeys"), NOT_IN)
    return PodTerm(
        term["topologyKey"],
        selector,
        frozenset(spaces) if spaces or chosen is not None else frozenset((namespace,)),
        NOTHING if chosen is None else of_object(chosen),
    )


def _with_keys(selector: Selector, labels: Labels, keys: Iterable[str] | None, operator: str) -> Selector:
    """The API server may have merged the keys into the selector before: a condition twice does no harm."""
    more = tuple(Requirement(key, operator, (labels[key],)) for key in keys or () if key in labels)
    more = tuple(one for one in more if one not in selector.requirements)
    return Selector((*selector.requirements, *more)) if more and not selector.nothing else selector


def pod_terms(rules: Object, namespace: str, labels: Labels) -> tuple[PodTerm, ...]:
    listed = rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
    return tuple(pod_term(one, namespace, labels) for one in listed)


def preferred_pods(rules: Object, namespace: str, labels: Labels, sign: int) -> tuple[WeightedPods, ...]:
    listed = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return tuple(
        WeightedPods(sign * one["weight"], pod_term(one["podAffinityTerm"], namespace, labels)) for one in listed
    )


def spread(constraint: Object, namespace: str, labels: Labels) -> Spread:
    """
    >>> one = {"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", "minDomains": 2}
    >>> found = spread(one, "default", {}); found.hard, found.min_domains, found.honour_affinity, found.honour_taints
    (True, 2, True, False)
    """
    selector = _with_keys(of_object(constraint.get("labelSelector")), labels, constraint.get("matchLabelKeys"), IN)
    return Spread(
        PodTerm(constraint["topologyKey"], selector, frozenset((namespace,))),
        constraint["maxSkew"],
        constraint.get("whenUnsatisfiable") == "DoNotSchedule",
        constraint.get("minDomains") or 1,
        constraint.get("nodeAffinityPolicy", "Honor") == "Honor",
        constraint.get("nodeTaintsPolicy", "Ignore") == "Honor",
    )


def exact(labels: Labels) -> tuple[Requirement, ...]:
    return tuple(Requirement(key, EQUALS, (value,)) for key, value in labels.items())


class PodRules(NamedTuple):
    """All that a pod says of other pods. `preferred` are affinity and anti-affinity alike."""

    near: tuple[PodTerm, ...] = ()
    apart: tuple[PodTerm, ...] = ()
    preferred: tuple[WeightedPods, ...] = ()
    spread: tuple[Spread, ...] = ()


@functools.lru_cache(maxsize=1024)
def pod_rules(rules: bytes, namespace: str, labels: tuple[tuple[str, str], ...]) -> PodRules:
    """`rules`: podAffinity, podAntiAffinity and topologySpreadConstraints as a JSON list. Most pods have brothers."""
    near, apart, spreads = msgspec.json.decode(rules)
    own = dict(labels)
    return PodRules(
        pod_terms(near or {}, namespace, own),
        pod_terms(apart or {}, namespace, own),
        (*preferred_pods(near or {}, namespace, own, 1), *preferred_pods(apart or {}, namespace, own, -1)),
        tuple(spread(one, namespace, own) for one in spreads or ()),
    )
