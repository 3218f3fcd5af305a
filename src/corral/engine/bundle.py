"""From a container's record to the OCI bundle that the runtime is given."""

from __future__ import annotations

from typing import Any

import msgspec

from corral.engine.files import (
    plan_extra_hosts,
    plan_hosts,
    plan_own_hosts,
    plan_resolv_conf,
    read_host_resolv_conf,
)
from corral.engine.merge import plan_environment
from corral.engine.mounts import plan_bind_options, plan_tmpfs_mount, plan_tmpfs_options
from corral.engine.namespaces import joinable, plan_namespaces
from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.errors import HostError
from corral.model.container import BoundPort, Container, Endpoint, Mount, MountPoint, PortBinding, Struct
from corral.model.process import ExecSpec
from corral.runtime.input import BundleInput, BundleMount
from corral.runtime.plan import plan_bundle, plan_exec
from corral.runtime.users import ResolvedUser, resolve_user

FILES = {"hosts": "/etc/hosts", "hostname": "/etc/hostname", "resolv.conf": "/etc/resolv.conf"}


class Seated(Struct):
    """Where a container sits in its networks: kept in the bundle, for a daemon that finds it running unrecorded."""

    endpoints: dict[str, Endpoint] = {}
    ports: list[BoundPort] = []


def read_seated(bundle: str) -> Seated:
    """What `write_files` noted; nothing where it did not come to that."""
    try:
        return msgspec.json.decode(_read(f"{bundle}/network.json") or "{}", type=Seated)
    except msgspec.DecodeError:
        return Seated()


def write_config(parts: Parts, live: Live, netns: str | None) -> None:
    """Writes config.json, and the engine's files with what is known before the network is attached."""
    record, bundle = live.record, parts.paths.bundle(live.id)
    rootfs = parts.paths.rootfs(live.id)
    user = resolve_user(rootfs, record.spec.user, record.spec.groups)
    for name in FILES:
        _write(f"{bundle}/{name}", b"")
    config = plan_bundle(
        BundleInput(
            container=record,
            rootfs=rootfs,
            args=[record.path, *record.args],
            env=plan_environment(record.spec, record.spec.hostname, user.home),
            cwd=record.spec.workdir or "/",
            user=user,
            hostname=record.spec.hostname,
            mounts=plan_mounts(parts, live, user),
            namespaces=plan_namespaces(
                record.spec, parts.host.cgroup_version, netns, lambda id, kind: joinable(parts.registry.get(id), kind)
            ),
            cgroup_path=parts.group(live),
            cgroup_version=parts.host.cgroup_version,
            limits=parts.limits,
        )
    )
    _write(f"{bundle}/config.json", msgspec.json.encode(config))


def plan_mounts(parts: Parts, live: Live, user: ResolvedUser) -> list[BundleMount]:
    """The engine's files, then the container's own mounts: outer before inner."""
    record, bundle = live.record, parts.paths.bundle(live.id)
    own = {point.target for point in record.mount_points}
    owner = _network_owner(parts, record)
    files = parts.paths.bundle(owner.id) if owner is not None else bundle
    mode = "ro" if record.spec.security.read_only_rootfs else "rw"
    mounts = [
        BundleMount(f"{files}/{name}", target, "bind", ["rbind", "rprivate", mode])
        for name, target in FILES.items()
        if target not in own
    ]
    if record.spec.namespaces.ipc.startswith("container:"):
        peer = parts.registry.get(record.spec.namespaces.ipc.removeprefix("container:")).record
        mounts.append(BundleMount(f"/proc/{peer.state.pid}/root/dev/shm", "/dev/shm", "bind", ["rbind", "rprivate"]))
    for point in record.mount_points:
        mounts.append(plan_mount(parts, live, point))
    return mounts


def plan_mount(parts: Parts, live: Live, point: MountPoint) -> BundleMount:
    """One mount point in the runtime's words."""
    if point.type == "tmpfs":
        mount = point.spec or Mount("tmpfs", point.target)
        return BundleMount("tmpfs", point.target, "tmpfs", plan_tmpfs_options_of(mount))
    return BundleMount(live.sources.get(point.target, point.source), point.target, "bind", plan_bind_options(point))


def plan_tmpfs_options_of(mount: Mount) -> list[str]:
    """Pure: a tmpfs of the long form, safe by default.

    >>> plan_tmpfs_options_of(Mount("tmpfs", "/t", tmpfs_size=4096))
    ['noexec', 'nosuid', 'nodev', 'size=4096']
    """
    return plan_tmpfs_options(plan_tmpfs_mount(mount))


def _network_owner(parts: Parts, record: Container) -> Container | None:
    mode = record.spec.network.mode
    return parts.registry.get(mode.removeprefix("container:")).record if mode.startswith("container:") else None


def write_files(parts: Parts, live: Live) -> None:
    """Fills in hosts, hostname and resolv.conf, in place: they are mounted already. And notes the network place."""
    record, bundle = live.record, parts.paths.bundle(live.id)
    _write(f"{bundle}/network.json", msgspec.json.encode(Seated(record.endpoints, record.ports)))
    if _network_owner(parts, record) is not None:
        return
    spec, network, config = record.spec, record.spec.network, parts.config
    _write(f"{bundle}/hostname", f"{spec.hostname}\n".encode())
    _write(f"{bundle}/hosts", _hosts(parts, record).encode())
    resolv = plan_resolv_conf(
        read_host_resolv_conf() if network.mode != "host" else _read("/etc/resolv.conf"),
        servers=network.dns or config.dns,
        search=network.dns_search or config.dns_search,
        options=network.dns_options or config.dns_options,
        keep_loopback=network.mode == "host",
    )
    _write(f"{bundle}/resolv.conf", resolv.encode())


def _hosts(parts: Parts, record: Container) -> str:
    spec, network = record.spec, record.spec.network
    extra = plan_extra_hosts(network.extra_hosts, parts.networks.gateway)
    for link in network.links:
        id, _, alias = link.partition(":")
        peer = parts.registry.get(id).record
        names = " ".join(dict.fromkeys([alias, peer.spec.hostname, peer.name]))
        extra += [(end.ipv4, names) for end in peer.endpoints.values() if end.ipv4]
    if network.mode == "host":
        return _read("/etc/hosts") + "".join(f"{address}\t{name}\n" for address, name in extra)
    addresses = [a for end in record.endpoints.values() for a in (end.ipv4, end.ipv6)]
    return plan_hosts(extra, plan_own_hosts(addresses, spec.hostname, spec.domainname))


def plan_published(record: Container) -> list[PortBinding]:
    """Pure: the ports to open: those that were bound, and with "publish all" every exposed one besides.

    >>> from corral.model.container import ContainerSpec, NetworkSpec
    >>> spec = ContainerSpec("x", exposed_ports=["80/tcp", "53/udp"], network=NetworkSpec(publish_all=True))
    >>> [(b.port, b.protocol) for b in plan_published(Container("1", "a", 0, "i", spec))]
    [(80, 'tcp'), (53, 'udp')]
    """
    network = record.spec.network
    if not network.publish_all:
        return list(network.ports)
    bound = {(b.port, b.protocol) for b in network.ports}
    bindings = list(network.ports)
    for exposed in record.spec.exposed_ports:
        port, _, protocol = exposed.partition("/")
        binding = msgspec.convert({"port": int(port), "protocol": protocol or "tcp"}, PortBinding)
        if (binding.port, binding.protocol) not in bound:
            bindings.append(binding)
    return bindings


def plan_exec_process(parts: Parts, live: Live, spec: ExecSpec) -> dict[str, Any]:
    """The OCI process of an exec session, with its user looked up in the running container."""
    record = live.record
    root = f"/proc/{record.state.pid}/root"
    user = resolve_user(root, spec.user or record.spec.user, [] if spec.user else record.spec.groups)
    env = plan_environment(record.spec, record.spec.hostname, user.home)
    return plan_exec(record, spec, user=user, env=_merge_env(env, spec), limits=parts.limits)


def _merge_env(env: list[str], spec: ExecSpec) -> list[str]:
    """Pure: an exec session's own variables win.

    >>> _merge_env(["A=1", "B=2"], ExecSpec(["x"], env=["A=3"], tty=True))
    ['A=3', 'B=2', 'TERM=xterm']
    """
    values = dict(entry.partition("=")[::2] for entry in env)
    if spec.tty:
        values.setdefault("TERM", "xterm")
    values |= dict(entry.partition("=")[::2] for entry in spec.env)
    return [f"{name}={value}" for name, value in values.items()]


def _write(path: str, data: bytes) -> None:
    """In place: a bind mount shows the file that was there when it was made."""
    try:
        with open(path, "wb", buffering=0) as file:
            file.write(data)
    except OSError as error:
        raise HostError(f"write {path}: {error.strerror}", error.errno) from error


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
