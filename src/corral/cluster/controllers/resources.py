"""Where the platform's controllers find what they watch and write, beyond corral.cluster.client.builtin. Data."""

from __future__ import annotations

from typing import Final

from corral.cluster.client.protocol import Collection

CLUSTER_ROLES: Final = Collection("rbac.authorization.k8s.io", "v1", "clusterroles")
CONFIG_MAPS: Final = Collection("", "v1", "configmaps")
CSRS: Final = Collection("certificates.k8s.io", "v1", "certificatesigningrequests")
ENDPOINTS: Final = Collection("", "v1", "endpoints")
FLOW_SCHEMAS: Final = Collection("flowcontrol.apiserver.k8s.io", "v1", "flowschemas")
LEASES: Final = Collection("coordination.k8s.io", "v1", "leases")
PRIORITY_LEVELS: Final = Collection("flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations")
QUOTAS: Final = Collection("", "v1", "resourcequotas")
SECRETS: Final = Collection("", "v1", "secrets")
SERVICE_ACCOUNTS: Final = Collection("", "v1", "serviceaccounts")
SERVICE_CIDRS: Final = Collection("networking.k8s.io", "v1", "servicecidrs")
SLICES: Final = Collection("discovery.k8s.io", "v1", "endpointslices")
STORAGE_CLASSES: Final = Collection("storage.k8s.io", "v1", "storageclasses")
VOLUMES: Final = Collection("", "v1", "persistentvolumes")
