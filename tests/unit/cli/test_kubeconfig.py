"""The user's own kubeconfig: ours goes in and out, theirs stays."""

from __future__ import annotations

import pytest
import yaml

from corral.cli import kubeconfig

OURS = """
clusters: [{name: corral, cluster: {server: "https://127.0.0.1:6443"}}]
users: [{name: corral, user: {client-key-data: abc}}]
contexts: [{name: corral, context: {cluster: corral, user: corral}}]
current-context: corral
"""
THEIRS = """
apiVersion: v1
kind: Config
clusters:
- name: work
  cluster: {server: "https://work", certificate-authority-data: xyz}
users:
- name: me
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1, command: login, args: [yes, "12:30", 2026-01-02, 1e3, 0755]}
contexts:
- name: work
  context: {cluster: work, user: me, namespace: team}
current-context: work
preferences: {colors: true}
extensions:
- name: other
  extension: {number: 7}
"""


def test_theirs_stays_as_it_was() -> None:
    before, after = yaml.safe_load(THEIRS), yaml.safe_load(kubeconfig.merge(THEIRS, OURS, "corral", use=False))
    for key in kubeconfig.LISTS:
        assert after[key][0]["name"] == before[key][0]["name"] and len(after[key]) == 2
    assert after["clusters"][0] == before["clusters"][0] and after["contexts"][0] == before["contexts"][0]
    assert after["users"][0]["user"]["exec"]["args"] == ["yes", "12:30", "2026-01-02", "1e3", "0755"]
    assert after["extensions"] == before["extensions"] and after["preferences"] == {"colors": True}
    assert after["current-context"] == "work"


def test_ours_becomes_current_when_wanted_or_alone() -> None:
    assert yaml.safe_load(kubeconfig.merge(THEIRS, OURS, "corral"))["current-context"] == "corral"
    alone = yaml.safe_load(kubeconfig.merge("", OURS, "corral-test", use=False))
    assert alone["current-context"] == "corral-test"
    assert alone["contexts"][0]["context"] == {"cluster": "corral-test", "user": "corral-test"}
    assert (alone["apiVersion"], alone["kind"]) == ("v1", "Config")


def test_merging_again_replaces_and_keeps_the_namespace() -> None:
    once = kubeconfig.merge(THEIRS, OURS, "corral")
    found = yaml.safe_load(once)
    found["contexts"][1]["context"]["namespace"] = "mine"
    again = yaml.safe_load(kubeconfig.merge(yaml.safe_dump(found), OURS.replace("abc", "new"), "corral"))
    assert again["contexts"][1]["context"] == {"cluster": "corral", "user": "corral", "namespace": "mine"}
    assert again["users"][1]["user"] == {"client-key-data": "new"} and len(again["users"]) == 2


def test_removing_leaves_what_was_there() -> None:
    merged = kubeconfig.merge(THEIRS, OURS, "corral", use=False)
    assert yaml.safe_load(kubeconfig.remove(merged, "corral")) == yaml.safe_load(kubeconfig.remove(THEIRS, "corral"))


@pytest.mark.parametrize("text", ["a: [", "- x", "clusters: 5", "clusters: [5]", "\x00"])
def test_what_makes_no_sense_is_left_alone(text: str) -> None:
    with pytest.raises(kubeconfig.Unreadable):
        kubeconfig.merge(text, OURS, "corral")
