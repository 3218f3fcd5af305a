"""How a pod resolves names. Pure."""

from __future__ import annotations

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import Problems, each, legacy_ip
from corral.model.kubernetes.kinds.fields import indexed, text, texts
from corral.model.kubernetes.problems import invalid, required

_NAMESERVERS, _SEARCHES, _CHARACTERS = 3, 32, 2048


def check_dns(spec: Object, path: str) -> Problems:
    """
    >>> [str(one) for one in check_dns({"dnsPolicy": "None"}, "spec.dnsConfig")]
    ['spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None']
    """
    config, alone = spec.get("dnsConfig"), text(spec, "dnsPolicy") == "None"
    if not isinstance(config, dict):
        if alone:
            yield required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
        return
    servers = texts(config, "nameservers")
    if alone and not servers:
        yield required(f"{path}.nameservers", "must provide at least one DNS nameserver when `dnsPolicy` is None")
        return
    if len(servers) > _NAMESERVERS:
        yield invalid(f"{path}.nameservers", servers, f"must not have more than {_NAMESERVERS} nameservers")
    for index, server in enumerate(servers):
        yield from legacy_ip(server, f"{path}.nameservers[{index}]")
    yield from _searches(config, f"{path}.searches")
    for at, option in indexed(config, "options", f"{path}.options"):
        if not text(option, "name"):
            yield required(at, "must not be empty")


def _searches(config: Object, path: str) -> Problems:
    found = texts(config, "searches")
    if len(found) > _SEARCHES:
        yield invalid(path, found, f"must not have more than {_SEARCHES} search paths")
    if len(" ".join(found)) > _CHARACTERS:
        detail = f"must not have more than {_CHARACTERS} characters (including spaces) in the search list"
        yield invalid(path, found, detail)
    for index, search in enumerate(found):
        if search != ".":
            bare = search.removesuffix(".")
            yield from each(f"{path}[{index}]", bare, names.dns_subdomain_with_underscore(bare))
