"""The proxy's decisions against plain models: whatever comes, in whatever order."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from corral.cluster.proxy import marks
from corral.cluster.proxy.book import Book
from corral.cluster.proxy.elements import plan_slots
from corral.cluster.proxy.ledger import Place
from corral.cluster.proxy.policies.plan import plan_boxes, plan_policing
from corral.cluster.proxy.policies.rules import PodFacts, Port, parse_policy
from corral.cluster.proxy.services import plan_fronts
from corral.cluster.proxy.settings import ProxySettings
from corral.model.kubernetes.selectors import of_object

names = st.sampled_from("abcd")


@given(st.lists(names, unique=True), st.lists(names, unique=True))
def test_slots_hold_each_once_without_a_gap_and_move_little(before: list[str], wanted: list[str]) -> None:
    after = plan_slots(before, wanted)
    assert sorted(after) == sorted(wanted)
    moved = [n for n, (old, new) in enumerate(zip(before, after, strict=False)) if old != new]
    assert len(moved) <= len(set(before) - set(wanted))


conditions = st.fixed_dictionaries({"ready": st.booleans(), "serving": st.booleans(), "terminating": st.booleans()})
ends = st.lists(
    st.tuples(st.integers(2, 9), st.sampled_from(["n1", "n2"]), conditions), max_size=6, unique_by=lambda e: e[0]
)
policies_ = st.sampled_from(["Cluster", "Local"])
states = st.tuples(ends, policies_, policies_)


@given(st.lists(st.dictionaries(names, states, max_size=3), min_size=1, max_size=4))
def test_each_port_leads_to_exactly_its_endpoints(history: list[dict[str, Any]]) -> None:
    """After every step of a history of several services the maps, kept up by changes, say what the services say."""
    book, table = Book(ProxySettings("t")), {}
    book.whole()
    for state in history:
        for name in "abcd":
            book.put_service(name, _fronts(name, *state[name]) if name in state else (), ())
        step = book.take()
        if step is not None:
            for place, value in step.change.gone.items():
                assert table.pop(place) == value
            assert not table.keys() & step.change.come.keys()
            table.update(step.change.come)
        for name in "abcd":
            _check(table, name, state.get(name))
        assert {ip for n in range(2, 10) if book.leads_to(ip := f"10.1.0.{n}")} == _all_targets(table)


def _fronts(name: str, found: list[Any], inner: str, outer: str) -> Any:
    number = "abcd".index(name) + 1
    spec = {
        "type": "NodePort",
        "clusterIP": f"10.96.0.{number}",
        "ports": [{"port": 80, "nodePort": 30000 + number}],
        "internalTrafficPolicy": inner,
        "externalTrafficPolicy": outer,
    }
    said = [{"addresses": [f"10.1.0.{n}"], "nodeName": node, "conditions": c} for n, node, c in found]
    piece = {"addressType": "IPv4", "ports": [{"port": 8080}], "endpoints": said}
    return plan_fronts({"metadata": {}, "spec": spec}, [piece], "n1")


def _model(found: list[Any]) -> set[str]:
    ready = {n for n, _, c in found if c["ready"]}
    return {f"10.1.0.{n}" for n in ready or {n for n, _, c in found if c["terminating"] and c["serving"]}}


def _check(table: dict[Place, str], name: str, state: Any) -> None:
    number = "abcd".index(name) + 1
    ip, door = f"10.96.0.{number} . 6 . 80", f"6 . {30000 + number}"
    if state is None:
        assert ("fronts4", ip) not in table and ("doors4", door) not in table
        return
    found, inner, outer = state
    here = [one for one in found if one[1] == "n1"]
    assert _led(table, "heads4", "ends4", ip) == _model(here if inner == "Local" else found)
    assert _led(table, "door_heads4", "door_ends4", door) == _model(found)
    assert (("door_nears4", door) in table) == (outer == "Local")
    if outer == "Local":
        assert _led(table, "door_nears4", "door_ends4", door, "1") == _model(here)


def _led(table: dict[Place, str], heads: str, ends: str, key: str, half: str = "0") -> set[str]:
    count = int(table[(heads, key)], 16) & marks.COUNT
    values = [table[(ends, f"{key} . {half}:{n:x}")] for n in range(count)]
    assert len(set(values)) == count and (ends, f"{key} . {half}:{count:x}") not in table
    return {value.partition(" ")[0] for value in values}


def _all_targets(table: dict[Place, str]) -> set[str]:
    return {value.partition(" ")[0] for (name, _), value in table.items() if name.endswith("ends4")}


# ----------------------------------------------------------------------------------------------------------- policies

labels = st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["x", "y"]), max_size=2)
selectors = st.builds(lambda found: {"matchLabels": found}, labels)
blocks = st.sampled_from(
    [
        {"cidr": "10.1.0.0/28"},
        {"cidr": "10.1.0.0/24", "except": ["10.1.0.0/29", "10.1.0.8/30"]},
        {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]},
        {"cidr": "10.1.0.3/32"},
    ]
)
peers = st.one_of(
    st.fixed_dictionaries({"ipBlock": blocks}),
    st.fixed_dictionaries({"podSelector": selectors}),
    st.fixed_dictionaries({"namespaceSelector": selectors}, optional={"podSelector": selectors}),
)
ports = st.one_of(
    st.fixed_dictionaries({}, optional={"protocol": st.sampled_from(["TCP", "UDP"])}),
    st.fixed_dictionaries(
        {"port": st.sampled_from([80, 81, "web"])}, optional={"protocol": st.sampled_from(["TCP", "UDP"])}
    ),
    st.fixed_dictionaries({"port": st.just(79), "endPort": st.sampled_from([80, 90])}),
)


def _rules(who: str) -> Any:
    return st.lists(
        st.fixed_dictionaries({}, optional={who: st.lists(peers, max_size=2), "ports": st.lists(ports, max_size=2)}),
        max_size=2,
    )


specs = st.fixed_dictionaries(
    {"podSelector": selectors},
    optional={
        "ingress": _rules("from"),
        "egress": _rules("to"),
        "policyTypes": st.lists(st.sampled_from(["Ingress", "Egress"]), min_size=1, unique=True),
    },
)
some_policies = st.lists(st.tuples(st.sampled_from("ab"), specs), max_size=3)
some_pods = st.lists(st.tuples(st.sampled_from("ab"), labels, st.sampled_from([80, 81, None])), min_size=2, max_size=5)
some_namespaces = st.fixed_dictionaries({"a": labels, "b": labels})
packets = st.tuples(
    st.integers(2, 12), st.integers(2, 12), st.sampled_from([6, 17]), st.sampled_from([79, 80, 81, 90, 443])
)


@given(some_policies, some_pods, some_namespaces, st.lists(packets, min_size=1, max_size=20))
def test_policies_let_through_what_a_plain_reading_does(
    found: list[Any], pods: list[Any], spaces: dict[str, dict[str, str]], some: list[tuple[int, int, int, int]]
) -> None:
    facts = [
        PodFacts(
            space, tuple(sorted(said.items())), (f"10.1.0.{n}",), (((("web", 6), web),) if web else ()), local=True
        )
        for n, (space, said, web) in enumerate(pods, 2)
    ]
    objects = [{"metadata": {"namespace": space}, "spec": spec} for space, spec in found]
    policing = plan_policing([parse_policy(one) for one in objects], facts, spaces)
    _check_disjoint(policing)
    by_address = {pod.addresses[0]: pod for pod in facts}
    for source, target, protocol, port in some:
        a, b = f"10.1.0.{source}", f"10.1.0.{target}"
        if a != b:
            wanted = _allowed(objects, by_address, spaces, a, b, protocol, port)
            assert _passes(policing, a, b, protocol, port) == wanted, (a, b, protocol, port)


def _passes(policing: Any, source: str, target: str, protocol: int, port: int) -> bool:
    for way, mine, other in (("out", source, target), ("in", target, source)):
        jump = policing.elements.get((f"isolated_{way}4", mine))
        if jump is None:
            continue
        asked = [rule.split("@")[1].split()[0] for rule in policing.chains[jump.removeprefix("jump ")] if "@" in rule]
        keys = [key for name, key in policing.elements if name in asked]
        if not any(_covers(key, other, protocol, port) for key in keys):
            return False
    return True


def _box(key: str) -> tuple[Any, tuple[int, int], tuple[int, int]]:
    network, protocols, numbers = key.split(" . ")
    low, _, high = protocols.partition("-")
    first, _, last = numbers.partition("-")
    return ip_network(network), (int(low), int(high or low)), (int(first), int(last or first))


def _covers(key: str, address: str, protocol: int, port: int) -> bool:
    network, protocols, numbers = _box(key)
    return (
        ip_address(address) in network and protocols[0] <= protocol <= protocols[1] and numbers[0] <= port <= numbers[1]
    )


def _check_disjoint(policing: Any) -> None:
    by_set: dict[str, list[Any]] = {}
    for name, key in policing.elements:
        if not name.startswith("isolated"):
            by_set.setdefault(name, []).append(_box(key))
    for boxes in by_set.values():
        for n, one in enumerate(boxes):
            for other in boxes[:n]:
                meets = [x[0] <= y[1] and y[0] <= x[1] for x, y in zip(one[1:], other[1:], strict=True)]
                assert not (one[0].version == other[0].version and one[0].overlaps(other[0]) and all(meets))


def _allowed(objects: Any, pods: Any, spaces: Any, source: str, target: str, protocol: int, port: int) -> bool:
    """The text of the API's documentation, read word by word."""
    for way, word, who, mine, other in (
        ("Egress", "egress", "to", source, target),
        ("Ingress", "ingress", "from", target, source),
    ):
        pod = pods.get(mine)
        if pod is None:
            continue
        chosen = [o["spec"] for o in objects if o["metadata"]["namespace"] == pod.namespace]
        chosen = [spec for spec in chosen if of_object(spec["podSelector"]).matches(dict(pod.labels))]
        chosen = [
            s for s in chosen if way in s.get("policyTypes", ["Ingress", *(["Egress"] if s.get("egress") else [])])
        ]
        rules = [rule for spec in chosen for rule in spec.get(word, ())]
        called = pods.get(target)
        if chosen and not any(
            _rule(rule, who, pod.namespace, pods, spaces, other, called, protocol, port) for rule in rules
        ):
            return False
    return True


def _rule(
    rule: Any, who: str, own: str, pods: Any, spaces: Any, other: str, called: Any, protocol: int, port: int
) -> bool:
    to_whom = not rule.get(who) or any(_peer(peer, own, pods, spaces, other) for peer in rule[who])
    return (
        to_whom
        and (not rule.get("ports") or any(_port(p, called, protocol, port) for p in rule["ports"]))
        and (not _only_named(rule) or called is not None)
    )


def _only_named(rule: Any) -> bool:
    return bool(rule.get("ports")) and all(isinstance(p.get("port"), str) for p in rule["ports"])


def _peer(peer: Any, own: str, pods: Any, spaces: Any, other: str) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        inside = ip_address(other) in ip_network(block["cidr"])
        return inside and not any(ip_address(other) in ip_network(hole) for hole in block.get("except", ()))
    pod = pods.get(other)
    if pod is None:
        return False
    right_space = (
        of_object(peer["namespaceSelector"]).matches(spaces[pod.namespace])
        if "namespaceSelector" in peer
        else pod.namespace == own
    )
    return right_space and ("podSelector" not in peer or of_object(peer["podSelector"]).matches(dict(pod.labels)))


def _port(said: Any, called: Any, protocol: int, port: int) -> bool:
    wanted = {"TCP": 6, "UDP": 17}[said.get("protocol", "TCP")]
    number = said.get("port")
    if isinstance(number, str):
        number = called.port_map.get((number, wanted)) if called is not None else None
        return wanted == protocol and number == port
    return wanted == protocol and (number is None or number <= port <= said.get("endPort", number))


@given(st.lists(st.builds(Port, st.sampled_from([6, 17]), st.integers(0, 9), st.integers(10, 20))))
def test_boxes_are_the_union(found: list[Port]) -> None:
    boxes = plan_boxes(found)
    for protocol in (6, 17):
        for port in range(0, 22):
            covered = sum(_covers(f"10.0.0.0/8 . {box}", "10.0.0.1", protocol, port) for box in boxes)
            assert covered == any(p.protocol == protocol and p.low <= port <= p.high for p in found)
