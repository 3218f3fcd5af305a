"""PodSecurity: the labels of a namespace say how much its pods may; what they refuse, warn of and note.

Follows k8s.io/pod-security-admission/admission.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from corral.cluster.apiserver.admission.plugin import Base, Object, is_about, refused
from corral.cluster.apiserver.admission.pod_security_checks import LEVELS, Finding, findings
from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.lookup import Lookup
from corral.model.kubernetes.kinds.fields import labels_of, part
from corral.model.kubernetes.problems import Problem, invalid
from corral.model.kubernetes.status import invalid as invalid_object

PREFIX: Final = "pod-security.kubernetes.io/"
MODES: Final = ("enforce", "audit", "warn")
MOST_PODS: Final = 3000  # that are looked at when a namespace gets stricter
_VERSION: Final = re.compile(r"latest|v1\.(0|[1-9]\d*)")
_TEMPLATES: Final = {
    ("", "podtemplates"): ("template",),
    ("", "replicationcontrollers"): ("spec", "template"),
    ("apps", "daemonsets"): ("spec", "template"),
    ("apps", "deployments"): ("spec", "template"),
    ("apps", "replicasets"): ("spec", "template"),
    ("apps", "statefulsets"): ("spec", "template"),
    ("batch", "cronjobs"): ("spec", "jobTemplate", "spec", "template"),
    ("batch", "jobs"): ("spec", "template"),
}


class Level(NamedTuple):
    name: str = "privileged"
    version: str = "latest"

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"


def policy_of(namespace: Object) -> dict[str, Level]:
    """Pure: what the labels ask for in each mode; one that is none asks for the strictest.

    >>> str(policy_of({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}})["enforce"])
    'baseline:latest'
    """
    labels = labels_of(namespace)
    found = {}
    for mode in MODES:
        name, version = labels.get(PREFIX + mode, "privileged"), labels.get(f"{PREFIX}{mode}-version", "latest")
        good = _VERSION.fullmatch(str(version)) is not None
        found[mode] = Level(name if name in LEVELS else "restricted", str(version) if good else "latest")
    # Who enforces something, and says nothing about warnings, is warned of it, too.
    if PREFIX + "enforce" in labels and PREFIX + "warn" not in labels:
        found["warn"] = Level() if found["enforce"].name == "privileged" else found["enforce"]
    return found


def label_problems(namespace: Object) -> list[Problem]:
    labels, found = labels_of(namespace), []
    for mode in MODES:
        name, version = labels.get(PREFIX + mode), labels.get(f"{PREFIX}{mode}-version")
        if name is not None and name not in LEVELS:
            detail = "must be one of privileged, baseline, restricted"
            found.append(invalid(f"metadata.labels[{PREFIX}{mode}]", name, detail))
        if version is not None and not _VERSION.fullmatch(str(version)):
            detail = 'must be "latest" or "v1.x"'
            found.append(invalid(f"metadata.labels[{PREFIX}{mode}-version]", version, detail))
    return found


def _detail(found: list[Finding]) -> str:
    return ", ".join(map(str, found))


class PodSecurity(Base):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def validate(self, admission: Admission) -> None:
        obj = admission.object
        if obj is None or admission.operation not in ("CREATE", "UPDATE"):
            return
        resource = admission.resource
        if is_about(admission, "namespaces"):
            self._check_namespace(admission, obj)
        elif (resource.group, resource.plural) == ("", "pods"):
            if admission.subresource in ("", "ephemeralcontainers") and _is_significant(obj, admission.old):
                self._evaluate(admission, obj, enforce=True)
        elif not admission.subresource and (path := _TEMPLATES.get((resource.group, resource.plural))):
            template = part(obj, *path)
            if template.get("spec"):
                self._evaluate(admission, template, enforce=False)

    def _evaluate(self, admission: Admission, pod: Object, *, enforce: bool) -> None:
        namespace = self._lookup.get("", "namespaces", "", admission.namespace)
        policy = policy_of(namespace or {})
        if all(one.name == "privileged" for one in policy.values()):
            return
        if enforce:
            level = policy["enforce"]
            admission.annotations["pod-security.kubernetes.io/enforce-policy"] = str(level)
            if found := findings(pod, level.name):
                raise refused(admission, f'violates PodSecurity "{level}": {_detail(found)}')
        audit = policy["audit"]
        if found := findings(pod, audit.name):
            text = f'would violate PodSecurity "{audit}": {_detail(found)}'
            admission.annotations["pod-security.kubernetes.io/audit-violations"] = text
        warn = policy["warn"]
        if found := findings(pod, warn.name):
            admission.warnings.append(f'would violate PodSecurity "{warn}": {_detail(found)}')

    def _check_namespace(self, admission: Admission, obj: Object) -> None:
        """Raises 422 for labels that say nothing; warns of pods that would not be let in any more."""
        wrong = label_problems(obj)
        if wrong and (admission.old is None or label_problems(admission.old) != wrong):
            raise invalid_object("Namespace", admission.name, wrong)
        new, old = policy_of(obj)["enforce"], policy_of(admission.old or {})["enforce"]
        order = list(LEVELS)
        if admission.old is None or new == old or new.name == "privileged":
            return
        if new.version == old.version and order.index(new.name) <= order.index(old.name):
            return
        self._warn_of_pods(admission, new)

    def _warn_of_pods(self, admission: Admission, level: Level) -> None:
        pods = self._lookup.list("", "pods", admission.name)
        reasons: dict[str, list[str]] = {}
        for pod in pods[:MOST_PODS]:
            if found := findings(pod, level.name):
                reasons.setdefault(", ".join(one.reason for one in found), []).append(pod["metadata"]["name"])
        if len(pods) > MOST_PODS:
            text = (
                f"new PodSecurity enforce level only checked against the first {MOST_PODS} of {len(pods)} existing pods"
            )
            admission.warnings.append(text)
        if reasons:
            text = f'existing pods in namespace "{admission.name}" violate the new PodSecurity enforce level "{level}"'
            admission.warnings.append(text)
        admission.warnings += sorted(_counted(names, reason) for reason, names in reasons.items())


def _counted(names: list[str], reason: str) -> str:
    """
    >>> _counted(["b", "a"], "privileged")
    'a (and 1 other pod): privileged'
    """
    more = len(names) - 1
    others = f" (and {more} other pod{'s' if more > 1 else ''})" if more else ""
    return f"{min(names)}{others}: {reason}"


def _is_significant(new: Object, old: Object | None) -> bool:
    """Of an update only images and containers that come matter: all else cannot change."""
    if old is None:
        return True
    keys = ("containers", "initContainers", "ephemeralContainers")
    return any(part(new, "spec").get(key) != part(old, "spec").get(key) for key in keys)
