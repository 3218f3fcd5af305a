"""RuntimeClass, of the group node.k8s.io. Pure."""

from __future__ import annotations

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds import checks
from corral.model.kubernetes.kinds.cells import AGE, at, column
from corral.model.kubernetes.kinds.checks import Problems, dns_label, each, immutable, listed
from corral.model.kubernetes.kinds.core import resources
from corral.model.kubernetes.kinds.core.pod_spec.scheduling import check_tolerations
from corral.model.kubernetes.kinds.core.pod_spec.warnings import NODE_LABELS
from corral.model.kubernetes.kinds.fields import pairs, part, text


def _validate(obj: Object) -> Problems:
    handler = text(obj, "handler")
    yield from each("handler", handler, dns_label(handler))
    overhead = {"limits": part(obj, "overhead").get("podFixed")}
    yield from resources.requirements(overhead, "overhead.podFixed", ())
    scheduling = part(obj, "scheduling")
    yield from checks.labels(scheduling, "nodeSelector", "scheduling.nodeSelector")
    yield from check_tolerations(scheduling, "scheduling.tolerations")


def _warnings(new: Object, old: Object | None) -> list[str]:
    selector = pairs(part(new, "scheduling"), "nodeSelector")
    return [f"scheduling.nodeSelector: {NODE_LABELS[key]}" for key, _ in selector if key in NODE_LABELS]


RUNTIME_CLASS = Kind(
    default=lambda obj: resources.canonical(part(obj, "overhead"), "podFixed"),
    validate=listed(_validate),
    validate_update=listed(lambda new, old: immutable(new, old, "", "handler")),
    warnings=_warnings,
    has_generation=False,
    columns=(column("Handler", at("handler")), AGE),
    allow_unconditional_update=False,
)
