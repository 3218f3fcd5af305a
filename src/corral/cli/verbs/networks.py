"""The networks there are, and who is in them: network create, ls, inspect, rm, prune, connect, disconnect."""

from __future__ import annotations

from corral.cli import things
from corral.cli.fail import Misuse
from corral.cli.http import quote
from corral.cli.options import Parsed, Verb, flag, many, text
from corral.cli.render import Columns, short
from corral.cli.things import label_pairs, labels, pairs
from corral.cli.verbs.prune import confirmed
from corral.cli.verbs.ps import parse_filters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from corral.cli.session import Session


def create(session: Session, options: Parsed) -> int:
    body = {
        "Name": options.args[0],
        "Driver": options.text("driver", "bridge"),
        "Internal": options.on("internal"),
        "Attachable": options.on("attachable"),
        "Options": pairs(options.list("opt")),
        "Labels": label_pairs(options.list("label")),
        "IPAM": {
            "Driver": options.text("ipam-driver", "default"),
            "Options": pairs(options.list("ipam-opt")),
            "Config": plan_pools(
                options.list("subnet"), options.list("ip-range"), options.list("gateway"), options.list("aux-address")
            ),
        },
    }
    for name, field in (("ipv4", "EnableIPv4"), ("ipv6", "EnableIPv6")):
        if options.has(name):
            body[field] = options.on(name)
    made = session.client.call("POST", "/networks/create", body=body)
    if made.get("Warning"):
        session.warn(f"WARNING: {made['Warning']}")
    session.say(made["Id"])
    return 0


def plan_pools(
    subnets: Sequence[str], ranges: Sequence[str], gateways: Sequence[str], others: Sequence[str]
) -> list[dict[str, Any]]:
    """The subnets with what lies in each of them. Misuse for what lies in none. Pure.

    >>> plan_pools(["10.9.0.0/16", "fd00::/64"], [], ["fd00::9", "10.9.0.3"], ["nas=10.9.0.4"])
    ... # doctest: +NORMALIZE_WHITESPACE
    [{'Subnet': '10.9.0.0/16', 'Gateway': '10.9.0.3', 'AuxiliaryAddresses': {'nas': '10.9.0.4'}},
     {'Subnet': 'fd00::/64', 'Gateway': 'fd00::9'}]
    """
    pools: list[dict[str, Any]] = [{"Subnet": subnet} for subnet in subnets]
    for field, option, values in (("IPRange", "ip-range", ranges), ("Gateway", "gateway", gateways)):
        for value in values:
            pool = _pool_with(pools, option, value)
            if field in pool:
                raise Misuse(f"--{option} {value}: the subnet {pool['Subnet']} has {pool[field]} already", 1)
            pool[field] = value
    for word in others:
        name, _, value = word.partition("=")
        _pool_with(pools, "aux-address", value).setdefault("AuxiliaryAddresses", {})[name] = value
    return pools


def _pool_with(pools: list[dict[str, Any]], option: str, value: str) -> dict[str, Any]:
    from ipaddress import ip_address, ip_network

    try:
        address = ip_address(value.partition("/")[0])
        within = {n: ip_network(pool["Subnet"], strict=False) for n, pool in enumerate(pools)}
    except ValueError as error:
        raise Misuse(f"--{option} {value}: {error}", 1) from None
    found = [n for n, subnet in within.items() if address in subnet]
    if not found:
        raise Misuse(f"--{option} {value}: it lies in no --subnet that is given", 1)
    return pools[found[0]]


def _word(field: str) -> tuple[str, Any]:
    return field.upper(), lambda network: str(network[field]).lower()


COLUMNS = {
    "ID": ("NETWORK ID", lambda n: n["Id"]),
    "Name": ("NAME", lambda n: n["Name"]),
    "Driver": ("DRIVER", lambda n: n["Driver"]),
    "Scope": ("SCOPE", lambda n: n["Scope"]),
    "IPv4": ("IPV4", lambda n: str(n["EnableIPv4"]).lower()),
    "IPv6": ("IPV6", lambda n: str(n["EnableIPv6"]).lower()),
    "Internal": _word("Internal"),
    "Labels": ("LABELS", labels),
    "CreatedAt": ("CREATED AT", lambda n: n["Created"]),
}


def ls(session: Session, options: Parsed) -> int:
    query = {"filters": parse_filters(options.list("filter"))}
    found = sorted(session.client.call("GET", "/networks", query) or [], key=lambda network: str(network["Name"]))
    if not options.on("no-trunc"):
        found = [{**network, "Id": short(network["Id"])} for network in found]
    how = options.text("format")
    if options.on("quiet") and not how:
        how = "{{.ID}}"
    show = Columns(COLUMNS, "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}")
    for line in show.show(found, how, session.docker("network ls --format …")):
        session.say(line)
    return 0


def inspect(session: Session, options: Parsed) -> int:
    return things.inspect(session, options, "network")


def rm(session: Session, options: Parsed) -> int:
    def remove(name: str) -> None:
        session.client.call("DELETE", f"/networks/{quote(name)}")

    return session.each(options.args, remove, missing_ok=options.on("force"))


def prune(session: Session, options: Parsed) -> int:
    if not options.on("force") and not confirmed("This will remove all networks that no container is in.\nGo on?"):
        return 1
    done = session.client.call("POST", "/networks/prune", {"filters": parse_filters(options.list("filter"))})
    if done["NetworksDeleted"]:
        session.say("Deleted Networks:\n" + "\n".join(done["NetworksDeleted"]))
    return 0


def connect(session: Session, options: Parsed) -> int:
    network, container = options.args
    addresses = {
        "IPv4Address": options.text("ip"),
        "IPv6Address": options.text("ip6"),
        "LinkLocalIPs": options.list("link-local-ip"),
    }
    how = {
        "IPAMConfig": addresses,
        "Aliases": options.list("alias"),
        "Links": options.list("link"),
        "DriverOpts": pairs(options.list("driver-opt")),
        "GwPriority": options.number("gw-priority"),
    }
    body = {"Container": container, "EndpointConfig": how}
    session.client.call("POST", f"/networks/{quote(network)}/connect", body=body)
    return 0


def disconnect(session: Session, options: Parsed) -> int:
    network, container = options.args
    body = {"Container": container, "Force": options.on("force")}
    session.client.call("POST", f"/networks/{quote(network)}/disconnect", body=body)
    return 0


FORMAT = text("-f --format", "FORMAT", "json, or a template of {{.Field}}")

VERBS = {
    "network create": Verb(
        create,
        "network create [OPTIONS] NETWORK",
        (
            text("-d --driver", "NAME", "bridge (the default), macvlan or ipvlan"),
            many("--subnet", "CIDR", "its addresses, one subnet for each family; chosen where none is given"),
            many("--ip-range", "CIDR", "the part of a subnet that containers get"),
            many("--gateway", "ADDRESS", "the host's address in a subnet"),
            many("--aux-address", "NAME=ADDRESS", "an address that no container gets"),
            flag("--internal", "no way out of it"),
            flag("--ipv4", "--ipv4=false: without IPv4"),
            flag("--ipv6", "with IPv6"),
            flag("--attachable", "kept for inspection: every network is"),
            many("-o --opt", "KEY=VALUE", "an option of the driver, such as parent=eth0"),
            text("--ipam-driver", "NAME", "only default is offered"),
            many("--ipam-opt", "KEY=VALUE", "kept for inspection"),
            many("--label", "KEY=VALUE", "a label of the new network"),
        ),
        least=1,
        most=1,
    ),
    "network ls": Verb(
        ls,
        "network ls [OPTIONS]",
        (
            many(
                "-f --filter", "KEY=VALUE", "those for which it holds: dangling, driver, id, label, name, scope, type"
            ),
            text("--format", "FORMAT", "json, a template of {{.Column}}, or table and a template"),
            flag("--no-trunc", "whole ids"),
            flag("-q --quiet", "ids only"),
        ),
        most=0,
    ),
    "network inspect": Verb(inspect, "network inspect [OPTIONS] NETWORK…", (FORMAT,), least=1, completes="networks"),
    "network rm": Verb(
        rm,
        "network rm [OPTIONS] NETWORK…",
        (flag("-f --force", "no error for one that is not there"),),
        least=1,
        completes="networks",
    ),
    "network prune": Verb(
        prune,
        "network prune [OPTIONS]",
        (many("--filter", "KEY=VALUE", "until=TIME, label=KEY, label!=KEY"), flag("-f --force", "do not ask")),
        most=0,
    ),
    "network connect": Verb(
        connect,
        "network connect [OPTIONS] NETWORK CONTAINER",
        (
            many("--alias", "NAME", "one more name that others in the network find it by"),
            text("--ip", "ADDRESS", "its IPv4 address there"),
            text("--ip6", "ADDRESS", "its IPv6 address there"),
            many("--link-local-ip", "ADDRESS", "one more address, of the link only"),
            many("--link", "CONTAINER[:ALIAS]", "a name of another container that only this one knows"),
            many("--driver-opt", "KEY=VALUE", "an option of its place in the network"),
            text("--gw-priority", "NUMBER", "it goes out by the network where this is highest"),
        ),
        least=2,
        most=2,
        completes="networks",
    ),
    "network disconnect": Verb(
        disconnect,
        "network disconnect [OPTIONS] NETWORK CONTAINER",
        (flag("-f --force", "also where the network or the container has gone"),),
        least=2,
        most=2,
        completes="networks",
    ),
}
