"""The controllers of the platform itself, by name: what every cluster has beside those of workloads (`assembly`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from corral.cluster.controllers.bootstraptokens.controller import TokenCleaner
from corral.cluster.controllers.certificates.controller import Approving, Cleaning, Signing
from corral.cluster.controllers.certificates.signer import Signer
from corral.cluster.controllers.clusterroles.controller import ClusterRoleAggregation
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.devicetainteviction.controller import DeviceTaintEvictionController
from corral.cluster.controllers.discovery import Resources, Undiscovered
from corral.cluster.controllers.endpoints.controller import EndpointsController
from corral.cluster.controllers.endpointslice.controller import EndpointSliceController
from corral.cluster.controllers.endpointslicemirroring.controller import EndpointSliceMirroringController
from corral.cluster.controllers.ephemeralvolume.controller import EphemeralVolumeController
from corral.cluster.controllers.flowschemas.controller import FlowSchemasController
from corral.cluster.controllers.garbagecollector.controller import GarbageCollector
from corral.cluster.controllers.namespace.controller import NamespaceController
from corral.cluster.controllers.nodeipam.allocate import Pool, make_pool
from corral.cluster.controllers.nodeipam.controller import NodeIpam
from corral.cluster.controllers.nodelifecycle.controller import NodeLifecycleController
from corral.cluster.controllers.nodelifecycle.health import GRACE_SECONDS
from corral.cluster.controllers.persistentvolume.controller import PersistentVolumeController
from corral.cluster.controllers.persistentvolume.local import Directories
from corral.cluster.controllers.podgc.controller import PodGc
from corral.cluster.controllers.resourceclaim.controller import ResourceClaimController
from corral.cluster.controllers.resourcequota.controller import ResourceQuotaController
from corral.cluster.controllers.rootca.controller import RootCaPublisher
from corral.cluster.controllers.serviceaccounts.controller import ServiceAccountsController
from corral.cluster.controllers.servicecidr.controller import ServiceCidrController
from corral.cluster.controllers.servicelb.controller import ServiceLoadBalancer
from corral.cluster.controllers.shared import Shared
from corral.cluster.controllers.tainteviction.controller import TaintEvictionController
from corral.cluster.controllers.tokens.controller import TokensController
from corral.cluster.controllers.tokens.plan import Sign
from corral.cluster.controllers.volumeprotection.controller import ClaimProtection, VolumeProtection


@dataclass(frozen=True, slots=True)
class Means:
    """What these controllers cannot get from the API.

    `resources`: all that is served now. `authority`: the certificate (PEM) by which clients know the server.
    `sign_token`: signs the claims of a service account's token. `signer`: of certificates. `directories`: where local
    volumes are. `pools`: the addresses of pods. `node_grace`: seconds that a node may be silent. `undiscovered`: the
    versions of groups of which nobody knows now what resources they have.
    """

    resources: Resources
    authority: str
    sign_token: Sign
    signer: Signer
    directories: Directories
    pools: tuple[Pool, ...] = (make_pool("10.244.0.0/16"),)
    node_grace: float = GRACE_SECONDS
    undiscovered: Undiscovered = tuple


Make = Callable[[Shared, Means], Controller]

# What makes each, under upstream's name of the controller.
PLATFORM: Final[Mapping[str, Make]] = MappingProxyType(
    {
        "certificatesigningrequest-approving-controller": lambda shared, means: Approving(shared, means.signer),
        "certificatesigningrequest-cleaner-controller": lambda shared, means: Cleaning(shared),
        "certificatesigningrequest-signing-controller": lambda shared, means: Signing(shared, means.signer),
        "clusterrole-aggregation-controller": lambda shared, means: ClusterRoleAggregation(shared),
        "endpoints-controller": lambda shared, means: EndpointsController(shared),
        "endpointslice-controller": lambda shared, means: EndpointSliceController(shared),
        "endpointslice-mirroring-controller": lambda shared, means: EndpointSliceMirroringController(shared),
        "ephemeral-volume-controller": lambda shared, means: EphemeralVolumeController(shared),
        "flow-schemas-controller": lambda shared, means: FlowSchemasController(shared),
        "garbage-collector-controller": lambda shared, means: GarbageCollector(shared, means.resources),
        "namespace-controller": lambda shared, means: NamespaceController(shared, means.resources, means.undiscovered),
        "node-ipam-controller": lambda shared, means: NodeIpam(shared, means.pools),
        "node-lifecycle-controller": lambda shared, means: NodeLifecycleController(shared, means.node_grace),
        "persistentvolume-binder-controller": lambda shared, means: PersistentVolumeController(
            shared, means.directories
        ),
        "persistentvolume-protection-controller": lambda shared, means: VolumeProtection(shared),
        "persistentvolumeclaim-protection-controller": lambda shared, means: ClaimProtection(shared),
        "pod-garbage-collector-controller": lambda shared, means: PodGc(shared),
        "resource-claim-controller": lambda shared, means: ResourceClaimController(shared),
        "resourcequota-controller": lambda shared, means: ResourceQuotaController(shared, means.resources),
        "root-ca-certificate-publisher-controller": lambda shared, means: RootCaPublisher(shared, means.authority),
        "service-cidr-controller": lambda shared, means: ServiceCidrController(shared),
        "service-lb-controller": lambda shared, means: ServiceLoadBalancer(shared),
        "serviceaccount-controller": lambda shared, means: ServiceAccountsController(shared),
        "serviceaccount-token-controller": lambda shared, means: TokensController(
            shared, means.sign_token, means.authority
        ),
        "taint-eviction-controller": lambda shared, means: TaintEvictionController(shared),
        "device-taint-eviction-controller": lambda shared, means: DeviceTaintEvictionController(shared),
        "token-cleaner-controller": lambda shared, means: TokenCleaner(shared),
    }
)


def make(shared: Shared, means: Means, names: Iterable[str] = PLATFORM) -> list[Controller]:
    """The controllers, not yet running (`assembly.run_all`). KeyError for a name that is none."""
    return [PLATFORM[name](shared, means) for name in names]
