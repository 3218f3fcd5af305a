"""Garbage: what has a living owner is never deleted; and the graph is what its objects say, whatever happened."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from corral.cluster.client.protocol import Collection
from corral.cluster.controllers.garbagecollector.decide import ABSENT, DELETE, KEEP, SOLID, WAITING, plan_collection
from corral.cluster.controllers.garbagecollector.graph import Graph, owners_of

CONFIGS = Collection("", "v1", "configmaps")
Object = dict[str, Any]
states = st.lists(st.sampled_from([ABSENT, WAITING, SOLID]), max_size=4)


@given(states, st.booleans(), st.booleans(), st.lists(st.sampled_from(["foregroundDeletion", "orphan", "x"])))
def test_what_has_a_living_owner_stays(found: list[str], dependents: bool, circle: bool, finalizers: list[str]) -> None:
    references = [{"uid": str(n), "blockOwnerDeletion": n % 2 == 0} for n in range(len(found))]
    obj = {"metadata": {"ownerReferences": references, "finalizers": finalizers}}
    verdict = plan_collection(obj, found, has_dependents=dependents, in_circle=circle)
    if SOLID in found or not found:
        assert verdict.action != DELETE
        kept = verdict.owners or references
        assert [one["uid"] for one in kept] == [str(n) for n, state in enumerate(found) if state == SOLID]
    else:
        assert verdict.action == DELETE and verdict.policy
    assert verdict.action != KEEP or set(found) <= {SOLID}


def made(uid: int, owners: list[tuple[int, bool]], finalizer: str) -> Object:
    references = [
        {"uid": str(n), "apiVersion": "v1", "kind": "ConfigMap", "name": f"c{n}", "blockOwnerDeletion": blocks}
        for n, blocks in owners
    ]
    metadata: Object = {"uid": str(uid), "name": f"c{uid}", "namespace": "a", "ownerReferences": references}
    if finalizer:
        metadata |= {"finalizers": [finalizer], "deletionTimestamp": "2026-01-02T03:04:05Z"}
    return {"metadata": metadata}


uids = st.integers(0, 5)
changes = st.lists(
    st.one_of(
        st.builds(
            made,
            uids,
            st.lists(st.tuples(uids, st.booleans()), max_size=3, unique_by=lambda one: one[0]),
            st.sampled_from(["", "foregroundDeletion", "orphan"]),
        ),
        uids,
    ),
    max_size=25,
)


@given(changes)
def test_the_graph_is_what_its_objects_say(history: list[Object | int]) -> None:
    graph, objects = Graph(), dict[str, Object]()
    for change in history:
        if isinstance(change, int):
            gone = objects.pop(str(change), None)
            look = graph.remove(str(change))
            orphans = {uid for uid, one in objects.items() if any(o.uid == str(change) for o in owners_of(one))}
            assert gone is None or orphans <= look
        else:
            objects[change["metadata"]["uid"]] = change
            look = graph.put(CONFIGS, "ConfigMap", change)
            node = graph.get(change["metadata"]["uid"])
            assert node is not None
            missing = any(one.uid not in objects for one in node.owners)
            assert not missing or graph.is_suspicious(node)
        assert look <= set(objects)
    for uid in map(str, range(6)):
        wanted = {one for one, obj in objects.items() if any(o.uid == uid for o in owners_of(obj))}
        assert {node.uid for node in graph.dependents(uid)} == wanted
        blocking = {one for one, obj in objects.items() if any(o.uid == uid and o.blocks for o in owners_of(obj))}
        assert {node.uid for node in graph.blocking(uid)} == blocking
