"""Which files volumes from the API have."""

from __future__ import annotations

import pytest

from corral.cluster.kubelet.errors import NotMounted
from corral.cluster.kubelet.volumes.atomic import File
from corral.cluster.kubelet.volumes.projection import Known, plan_files, plan_wanted
from tests.support.kubelet_pods import pod

MAP = {"kind": "ConfigMap", "data": {"a": "1", "b": "2"}, "binaryData": {"c": "Aw=="}}
KNOWN = Known({("configmaps", "m"): MAP, ("secrets", "s"): {"type": "Opaque", "data": {"p": "eA=="}}}, {"t": "tok"}, {})


def test_a_whole_map() -> None:
    files = plan_files(pod(), {"name": "v", "configMap": {"name": "m", "defaultMode": 0o600}}, KNOWN)
    assert files == {"a": File(b"1", 0o600), "b": File(b"2", 0o600), "c": File(b"\3", 0o600)}


def test_chosen_keys_under_other_names() -> None:
    items = [{"key": "a", "path": "x/y", "mode": 0o400}]
    files = plan_files(pod(), {"name": "v", "configMap": {"name": "m", "items": items}}, KNOWN)
    assert files == {"x/y": File(b"1", 0o400)}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"configMap": {"name": "none"}}, 'configmap "none" not found'),
        ({"secret": {"secretName": "none"}}, 'secret "none" not found'),
        ({"configMap": {"name": "m", "items": [{"key": "z", "path": "z"}]}}, "references non-existent config key: z"),
    ],
)
def test_what_is_missing(source: dict[str, dict[str, object]], words: str) -> None:
    with pytest.raises(NotMounted, match=words):
        plan_files(pod(), {"name": "v", **source}, KNOWN)
    optional = {kind: {**value, "optional": True} for kind, value in source.items()}
    assert plan_files(pod(), {"name": "v", **optional}, KNOWN) == {}


def test_parts_together_and_a_token_for_its_user() -> None:
    sources = [{"secret": {"name": "s"}}, {"serviceAccountToken": {"path": "t"}}]
    volume = {"name": "v", "projected": {"sources": sources, "defaultMode": 0o644}}
    assert plan_wanted(volume).tokens == ({"path": "t"},)
    own = pod(securityContext={"runAsUser": 7})
    assert plan_files(own, volume, KNOWN) == {"p": File(b"x", 0o644), "t": File(b"tok", 0o600, 7)}
    both = pod(securityContext={"runAsUser": 7, "fsGroup": 9})  # its group gets it when it is written
    assert plan_files(both, volume, KNOWN)["t"] == File(b"tok", 0o600, 7)
    assert plan_files(pod(), volume, KNOWN)["t"] == File(b"tok", 0o644)


def test_what_is_not_offered_is_named() -> None:
    with pytest.raises(NotMounted, match="projected source clusterTrustBundle is not offered"):
        plan_wanted({"name": "v", "projected": {"sources": [{"clusterTrustBundle": {"path": "x"}}]}})
