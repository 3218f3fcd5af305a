"""Networks as every part knows them."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from corral.model.container import Endpoint, Struct

GatewayMode = Literal["nat", "routed", "open", "isolated"]


class Pool(Struct):
    """One subnet of a network. `ip_range` is where addresses are chosen; `aux` are taken by others, under names."""

    subnet: str = ""
    gateway: str = ""
    ip_range: str = ""
    aux: dict[str, str] = {}


class NetworkOptions(Struct):
    """How a network behaves. Fields that its driver does not know keep their default.

    `gateway4`, `gateway6`: "nat" publishes ports; "routed" opens published ports to who has a route; "open" all
    ports; "isolated" gives the host no address in it (internal networks only).
    `trunk`: packets go between it and all other trunks of the instance; and with "open" the outside still does not see
    its addresses.
    `source4` is the host's address that what leaves the network bears, "" for the one of the interface it leaves by.
    """

    bridge: str = ""  # the interface's name, "" derives one
    icc: bool = True
    masquerade: bool = True
    mtu: int = 0
    host_ip: str = ""  # where ports are published that name no address of the host
    source4: str = ""
    inhibit_gateway: bool = False
    gateway4: GatewayMode = "nat"
    gateway6: GatewayMode = "nat"
    trunk: bool = False
    interface_prefix: str = "eth"
    parent: str = ""  # macvlan and ipvlan: the host's interface
    mode: str = ""  # … and how they share it


class NetworkSpec(Struct):
    """What a network is asked to be."""

    name: str
    driver: str = "bridge"
    ipv4: bool = True
    ipv6: bool = False
    pools: list[Pool] = []
    internal: bool = False
    attachable: bool = False
    options: NetworkOptions = field(default_factory=NetworkOptions)
    labels: dict[str, str] = {}
    given: dict[str, str] = {}  # the options in the words they were asked for, for inspection
    ipam_driver: str = "default"
    ipam_options: dict[str, str] | None = None
    unlisted: bool = False  # a part of something that is built on the engine: no API shows it, and it has no names


class Network(Struct):
    """One network: what was asked for and what was chosen. Saved as a whole.

    `pools` has a subnet for each family, and a gateway where one is needed; none for drivers without addresses ("host",
    "null").
    """

    id: str
    spec: NetworkSpec
    created: int = 0
    pools: list[Pool] = []
    bridge: str = ""
    mtu: int = 0
    builtin: bool = False

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def driver(self) -> str:
        return self.spec.driver

    @property
    def named(self) -> bool:
        """Whether its containers find each other by name: in all but those that are always there, or shown nowhere."""
        return not (self.builtin or self.spec.unlisted)


class NetworkInfo(Struct):
    """A network and who is in it: the ids of running containers and their places."""

    network: Network
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
