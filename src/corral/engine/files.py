"""The three files that every container gets from the engine: hosts, hostname, resolv.conf."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from corral.engine.resolving import plan_options

BASE_HOSTS = (
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::\tip6-localnet\n"
    "ff00::\tip6-mcastprefix\n"
    "ff02::1\tip6-allnodes\n"
    "ff02::2\tip6-allrouters\n"
)

FALLBACK_SERVERS = ("8.8.8.8", "8.8.4.4")


def plan_hosts(extra: Sequence[tuple[str, str]], own: Sequence[tuple[str, str]]) -> str:
    """Pure: /etc/hosts from (address, names) pairs: first what the user added, then the container's own addresses.

    >>> plan_hosts([], [("10.88.0.2", "web")]).splitlines()[-1]
    '10.88.0.2\\tweb'
    """
    return BASE_HOSTS + "".join(f"{address}\t{names}\n" for address, names in (*extra, *own))


def plan_extra_hosts(entries: Sequence[str], gateway: str) -> list[tuple[str, str]]:
    """Pure: "name:address" entries as (address, name); the address "host-gateway" becomes the bridge's.

    >>> plan_extra_hosts(["db:10.0.0.9", "host.docker.internal:host-gateway", "six:::1"], "10.88.0.1")
    [('10.0.0.9', 'db'), ('10.88.0.1', 'host.docker.internal'), ('::1', 'six')]
    """
    pairs = (entry.partition("=" if "=" in entry.partition(":")[0] else ":") for entry in entries)
    return [(gateway if address == "host-gateway" else address.strip("[]"), name) for name, _, address in pairs]


def plan_own_hosts(addresses: Sequence[str], hostname: str, domainname: str) -> list[tuple[str, str]]:
    """Pure: the lines by which a container finds itself.

    >>> plan_own_hosts(["10.88.0.2"], "web", "example.org")
    [('10.88.0.2', 'web.example.org web')]
    """
    names = f"{hostname}.{domainname} {hostname}" if domainname else hostname
    if not domainname and "." in hostname:
        names = f"{hostname} {hostname.partition('.')[0]}"
    return [(address, names) for address in addresses if address]


def plan_resolv_conf(
    host: str,
    *,
    servers: Sequence[str],
    search: Sequence[str],
    options: Sequence[str],
    keep_loopback: bool,
    resolver: str = "",
) -> str:
    """Pure: resolv.conf from the host's, with what the user chose in its place.

    A loopback server of the host's cannot be reached from a network namespace of the container's own, so it is
    left out (unless `keep_loopback`); where none remains, well-known public ones stand in. In a network with names
    the only server is `resolver`, which passes on to the others.

    >>> plan_resolv_conf("nameserver 127.0.0.53\\nnameserver 10.0.0.2\\nsearch a.b\\n", servers=[], search=["."],
    ...                  options=["ndots:1"], keep_loopback=False)
    'nameserver 10.0.0.2\\noptions ndots:1\\n'
    """
    found: dict[str, list[str]] = {"nameserver": [], "search": [], "options": []}
    for line in host.splitlines():
        key, _, rest = line.partition("#")[0].strip().partition(" ")
        key = "search" if key == "domain" else key
        if key == "nameserver":
            found[key].append(rest.strip())
        elif key in found:
            found[key] = rest.split()
    if not keep_loopback:
        found["nameserver"] = [s for s in found["nameserver"] if not _is_loopback(s)] or list(FALLBACK_SERVERS)
    names = [resolver] if resolver else list(servers) or found["nameserver"]
    domains = [d for d in (list(search) or found["search"]) if d != "."]
    wanted = [option for option in options if option] or found["options"]
    wanted = plan_options(wanted) if resolver else wanted
    lines = [f"nameserver {server}" for server in names]
    lines += [f"search {' '.join(domains)}"] if domains else []
    lines += [f"options {' '.join(wanted)}"] if wanted else []
    return "\n".join(lines) + "\n"


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def read_host_resolv_conf() -> str:
    """The host's resolver file; with systemd-resolved's stub in it, the file of the real servers behind."""
    text = _read("/etc/resolv.conf")
    if "127.0.0.53" in text:
        return _read("/run/systemd/resolve/resolv.conf") or text
    return text


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
