"""A pod's /etc/resolv.conf and /etc/hosts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

Object = dict[str, Any]

MARK: Final = "# Kubernetes-managed hosts file.\n"
MARK_HOST: Final = "# Kubernetes-managed hosts file (host network).\n"
BASE: Final = (
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::0\tip6-localnet\n"
    "fe00::0\tip6-mcastprefix\n"
    "fe00::1\tip6-allnodes\n"
    "fe00::2\tip6-allrouters\n"
)
MOST_SERVERS: Final = 3
MOST_SEARCHES: Final = 32


def plan_resolv_conf(pod: Object, host: str, servers: Sequence[str], domain: str) -> str:
    """`host` is the text of the node's file, `servers` are the cluster's, `domain` is its domain.

    >>> pod = {"metadata": {"namespace": "shop"}, "spec": {}}
    >>> plan_resolv_conf(pod, "nameserver 9.9.9.9\\nsearch lan\\n", ["10.96.0.10"], "cluster.local").splitlines()
    ['search shop.svc.cluster.local svc.cluster.local cluster.local lan', 'nameserver 10.96.0.10', 'options ndots:5']
    >>> plan_resolv_conf({"spec": {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"]}}}, host="",
    ...                  servers=[], domain="x")
    'nameserver 1.1.1.1\\n'
    """
    spec = pod["spec"]
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    names, searches, options = parse_resolv_conf(host)
    cluster = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not spec.get("hostNetwork"))
    if policy == "None":
        names, searches, options = [], [], []
    elif cluster and servers:
        place = pod["metadata"]["namespace"]
        names = list(servers)
        searches = [f"{place}.svc.{domain}", f"svc.{domain}", domain, *searches]
        options = ["ndots:5"]
    more = spec.get("dnsConfig") or {}
    names = _unique([*names, *(more.get("nameservers") or ())])[:MOST_SERVERS]
    searches = _unique([*searches, *(more.get("searches") or ())])[:MOST_SEARCHES]
    for one in more.get("options") or ():
        name, value = one["name"], one.get("value")
        options = [old for old in options if old.partition(":")[0] != name]
        options.append(f"{name}:{value}" if value else name)
    lines = [f"search {' '.join(searches)}"] if searches else []
    lines += [f"nameserver {name}" for name in names]
    lines += [f"options {' '.join(options)}"] if options else []
    return "".join(f"{line}\n" for line in lines)


def parse_resolv_conf(text: str) -> tuple[list[str], list[str], list[str]]:
    """(servers, search domains, options). The root as a search domain, which is systemd's "there is none", is none.

    >>> parse_resolv_conf("nameserver 10.0.0.2 # x\\nsearch a b.\\noptions rotate\\n")
    (['10.0.0.2'], ['a', 'b'], ['rotate'])
    >>> parse_resolv_conf("nameserver 10.0.0.2\\nsearch .\\n")
    (['10.0.0.2'], [], [])
    """
    servers, searches, options = [], list[str](), list[str]()
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) < 2:
            continue
        if words[0] == "nameserver":
            servers.append(words[1])
        elif words[0] in ("search", "domain"):
            searches = [word.rstrip(".") for word in words[1:] if word != "."]
        elif words[0] == "options":
            options = words[1:]
    return servers, searches, options


def _unique(values: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(values))


def plan_hosts(pod: Object, ips: Sequence[str], hostname: str, domain: str, host: str) -> str:
    """`ips` are the pod's, `domain` the rest of its full name or "", `host` the text of the node's file.

    >>> plan_hosts({"spec": {"hostAliases": [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}]}}, ["10.0.0.2"], "web", "",
    ...            "").splitlines()[-4:]
    ['10.0.0.2\\tweb', '', '# Entries added by HostAliases.', '1.2.3.4\\ta\\tb']
    """
    if pod["spec"].get("hostNetwork"):
        text = MARK_HOST + host
    else:
        names = f"{hostname}.{domain}\t{hostname}" if domain else hostname
        text = MARK + BASE + "".join(f"{ip}\t{names}\n" for ip in ips)
    aliases = pod["spec"].get("hostAliases") or ()
    if aliases:
        lines = (f"{one['ip']}\t" + "\t".join(one.get("hostnames") or ()) for one in aliases)
        text += "\n# Entries added by HostAliases.\n" + "".join(f"{line}\n" for line in lines)
    return text
