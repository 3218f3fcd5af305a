"""What `docker info` shows: the host, its abilities, and what is on it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, Final

from corral.api.docker.answers import reply
from corral.api.docker.at import Version, version_of
from corral.api.docker.system import SERVER_VERSION
from corral.engine.host import forwards
from corral.http.message import Request, Response
from corral.kit.clock import to_rfc3339
from corral.model.container import Container

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi
    from corral.engine.engine import Engine
    from corral.engine.host import HostInfo

Json = dict[str, Any]
PLUGINS: Final[Json] = {
    "Authorization": None,
    "Log": ["json-file", "local", "none"],
    "Network": ["bridge", "host", "null"],
    "Volume": ["local"],
}
SECURITY: Final = {
    "apparmor": "name=apparmor",
    "seccomp": "name=seccomp,profile=builtin",
    "userns": "name=userns",
    "cgroupns": "name=cgroupns",
}
BACKING: Final = {"ext4": "extfs"}  # how Docker calls what the kernel calls otherwise
NO_SWARM: Final[Json] = {
    "ControlAvailable": False,
    "Error": "",
    "LocalNodeState": "inactive",
    "NodeAddr": "",
    "NodeID": "",
    "RemoteManagers": None,
}


async def info(api: DockerApi, request: Request) -> Response:
    engine, version = api.engine, version_of(request)
    abilities_now = abilities(engine.host, forwarding=forwards())
    return reply(
        {
            **identity(engine),
            **count_states(engine.containers.list()),
            **abilities_now,
            **commits(engine.host.runtimes.get(engine.host.default_runtime, ["", ""])[1], version),
            **legacy(version, registries(engine.config.remote.mirrors, engine.config.remote.insecure)),
            "Warnings": [*engine.host.warnings, *warnings(abilities_now)] or None,
        }
    )


def identity(engine: Engine) -> Json:
    """The host and the daemon on it."""
    host, config = engine.host, engine.config
    return {
        "ID": host.id,
        "Images": len(engine.images.list()),
        "Driver": "overlay2",
        "DriverStatus": driver_status(host.root_fs),
        "Plugins": PLUGINS,
        "Debug": False,
        "NFd": len(os.listdir("/proc/self/fd")),
        "NGoroutines": len(asyncio.all_tasks()),
        "SystemTime": to_rfc3339(engine.parts.clock.now()),
        "LoggingDriver": config.log_driver,
        "CgroupDriver": host.cgroup_driver,
        "CgroupVersion": str(host.cgroup_version),
        "NEventsListener": engine.events.listening,
        "KernelVersion": host.kernel,
        "OperatingSystem": host.os_name,
        "OSVersion": host.os_version,
        "OSType": "linux",
        "Architecture": host.architecture,
        "IndexServerAddress": "https://index.docker.io/v1/",
        "NCPU": host.cpus,
        "MemTotal": host.memory,
        "GenericResources": None,
        "DockerRootDir": host.root,
        "HttpProxy": os.environ.get("HTTP_PROXY", ""),
        "HttpsProxy": os.environ.get("HTTPS_PROXY", ""),
        "NoProxy": os.environ.get("NO_PROXY", ""),
        "Name": host.hostname,
        "Labels": config.labels,
        "ExperimentalBuild": False,
        "ServerVersion": SERVER_VERSION,
        "Runtimes": {name: {"path": found[0]} for name, found in host.runtimes.items()},
        "DefaultRuntime": host.default_runtime,
        "Swarm": NO_SWARM,
        "LiveRestoreEnabled": True,
        "Isolation": "",
        "InitBinary": host.init,
        "SecurityOptions": security_options([*host.security, *(["userns"] if host.user_namespaces else [])]),
        "CDISpecDirs": [],
    }


def driver_status(root_fs: str) -> list[list[str]]:
    """Pure: what Docker's overlay2 says of itself, and the file system under it by the name that Docker gives it.

    >>> driver_status("ext4")[0]
    ['Backing Filesystem', 'extfs']
    """
    facts = {"Supports d_type": "true", "Using metacopy": "false", "Native Overlay Diff": "true"}
    return [[name, value] for name, value in ({"Backing Filesystem": BACKING.get(root_fs, root_fs)} | facts).items()]


def security_options(has: Collection[str]) -> list[str]:
    """Pure: in Docker's order and words.

    >>> security_options(["cgroupns", "seccomp"])
    ['name=seccomp,profile=builtin', 'name=cgroupns']
    """
    return [words for name, words in SECURITY.items() if name in has]


def count_states(containers: Iterable[Container]) -> Json:
    """Pure: how many there are, and in which state: each in exactly one of three."""
    counts = {"running": 0, "paused": 0, "stopped": 0}
    for container in containers:
        status = container.state.status
        counts[status if status in ("running", "paused") else "stopped"] += 1
    return {
        "Containers": sum(counts.values()),
        "ContainersRunning": counts["running"],
        "ContainersPaused": counts["paused"],
        "ContainersStopped": counts["stopped"],
    }


def abilities(host: HostInfo, *, forwarding: bool) -> Json:
    """Pure: which limits the host can set, by the cgroup controllers that it has, and whether it forwards packets."""
    has = set(host.cgroup_controllers)
    memory, cpu = "memory" in has, "cpu" in has
    return {
        "MemoryLimit": memory,
        "SwapLimit": memory,
        "CpuCfsPeriod": cpu,
        "CpuCfsQuota": cpu,
        "CPUShares": cpu,
        "CPUSet": "cpuset" in has,
        "PidsLimit": "pids" in has,
        "OomKillDisable": memory and host.cgroup_version == 1,
        "IPv4Forwarding": forwarding,
    }


MISSING: Final = {
    "MemoryLimit": "WARNING: No memory limit support",
    "SwapLimit": "WARNING: No swap limit support",
    "CpuCfsQuota": "WARNING: No cpu cfs quota support",
    "CpuCfsPeriod": "WARNING: No cpu cfs period support",
    "CPUShares": "WARNING: No cpu shares support",
    "CPUSet": "WARNING: No cpuset support",
    "IPv4Forwarding": "WARNING: IPv4 forwarding is disabled",
}


def warnings(found: Json) -> list[str]:
    """Pure: what the host lacks.

    >>> warnings({name: name != "CPUSet" for name in MISSING})
    ['WARNING: No cpuset support']
    """
    return [text for name, text in MISSING.items() if not found[name]]


def commits(runtime: str, version: Version) -> Json:
    """Pure: the versions of the programs that dockerd has. Before API 1.49 they stood beside those it expects.

    >>> commits("1.8.1", (1, 48))["RuncCommit"], commits("1.8.1", (1, 49))["RuncCommit"]
    ({'ID': '1.8.1', 'Expected': '1.8.1'}, {'ID': '1.8.1'})
    """
    found = {"RuncCommit": runtime, "ContainerdCommit": "", "InitCommit": ""}
    old = version < (1, 49)
    return {name: {"ID": id, "Expected": id} if old else {"ID": id} for name, id in found.items()}


def registries(mirrors: dict[str, list[str]], insecure: list[str]) -> Json:
    """Pure: the mirrors of the hub, and the registries that need no TLS, as dockerd writes them.

    >>> found = registries({"docker.io": ["https://m"]}, ["10.0.0.0/8", "reg:5000"])
    >>> found["Mirrors"], found["InsecureRegistryCIDRs"], found["IndexConfigs"]["reg:5000"]["Secure"]
    (['https://m/'], ['::1/128', '10.0.0.0/8', '127.0.0.0/8'], False)
    """
    of_hub = [f"{url.rstrip('/')}/" for url in mirrors.get("docker.io", mirrors.get("*", []))]
    networks = {"::1/128", "127.0.0.0/8"} | {entry for entry in insecure if "/" in entry}
    hosts = [entry for entry in insecure if "/" not in entry]
    return {
        "IndexConfigs": {
            **{host: {"Mirrors": [], "Name": host, "Official": False, "Secure": False} for host in hosts},
            "docker.io": {"Mirrors": of_hub, "Name": "docker.io", "Official": True, "Secure": True},
        },
        "InsecureRegistryCIDRs": sorted(networks, key=lambda network: (":" not in network, network)),
        "Mirrors": of_hub or None,
    }


def legacy(version: Version, registries: Json) -> Json:
    """Pure: what came and went with versions."""
    shown: Json = {"RegistryConfig": registries}
    if version < (1, 47):
        extra = {"AllowNondistributableArtifactsCIDRs": None, "AllowNondistributableArtifactsHostnames": None}
        shown["RegistryConfig"] = registries | extra
    if version < (1, 50):
        shown |= {"BridgeNfIptables": False, "BridgeNfIp6tables": False}
    if version >= (1, 49):
        shown["FirewallBackend"] = {"Driver": "nftables"}
    return shown
