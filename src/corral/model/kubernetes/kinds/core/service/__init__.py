"""Service: its rules, and the addresses and ports that it is given."""

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.checks import dns_label, listed
from corral.model.kubernetes.kinds.core.service.columns import COLUMNS
from corral.model.kubernetes.kinds.core.service.defaults import default, prepare_update
from corral.model.kubernetes.kinds.core.service.update import check_update
from corral.model.kubernetes.kinds.core.service.validation import check, check_status
from corral.model.kubernetes.kinds.core.service.warnings import warn
from corral.model.kubernetes.kinds.fields import ensure, keep, part, text


def _prepare_create(service: Object) -> None:
    """Of an old client, which knows one address only, the list is made here."""
    spec = ensure(service, "spec")
    if text(spec, "clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    service["status"] = {"loadBalancer": {}}


SERVICE = Kind(
    default=default,
    prepare_create=_prepare_create,
    prepare_update=prepare_update,
    prepare_status=lambda new, old: keep(new, old, "spec"),
    validate=listed(check),
    validate_update=listed(check_update),
    validate_status=listed(check_status),
    validate_name=dns_label,
    warnings=warn,
    has_status=True,
    has_generation=False,
    columns=COLUMNS,
    fields={
        "spec.clusterIP": lambda service: text(part(service, "spec"), "clusterIP"),
        "spec.type": lambda service: text(part(service, "spec"), "type"),
    },
    allow_create_on_update=True,
)
