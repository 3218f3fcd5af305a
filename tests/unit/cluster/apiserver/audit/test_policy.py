"""Which requests are recorded: the first rule that fits; and policies that make no sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corral.cluster.apiserver.attributes import Attributes, User
from corral.cluster.apiserver.audit import policy
from corral.errors import HostError, InvalidInput

JANE = User("jane", groups=("dev",))
HEAD = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy"}
LOG = Attributes(JANE, "get", "", "v1", "pods", "log", "d", "p")
POD = Attributes(JANE, "get", "apps", "v1", "deployments", "", "d", "p")
PATH = Attributes(JANE, "get", path="/healthz/etcd")


@pytest.mark.parametrize(
    ("rule", "asked", "fits"),
    [
        ({}, LOG, True),
        ({"users": ["kim"]}, LOG, False),
        ({"userGroups": ["ops", "dev"]}, LOG, True),
        ({"verbs": ["list"]}, LOG, False),
        ({"namespaces": ["d"]}, LOG, True),
        ({"namespaces": [""]}, LOG, False),
        ({"namespaces": ["d"]}, PATH, False),
        ({"resources": [{"group": ""}]}, LOG, True),
        ({"resources": [{"group": ""}]}, POD, False),
        ({"resources": [{"group": "*"}]}, POD, True),
        ({"resources": [{"group": "", "resources": ["pods"]}]}, LOG, False),
        ({"resources": [{"group": "", "resources": ["pods/log"]}]}, LOG, True),
        ({"resources": [{"group": "", "resources": ["pods/*"]}]}, LOG, True),
        ({"resources": [{"group": "", "resources": ["*/log"]}]}, LOG, True),
        ({"resources": [{"group": "apps", "resources": ["deployments"], "resourceNames": ["q"]}]}, POD, False),
        ({"resources": [{"group": "apps", "resources": ["deployments"], "resourceNames": ["p"]}]}, POD, True),
        ({"nonResourceURLs": ["/healthz*"]}, PATH, True),
        ({"nonResourceURLs": ["/healthz*"]}, LOG, False),
    ],
)
def test_rules(rule: dict[str, Any], asked: Attributes, fits: bool) -> None:
    found = policy.parse({**HEAD, "rules": [{"level": "Request", **rule}]})
    assert found.plan(asked).is_recorded is fits


def test_the_first_rule_decides_and_stages_add_up() -> None:
    rules = [{"level": "RequestResponse", "verbs": ["get"], "omitStages": ["ResponseStarted"]}, {"level": "Metadata"}]
    found = policy.parse({**HEAD, "omitStages": ["RequestReceived"], "omitManagedFields": True, "rules": rules})
    plan = found.plan(LOG)
    assert plan == ("RequestResponse", {"RequestReceived", "ResponseStarted"}, True)
    assert plan.with_request and plan.with_response
    assert not found.plan(Attributes(JANE, "list", resource="pods")).with_request


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (None, "not an object"),
        ({"kind": "Policy"}, "must be audit.k8s.io/v1, Kind=Policy"),
        (HEAD, "0 rules"),
        ({**HEAD, "rules": [{}]}, "rules[0].level: Required value"),
        ({**HEAD, "rules": [{"level": "All"}]}, 'Unsupported value: "All"'),
        ({**HEAD, "rules": [{"level": "None", "typo": 1}]}, "rules[0].typo: Forbidden: unknown field"),
        ({**HEAD, "rules": [{"level": "None", "users": "x"}]}, "must be a list"),
        ({**HEAD, "rules": [{"level": "None", "nonResourceURLs": ["a"]}]}, "must begin with a '/' character"),
        ({**HEAD, "rules": [{"level": "None", "nonResourceURLs": ["/*/a"]}]}, "must be the final character"),
        ({**HEAD, "rules": [{"level": "None", "nonResourceURLs": ["/"], "namespaces": ["d"]}]}, "cannot apply to both"),
        ({**HEAD, "rules": [{"level": "None", "resources": [{"resourceNames": ["a"]}]}]}, "at least one resource"),
        ({**HEAD, "rules": [{"level": "None"}], "omitStages": ["Late"]}, "allowed stages are"),
    ],
)
def test_what_makes_no_sense(found: Any, text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        policy.parse(found)
    assert text in refused.value.message


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    with pytest.raises(HostError):
        policy.load(path)
    path.write_text("a: [")
    with pytest.raises(InvalidInput, match=r"policy\.yaml"):
        policy.load(path)
    path.write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n")
    assert policy.load(path).plan(LOG).level == "Metadata"
