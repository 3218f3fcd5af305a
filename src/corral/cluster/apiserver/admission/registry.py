"""The plugins, in the order in which they are asked. Read this to know what happens to a write."""

from __future__ import annotations

from collections.abc import Collection

from corral.cluster.apiserver.admission.chain import Plugin
from corral.cluster.apiserver.admission.defaults import DefaultIngressClass, DefaultStorageClass, StorageProtection
from corral.cluster.apiserver.admission.limit_ranges import LimitRanges
from corral.cluster.apiserver.admission.nodes import NodeRestriction
from corral.cluster.apiserver.admission.pod_security import PodSecurity
from corral.cluster.apiserver.admission.pods import (
    DefaultTolerationSeconds,
    Priority,
    RuntimeClass,
    TaintNodesByCondition,
)
from corral.cluster.apiserver.admission.service_accounts import ServiceAccounts
from corral.cluster.apiserver.caching.caches import Caches


def builtin_plugins(caches: Caches, disabled: Collection[str] = ()) -> list[Plugin]:
    """Those that follow NamespaceLifecycle and come before policies, webhooks and quotas; `disabled`: names of some.

    Off, as upstream: OwnerReferencesPermissionEnforcement, PodTolerationRestriction, PodNodeSelector, AlwaysPullImages.
    """
    plugins: dict[str, Plugin] = {
        "LimitRanger": LimitRanges(caches),
        "ServiceAccount": ServiceAccounts(caches),
        "NodeRestriction": NodeRestriction(caches),
        "TaintNodesByCondition": TaintNodesByCondition(),
        "Priority": Priority(caches),
        "DefaultTolerationSeconds": DefaultTolerationSeconds(),
        "RuntimeClass": RuntimeClass(caches),
        "DefaultStorageClass": DefaultStorageClass(caches),
        "StorageObjectInUseProtection": StorageProtection(),
        "DefaultIngressClass": DefaultIngressClass(caches),
        "PodSecurity": PodSecurity(caches),
    }
    return [plugin for name, plugin in plugins.items() if name not in disabled]
