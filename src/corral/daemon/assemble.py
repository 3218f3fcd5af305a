"""How the parts make a whole: the one place that sees all of them.

::

    settings ──> Engine ──> Builder ──> DockerApi ──> Server ──> docker.sock, tcp://…
                   └─ content ──> LazyRegistry ──> Server ──> 127.0.0.1:5000
    cluster.db ──> Kubernetes ──> Server ──> 127.0.0.1:6443
                      ├──────── Kubelet ──> Engine
                      └──────── Proxy, Dns ──> the pods' bridge
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from corral.api.docker.app import DockerApi
from corral.build.builder import Builder
from corral.cli.instance import Instance
from corral.daemon import kubernetes, registry
from corral.daemon.cluster_copies import ClusterCopies
from corral.daemon.cluster_network import remove_rules
from corral.daemon.collecting import keep_collecting
from corral.daemon.config import Settings, engine_config
from corral.daemon.kubelet import add_kubelet
from corral.daemon.listeners import is_loopback, listen
from corral.engine.engine import Engine
from corral.http.server import Server
from corral.kit.tasks import Tasks

if TYPE_CHECKING:
    from corral.daemon.node_keeper import NodeKeeper


async def assemble(stack: AsyncExitStack, instance: Instance, settings: Settings) -> Engine:
    """Opens everything, in order; `stack` closes it in the other order. Raises CorralError, with nothing left open."""
    engine, docker = await open_engine(stack, instance, settings)
    cluster = await kubernetes.add_kubernetes(stack, instance, settings)
    if cluster is not None:
        docker.copies = ClusterCopies(cluster.store, instance.root)
        docker.nodes = await add_fleet(stack, engine, cluster, instance, settings)
    else:
        await remove_rules(instance)
    return engine


async def open_engine(stack: AsyncExitStack, instance: Instance, settings: Settings) -> tuple[Engine, DockerApi]:
    """The engine with its API and the registry: what a node of a cluster has, too. CorralError."""
    engine = await Engine.open(engine_config(settings, instance))
    stack.push_async_callback(engine.close)
    await add_registry(stack, engine, instance, settings)
    builder = await Builder.open(engine)
    stack.push_async_callback(builder.close)
    docker = DockerApi(engine, builder)
    server = Server(docker)
    stack.push_async_callback(server.close)
    await listen(server, instance, settings)
    tasks = Tasks()
    stack.push_async_callback(tasks.close)
    tasks.start("collect", keep_collecting(engine.images.content))  # now that all who need blobs are known
    return engine, docker


async def add_fleet(
    stack: AsyncExitStack, engine: Engine, cluster: kubernetes.Cluster, instance: Instance, settings: Settings
) -> NodeKeeper | None:
    """This machine as a node, and as many more as the settings want: who keeps those running, if there are any."""
    grace, port = float(settings.number("kubernetes-node-grace")), settings.number("kubernetes-kubelet-port")
    if settings.number("nodes") == 1:
        host, _ = kubernetes.plan_address(settings.text("kubernetes-address"))
        await add_kubelet(
            stack,
            engine,
            cluster,
            instance,
            open=not is_loopback(host),
            grace=grace,
            addresses=kubernetes.node_addresses(settings),
            told=settings,
            port=port,
        )
        return None
    from corral.daemon.nodes import LocalNodes

    nodes = await LocalNodes.prepare(engine, cluster, instance, settings)
    given = (stack, engine, cluster, instance, nodes.gateways)
    await add_kubelet(*given, shared=True, grace=grace, told=settings, port=port)
    return await nodes.start(stack)


async def add_registry(stack: AsyncExitStack, engine: Engine, instance: Instance, settings: Settings) -> None:
    """The registry on the engine's blobs, if there is to be one; what an earlier one needs is kept in any case."""
    lazy = registry.make_lazy(settings, instance, f"{instance.root}/registry", engine.images.content)
    engine.images.content.holders.append(lazy.held)
    address = registry.plan_address(settings.text("registry"), instance.default)
    if not address:
        return
    stack.push_async_callback(lazy.close)
    server = Server(lazy.handle)
    stack.push_async_callback(server.close)
    await registry.start_registry(server, settings, address, asked=bool(settings.text("registry")))
    if settings.list("registry-retain") or settings.text("registry-keep-untagged"):
        await lazy.open()  # its clean-up must not wait for a first request
