"""The daemon's kubeconfig is YAML with the very certificates."""

from __future__ import annotations

import base64

import yaml

from corral.cluster.apiserver.certificates import kubeconfig
from corral.cluster.apiserver.certificates.issuing import new_authority, new_leaf
from corral.cluster.apiserver.certificates.pki import ADMIN, certificate_of, key_of

NOW = 1_800_000_000


def test_it_says_where_and_who() -> None:
    authority = new_authority("kubernetes", NOW)
    identity = new_leaf(ADMIN, authority, NOW)
    found = yaml.safe_load(kubeconfig.render("corral", "https://127.0.0.1:6443", certificate_of(authority), identity))
    assert found["current-context"] == "corral"
    assert found["contexts"] == [{"name": "corral", "context": {"cluster": "corral", "user": "corral"}}]
    user = found["users"][0]["user"]
    assert base64.b64decode(user["client-certificate-data"]).decode() == certificate_of(identity)
    assert base64.b64decode(user["client-key-data"]).decode() == key_of(identity)
    cluster = found["clusters"][0]["cluster"]
    assert cluster["server"] == "https://127.0.0.1:6443"
    assert "PRIVATE" not in base64.b64decode(cluster["certificate-authority-data"]).decode()
