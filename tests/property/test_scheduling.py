"""The scheduler's columns against predicates so plain that they can be read; and a snapshot against a fresh one."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant
from hypothesis.stateful import rule as step

from corral.cluster.scheduler.moves import HELPS
from corral.cluster.scheduler.pods.pod import Pod
from corral.cluster.scheduler.pods.terms import PodTerm
from corral.cluster.scheduler.queue import BACKING_OFF, UNSCHEDULABLE, WORKING, Queue, Waiting
from corral.cluster.scheduler.settings import Settings
from corral.cluster.scheduler.snapshot.snapshot import Snapshot
from corral.cluster.scheduler.snapshot.tallies import Description
from corral.model.kubernetes.requests import amounts
from corral.model.kubernetes.selectors import of_labels
from corral.model.kubernetes.taints import first_untolerated, taints_of
from tests.support.scheduling import ask, node, pod

Object = dict[str, Any]

HOST, ZONE = "kubernetes.io/hostname", "zone"
APPS, ZONES, NAMES = ("a", "b"), ("1", "2", ""), tuple(f"n{number}" for number in range(5))

apps = st.sampled_from(APPS)
keys = st.sampled_from((HOST, ZONE))
effects = st.sampled_from(("NoSchedule", "PreferNoSchedule", "NoExecute"))


@st.composite
def nodes(draw: st.DrawFn, name: str) -> Object:
    zone = draw(st.sampled_from(ZONES))
    return node(
        name,
        {ZONE: zone} if zone else {},
        taints=draw(st.lists(st.tuples(st.sampled_from(("t", "u")), st.just(""), effects), max_size=1)),
        unschedulable=draw(st.integers(0, 5)) == 0,
        cpu=draw(st.sampled_from(("1", "2"))),
        pods=draw(st.sampled_from(("2", "9"))),
    )


def term(key: str, app: str) -> Object:
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}


@st.composite
def pods(draw: st.DrawFn, name: str) -> Object:
    spec: Object = {}
    affinity: Object = {}
    for kind in ("podAffinity", "podAntiAffinity"):
        listed = draw(st.lists(st.builds(term, keys, apps), max_size=1))
        if listed:
            affinity[kind] = {"requiredDuringSchedulingIgnoredDuringExecution": listed}
    if affinity:
        spec["affinity"] = affinity
    if draw(st.booleans()):
        spec["nodeSelector"] = {ZONE: draw(st.sampled_from(("1", "2")))}
    if draw(st.booleans()):
        spec["tolerations"] = [{"key": "t", "operator": "Exists"}]
    if draw(st.booleans()):
        constraint = {"maxSkew": 1, "topologyKey": draw(keys), "whenUnsatisfiable": "DoNotSchedule"}
        spec["topologySpreadConstraints"] = [{**constraint, "labelSelector": {"matchLabels": {"app": draw(apps)}}}]
    ports = [{"hostPort": 80}] if draw(st.integers(0, 3)) == 0 else []
    requests = {"cpu": draw(st.sampled_from(("500m", "1", "0")))}
    gone = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if draw(st.integers(0, 5)) == 0 else None
    return pod(name, {"app": draw(apps)}, requests=requests, ports=ports, metadata=gone, **spec)


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[Object], list[tuple[Object, str]], Object]:
    found = [draw(nodes(name)) for name in NAMES[: draw(st.integers(1, 5))]]
    names = [one["metadata"]["name"] for one in found]
    placed = [(draw(pods(f"p{n}")), draw(st.sampled_from(names))) for n in range(draw(st.integers(0, 6)))]
    return found, placed, draw(pods("asked"))


class Model:
    """What a node must be, one rule after the other, with loops."""

    def __init__(self, found: list[Object], placed: list[tuple[Object, str]], asked: Object) -> None:
        self.nodes = {one["metadata"]["name"]: one for one in found}
        self.placed, self.asked = placed, asked

    def fits(self, name: str) -> bool:
        rules = (self.alone, self.resources, self.ports, self.near, self.apart, self.others_apart, self.spread)
        return all(rule(name) for rule in rules)

    def labels(self, name: str) -> Object:
        return self.nodes[name]["metadata"]["labels"]

    def same(self, one: str, other: str, key: str) -> bool:
        value = self.labels(one).get(key)
        return value is not None and value == self.labels(other).get(key)

    def alone(self, name: str) -> bool:
        here, spec = self.nodes[name], self.asked["spec"]
        if here["spec"].get("unschedulable"):
            return False
        if first_untolerated(taints_of(here), Pod(self.asked).tolerations) is not None:
            return False
        return spec.get("nodeSelector", {}).items() <= self.labels(name).items()

    def resources(self, name: str) -> bool:
        here = [one for one, at in self.placed if at == name]
        most = amounts(self.nodes[name]["status"]["allocatable"])
        cpu = sum(Pod(one).requests.get("cpu", 0) for one in [*here, self.asked])
        return len(here) < most["pods"] and (cpu <= most["cpu"] or not Pod(self.asked).requests.get("cpu"))

    def ports(self, name: str) -> bool:
        return not Pod(self.asked).ports or not any(Pod(one).ports for one, at in self.placed if at == name)

    @staticmethod
    def terms(one: Object, kind: str) -> list[Object]:
        rules = one["spec"].get("affinity", {}).get(kind, {})
        return rules.get("requiredDuringSchedulingIgnoredDuringExecution", [])

    @staticmethod
    def about(rule: Object, one: Object) -> bool:
        return rule["labelSelector"]["matchLabels"].items() <= one["metadata"]["labels"].items()

    def near(self, name: str) -> bool:
        terms = self.terms(self.asked, "podAffinity")
        if any(rule["topologyKey"] not in self.labels(name) for rule in terms):
            return False
        mates = [at for one, at in self.placed if all(self.about(rule, one) for rule in terms)]
        placed = [at for at in mates if any(rule["topologyKey"] in self.labels(at) for rule in terms)]
        if not placed and all(self.about(rule, self.asked) for rule in terms):
            return True
        return all(any(self.same(name, at, rule["topologyKey"]) for at in mates) for rule in terms)

    def apart(self, name: str) -> bool:
        return not any(
            self.about(rule, one) and self.same(name, at, rule["topologyKey"])
            for rule in self.terms(self.asked, "podAntiAffinity")
            for one, at in self.placed
        )

    def others_apart(self, name: str) -> bool:
        return not any(
            self.about(rule, self.asked) and self.same(name, at, rule["topologyKey"])
            for one, at in self.placed
            for rule in self.terms(one, "podAntiAffinity")
        )

    def spread(self, name: str) -> bool:
        wanted = self.asked["spec"].get("nodeSelector", {})
        for rule in self.asked["spec"].get("topologySpreadConstraints", []):
            key = rule["topologyKey"]
            if key not in self.labels(name):
                return False
            counts: dict[str, int] = {}
            for other in self.nodes:
                if key in self.labels(other) and wanted.items() <= self.labels(other).items():
                    counts.setdefault(self.labels(other)[key], 0)
                    counts[self.labels(other)[key]] += sum(
                        at == other and self.about(rule, one) and "deletionTimestamp" not in one["metadata"]
                        for one, at in self.placed
                    )
            own = self.about(rule, self.asked)
            if counts.get(self.labels(name)[key], 0) + own - min(counts.values(), default=0) > rule["maxSkew"]:
                return False
        return True


@given(clusters())
@settings(max_examples=300)
def test_a_node_is_chosen_if_and_only_if_the_plain_rules_allow_one(drawn: Any) -> None:
    found, placed, asked = drawn
    made = Snapshot()
    for one in found:
        made.put_node(one)
    for one, at in placed:
        made.put_pod(Pod(one), at)
    model = Model(found, placed, asked)
    allowed = {name for name in model.nodes if model.fits(name)}
    decision = ask(made, asked)
    assert (decision.node in allowed) if allowed else not decision.node
    refused = sum((one.refused for one in decision.diagnosis.failures), np.zeros(made.nodes.top, np.int64))
    told = {made.nodes.names[row] for row in np.flatnonzero(refused)}
    assert told == set(model.nodes) - allowed  # each refused node is told of, and no other


changes = st.lists(
    st.one_of(
        st.sampled_from(NAMES).flatmap(lambda name: st.tuples(st.just("node"), st.just(name), nodes(name))),
        st.tuples(st.just("node gone"), st.sampled_from(NAMES), st.none()),
        st.integers(0, 5).flatmap(lambda number: st.tuples(st.just("pod"), st.sampled_from(NAMES), pods(f"p{number}"))),
        st.integers(0, 5).map(lambda number: ("pod gone", f"uid-default-p{number}", None)),
        st.tuples(st.just("what if"), st.integers(0, 5).map(lambda n: f"uid-default-p{n}"), pods("guest")),
    ),
    max_size=30,
)

LOOKED_AT = [
    Description((PodTerm("", of_labels({"app": app}), frozenset(("default",))),), going)
    for app in APPS
    for going in (True, False)
]


def picture(of: Snapshot, names: list[str]) -> Any:
    """All that decisions look at, node by node."""
    rows = [of.nodes.row_of[name] for name in names]
    resources = sorted(of.nodes.resources)
    columns = [of.nodes.resources[name] for name in resources]
    zones = of.nodes.labels.column(ZONE)
    return (
        of.nodes.present[rows].tolist(),
        of.nodes.unschedulable[rows].tolist(),
        [of.nodes.taint_sets[number] for number in of.nodes.taint_set[rows]],
        of.nodes.allocatable[columns][:, rows].tolist(),
        of.nodes.requested[columns][:, rows].tolist(),
        of.nodes.usual[:, rows].tolist(),
        [zones.values[number] for number in zones.ids[rows]],
        [of.tallies.counts(wanted)[rows].tolist() for wanted in LOOKED_AT],
        {rule: {of.nodes.names[row]: count for row, count in held.items()} for rule, held in of.apart},
        {rule: {of.nodes.names[row]: count for row, count in held.items()} for rule, held in of.near},
        {port: {of.nodes.names[row]: sorted(taken) for row, taken in by.items()} for port, by in of.ports.items()},
        sorted((uid, of.nodes.names[row]) for uid, (_, row) in of.pods.items()),
        sorted(of.nodes.names[row] for row in of.nodes.order),
    )


@given(changes)
@settings(max_examples=300)
def test_a_snapshot_that_was_kept_up_equals_one_that_is_made_afresh(drawn: list[Any]) -> None:
    kept, now_nodes, now_pods = Snapshot(), {}, {}
    for wanted in LOOKED_AT:
        kept.tallies.counts(wanted)
    kept.nodes.labels.column(ZONE)
    for what, name, given_ in drawn:
        if what == "node":
            now_nodes[name] = given_
            kept.put_node(given_)
        elif what == "node gone":
            now_nodes.pop(name, None)
            kept.remove_node(name)
        elif what == "pod":
            now_pods[given_["metadata"]["uid"]] = (given_, name)
            kept.put_pod(Pod(given_), name)
        elif what == "pod gone":
            now_pods.pop(name, None)
            kept.remove_pod(name)
        else:
            with kept.without([name]) as gone, kept.with_pods([(Pod(given_), NAMES[0])]):
                if name in kept.pods:
                    gone.bring_back(name)
    fresh = Snapshot()
    for one in now_nodes.values():
        fresh.put_node(one)
    for one, at in now_pods.values():
        fresh.put_pod(Pod(one), at)
    names = sorted(set(now_nodes) | {at for _, at in now_pods.values()})
    assert set(kept.nodes.row_of) == set(names)
    assert picture(kept, names) == picture(fresh, names)


class Turns(RuleBasedStateMachine):
    """The queue, whatever happens to it: nobody is lost, nobody is twice, and only the fitting change wakes."""

    def __init__(self) -> None:
        super().__init__()
        self.queue, self.now = Queue(Settings()), 0.0
        self.there: dict[str, Object] = {}
        self.working: dict[str, Waiting] = {}

    @step(number=st.integers(0, 4), priority=st.integers(0, 2))
    def comes(self, number: int, priority: int) -> None:
        made = pod(f"p{number}", priority=priority)
        self.there[made["metadata"]["uid"]] = made
        self.queue.put(made, self.now)

    @step(number=st.integers(0, 4))
    def goes(self, number: int) -> None:
        uid = f"uid-default-p{number}"
        self.there.pop(uid, None)
        self.working.pop(uid, None)
        self.queue.remove(uid)

    @step()
    def taken(self) -> None:
        found = self.queue.pop(self.now)
        if found is not None:
            uid = found.pod["metadata"]["uid"]
            assert uid in self.there and uid not in self.working
            self.working[uid] = found

    @step(plugins=st.sets(st.sampled_from(("NodeResourcesFit", "InterPodAffinity"))))
    def fails(self, plugins: set[str]) -> None:
        for uid in list(self.working)[:1]:
            self.queue.failed(self.working.pop(uid), plugins, self.now)
            assert self.queue.place(uid) == (UNSCHEDULABLE if plugins else BACKING_OFF)

    @step(change=st.sampled_from(sorted(HELPS)))
    def happens(self, change: str) -> None:
        before = {uid: self.queue.place(uid) for uid in self.there}
        self.queue.move(change, self.now)
        for uid, place in before.items():
            if place != UNSCHEDULABLE:
                assert self.queue.place(uid) == place

    @step(seconds=st.sampled_from((0.5, 5.0, 400.0)))
    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.queue.settle(self.now)

    @invariant()
    def all_are_somewhere(self) -> None:
        for uid in self.there:
            assert (self.queue.place(uid) == WORKING) == (uid in self.working)
            assert self.queue.place(uid)

    def teardown(self) -> None:
        """After a long time without anything, each has had its turn."""
        for uid in list(self.working):
            self.queue.failed(self.working.pop(uid), ("NodeResourcesFit",), self.now)
        seen = set()
        self.now += 1000
        while (found := self.queue.pop(self.now)) is not None:
            seen.add(found.pod["metadata"]["uid"])
        assert seen == set(self.there)


TestTurns = Turns.TestCase
