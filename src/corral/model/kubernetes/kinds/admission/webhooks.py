"""Webhooks: who is asked before an object is stored, and how. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.admission.rules import FAILURES, MATCHES, check_conditions, check_rule, default_match
from corral.model.kubernetes.kinds.cells import AGE, column, count
from corral.model.kubernetes.kinds.checks import (
    Problems,
    each,
    label_selector,
    listed,
    optional_of,
)
from corral.model.kubernetes.kinds.fields import (
    fill,
    has,
    indexed,
    number,
    objects,
    part,
    text,
    texts,
)
from corral.model.kubernetes.problems import duplicate, invalid, required

_VERSIONS = ("v1", "v1beta1")


def _default_webhooks(obj: Object) -> None:
    for hook in objects(obj, "webhooks"):
        fill(hook, "failurePolicy", "Fail")
        fill(hook, "timeoutSeconds", 10)
        default_match(hook)
        service = part(hook, "clientConfig").get("service")
        if isinstance(service, dict):
            fill(service, "port", 443)


def _default_mutating(obj: Object) -> None:
    _default_webhooks(obj)
    for hook in objects(obj, "webhooks"):
        fill(hook, "reinvocationPolicy", "Never")


def _webhooks(obj: Object) -> Problems:
    seen: set[str] = set()
    for path, hook in indexed(obj, "webhooks", "webhooks"):
        yield from _webhook(hook, path)
        name = text(hook, "name")
        if name and name in seen:
            yield duplicate(f"{path}.name", name)
        seen.add(name)


def _webhook(hook: Object, path: str) -> Problems:
    name = text(hook, "name")
    if name:
        yield from each(f"{path}.name", name, names.fully_qualified(name))
    else:
        yield required(f"{path}.name")
    for rule_at, rule in indexed(hook, "rules", f"{path}.rules"):
        yield from check_rule(rule, rule_at)
    yield from optional_of(hook, "failurePolicy", path, FAILURES)
    yield from optional_of(hook, "matchPolicy", path, MATCHES)
    if not has(hook, "sideEffects"):
        yield required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun")
    yield from optional_of(hook, "sideEffects", path, ("None", "NoneOnDryRun"))
    seconds = number(hook, "timeoutSeconds")
    if has(hook, "timeoutSeconds") and not 1 <= seconds <= 30:
        yield invalid(f"{path}.timeoutSeconds", seconds, "the timeout value must be between 1 and 30 seconds")
    yield from optional_of(hook, "reinvocationPolicy", path, ("IfNeeded", "Never"))
    for key in ("namespaceSelector", "objectSelector"):
        yield from label_selector(hook, key, f"{path}.{key}")
    yield from _client(part(hook, "clientConfig"), f"{path}.clientConfig")
    yield from check_conditions(hook, f"{path}.matchConditions")
    yield from _review_versions(texts(hook, "admissionReviewVersions"), f"{path}.admissionReviewVersions")


def _client(config: Object, path: str) -> Problems:
    """
    >>> [str(one) for one in _client({}, "c")]
    ['c: Required value: exactly one of url or service is required']
    """
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        yield required(path, "exactly one of url or service is required")
    elif isinstance(url, str):
        yield from webhook_url(url, f"{path}.url")
    elif isinstance(service, dict):
        yield from webhook_service(service, f"{path}.service")


def webhook_url(url: str, path: str) -> Problems:
    form = "; desired format: https://host[/path]"
    try:
        found = urlsplit(url)
    except ValueError as error:
        yield required(path, f"url must be a valid URL: {error}{form}")
        return
    if found.scheme != "https":
        yield invalid(path, found.scheme, f"'https' is the only allowed URL scheme{form}")
    if not found.netloc:
        yield invalid(path, found.netloc, f"host must be specified{form}")
    if "@" in found.netloc:
        yield invalid(path, found.username or "", "user information is not permitted in the URL")
    if found.fragment:
        yield invalid(path, found.fragment, "fragments are not permitted in the URL")
    if found.query:
        yield invalid(path, found.query, "query parameters are not permitted in the URL")


def webhook_service(service: Object, path: str) -> Problems:
    """
    >>> service = {"name": "a", "namespace": "b", "port": 443}
    >>> [one.detail for one in webhook_service({**service, "path": "x"}, "service")]
    ["must start with a '/'"]
    >>> list(webhook_service({**service, "path": ""}, "service"))
    []
    """
    for key in ("name", "namespace"):
        if not text(service, key):
            yield required(f"{path}.{key}", f"service {key} is required")
    if problems := names.port_number(number(service, "port")):
        detail = f"port is not valid: {','.join(problems)}"
        yield invalid(f"{path}.port", number(service, "port"), detail)
    where = service.get("path")
    if not isinstance(where, str) or where in ("", "/"):
        return
    if not where.startswith("/"):
        yield invalid(f"{path}.path", where, "must start with a '/'")
    elif where.endswith("/"):
        where = where[:-1]
    for index, step in enumerate(where.lstrip("/").split("/")):
        if not step:
            yield invalid(f"{path}.path", where, f"segment[{index}] may not be empty")
        else:
            for detail in names.dns_subdomain(step):
                yield invalid(f"{path}.path", where, f"segment[{index}]: {detail}")


def _review_versions(found: list[str], path: str) -> Problems:
    if not found:
        yield required(path, f"must specify one of {', '.join(_VERSIONS)}")
        return
    for index, version in enumerate(found):
        if version in found[:index]:
            yield invalid(f"{path}[{index}]", version, "duplicate version")
        else:
            yield from each(f"{path}[{index}]", version, names.dns_1035_label(version))
    if not set(found) & set(_VERSIONS):
        yield invalid(path, found, f"must include at least one of {', '.join(_VERSIONS)}")


_WEBHOOK_COLUMNS = (column("Webhooks", lambda obj: count(obj.get("webhooks")), "integer"), AGE)

VALIDATING_WEBHOOK_CONFIGURATION = Kind(
    default=_default_webhooks,
    validate=listed(_webhooks),
    columns=_WEBHOOK_COLUMNS,
    allow_unconditional_update=False,
)
MUTATING_WEBHOOK_CONFIGURATION = Kind(
    default=_default_mutating,
    validate=listed(_webhooks),
    columns=_WEBHOOK_COLUMNS,
    allow_unconditional_update=False,
)
