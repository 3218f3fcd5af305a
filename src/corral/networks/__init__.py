"""Networks of containers: address plan, bridge, cables, published ports, firewall rules."""

from corral.networks.config import NetworkConfig
from corral.networks.dns.upstream import Upstream
from corral.networks.library import Networks
from corral.networks.members import Resolving
from corral.networks.names import InstanceNames

__all__ = ["InstanceNames", "NetworkConfig", "Networks", "Resolving", "Upstream"]
