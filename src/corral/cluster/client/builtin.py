"""Where the built-in kinds are found that the cluster's components watch and write."""

from __future__ import annotations

from typing import Final

from corral.cluster.client.protocol import Collection

PODS: Final = Collection("", "v1", "pods")
NODES: Final = Collection("", "v1", "nodes")
EVENTS: Final = Collection("", "v1", "events")
SERVICES: Final = Collection("", "v1", "services")
NAMESPACES: Final = Collection("", "v1", "namespaces")
CLAIMS: Final = Collection("", "v1", "persistentvolumeclaims")
REPLICATION_CONTROLLERS: Final = Collection("", "v1", "replicationcontrollers")
DEPLOYMENTS: Final = Collection("apps", "v1", "deployments")
REPLICA_SETS: Final = Collection("apps", "v1", "replicasets")
STATEFUL_SETS: Final = Collection("apps", "v1", "statefulsets")
DAEMON_SETS: Final = Collection("apps", "v1", "daemonsets")
CONTROLLER_REVISIONS: Final = Collection("apps", "v1", "controllerrevisions")
JOBS: Final = Collection("batch", "v1", "jobs")
CRON_JOBS: Final = Collection("batch", "v1", "cronjobs")
AUTOSCALERS: Final = Collection("autoscaling", "v2", "horizontalpodautoscalers")
VOLUMES: Final = Collection("", "v1", "persistentvolumes")
STORAGE_CLASSES: Final = Collection("storage.k8s.io", "v1", "storageclasses")
CSI_NODES: Final = Collection("storage.k8s.io", "v1", "csinodes")
CSI_DRIVERS: Final = Collection("storage.k8s.io", "v1", "csidrivers")
CSI_CAPACITIES: Final = Collection("storage.k8s.io", "v1", "csistoragecapacities")
RESOURCE_CLAIMS: Final = Collection("resource.k8s.io", "v1", "resourceclaims")
RESOURCE_CLAIM_TEMPLATES: Final = Collection("resource.k8s.io", "v1", "resourceclaimtemplates")
RESOURCE_SLICES: Final = Collection("resource.k8s.io", "v1", "resourceslices")
DEVICE_TAINT_RULES: Final = Collection("resource.k8s.io", "v1", "devicetaintrules")
DEVICE_CLASSES: Final = Collection("resource.k8s.io", "v1", "deviceclasses")
BUDGETS: Final = Collection("policy", "v1", "poddisruptionbudgets")
ENDPOINT_SLICES: Final = Collection("discovery.k8s.io", "v1", "endpointslices")
NETWORK_POLICIES: Final = Collection("networking.k8s.io", "v1", "networkpolicies")
