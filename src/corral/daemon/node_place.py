"""Where a node stands in its cluster's network: the subnet of its pods, and who answers their names.

It is asked of the API, and kept in DIR/node/place.json: a node that is started while the API cannot be reached is
where it was, and runs its static pods.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from corral.cli.instance import Instance
from corral.cluster.apiserver.certificates import files
from corral.daemon.node_join import Join, folder, read_kept
from corral.errors import HostError, Unsupported
from corral.linux.netlink import Netlink
from corral.model.kubernetes.status import StatusError

if TYPE_CHECKING:
    from corral.cluster.client.protocol import Client
    from corral.engine.engine import Engine

log = logging.getLogger("corral.daemon")

FILE: Final = "place.json"
PATIENCE: Final = 10.0  # seconds that a node which has a place waits for the API to name it


class Place(msgspec.Struct, frozen=True):
    """`subnets`: those of this node's pods; `families`: those of the cluster's Services, in their order.
    `services`: addresses of the cluster's Services. `server`: the cluster's name server as policies know it;
    `cluster_dns`: as pods do. None is fine. `subnet`: that of a node which an earlier version has kept; `load` makes it
    one of `subnets`.
    """

    subnets: tuple[str, ...] = ()
    families: tuple[int, ...] = (4,)
    server: tuple[str, int] = ("", 0)
    cluster_dns: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    subnet: str = ""


def load(instance: Instance) -> Place | None:
    """None where the node has none yet. HostError."""
    known = read_kept(instance, FILE, Place)
    if known is None or not known.subnet:
        return known
    return msgspec.structs.replace(known, subnets=(known.subnet,), subnet="")


async def find(instance: Instance, join: Join, client: Client, mine: Sequence[str], engine: Engine) -> Place:
    """By the API, else as it was. HostError, StatusError, Unsupported."""
    from corral.cluster.kubelet.network import families_of

    known = load(instance)
    try:
        async with asyncio.timeout(PATIENCE if known is not None else None):
            services = await find_services(client)
            families = families_of(services) or (4,)
            asked = tuple(join.pod_network.split(",")) if join.pod_network else ()
            subnets = asked or await choose_network(client, join.name, mine, engine, families)
            made = Place(subnets, families, *await find_dns(client), services)
    except OSError as error:
        if known is None:
            raise HostError(f"ask {join.server} for this node's place in the network: {error}") from error
        where = " and ".join(known.subnets)
        log.warning("%s cannot be reached (%s): the node stays at %s", join.server, str(error) or "no answer", where)
        return known
    if made != known:
        files.write(folder(instance) / FILE, msgspec.json.encode(made).decode())
    return made


async def find_services(client: Client) -> tuple[str, ...]:
    """Addresses of the cluster's Services, those of the default family first. OSError, StatusError."""
    from corral.cluster.client.protocol import Collection

    listed = (await client.list(Collection("networking.k8s.io", "v1", "servicecidrs"))).items
    default = next((one for one in listed if one["metadata"]["name"] == "kubernetes"), None)
    return tuple(default["spec"]["cidrs"]) if default is not None else ()


async def choose_network(
    client: Client, own: str, mine: Sequence[str], engine: Engine, families: Sequence[int]
) -> tuple[str, ...]:
    """Subnets for this node's pods that no other node has, or a way to. OSError, HostError; Unsupported where a node
    is not reached."""
    from corral.cluster.client.builtin import NODES
    from corral.cluster.kubelet.network import candidates, no_subnet, subnets_in_use
    from corral.cluster.routing.keeper import describe_unreached, read_links
    from corral.cluster.routing.plan import plan_routes

    nodes = (await client.list(NODES)).items
    with Netlink() as netlink:
        found = plan_routes(nodes, own, [ipaddress.ip_address(one) for one in mine], read_links(netlink))
    if found.unreached:
        raise Unsupported(describe_unreached(*found.unreached[0]))
    known = next((one for one in nodes if one["metadata"]["name"] == own), None)
    if known is not None and (known.get("spec") or {}).get("podCIDR"):
        return tuple(known["spec"].get("podCIDRs") or [known["spec"]["podCIDR"]])
    theirs = [subnet for node in nodes for subnet in subnets_in_use(node)]
    free = next(candidates((), [*theirs, *await engine.networks.taken()], families), None)
    if free is None:
        raise no_subnet("this node", families)
    return free


async def find_dns(client: Client) -> tuple[tuple[str, int], tuple[str, ...]]:
    """((where the cluster's name server is), its Service's addresses): of policies and of pods. OSError."""
    from corral.cluster.client.builtin import ENDPOINT_SLICES, SERVICES
    from corral.cluster.dns.service import MANAGER, NAME, NAMESPACE

    try:
        service = await client.get(SERVICES, NAME, NAMESPACE)
        piece = await client.get(ENDPOINT_SLICES, f"{NAME}-{MANAGER}", NAMESPACE)
    except StatusError as error:
        if error.code != 404:
            raise
        return ("", 0), ()
    return (piece["endpoints"][0]["addresses"][0], piece["ports"][0]["port"]), (service["spec"]["clusterIP"],)
