"""Proxies: the way to a registry that the environment prescribes (HTTP_PROXY, HTTPS_PROXY, NO_PROXY). Pure."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from corral.errors import InvalidInput


class Proxy(NamedTuple):
    """`authorization` is the value of its header, "" for none."""

    scheme: str
    host: str
    port: int
    authorization: str = ""


def plan_proxy(scheme: str, host: str, port: int, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy for a request, None to go straight. This machine is always reached straight. InvalidInput.

    >>> env = {"HTTPS_PROXY": "http://me:pw@proxy:3128", "NO_PROXY": "10.0.0.0/8,.internal,exact.example:444"}
    >>> plan_proxy("https", "reg.example", 443, env)
    Proxy(scheme='http', host='proxy', port=3128, authorization='Basic bWU6cHc=')
    >>> [plan_proxy("https", h, 443, env) for h in ("10.1.2.3", "a.internal", "localhost", "127.0.0.1")]
    [None, None, None, None]
    >>> plan_proxy("http", "reg.example", 80, env) is None, plan_proxy("https", "exact.example", 443, env) is None
    (True, False)
    """
    url = _of(environment, f"{scheme}_proxy")
    if not url or _straight(host, port, _of(environment, "no_proxy")):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(f"{scheme.upper()}_PROXY: {parts.scheme} proxies are not supported: use http or https")
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
    word = f"Basic {base64.b64encode(user.encode()).decode()}" if user else ""
    return Proxy(parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80), word)


def _of(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name.upper()) or environment.get(name, "")


def _straight(host: str, port: int, exceptions: str) -> bool:
    if host == "localhost" or host.endswith(".localhost") or _address_in(host, "127.0.0.0/8", "::1/128"):
        return True
    for entry in (part.strip().lower() for part in exceptions.split(",")):
        name, _, wanted = entry.rpartition(":") if entry.count(":") == 1 else (entry, "", "")
        if wanted and wanted != str(port):
            continue
        if entry == "*" or name == host or _address_in(host, entry):
            return True
        if name and host.endswith("." + name.removeprefix("*").lstrip(".")):
            return True
    return False


def _address_in(host: str, *networks: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
        return any(address in ipaddress.ip_network(network, strict=False) for network in networks)
    except ValueError:
        return False
