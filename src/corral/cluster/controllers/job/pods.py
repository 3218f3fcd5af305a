"""A Job's new pod. Pure."""

from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.common.objects import pod_of_template, with_labels
from corral.cluster.controllers.job.indexes import COMPLETION_INDEX
from corral.cluster.controllers.job.policies import judge_failure
from corral.cluster.controllers.job.situation import FINALIZER, INDEX_FAILURES, INDEX_IGNORED, Situation, failures

LONGEST_PREFIX = 58  # characters, so that what the server appends fits
ENV = "JOB_COMPLETION_INDEX"


def new_pod(at: Situation, index: int | None, reference: Object) -> Object:
    """
    >>> from datetime import datetime
    >>> spec = {"completionMode": "Indexed", "template": {"spec": {"containers": [{"name": "main"}]}}}
    >>> job = {"metadata": {"name": "sum", "namespace": "d"}, "spec": spec}
    >>> pod = new_pod(Situation(job, [], datetime(2026, 1, 2)), 3, {"uid": "u"})
    >>> pod["metadata"]["generateName"], pod["spec"]["hostname"], pod["metadata"]["finalizers"]
    ('sum-3-', 'sum-3', ['batch.kubernetes.io/job-tracking'])
    >>> pod["spec"]["containers"][0]["env"][0]["name"]
    'JOB_COMPLETION_INDEX'
    """
    name = meta.name(at.job)
    prefix = f"{name}-" if index is None else name_prefix(name, index)
    pod = pod_of_template(at.spec["template"], at.job, reference, prefix=prefix)
    metadata = pod["metadata"]
    finalizers = [one for one in metadata.get("finalizers") or () if one != FINALIZER]
    metadata["finalizers"] = [*finalizers, FINALIZER]
    if index is None:
        return pod
    metadata = with_labels(metadata, {COMPLETION_INDEX: str(index)})
    notes = {COMPLETION_INDEX: str(index), **failure_notes(at, index)}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **notes}
    spec = {**pod["spec"], "hostname": f"{name}-{index}"}
    for part in ("initContainers", "containers"):
        if spec.get(part):
            spec[part] = [_with_env(one) for one in spec[part]]
    return {**pod, "metadata": metadata, "spec": spec}


def name_prefix(name: str, index: int) -> str:
    """
    >>> name_prefix("sum", 3), len(name_prefix("x" * 63, 12345))
    ('sum-3-', 58)
    """
    end = f"-{index}-"
    return name[: LONGEST_PREFIX - len(end)] + end


def failure_notes(at: Situation, index: int) -> dict[str, str]:
    """How often the index failed so far, for the next pod's annotations."""
    if at.per_index is None:
        return {}
    before = at.kept_back.get(index)
    if before is None:
        return {INDEX_FAILURES: "0"}
    counts = judge_failure(at.policy, before).counts
    ignored = failures(before, INDEX_IGNORED) + (not counts)
    found = {INDEX_FAILURES: str(failures(before, INDEX_FAILURES) + counts)}
    return {**found, INDEX_IGNORED: str(ignored)} if ignored else found


def _with_env(container: Object) -> Object:
    env = container.get("env") or []
    if any(one.get("name") == ENV for one in env):
        return container
    field = {"fieldPath": f"metadata.labels['{COMPLETION_INDEX}']"}
    return {**container, "env": [*env, {"name": ENV, "valueFrom": {"fieldRef": field}}]}
