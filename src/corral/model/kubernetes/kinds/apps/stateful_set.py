"""StatefulSet and ControllerRevision. Pure."""

from __future__ import annotations

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.apps.rollout import (
    check_selector,
    count_or_percent,
    is_zero,
    not_above_all,
    template_warnings,
)
from corral.model.kubernetes.kinds.cells import AGE, NONE, at, column, container_columns
from corral.model.kubernetes.kinds.checks import Problems, each, immutable, listed, nonnegative, read_selector
from corral.model.kubernetes.kinds.core import persistent_volume_claim
from corral.model.kubernetes.kinds.core.pod_spec.defaults import default_template
from corral.model.kubernetes.kinds.core.pod_spec.validation import check_pod_template, check_restart_policy
from corral.model.kubernetes.kinds.fields import (
    ensure,
    fill,
    fill_empty,
    has,
    is_new,
    keep,
    metadata,
    number,
    objects,
    part,
    same,
    text,
)
from corral.model.kubernetes.kinds.metadata import controller_of
from corral.model.kubernetes.kinds.statuses import (
    check_collisions,
    check_replicas,
    cleared,
    ensure_status,
    keep_spec,
    keep_status,
)
from corral.model.kubernetes.problems import forbidden, invalid, not_supported, required
from corral.model.kubernetes.resources import split_api_version

_ALWAYS = {"replicas": 0, "availableReplicas": 0}

_POLICIES = ("Delete", "Retain")
_CHANGEABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
FIXED = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_COUNTS = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")


def _default(obj: Object) -> None:
    spec = ensure(obj, "spec")
    fill_empty(spec, "podManagementPolicy", "OrderedReady")
    strategy = ensure(spec, "updateStrategy")
    if not text(strategy, "type"):
        strategy["type"] = "RollingUpdate"
        fill(strategy, "rollingUpdate", {})
    if strategy["type"] == "RollingUpdate" and isinstance(strategy.get("rollingUpdate"), dict):
        fill(strategy["rollingUpdate"], "partition", 0)
        fill(strategy["rollingUpdate"], "maxUnavailable", 1)
    retention = ensure(spec, "persistentVolumeClaimRetentionPolicy")
    fill_empty(retention, "whenDeleted", "Retain")
    fill_empty(retention, "whenScaled", "Retain")
    fill(spec, "replicas", 1)
    fill(spec, "revisionHistoryLimit", 10)
    default_template(ensure(spec, "template"))
    for claim in objects(spec, "volumeClaimTemplates"):
        fill_empty(claim, "apiVersion", "v1")
        fill_empty(claim, "kind", "PersistentVolumeClaim")
        persistent_volume_claim.default(claim)
    ensure_status(obj, **_ALWAYS)


def _validate(obj: Object) -> Problems:
    spec = part(obj, "spec")
    yield from _policies(spec)
    yield from nonnegative(spec, "spec", "replicas", "minReadySeconds")
    yield from nonnegative(part(spec, "ordinals"), "spec.ordinals", "start")
    yield from check_selector(spec, "empty selector is invalid for statefulset")
    yield from _template(spec)
    if is_new(obj) and text(spec, "serviceName"):
        name = text(spec, "serviceName")
        yield from each("spec.serviceName", name, names.dns_subdomain(name))
    yield from nonnegative(spec, "spec", "revisionHistoryLimit")


def _policies(spec: Object) -> Problems:
    policy = text(spec, "podManagementPolicy")
    if not policy:
        yield required("spec.podManagementPolicy")
    elif policy not in ("OrderedReady", "Parallel"):
        yield invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    yield from _strategy(part(spec, "updateStrategy"), "spec.updateStrategy")
    retention = part(spec, "persistentVolumeClaimRetentionPolicy")
    for key in ("whenDeleted", "whenScaled"):
        if (value := text(retention, key)) not in _POLICIES:
            yield not_supported(f"spec.persistentVolumeClaimRetentionPolicy.{key}", value, _POLICIES)


def _strategy(strategy: Object, path: str) -> Problems:
    kind, rolling = text(strategy, "type"), strategy.get("rollingUpdate")
    if not kind:
        yield required(path)
    elif kind == "OnDelete":
        if isinstance(rolling, dict):
            yield invalid(f"{path}.rollingUpdate", rolling, "only allowed for updateStrategy 'RollingUpdate'")
    elif kind != "RollingUpdate":
        yield invalid(path, strategy, "must be 'RollingUpdate' or 'OnDelete'")
    elif isinstance(rolling, dict):
        yield from nonnegative(rolling, f"{path}.rollingUpdate", "partition")
        if has(rolling, "maxUnavailable"):
            at, value = f"{path}.rollingUpdate.maxUnavailable", rolling["maxUnavailable"]
            yield from count_or_percent(value, at)
            if is_zero(value):
                yield invalid(at, value, "cannot be 0")
            yield from not_above_all(value, at)


def _template(spec: Object) -> Problems:
    """Mounts may name the claims that are made of templates, so these count as the pod's volumes."""
    template, selector = part(spec, "template"), read_selector(spec.get("selector"))
    if selector is None:
        yield invalid("spec.selector", spec.get("selector"), "")
        return
    labels = part(template, "metadata", "labels")
    if not selector.empty and not selector.matches(labels):
        yield invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from check_pod_template(_with_claims(template, spec), "spec.template")
    yield from check_restart_policy(template, "spec.template", ("Always",))
    if has(part(template, "spec"), "activeDeadlineSeconds"):
        detail = "activeDeadlineSeconds in StatefulSet is not Supported"
        yield forbidden("spec.template.spec.activeDeadlineSeconds", detail)


def _with_claims(template: Object, spec: Object) -> Object:
    pod = part(template, "spec")
    claims = {text(metadata(one), "name") for one in objects(spec, "volumeClaimTemplates")} - {""}
    kept = [one for one in objects(pod, "volumes") if text(one, "name") not in claims]
    made = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in sorted(claims)]
    return {**template, "spec": {**pod, "volumes": [*kept, *made]}} if claims else template


def _validate_update(new: Object, old: Object) -> Problems:
    """
    >>> [str(one)[:40] for one in _validate_update({"spec": {"serviceName": "a"}}, {"spec": {}})]
    ['spec: Forbidden: updates to statefulset ']
    """
    after, before = dict(part(new, "spec")), part(old, "spec")
    keep(after, before, *_CHANGEABLE)
    if not same(after, before):
        yield forbidden("spec", FIXED)


def _validate_status(new: Object, old: Object) -> Problems:
    yield from check_replicas(new, *_COUNTS, below=_COUNTS[1:])
    status = part(new, "status")
    if number(status, "availableReplicas") > number(status, "readyReplicas"):
        value = number(status, "availableReplicas")
        yield invalid("status.availableReplicas", value, "cannot be greater than status.readyReplicas")
    yield from check_collisions(new, old)


STATEFUL_SET = Kind(
    default=_default,
    prepare_create=cleared(**_ALWAYS),
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_validate),
    validate_update=listed(_validate_update),
    validate_status=listed(_validate_status),
    validate_name=names.dns_label,
    warnings=template_warnings,
    has_status=True,
    columns=(
        column(
            "Ready",
            lambda obj: f"{number(part(obj, 'status'), 'readyReplicas')}/{number(part(obj, 'spec'), 'replicas')}",
        ),
        AGE,
        *container_columns("spec", "template"),
    ),
)


def _revision(obj: Object) -> Problems:
    if not has(obj, "data"):
        yield required("data", "data is mandatory")
    elif not isinstance(obj["data"], dict):
        yield invalid("data", "<value omitted>", "must be a valid JSON object")
    yield from nonnegative(obj, "", "revision")


def _controller(obj: Object) -> str:
    """
    >>> owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "a", "controller": True}
    >>> _controller({"metadata": {"ownerReferences": [owner]}})
    'daemonset.apps/a'
    """
    owner = controller_of(obj)
    if not owner:
        return NONE
    group, _ = split_api_version(text(owner, "apiVersion"))
    kind = f"{text(owner, 'kind')}.{group}" if group else text(owner, "kind")
    return f"{kind.lower()}/{text(owner, 'name')}"


CONTROLLER_REVISION = Kind(
    validate=listed(_revision),
    validate_update=listed(lambda new, old: immutable(new, old, "", "data")),
    has_generation=False,
    columns=(column("Controller", _controller), column("Revision", at("revision", default=0)), AGE),
)
