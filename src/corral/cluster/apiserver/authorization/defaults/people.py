"""Roles for people: admin, edit and view, and what everybody may know. Data."""

from __future__ import annotations

from typing import Final

ADMIN: Final = (
    "create; authorization.k8s.io; localsubjectaccessreviews",
    "READ WRITE; rbac.authorization.k8s.io; roles rolebindings",
)

EDIT: Final = (
    # what gives more than it seems to, and so is not in view
    "READ; core; pods/attach pods/proxy pods/exec pods/portforward secrets services/proxy",
    "impersonate; core; serviceaccounts",
    "WRITE; core; pods pods/attach pods/proxy pods/exec pods/portforward",
    "create; core; pods/eviction",
    "WRITE; core; replicationcontrollers replicationcontrollers/scale serviceaccounts services services/proxy "
    "persistentvolumeclaims configmaps secrets",
    "create; core; serviceaccounts/token",
    "WRITE; core events.k8s.io; events",
    "WRITE; apps; statefulsets statefulsets/scale daemonsets deployments deployments/scale deployments/rollback "
    "replicasets replicasets/scale",
    "WRITE; autoscaling; horizontalpodautoscalers",
    "WRITE; batch; jobs cronjobs",
    "WRITE; extensions; daemonsets deployments deployments/scale deployments/rollback ingresses replicasets "
    "replicasets/scale replicationcontrollers/scale networkpolicies",
    "WRITE; policy; poddisruptionbudgets",
    "WRITE; networking.k8s.io; networkpolicies ingresses",
    "READ WRITE; coordination.k8s.io; leases",
    "WRITE; resource.k8s.io; resourceclaims resourceclaimtemplates",
)

VIEW: Final = (
    "READ; core; pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status "
    "endpoints persistentvolumeclaims persistentvolumeclaims/status configmaps",
    "READ; core; limitranges resourcequotas bindings pods/status resourcequotas/status namespaces/status "
    "replicationcontrollers/status pods/log",
    "READ; core; namespaces",  # in a namespace this shows that namespace
    "READ; core events.k8s.io; events",
    "READ; discovery.k8s.io; endpointslices",
    "READ; apps; controllerrevisions statefulsets statefulsets/status statefulsets/scale daemonsets daemonsets/status "
    "deployments deployments/status deployments/scale replicasets replicasets/status replicasets/scale",
    "READ; autoscaling; horizontalpodautoscalers horizontalpodautoscalers/status",
    "READ; batch; jobs cronjobs cronjobs/status jobs/status",
    "READ; extensions; daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses "
    "ingresses/status replicasets replicasets/scale replicasets/status replicationcontrollers/scale networkpolicies",
    "READ; policy; poddisruptionbudgets poddisruptionbudgets/status",
    "READ; networking.k8s.io; networkpolicies ingresses ingresses/status",
    "READ; resource.k8s.io; resourceclaims resourceclaims/status resourceclaimtemplates",
)

PEOPLE: Final = {
    "cluster-admin": ("*; *; *", "*; *"),
    "system:discovery": (
        "get; /livez /readyz /healthz /version /version/ /openapi /openapi/* /api /api/* /apis /apis/*",
    ),
    "system:monitoring": (
        "get; /metrics /metrics/slis /livez /readyz /healthz /livez/* /readyz/* /healthz/*",
        "get; core; nodes/metrics",
    ),
    "system:basic-user": (
        "create; authorization.k8s.io; selfsubjectaccessreviews selfsubjectrulesreviews",
        "create; authentication.k8s.io; selfsubjectreviews",
    ),
    "system:public-info-viewer": ("get; /livez /readyz /healthz /version /version/",),
    "system:service-account-issuer-discovery": (
        "get; /.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/",
    ),
}
