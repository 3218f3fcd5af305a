"""The levels of the Pod Security Standards, and the texts of what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.apiserver.admission.pod_security import label_problems, policy_of
from corral.cluster.apiserver.admission.pod_security_checks import findings

GOOD = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"}}  # fmt: skip


def pod(context: Any = None, **spec: Any) -> dict[str, Any]:
    container = {"name": "a", "securityContext": {**GOOD, **(context or {})}}
    return {"metadata": {}, "spec": {"containers": [container], **spec}}


def test_a_good_pod_may_be_restricted() -> None:
    assert findings(pod(), "restricted") == []


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (pod(hostPID=True, hostIPC=True), "host namespaces (hostPID=true, hostIPC=true)"),
        (pod({"privileged": True}), 'privileged (container "a" must not set securityContext.privileged=true)'),
        (pod({"capabilities": {"add": ["NET_ADMIN"]}}), 'non-default capabilities (container "a" must not include '
            '"NET_ADMIN" in securityContext.capabilities.add)'),
        (pod(volumes=[{"name": "v", "hostPath": {}}, {"name": "w", "hostPath": {}}]), 'hostPath volumes (volumes "v", "w")'),  # noqa: E501
        (pod({"procMount": "Unmasked"}), 'procMount (container "a" must not set securityContext.procMount to "Unmasked")'),  # noqa: E501
        (pod({"seccompProfile": {"type": "Unconfined"}}), 'seccompProfile (container "a" must not set '
            'securityContext.seccompProfile.type to "Unconfined")'),
        (pod(securityContext={"sysctls": [{"name": "kernel.msgmax"}]}), "forbidden sysctls (kernel.msgmax)"),
        (pod({"seLinuxOptions": {"type": "x"}}), 'seLinuxOptions (container "a" set forbidden '
            'securityContext.seLinuxOptions: type "x")'),
        (pod({"windowsOptions": {"hostProcess": True}}), 'hostProcess (container "a" must not set '
            "securityContext.windowsOptions.hostProcess=true)"),
    ],
)  # fmt: skip
def test_baseline(bad: dict[str, Any], text: str) -> None:
    assert [str(one) for one in findings(bad, "baseline")] == [text]


def test_host_ports() -> None:
    bad = pod()
    bad["spec"]["containers"][0]["ports"] = [{"hostPort": 80}]
    assert str(findings(bad, "baseline")[0]) == 'hostPort (container "a" uses hostPort 80)'


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (pod(volumes=[{"name": "v", "nfs": {}}]), 'restricted volume types (volume "v" uses restricted volume type "nfs")'),  # noqa: E501
        (pod({"runAsUser": 0}), 'runAsUser=0 (container "a" must not set runAsUser=0)'),
        (pod({"runAsNonRoot": False}), 'runAsNonRoot != true (container "a" must not set securityContext.runAsNonRoot=false)'),  # noqa: E501
        (pod({"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}}), 'unrestricted capabilities (container "a" must not '  # noqa: E501
            'include "CHOWN" in securityContext.capabilities.add)'),
    ],
)  # fmt: skip
def test_restricted(bad: dict[str, Any], text: str) -> None:
    assert [str(one) for one in findings(bad, "restricted")] == [text]


def test_labels() -> None:
    prefix = "pod-security.kubernetes.io/"
    found = policy_of({"metadata": {"labels": {f"{prefix}enforce": "odd", f"{prefix}audit": "baseline"}}})
    assert (found["enforce"].name, found["warn"].name, found["audit"].name) == ("restricted", "restricted", "baseline")
    assert len(label_problems({"metadata": {"labels": {f"{prefix}warn": "odd", f"{prefix}warn-version": "1"}}})) == 2
