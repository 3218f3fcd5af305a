"""Files as static pods."""

from __future__ import annotations

import json
from typing import Any

import pytest

from corral.cluster.kubelet.static.manifest import parse_manifest
from corral.errors import InvalidInput

Object = dict[str, Any]


def manifest(**spec: Any) -> bytes:
    whole = {"containers": [{"name": "a", "image": "x"}], **spec}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": whole}).encode()


def test_it_has_what_the_api_would_have_filled_in() -> None:
    pod = parse_manifest(manifest(), "/m/a.json", "n1", "now")
    assert pod["spec"]["containers"][0]["imagePullPolicy"] == "Always" and pod["status"]["qosClass"] == "BestEffort"
    assert {"operator": "Exists", "effect": "NoExecute"} in pod["spec"]["tolerations"]
    notes = pod["metadata"]["annotations"]
    assert notes["kubernetes.io/config.source"] == "file" and notes["kubernetes.io/config.seen"] == "now"
    assert notes["kubernetes.io/config.hash"] == pod["metadata"]["uid"]


def test_its_uid_is_another_when_the_file_or_the_node_is() -> None:
    uids = {
        parse_manifest(data, path, node, "now")["metadata"]["uid"]
        for data in (manifest(), manifest(hostNetwork=True))
        for path in ("/m/a", "/m/b")
        for node in ("n1", "n2")
    }
    assert len(uids) == 8


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not an object"),
        (b"{", "json|parse|expected"),
        (b"kind: Pod\napiVersion: v2", "not a Pod of v1"),
        (b"kind: Pod\napiVersion: v1", "metadata.name: Required value"),
        (manifest(containers=[]), "spec.containers"),
        (manifest(contianers=[]), "unknown field"),
        (manifest(hostNetwork="yes"), "cannot unmarshal"),
        (manifest(serviceAccountName="robot"), "static pods may not reference serviceaccounts"),
        (manifest(volumes=[{"name": "v", "secret": {"secretName": "s"}}]), "may not reference secrets"),
        (
            manifest(containers=[{"name": "a", "image": "x", "envFrom": [{"configMapRef": {"name": "c"}}]}]),
            "may not reference configmaps",
        ),
    ],
)
def test_what_makes_no_sense(data: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        parse_manifest(data, "/m/a", "n1", "now")
