"""What a container of the engine is to its pod."""

from __future__ import annotations

import pytest

from corral.cluster.kubelet.naming import container_labels, read_attempt
from corral.cluster.kubelet.status.containers import terminated
from corral.model.container import Container, ContainerSpec, State
from tests.support.kubelet_pods import pod


def record(**state: object) -> Container:
    labels = container_labels(pod(), {"name": "a", "image": "x"}, 2, "s")
    return Container("f00", "k8s_a", 1, "sha256:i", ContainerSpec("x", labels=labels), state=State(**state))  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [126, 127, 128])
def test_what_could_not_be_started_ends_as_with_containerd(code: int) -> None:
    """docker tells these apart, and pods do not: what goes by exit codes (rules of Jobs, of restarts) sees one."""
    refused = read_attempt(record(exit_code=code, error='exec: "nosuch": not found', finished_at=10**9))
    assert refused.ended and refused.number == 2
    shown = terminated(refused)["terminated"]
    assert (shown["reason"], shown["exitCode"], shown["message"]) == ("StartError", 128, 'exec: "nosuch": not found')
    assert (shown["startedAt"], shown["finishedAt"]) == ("1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z")


def test_a_program_s_own_exit_code_is_its_own() -> None:
    ended = read_attempt(record(status="exited", exit_code=127, started_at=1, finished_at=2))
    assert (ended.code, terminated(ended)["terminated"]["reason"]) == (127, "Error")


def test_one_that_nobody_has_started_yet_is_made() -> None:
    assert read_attempt(record()).state == "made"
