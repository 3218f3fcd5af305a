"""Ingress and IngressClass. Pure. Follows pkg/apis/networking/validation."""

from __future__ import annotations

from corral.model.kubernetes import addresses, names
from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import AGE, NONE, at, column
from corral.model.kubernetes.kinds.checks import (
    Problems,
    dns_label,
    dns_subdomain,
    each,
    immutable,
    listed,
    need,
)
from corral.model.kubernetes.kinds.core.service.columns import balancer_addresses
from corral.model.kubernetes.kinds.core.service.validation import check_ingress
from corral.model.kubernetes.kinds.fields import (
    annotations_of,
    fill,
    has,
    indexed,
    is_new,
    number,
    objects,
    part,
    text,
    texts,
)
from corral.model.kubernetes.kinds.statuses import clear_status, ensure_status, keep_spec, keep_status
from corral.model.kubernetes.problems import forbidden, invalid, not_supported, required, too_long

CLASS = "kubernetes.io/ingress.class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_PARTS, _BAD_ENDS = ("//", "/./", "/../", "%2f", "%2F"), ("/..", "/.")
_NO_IP = "must be a DNS name, not an IP address"
_SHOWN = 3


def _default(obj: Object) -> None:
    ensure_status(obj)
    fill(obj["status"], "loadBalancer", {})


def _validate(obj: Object) -> Problems:
    spec, named = part(obj, "spec"), annotations_of(obj).get(CLASS)
    if not objects(spec, "rules") and not has(spec, "defaultBackend"):
        detail = "either `defaultBackend` or `rules` must be specified"
        yield invalid("spec", spec.get("rules"), detail)
    if isinstance(spec.get("defaultBackend"), dict):
        yield from _backend(spec["defaultBackend"], "spec.defaultBackend")
    for path, rule in indexed(spec, "rules", "spec.rules"):
        yield from _host(text(rule, "host"), f"{path}.host")
        if isinstance(rule.get("http"), dict):
            yield from _http(rule["http"], f"{path}.http")
    for path, tls in indexed(spec, "tls", "spec.tls"):
        for index, host in enumerate(texts(tls, "hosts")):
            yield from _name(host, f"{path}.hosts[{index}]")
        if secret := text(tls, "secretName"):
            yield from each(f"{path}.secretName", secret, dns_subdomain(secret))
    name = text(spec, "ingressClassName")
    if has(spec, "ingressClassName"):
        yield from each("spec.ingressClassName", name, dns_subdomain(name))
    if is_new(obj) and named is not None and has(spec, "ingressClassName") and named != name:
        yield invalid(f"annotations.{CLASS}", named, "must match `ingressClassName` when both are specified")


def _name(host: str, path: str) -> Problems:
    yield from each(path, host, names.wildcard_subdomain(host) if "*" in host else dns_subdomain(host))


def _host(host: str, path: str) -> Problems:
    if host:
        if addresses.parse_ip(host) is not None:
            yield invalid(path, host, _NO_IP)
        yield from _name(host, path)


def _http(http: Object, path: str) -> Problems:
    if not objects(http, "paths"):
        yield required(f"{path}.paths")
    for path_at, one in indexed(http, "paths", f"{path}.paths"):
        yield from _path(one, path_at)


def _path(one: Object, path: str) -> Problems:
    """
    >>> [str(one) for one in _path({"path": "a", "pathType": "Exact", "backend": {"resource": {}}}, "p")][0]
    'p.path: Invalid value: "a": must be an absolute path'
    """
    kind, where = one.get("pathType"), text(one, "path")
    if kind is None:
        yield required(f"{path}.pathType", "pathType must be specified")
        return
    if kind not in _PATH_TYPES:
        yield not_supported(f"{path}.pathType", kind, _PATH_TYPES)
    elif not where.startswith("/") and (where or kind != "ImplementationSpecific"):
        yield invalid(f"{path}.path", where, "must be an absolute path")
    if kind in ("Exact", "Prefix"):
        for bad in _BAD_PARTS:
            if bad in where:
                yield invalid(f"{path}.path", where, f"must not contain '{bad}'")
        for bad in _BAD_ENDS:
            if where.endswith(bad):
                yield invalid(f"{path}.path", where, f"cannot end with '{bad}'")
    yield from _backend(part(one, "backend"), f"{path}.backend")


def _backend(backend: Object, path: str) -> Problems:
    service, resource = backend.get("service"), backend.get("resource")
    if isinstance(service, dict) and isinstance(resource, dict):
        yield invalid(path, "", "cannot set both resource and service backends")
    elif isinstance(resource, dict):
        yield from typed_reference(resource, f"{path}.resource")
    elif isinstance(service, dict):
        yield from _service(service, path)
    else:
        yield invalid(path, "", "resource or service backend is required")


def _service(service: Object, path: str) -> Problems:
    name = text(service, "name")
    if not name:
        yield required(f"{path}.service.name")
    else:
        yield from each(f"{path}.service.name", name, dns_label(name))
    port_name, port = text(part(service, "port"), "name"), number(part(service, "port"), "number")
    if port_name and port:
        yield invalid(path, "", "cannot set both port name & port number")
    elif port_name:
        yield from each(f"{path}.service.port.name", port_name, names.port_name(port_name))
    elif port:
        yield from each(f"{path}.service.port.number", port, names.port_number(port))
    else:
        yield required(path, "port name or number is required")


def typed_reference(found: Object, path: str) -> Problems:
    if has(found, "apiGroup"):
        yield from each(f"{path}.apiGroup", text(found, "apiGroup"), dns_subdomain(text(found, "apiGroup")))
    for key in ("kind", "name"):
        if value := text(found, key):
            yield from each(f"{path}.{key}", value, names.path_segment(value))
        else:
            yield required(f"{path}.{key}")


def _validate_status(new: Object, old: Object) -> Problems:
    known = [text(one, "ip") for one in objects(part(old, "status", "loadBalancer"), "ingress")]
    balancer = part(new, "status", "loadBalancer")
    for path, one in indexed(balancer, "ingress", "status.loadBalancer.ingress"):
        yield from check_ingress(one, path, known)


def _warnings(new: Object, old: Object | None) -> list[str]:
    if old is None and CLASS in annotations_of(new):
        return [f"annotation \"{CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"]
    return []


def _hosts(obj: Object) -> str:
    """
    >>> _hosts({"spec": {"rules": [{"host": one} for one in "abcde"]}}), _hosts({})
    ('a,b,c + 2 more...', '*')
    """
    rules = objects(part(obj, "spec"), "rules")
    shown: list[str] = []
    more = False
    for rule in rules:
        more = more or len(shown) == _SHOWN
        if not more and text(rule, "host"):
            shown.append(text(rule, "host"))
    if not shown:
        return "*"
    return ",".join(shown) + (f" + {len(rules) - _SHOWN} more..." if more else "")


INGRESS = Kind(
    default=_default,
    prepare_create=clear_status,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_validate),
    validate_status=listed(_validate_status),
    warnings=_warnings,
    has_status=True,
    columns=(
        column("Class", at("spec", "ingressClassName", default=NONE)),
        column("Hosts", _hosts),
        column("Address", lambda obj: ",".join(balancer_addresses(obj))),
        column("Ports", lambda obj: "80, 443" if objects(part(obj, "spec"), "tls") else "80"),
        AGE,
    ),
)


def _default_class(obj: Object) -> None:
    parameters = part(obj, "spec").get("parameters")
    if isinstance(parameters, dict):
        fill(parameters, "scope", "Cluster")


def _validate_class(obj: Object) -> Problems:
    spec = part(obj, "spec")
    controller = text(spec, "controller")
    yield from need(spec, "spec", "controller")
    if len(controller) > 250:
        yield too_long("spec.controller", 250)
    if controller:
        yield from each("spec.controller", controller, names.domain_prefixed_path(controller))
    if isinstance(spec.get("parameters"), dict):
        yield from _parameters(spec["parameters"], "spec.parameters")


def _parameters(found: Object, path: str) -> Problems:
    yield from typed_reference(found, path)
    scope = found.get("scope")
    if scope is None:
        yield required(f"{path}.scope")
    elif scope not in ("Cluster", "Namespace"):
        yield not_supported(f"{path}.scope", scope, ("Cluster", "Namespace"))
    elif scope == "Cluster":
        if has(found, "namespace"):
            yield forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'")
    elif not has(found, "namespace"):
        yield required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'")
    else:
        yield from each(f"{path}.namespace", text(found, "namespace"), dns_label(text(found, "namespace")))


def _class_parameters(obj: Object) -> str:
    found = part(obj, "spec").get("parameters")
    if not isinstance(found, dict):
        return NONE
    group = f".{text(found, 'apiGroup')}" if has(found, "apiGroup") else ""
    return f"{text(found, 'kind')}{group}/{text(found, 'name')}"


INGRESS_CLASS = Kind(
    default=_default_class,
    validate=listed(_validate_class),
    validate_update=listed(lambda new, old: immutable(part(new, "spec"), part(old, "spec"), "spec", "controller")),
    columns=(column("Controller", at("spec", "controller")), column("Parameters", _class_parameters), AGE),
)
