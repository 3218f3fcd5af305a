"""What a kubelet is told when it is made."""

from __future__ import annotations

from dataclasses import dataclass, field

from corral.cluster.kubelet.eviction.thresholds import EvictionSettings
from corral.cluster.kubelet.garbage.policy import GarbagePolicy


@dataclass(frozen=True)
class Settings:
    """`root` is a directory that outlives a boot, `run` one that need not (a tmpfs where possible).

    `pod_subnets`: those of this node's pods, one of each family; none: the first of 10.244.0.0/24, 10.244.1.0/24, …
    that is free, and its like. `families`: those of the cluster's Services, in their order, as pods' addresses are.
    `cluster_dns`: the addresses of the cluster's name server, none where there is none. `addresses`: the node's own,
    none for those that the host goes out by. `sysctls`: those that pods may set though they are not safe; a name may
    end in `*`. `lender`: the `root` of the kubelet beside this one whose images it borrows, "" for none.
    """

    root: str
    run: str
    lender: str = ""
    pod_subnets: tuple[str, ...] = ()
    families: tuple[int, ...] = (4,)
    open_network: bool = False  # whoever has a route to its pods reaches them
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    addresses: tuple[str, ...] = ()
    sysctls: frozenset[str] = frozenset()
    max_pods: int = 110
    seccomp: str = "/var/lib/kubelet/seccomp"
    labels: dict[str, str] = field(default_factory=dict)  # that its Node has
    annotations: dict[str, str] = field(default_factory=dict)  # that its Node has
    eviction: EvictionSettings = field(default_factory=EvictionSettings)
    garbage: GarbagePolicy = field(default_factory=GarbagePolicy)
    plugins: str = ""  # the folder where plugins of devices register, "": plugins_registry below `root`
    cdi: tuple[str, ...] = ("/etc/cdi", "/var/run/cdi")  # folders of descriptions of devices; the last counts most
    manifests: str = ""  # the folder of static pods, "": there are none
    heartbeat: float = 10.0  # seconds between renewals of the lease
    report: float = 300.0  # seconds between reports of the node's status, if nothing changes
