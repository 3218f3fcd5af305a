"""APIService. Pure. Follows kube-aggregator's validation."""

from __future__ import annotations

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import AGE, column
from corral.model.kubernetes.kinds.checks import Problems, dns_subdomain, each, listed
from corral.model.kubernetes.kinds.fields import ensure, fill, flag, metadata, number, objects, part, text
from corral.model.kubernetes.kinds.statuses import clear_status, ensure_status, keep_spec, keep_status
from corral.model.kubernetes.problems import invalid, required


def _default(obj: Object) -> None:
    service = ensure(obj, "spec").get("service")
    if isinstance(service, dict):
        fill(service, "port", 443)
    ensure_status(obj)


def _validate(obj: Object) -> Problems:
    spec = part(obj, "spec")
    group, version, name = text(spec, "group"), text(spec, "version"), text(metadata(obj), "name")
    if name != f"{version}.{group}":
        detail = f'must be `spec.version+"."+spec.group`: "{version}.{group}"'
        yield invalid("metadata.name", name, detail)
    if group:
        yield from each("spec.group", group, dns_subdomain(group))
    yield from each("spec.version", version, names.dns_1035_label(version))
    for key, most in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
        if not 0 < number(spec, key) <= most:
            yield invalid(f"spec.{key}", number(spec, key), f"must be positive and less than {most}")
    service = spec.get("service")
    if not isinstance(service, dict):
        if text(spec, "caBundle"):
            yield invalid("spec.caBundle", "<bytes>", "local APIServices may not have a caBundle")
        if flag(spec, "insecureSkipTLSVerify"):
            yield invalid("spec.insecureSkipTLSVerify", True, "local APIServices may not have insecureSkipTLSVerify")
        return
    for key in ("namespace", "name"):
        if not text(service, key):
            yield required(f"spec.service.{key}")
    yield from each("spec.service.port", number(service, "port"), names.port_number(number(service, "port")))
    if flag(spec, "insecureSkipTLSVerify") and text(spec, "caBundle"):
        detail = "may not be true if caBundle is present"
        yield invalid("spec.insecureSkipTLSVerify", True, detail)


def _service(obj: Object) -> str:
    """
    >>> _service({"spec": {"service": {"namespace": "a", "name": "b"}}}), _service({})
    ('a/b', 'Local')
    """
    service = part(obj, "spec").get("service")
    return f"{text(service, 'namespace')}/{text(service, 'name')}" if isinstance(service, dict) else "Local"


def _available(obj: Object) -> str:
    found = next((one for one in objects(part(obj, "status"), "conditions") if text(one, "type") == "Available"), None)
    if found is None:
        return "Unknown"
    status = text(found, "status")
    return status if status == "True" else f"{status} ({text(found, 'reason')})"


API_SERVICE = Kind(
    default=_default,
    prepare_create=clear_status,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_validate),
    validate_name=names.path_segment,
    has_status=True,
    has_generation=False,
    columns=(column("Service", _service), column("Available", _available), AGE),
    allow_unconditional_update=False,
)
