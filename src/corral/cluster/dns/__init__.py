"""The cluster's name server: services and pods by name (Kubernetes DNS-based service discovery 1.1.0), and for all else
those that the host asks.
"""

from corral.cluster.dns.server import Dns, DnsSettings

__all__ = ["Dns", "DnsSettings"]
