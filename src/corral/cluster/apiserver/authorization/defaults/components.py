"""Roles for the parts of a cluster: nodes, the scheduler, proxies, what joins, what signs. Data."""

from __future__ import annotations

from typing import Final

_CSR: Final = "system:certificates.k8s.io"
_SIGNERS: Final = ("legacy-unknown", "kubelet-serving", "kube-apiserver-client", "kube-apiserver-client-kubelet")

NODE: Final = (
    "create; authentication.k8s.io; tokenreviews",
    "create; authorization.k8s.io; subjectaccessreviews localsubjectaccessreviews",
    "READ; core; services",
    "create get list watch; core; nodes",
    "update patch; core; nodes/status",
    "update patch; core; nodes",
    "EVENTS",
    "READ; core; pods",
    "create delete; core; pods",
    "update patch; core; pods/status",
    "create; core; pods/eviction",
    "READ; core; secrets configmaps",
    "get; core; persistentvolumeclaims persistentvolumes",
    "get; core; endpoints",
    "create get list watch; certificates.k8s.io; certificatesigningrequests",
    "get create update patch delete; coordination.k8s.io; leases",
    "get; storage.k8s.io; volumeattachments",
    "create; core; serviceaccounts/token",
    "get update patch; core; persistentvolumeclaims/status",
    "READ; storage.k8s.io; csidrivers",
    "get create update patch delete; storage.k8s.io; csinodes",
    "READ; node.k8s.io; runtimeclasses",
    "get; resource.k8s.io; resourceclaims",
    "deletecollection; resource.k8s.io; resourceslices",
    "get; core; serviceaccounts",
)

_SCHEDULER: Final = (
    "EVENTS",
    "create; coordination.k8s.io; leases",
    "get update list watch; coordination.k8s.io; leases; kube-scheduler",
    "READ WRITE; coordination.k8s.io; leasecandidates",
    "READ; core; nodes",
    "get list watch delete; core; pods",
    "create; core; pods/binding bindings",
    "patch update; core; pods/status",
    "READ; core; services replicationcontrollers",
    "READ; apps extensions; replicasets",
    "READ; apps; statefulsets",
    "READ; policy; poddisruptionbudgets",
    "READ; core; persistentvolumeclaims persistentvolumes",
    "create; authentication.k8s.io; tokenreviews",
    "create; authorization.k8s.io; subjectaccessreviews",
    "READ; storage.k8s.io; csinodes",
    "READ; storage.k8s.io; volumeattachments",
    "READ; core; namespaces",
    "READ; storage.k8s.io; csidrivers",
    "READ; storage.k8s.io; csistoragecapacities",
    "READ; resource.k8s.io; deviceclasses",
    "READ; resource.k8s.io; devicetaintrules",
    "READ update patch; resource.k8s.io; resourceclaims",
    "READ update patch; resource.k8s.io; resourceclaims/status",
    "update; core; pods/finalizers",
    "READ; resource.k8s.io; resourceslices",
    "create delete; resource.k8s.io; resourceclaims",
)

COMPONENTS: Final = {
    "system:heapster": ("READ; core; events pods nodes namespaces", "READ; extensions; deployments"),
    "system:node": NODE,
    "system:node-problem-detector": ("get; core; nodes", "patch; core; nodes/status", "EVENTS"),
    "system:node-bootstrapper": ("create get list watch; certificates.k8s.io; certificatesigningrequests",),
    "system:auth-delegator": (
        "create; authentication.k8s.io; tokenreviews",
        "create; authorization.k8s.io; subjectaccessreviews",
    ),
    "system:kube-aggregator": ("READ; core; services endpoints",),
    "system:kube-controller-manager": (
        "EVENTS",
        "create; coordination.k8s.io; leases",
        "get update; coordination.k8s.io; leases; kube-controller-manager",
        "create; core; secrets serviceaccounts",
        "delete; core; secrets",
        "get; core; namespaces secrets serviceaccounts configmaps",
        "update; core; secrets serviceaccounts",
        "create; authentication.k8s.io; tokenreviews",
        "create; authorization.k8s.io; subjectaccessreviews",
        "list watch; *; *",
        "create; core; serviceaccounts/token",
    ),
    "system:kube-dns": ("list watch; core; endpoints services",),
    "system:persistent-volume-provisioner": (
        "get list watch create delete; core; persistentvolumes",
        "get list watch update; core; persistentvolumeclaims",
        "READ; storage.k8s.io; storageclasses",
        "watch; core; events",
        "EVENTS",
    ),
    f"{_CSR}:certificatesigningrequests:nodeclient": (
        "create; certificates.k8s.io; certificatesigningrequests/nodeclient",
    ),
    f"{_CSR}:certificatesigningrequests:selfnodeclient": (
        "create; certificates.k8s.io; certificatesigningrequests/selfnodeclient",
    ),
    "system:volume-scheduler": (
        "READ update patch; core; persistentvolumes",
        "READ; storage.k8s.io; storageclasses",
        "READ update patch; core; persistentvolumeclaims",
    ),
    **{
        f"{_CSR}:{signer}-approver": (f"approve; certificates.k8s.io; signers; kubernetes.io/{signer}",)
        for signer in _SIGNERS
    },
    "system:kubelet-api-admin": (
        "READ; core; nodes",
        "proxy; core; nodes",
        "*; core; nodes/proxy nodes/metrics nodes/stats nodes/log",
        "*; core; nodes/pods nodes/healthz nodes/configz",
    ),
    "system:node-proxier": (
        "list watch; core; services endpoints",
        "READ; core; nodes",
        "EVENTS",
        "list watch; networking.k8s.io; servicecidrs",
        "list watch; discovery.k8s.io; endpointslices",
    ),
    "system:kube-scheduler": _SCHEDULER,
}
