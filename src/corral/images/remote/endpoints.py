"""Endpoints: where to go for a registry that an image's name mentions. Pure.

::

    docker.io          ->  https://registry-1.docker.io
    localhost:5000     ->  https, whatever its certificate, else http
    reg.example:5000   ->  its mirrors, then https://reg.example:5000
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

import msgspec

from corral.errors import InvalidInput
from corral.images.references import DEFAULT_DOMAIN
from corral.images.remote.config import RemoteConfig

HUB = "registry-1.docker.io"
HUB_SERVER = "https://index.docker.io/v1/"  # what clients call it when they log in
_HUB_NAMES = ("docker.io", "index.docker.io", HUB)
_LOOPBACK = ("127.0.0.0/8", "::1/128")


class Endpoint(msgspec.Struct, frozen=True):
    """One place to ask. `host` has its port if it is not the scheme's own; `prefix` stands before the repository's
    path; `insecure`: any certificate will do, and no TLS either, unless `scheme` says which."""

    host: str
    prefix: str = ""
    insecure: bool = False
    mirror: bool = False
    scheme: str = ""

    @property
    def schemes(self) -> list[str]:
        """In the order to try.

        >>> Endpoint("a", insecure=True).schemes, Endpoint("a").schemes, Endpoint("a", scheme="http").schemes
        (['https', 'http'], ['https'], ['http'])
        """
        if self.scheme:
            return [self.scheme]
        return ["https", "http"] if self.insecure else ["https"]


def plan_endpoints(domain: str, config: RemoteConfig, *, push: bool = False) -> list[Endpoint]:
    """Where to ask for images of `domain`, in order; a push goes to the registry itself only.

    >>> [e.host for e in plan_endpoints("docker.io", RemoteConfig(mirrors={"docker.io": ["https://m.example/hub"]}))]
    ['m.example', 'registry-1.docker.io']
    >>> plan_endpoints("localhost:5000", RemoteConfig())[0].schemes
    ['https', 'http']
    """
    own = HUB if domain == DEFAULT_DOMAIN else domain
    found = [] if push else [mirror_endpoint(url, config) for url in mirrors_of(domain, config)]
    return [*found, Endpoint(own, insecure=is_insecure(own, config.insecure))]


def mirrors_of(domain: str, config: RemoteConfig) -> list[str]:
    """
    >>> mirrors_of("a.example", RemoteConfig(mirrors={"*": ["https://m"], "docker.io": ["https://n"]}))
    ['https://m']
    """
    return list(config.mirrors.get(domain, config.mirrors.get("*", [])))


def mirror_endpoint(url: str, config: RemoteConfig) -> Endpoint:
    """The place that a URL names. InvalidInput.

    >>> mirror_endpoint("http://m.example:5000/hub", RemoteConfig()).prefix
    'hub'
    """
    parts = check_mirror(url)
    plain = parts.scheme == "http"
    insecure = plain or is_insecure(parts.netloc, config.insecure)
    return Endpoint(parts.netloc, parts.path.strip("/"), insecure, True, "http" if plain else "https")


def check_mirror(url: str) -> SplitResult:
    """A mirror's URL in its parts. InvalidInput if it is none.

    >>> check_mirror("https://m.example/hub/").path
    '/hub/'
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  reading it checks it
    except ValueError as error:
        raise InvalidInput(f'invalid mirror "{url}": {error}') from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(f'invalid mirror "{url}": it must be http://HOST or https://HOST, and may have a path')
    if parts.query or parts.fragment or parts.username is not None:
        raise InvalidInput(f'invalid mirror "{url}": no user, query or fragment is allowed in it')
    return parts


def is_insecure(host: str, insecure: Iterable[str]) -> bool:
    """May it be reached without TLS? This machine's own addresses, and those that the settings name.

    >>> [is_insecure(h, ["10.0.0.0/8", "reg:5000"]) for h in ("localhost:1", "127.9.9.9", "[::1]:80", "10.1.1.1:5",
    ...  "reg:5000", "reg:5001", "127.0.0.1.example")]
    [True, True, True, True, True, False, False]
    """
    name = host_name(host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    return any(entry in (host, name) or _inside(name, entry) for entry in (*insecure, *_LOOPBACK))


def _inside(name: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(name) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def host_name(host: str) -> str:
    """Without its port, and without brackets.

    >>> host_name("a:5000"), host_name("[::1]:80"), host_name("a")
    ('a', '::1', 'a')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def login_domain(server: str) -> str:
    """The registry that somebody logs in to, as image names mention it.

    >>> login_domain(""), login_domain("https://index.docker.io/v1/"), login_domain("http://localhost:5000/")
    ('docker.io', 'docker.io', 'localhost:5000')
    """
    host = server.partition("://")[2] if "://" in server else server
    host = host.partition("/")[0]
    return DEFAULT_DOMAIN if not host or host in _HUB_NAMES else host
