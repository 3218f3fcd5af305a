"""RUN: a process in a sandbox on the stage so far."""

from __future__ import annotations

from msgspec.structs import replace

from corral.build.cache import Surroundings
from corral.build.mounting import Prepared
from corral.build.ops import RunOp
from corral.build.request import BuildFailed, BuildRequest
from corral.model.container import ContainerSpec, Mount, NetworkSpec, Security

HOSTNAME = "buildkitsandbox"  # the same in each, so that what is built does not depend on it


def surroundings(request: BuildRequest) -> Surroundings:
    """Pure: what a request gives to all its processes."""
    return Surroundings(request.network, tuple(request.extra_hosts), tuple(request.ulimits), request.shm_size)


def plan_sandbox(op: RunOp, request: BuildRequest, prepared: Prepared) -> ContainerSpec:
    """Pure: the container. A RUN's own network wins over the request's. BuildFailed for what the request does not
    allow.

    >>> spec = plan_sandbox(RunOp(["make"], network="none"), BuildRequest(network="host"), Prepared())
    >>> spec.command, spec.network.mode, spec.hostname
    (['make'], 'none', 'buildkitsandbox')
    """
    if op.insecure and not request.allow_insecure:
        raise BuildFailed("failed to load LLB: security.insecure is not allowed")
    if op.network == "host" and not (request.allow_host_network or request.network == "host"):
        raise BuildFailed("failed to load LLB: network.host is not allowed")
    mode = request.network or "default" if op.network == "default" else op.network
    return ContainerSpec(
        "",
        command=op.argv,
        env=["HOSTNAME", *op.environment, *op.proxies, *prepared.environment],  # by itself: it is not set
        user=op.user,
        workdir=op.workdir,
        hostname="" if mode == "host" or mode.startswith("container:") else op.hostname or HOSTNAME,
        security=Security(privileged=op.insecure),
        resources=request.resources,
        ulimits=request.ulimits,
        cgroup_parent=request.cgroup_parent,
        shm_size=request.shm_size,
        mounts=[replace(mount, propagation=_propagation(mount)) for mount in prepared.mounts],
        tmpfs=prepared.tmpfs,
        network=NetworkSpec(mode=mode, extra_hosts=request.extra_hosts),
    )


def _propagation(mount: Mount) -> str:
    return mount.propagation or "rprivate"


def describe_process(argv: list[str]) -> str:
    """Pure: the process as BuildKit's errors name it.

    >>> describe_process(["/bin/sh", "-c", 'echo "a"'])
    '"/bin/sh -c echo \\\\"a\\\\""'
    """
    line = " ".join(argv)
    escaped = line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
