"""Networks of containers: address plan, bridge, cables, published ports, firewall rules."""

from corral.networks.config import NetworkConfig
from corral.networks.library import Networks
from corral.networks.names import InstanceNames

__all__ = ["InstanceNames", "NetworkConfig", "Networks"]
