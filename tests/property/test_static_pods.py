"""However static pods and mirror pods differ: what is done about it brings them together."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from corral.cluster.kubelet.pods import MIRROR
from corral.cluster.kubelet.static.mirror import plan_mirror, plan_mirrors

Object = dict[str, Any]

NAMES = st.sampled_from("abcd")
PODS = st.dictionaries(NAMES, st.sampled_from("12"))
MIRRORS = st.dictionaries(NAMES, st.tuples(st.sampled_from("12"), st.booleans()))
NODE = {"metadata": {"name": "n1", "uid": "u"}}


@given(PODS, MIRRORS)
def test_two_rounds_are_enough(uids: dict[str, str], hashes: dict[str, tuple[str, bool]]) -> None:
    pods: dict[str, Object] = {}
    for name, uid in uids.items():
        pods[f"d/{name}"] = {"metadata": {"name": name, "namespace": "d", "uid": uid}, "spec": {}}
    mirrors: dict[str, Object] = {}
    for name, (hash, deleted) in hashes.items():
        meta: Object = {"name": name, "namespace": "d", "annotations": {MIRROR: hash}}
        mirrors[f"d/{name}"] = {"metadata": meta | ({"deletionTimestamp": "t"} if deleted else {})}
    for _ in range(2):
        actions = plan_mirrors(pods, mirrors)
        for one in actions.delete:
            assert uids.get(one["metadata"]["name"]) != one["metadata"]["annotations"][MIRROR] or (
                "deletionTimestamp" in one["metadata"]
            )
            del mirrors[f"d/{one['metadata']['name']}"]
        for key in actions.create:
            assert key not in mirrors
            mirrors[key] = plan_mirror(pods[key], NODE)
    assert plan_mirrors(pods, mirrors) == ([], [])
    assert {key: one["metadata"]["annotations"][MIRROR] for key, one in mirrors.items()} == {
        key: one["metadata"]["uid"] for key, one in pods.items()
    }
