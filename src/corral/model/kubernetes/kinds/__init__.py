"""Every built-in kind that is more than an object with metadata, by group and kind.

A kind is stored in one version, whatever it is asked for in: `CONVERSIONS` has the functions between the stored form
and the other one, by (group, version, kind).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds import (
    apiregistration,
    certificates,
    coordination,
    devices,
    discovery,
    flowcontrol,
    node,
    policy,
    rbac,
    reviews,
    scheduling,
    trust,
)
from corral.model.kubernetes.kinds.admission import policies, webhooks
from corral.model.kubernetes.kinds.apiextensions import definition
from corral.model.kubernetes.kinds.apps import daemon_set, deployment, replica_set, stateful_set
from corral.model.kubernetes.kinds.autoscaling import conversion, horizontal
from corral.model.kubernetes.kinds.batch import cron_job, job
from corral.model.kubernetes.kinds.core import (
    config_map,
    endpoints,
    event,
    limit_range,
    namespace,
    persistent_volume,
    persistent_volume_claim,
    plain,
    pod,
    replication_controller,
    resource_quota,
    service,
)
from corral.model.kubernetes.kinds.core import node as core_node
from corral.model.kubernetes.kinds.networking import addresses, ingress, network_policy
from corral.model.kubernetes.kinds.storage import classes, csi

_CORE = {
    "Binding": plain.BINDING,
    "ComponentStatus": plain.COMPONENT_STATUS,
    "ConfigMap": config_map.CONFIG_MAP,
    "Endpoints": endpoints.ENDPOINTS,
    "Event": event.EVENT,
    "LimitRange": limit_range.LIMIT_RANGE,
    "Namespace": namespace.NAMESPACE,
    "Node": core_node.NODE,
    "PersistentVolume": persistent_volume.PERSISTENT_VOLUME,
    "PersistentVolumeClaim": persistent_volume_claim.PERSISTENT_VOLUME_CLAIM,
    "Pod": pod.POD,
    "PodTemplate": replication_controller.POD_TEMPLATE,
    "ReplicationController": replication_controller.REPLICATION_CONTROLLER,
    "ResourceQuota": resource_quota.RESOURCE_QUOTA,
    "Secret": config_map.SECRET,
    "Service": service.SERVICE,
    "ServiceAccount": namespace.SERVICE_ACCOUNT,
}
_GROUPS: Mapping[str, Mapping[str, Kind]] = {
    "": _CORE,
    "admissionregistration.k8s.io": {
        "MutatingAdmissionPolicy": policies.MUTATING_ADMISSION_POLICY,
        "MutatingAdmissionPolicyBinding": policies.MUTATING_ADMISSION_POLICY_BINDING,
        "MutatingWebhookConfiguration": webhooks.MUTATING_WEBHOOK_CONFIGURATION,
        "ValidatingAdmissionPolicy": policies.VALIDATING_ADMISSION_POLICY,
        "ValidatingAdmissionPolicyBinding": policies.VALIDATING_ADMISSION_POLICY_BINDING,
        "ValidatingWebhookConfiguration": webhooks.VALIDATING_WEBHOOK_CONFIGURATION,
    },
    "apiextensions.k8s.io": {"CustomResourceDefinition": definition.CUSTOM_RESOURCE_DEFINITION},
    "apiregistration.k8s.io": {"APIService": apiregistration.API_SERVICE},
    "apps": {
        "ControllerRevision": stateful_set.CONTROLLER_REVISION,
        "DaemonSet": daemon_set.DAEMON_SET,
        "Deployment": deployment.DEPLOYMENT,
        "ReplicaSet": replica_set.REPLICA_SET,
        "StatefulSet": stateful_set.STATEFUL_SET,
    },
    "authentication.k8s.io": {
        "SelfSubjectReview": reviews.SELF_SUBJECT_REVIEW,
        "TokenRequest": reviews.TOKEN_REQUEST,
        "TokenReview": reviews.TOKEN_REVIEW,
    },
    "authorization.k8s.io": {
        "LocalSubjectAccessReview": reviews.LOCAL_ACCESS_REVIEW,
        "SelfSubjectAccessReview": reviews.SELF_ACCESS_REVIEW,
        "SelfSubjectRulesReview": reviews.SELF_RULES_REVIEW,
        "SubjectAccessReview": reviews.ACCESS_REVIEW,
    },
    "autoscaling": {"HorizontalPodAutoscaler": horizontal.HORIZONTAL_POD_AUTOSCALER},
    "batch": {"CronJob": cron_job.CRON_JOB, "Job": job.JOB},
    "certificates.k8s.io": {
        "CertificateSigningRequest": certificates.CERTIFICATE_SIGNING_REQUEST,
        "ClusterTrustBundle": trust.CLUSTER_TRUST_BUNDLE,
        "PodCertificateRequest": trust.POD_CERTIFICATE_REQUEST,
    },
    "coordination.k8s.io": {"Lease": coordination.LEASE},
    "discovery.k8s.io": {"EndpointSlice": discovery.ENDPOINT_SLICE},
    "events.k8s.io": {"Event": event.NEWER_EVENT},
    "flowcontrol.apiserver.k8s.io": {
        "FlowSchema": flowcontrol.FLOW_SCHEMA,
        "PriorityLevelConfiguration": flowcontrol.PRIORITY_LEVEL_CONFIGURATION,
    },
    "networking.k8s.io": {
        "IPAddress": addresses.IP_ADDRESS,
        "Ingress": ingress.INGRESS,
        "IngressClass": ingress.INGRESS_CLASS,
        "NetworkPolicy": network_policy.NETWORK_POLICY,
        "ServiceCIDR": addresses.SERVICE_CIDR,
    },
    "node.k8s.io": {"RuntimeClass": node.RUNTIME_CLASS},
    "policy": {"PodDisruptionBudget": policy.POD_DISRUPTION_BUDGET},
    "rbac.authorization.k8s.io": {
        "ClusterRole": rbac.CLUSTER_ROLE,
        "ClusterRoleBinding": rbac.CLUSTER_ROLE_BINDING,
        "Role": rbac.ROLE,
        "RoleBinding": rbac.ROLE_BINDING,
    },
    "resource.k8s.io": {
        "DeviceClass": devices.DEVICE_CLASS,
        "DeviceTaintRule": devices.DEVICE_TAINT_RULE,
        "ResourceClaim": devices.RESOURCE_CLAIM,
        "ResourceClaimTemplate": devices.RESOURCE_CLAIM_TEMPLATE,
        "ResourceSlice": devices.RESOURCE_SLICE,
    },
    "scheduling.k8s.io": {"PriorityClass": scheduling.PRIORITY_CLASS},
    "storagemigration.k8s.io": {"StorageVersionMigration": trust.STORAGE_VERSION_MIGRATION},
    "storage.k8s.io": {
        "CSIDriver": csi.CSI_DRIVER,
        "CSINode": csi.CSI_NODE,
        "CSIStorageCapacity": csi.CSI_STORAGE_CAPACITY,
        "StorageClass": classes.STORAGE_CLASS,
        "VolumeAttachment": csi.VOLUME_ATTACHMENT,
        "VolumeAttributesClass": classes.VOLUME_ATTRIBUTES_CLASS,
    },
}

KINDS: Mapping[tuple[str, str], Kind] = MappingProxyType(
    {(group, name): kind for group, kinds in _GROUPS.items() for name, kind in kinds.items()}
)


class Conversion(NamedTuple):
    """Between the form in which a kind is stored and that of another version (or group) of it; both are pure."""

    to_stored: Callable[[Object], Object]
    from_stored: Callable[[Object], Object]


CONVERSIONS: Mapping[tuple[str, str, str], Conversion] = MappingProxyType(
    {
        ("autoscaling", "v1", "HorizontalPodAutoscaler"): Conversion(conversion.from_v1, conversion.to_v1),
        ("events.k8s.io", "v1", "Event"): Conversion(event.to_core, event.from_core),
    }
)
