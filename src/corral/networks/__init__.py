"""Networks of containers: address plan, bridge, cables, published ports, firewall rules."""

from corral.networks.config import NetworkConfig
from corral.networks.dns.upstream import Upstream
from corral.networks.library import Networks
from corral.networks.members import Links, Resolving
from corral.networks.names import InstanceNames

__all__ = ["InstanceNames", "Links", "NetworkConfig", "Networks", "Resolving", "Upstream"]
