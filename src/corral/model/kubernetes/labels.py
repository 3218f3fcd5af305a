"""Labels that several parts read and write: of EndpointSlices, and of where a node is.

Follows Kubernetes' list of well-known labels, annotations and taints.
"""

from __future__ import annotations

from typing import Final

SERVICE_NAME: Final = "kubernetes.io/service-name"  # whose EndpointSlice it is
SLICE_MANAGED_BY: Final = "endpointslice.kubernetes.io/managed-by"  # who writes it
HOSTNAME: Final = "kubernetes.io/hostname"
ZONE: Final = "topology.kubernetes.io/zone"
REGION: Final = "topology.kubernetes.io/region"
