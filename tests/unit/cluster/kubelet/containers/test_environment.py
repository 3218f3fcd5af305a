"""A container's variables, and what they refer to."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.kubelet.containers.environment import plan_environment
from corral.cluster.kubelet.errors import BadConfig
from tests.support.kubelet_pods import pod

FOUND = {
    ("configmaps", "m"): {"kind": "ConfigMap", "data": {"A": "map", "B": "b"}},
    ("secrets", "s"): {"kind": "Secret", "data": {"P": "cHc="}},
    ("configmaps", "gone"): None,
}


def made(container: dict[str, Any], services: dict[str, str] | None = None) -> dict[str, str]:
    return plan_environment(pod(), container, FOUND, services or {}, {"cpu": "4", "memory": "8Gi"})


def test_later_ones_win_and_see_earlier_ones() -> None:
    env = [{"name": "A", "value": "own"}, {"name": "C", "value": "$(A)-$(B)-$(S)-$(NO)"}]
    found = made({"envFrom": [{"configMapRef": {"name": "m"}}], "env": env}, {"S": "svc", "B": "svc"})
    assert found == {"A": "own", "B": "b", "C": "own-b-svc-$(NO)", "S": "svc"}


def test_a_prefix() -> None:
    assert made({"envFrom": [{"prefix": "X_", "secretRef": {"name": "s"}}]}) == {"X_P": "pw"}


def test_references() -> None:
    env = [
        {"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "P"}}},
        {"name": "U", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "O", "valueFrom": {"configMapKeyRef": {"name": "gone", "key": "x", "optional": True}}},
        {"name": "EMPTY"},
    ]
    assert made({"env": env}) == {"K": "pw", "U": "u1", "CPU": "4", "EMPTY": ""}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"configMapKeyRef": {"name": "gone", "key": "x"}}, 'configmap "gone" not found'),
        ({"configMapKeyRef": {"name": "m", "key": "x"}}, "couldn't find key x in ConfigMap shop/m"),
        ({"secretKeyRef": {"name": "s", "key": "x"}}, "couldn't find key x in Secret shop/s"),
        ({"fieldRef": {"fieldPath": "spec.hostname"}}, "unsupported fieldPath: spec.hostname"),
        ({"fileKeyRef": {"path": "x"}}, "a variable from fileKeyRef is not offered by this node"),
    ],
)
def test_what_is_missing(source: dict[str, Any], words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        made({"env": [{"name": "A", "valueFrom": source}]})
