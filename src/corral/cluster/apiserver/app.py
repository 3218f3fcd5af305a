"""The parts of the API server, put together: from a store and certificates to a handler of requests.

::

    Store ──> Caches ──> Lookup ──> Rbac, Node, NamespaceLifecycle, service account tokens
      └────────┴──> Core (objects) ──> Resources, Actions ──> ApiServer ──> corral.http.Server
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from corral.cluster.apiserver.admission import reviewing
from corral.cluster.apiserver.admission.authority import Authority
from corral.cluster.apiserver.admission.chain import Chain
from corral.cluster.apiserver.admission.mutating_policies import MutatingPolicies
from corral.cluster.apiserver.admission.namespaces import NamespaceLifecycle
from corral.cluster.apiserver.admission.quota import Quotas
from corral.cluster.apiserver.admission.registry import builtin_plugins
from corral.cluster.apiserver.admission.type_checking import PolicyStatuses
from corral.cluster.apiserver.admission.validating_policies import ValidatingPolicies
from corral.cluster.apiserver.aggregation.client import RoutedClient
from corral.cluster.apiserver.aggregation.proxying import Aggregator
from corral.cluster.apiserver.aggregation.registering import Registering
from corral.cluster.apiserver.aggregation.services import ApiServices
from corral.cluster.apiserver.attributes import MASTERS_GROUP, Attributes, User
from corral.cluster.apiserver.audit.events import Auditor, Record
from corral.cluster.apiserver.authentication.chain import Authenticator
from corral.cluster.apiserver.authentication.oidc import Oidc
from corral.cluster.apiserver.authentication.proxy import FrontProxy
from corral.cluster.apiserver.authentication.service_accounts import Issuer, ServiceAccounts
from corral.cluster.apiserver.authentication.trust import plan_trust
from corral.cluster.apiserver.authorization import union
from corral.cluster.apiserver.boot.objects import CONFIGS, plan_boot, plan_current, write
from corral.cluster.apiserver.builtins import served_builtins
from corral.cluster.apiserver.caching.caches import Caches
from corral.cluster.apiserver.cel.process import Expressions
from corral.cluster.apiserver.certificates.pki import FRONT_PROXY_CLIENT, Pki
from corral.cluster.apiserver.components import Components
from corral.cluster.apiserver.extensions.definitions import Definitions
from corral.cluster.apiserver.flows import Flows
from corral.cluster.apiserver.handlers import connecting
from corral.cluster.apiserver.handlers.actions import Actions
from corral.cluster.apiserver.handlers.documents import Documents
from corral.cluster.apiserver.handlers.health import Health
from corral.cluster.apiserver.handlers.others import VERSION, Others
from corral.cluster.apiserver.handlers.proxies import Dial, Proxies
from corral.cluster.apiserver.handlers.resources import Resources
from corral.cluster.apiserver.handlers.streams import PodStreams
from corral.cluster.apiserver.handlers.writes import Writes
from corral.cluster.apiserver.limits import Limits
from corral.cluster.apiserver.local import LocalClient
from corral.cluster.apiserver.measured import served as measured
from corral.cluster.apiserver.measured.remote import follow
from corral.cluster.apiserver.metrics import Metrics
from corral.cluster.apiserver.objects.core import Core
from corral.cluster.apiserver.objects.services import ServiceClaims
from corral.cluster.apiserver.proxying.dialing import dial
from corral.cluster.apiserver.proxying.kubelets import Kubelets
from corral.cluster.apiserver.registry import Registry
from corral.cluster.apiserver.server import ApiServer
from corral.cluster.apiserver.webhooks.client import HttpsClient
from corral.cluster.apiserver.webhooks.dispatching import MutatingWebhooks, ValidatingWebhooks
from corral.cluster.certificates.x509 import from_pem
from corral.cluster.client.nodes import NodeAccess
from corral.cluster.client.protocol import Client
from corral.cluster.client.usage import Meter, Meters
from corral.http.message import Answer, Request
from corral.model.kubernetes.addresses import Network
from corral.model.kubernetes.kinds.core.service.allocation import Ranges
from corral.model.kubernetes.resources import Resource
from corral.store.interface import Store


@dataclass(slots=True)
class Options:
    """`url`: where clients reach the server. `networks`: the addresses of Services, the default family first.

    `oidc`: the identity providers whose users may log in.
    `disabled`: admission plugins that are not asked, by upstream's names.
    """

    url: str = "https://127.0.0.1:6443"
    networks: tuple[Network, ...] = (ip_network("10.96.0.0/12"),)
    port: int = 6443
    limits: Limits = field(default_factory=Limits)
    auditor: Auditor | None = None
    oidc: tuple[Oidc, ...] = ()
    disabled: frozenset[str] = frozenset()
    now: Callable[[], float] = time.time
    dial: Dial = dial

    @property
    def service_address(self) -> str:
        """Where pods find the server: the first address of all, that of the Service kubernetes."""
        return str(self.networks[0][1])


class Kubernetes:
    """An open API server. `handle` is a handler of corral.http.Server; `core` is for in-process clients.

    `registry`, `chain` and `nodes` may be changed while it runs: what is served, what admission asks, and which nodes
    are in this process, so that they need not be asked over HTTPS for the logs and streams of their pods (`kubelets`).
    """

    def __init__(self, store: Store, caches: Caches, pki: Pki, options: Options) -> None:
        self.options, self.caches = options, caches
        self.nodes: dict[str, NodeAccess] = {}
        self.registry, self.metrics, self.ready = Registry(served_builtins()), Metrics(), False
        self.authorizer, self.rbac = union.default(caches)
        self.chain = Chain(
            [
                NamespaceLifecycle(caches, caches.fresh),
                *builtin_plugins(caches, options.disabled),
                Authority(self.authorizer, self.rbac),
            ]
        )
        self.core = Core(store, caches, self.registry, self.chain)
        self.components = Components({"etcd-0": self._check_store})
        self.components.serve(self.registry.need("", "v1", "componentstatuses"))
        self.core.companions["", "services"] = ServiceClaims(caches, Ranges(options.networks), self.core.now)
        self.expressions = Expressions()
        reviewing.serve(self.registry, self.expressions)
        self.definitions = Definitions(self.core, self.expressions)
        self.https = HttpsClient()
        decides = (caches, self.registry, self.authorizer, self.expressions)
        self.chain.plugins += [
            self.definitions,
            MutatingPolicies(*decides),
            MutatingWebhooks(*decides, self.https),
            ValidatingPolicies(*decides),
            ValidatingWebhooks(*decides, self.https),
            Quotas(caches),
        ]
        self.definitions.start()
        self.policies = PolicyStatuses(self.core, self.expressions)
        self.policies.start()
        self.issuer = Issuer(pki.service_account_key)
        self.authenticator = Authenticator(
            options.now,
            self.issuer.audiences,
            client_authority=from_pem(pki.ca),
            front_proxy=FrontProxy(from_pem(pki.front_proxy_ca)),
            service_accounts=ServiceAccounts(self.issuer, caches),
            bootstrap=caches,
            oidc=options.oidc,
        )
        self._trust = plan_trust(pki.ca, pki.front_proxy_ca, (FRONT_PROXY_CLIENT.common_name,))
        self.services = ApiServices(self.core, self.https, str(pki.front_proxy_client))
        self.services.start()
        self._registering = Registering(caches, self.registry, self._own_client())
        self._flows = Flows(caches)
        self.kubelets = Kubelets(caches, pki.ca, pki.kubelet_client, options.dial)
        self.server = self._assemble()

    @classmethod
    async def open(cls, store: Store, pki: Pki, options: Options | None = None) -> Kubernetes:
        """Reads what the store has. HostError, Unavailable."""
        return cls(store, await Caches.open(store), pki, options or Options())

    def _assemble(self) -> ApiServer:
        actions = Actions(self.core, self.authenticator, self.authorizer, self.issuer, self.options.now)
        streams = PodStreams(self.core, self.nodes, self.kubelets, self.options.now)
        connects = connecting.table(streams, Proxies(self.core, streams, self.kubelets, self.options.dial))
        resources = Resources(self.core, Writes(self.core), actions.table(), connects)
        checks = {"ping": lambda: "", "etcd": self._check_store, "poststarthook/boot-objects": self._check_boot}
        health = Health(checks, ready_only=("poststarthook/boot-objects",))
        documents = Documents(self.registry, self._address, VERSION, self.services, self._api_services)
        others = Others(documents, health, self.metrics, self.caches, self.issuer, lambda: self.options.url)
        handlers = Aggregator(self.services, self.https, resources.handle, others.handle)
        return ApiServer(
            self.authenticator,
            self.authorizer,
            handlers.resources,
            handlers.others,
            self.metrics,
            self.options.limits,
            self._begin_record,
            self._flows.headers,
        )

    def _begin_record(self, request: Request, asked: Attributes, number: str) -> Record | None:
        if self.options.auditor is None:
            return None
        agent = request.header("user-agent")
        uri = f"{request.raw_path}?{request.raw_query}" if request.raw_query else request.raw_path
        return self.options.auditor.begin(asked, uri=uri, audit_id=number, source=request.remote, user_agent=agent)

    def _api_services(self) -> Sequence[dict[str, Any]]:
        return self.caches.list("apiregistration.k8s.io", "apiservices")

    def _address(self) -> str:
        return self.options.url.partition("://")[2]

    def _check_store(self) -> str:
        return self.caches.problem if self.caches.failed else ""

    def _check_boot(self) -> str:
        return "" if self.ready else "not finished"

    def client(self, user: User, manager: str) -> Client:
        """For a component in this process, which acts as `user`."""
        return RoutedClient(LocalClient(self.core, user, manager), self.services, user, manager)

    def resources(self) -> list[Resource]:
        """All that there is, here and at extension servers."""
        return [*self.registry.resources(), *self.services.resources()]

    async def boot(self) -> None:
        """Makes what every cluster has and is not there; then the server is ready. StatusError."""
        await write(self._own_client(), plan_boot(self.caches, self.options.networks, self.options.port))
        await write(self._own_client(), plan_current(self.caches, CONFIGS, self._trust))
        await self._registering.start()
        self.ready = True

    def _own_client(self) -> Client:
        return self.client(User("system:apiserver", groups=(MASTERS_GROUP,)), "kube-apiserver")

    def measure_nodes(self, meters: Meters) -> None:
        """From now on `meters` has one for each node that is not in this process: its kubelet is asked."""
        follow(meters, self.nodes, self.kubelets, self.caches)

    async def serve_metrics(self, meter: Meter) -> None:
        """From now on metrics.k8s.io is served, by what `meter` says. StatusError."""
        for one in measured.served(meter, self.caches, self.core.now):
            self.registry.add(one)
        await write(self._own_client(), [measured.plan_objects(self.caches)])

    async def handle(self, request: Request) -> Answer:
        return await self.server.handle(request)

    def renewed(self) -> None:
        """Certificates have been made anew: whom this server asks sees the new ones from now on."""
        self.services.renewed()

    async def close(self) -> None:
        """Ends all watches. The store is its owner's."""
        await self._registering.close()
        await self.policies.close()
        await self.definitions.close()
        await self.services.close()
        await self.expressions.close()
        self.https.close()
        await self.caches.close()
