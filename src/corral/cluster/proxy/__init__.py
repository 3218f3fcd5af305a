"""kube-proxy and the enforcement of network policies: what the API says of services, endpoints and policies, as rules
of one node's firewall.

::

    Services, EndpointSlices ─► services: fronts ─► elements: what the maps hold ─┐
                                                                                  ├─► ledger: what differs ─► rules
    NetworkPolicies, Pods, Namespaces ─► policies: which sets, chains, elements ──┘        (one transaction)
"""

from corral.cluster.proxy.proxy import Proxy
from corral.cluster.proxy.settings import ProxySettings

__all__ = ["Proxy", "ProxySettings"]
