"""From a container's record to the OCI bundle that the runtime is given."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import msgspec
from msgspec.structs import replace

from corral.engine.check import wants_init
from corral.engine.files import (
    plan_extra_hosts,
    plan_hosts,
    plan_own_hosts,
    plan_resolv_conf,
    read_host_resolv_conf,
)
from corral.engine.inside import check_places
from corral.engine.links import link_environment, linked, plan_link_hosts, require_linked
from corral.engine.listing import expand_ports
from corral.engine.merge import plan_environment
from corral.engine.mounts import clean, plan_tmpfs_mount
from corral.engine.named import bridge_links
from corral.engine.namespaces import joinable, plan_namespaces
from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.resolving import SERVER
from corral.engine.spaces import space_id, space_memory, space_namespace
from corral.engine.userns import check_remapped, remap_of, user_namespace
from corral.errors import HostError
from corral.linux import mounts as linux_mounts
from corral.model.container import BoundPort, Container, Endpoint, Mount, MountPoint, PortBinding, Struct
from corral.model.process import ExecSpec
from corral.runtime.capabilities import plan_capabilities
from corral.runtime.devices import resolve_devices
from corral.runtime.filters import Rules, plan_rules
from corral.runtime.init import find_init
from corral.runtime.input import BundleInput, BundleMount
from corral.runtime.mounts import plan_bind, plan_tmpfs
from corral.runtime.plan import plan_bundle, plan_exec
from corral.runtime.seccomp import plan_seccomp
from corral.runtime.security import plan_apparmor
from corral.runtime.users import resolve_user

FILES = {"hosts": "/etc/hosts", "hostname": "/etc/hostname", "resolv.conf": "/etc/resolv.conf"}
QUEUES = "/dev/mqueue"


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


def read_group(bundle: str) -> str:
    """The cgroup that a bundle's process was to be in; "" where it did not come to that."""
    try:
        return str(msgspec.json.decode(_read(f"{bundle}/config.json") or "{}")["linux"]["cgroupsPath"])
    except (msgspec.DecodeError, KeyError):
        return ""


def write_config(parts: Parts, live: Live, netns: str | None) -> Rules | None:
    """Writes config.json, and the engine's files with what is known before the network is attached. Returns the rules
    of system calls that the runtime has to compile, if they were never seen."""
    bundle = parts.paths.bundle(live.id)
    make_shared_memory(parts, live)
    remap = remap_of(parts, live.record.spec)
    for name in FILES:
        _write(f"{bundle}/{name}", b"")
        if remap is not None:
            os.chown(f"{bundle}/{name}", *remap.maps.root)
    config = plan_bundle(look_up(parts, live, netns))
    new = parts.filters.apply(plan_rules(parts.runtimes.get(live.record.runtime), config), config)
    _write(f"{bundle}/config.json", msgspec.json.encode(config))
    return new


def look_up(parts: Parts, live: Live, netns: str | None) -> BundleInput:
    """Everything that the plan of the bundle needs to know of the host and of other containers."""
    record, spec = live.record, live.record.spec
    rootfs = parts.paths.rootfs(live.id)
    require_linked(parts, record)
    remap = remap_of(parts, spec)
    if remap is not None:
        check_remapped(spec)  # it may have been made when this daemon did not remap
    user = resolve_user(rootfs, spec.user, spec.groups)
    security = spec.security
    capabilities = plan_capabilities(
        security.cap_add, security.cap_drop, privileged=security.privileged, available=parts.limits.capabilities
    )
    return BundleInput(
        container=record,
        rootfs=rootfs,
        user=user,
        args=[record.path, *record.args],
        env=plan_environment(spec, spec.hostname, user.home, link_environment(parts, record)),
        cwd=spec.workdir or "/",
        hostname=spec.hostname,
        cgroup_path=parts.group(live),
        cgroup_version=parts.host.cgroup_version,
        namespaces=plan_namespaces(
            spec,
            parts.host.cgroup_version,
            netns,
            lambda mode, kind: _peer(parts, mode, kind),
            None if remap is None else user_namespace(parts, remap, spec),
        ),
        uid_map=() if remap is None else remap.maps.uids,
        gid_map=() if remap is None else remap.maps.gids,
        limits=parts.limits,
        mounts=all_mounts(parts, live),
        devices=resolve_devices(spec.devices, privileged=security.privileged),
        seccomp=plan_seccomp(
            security.seccomp,
            privileged=security.privileged,
            capabilities=capabilities,
            host=parts.runtimes.seccomp_host(record.runtime, parts.limits),
        ),
        default_sysctls=parts.default_sysctls if remap is None else remap.sysctls,
        apparmor=plan_apparmor(security, parts.limits),
        init=find_init(parts.config.init_path) if wants_init(parts, spec) else "",
        swap=parts.abilities.swap,
    )


def _peer(parts: Parts, mode: str, kind: str) -> str | None:
    """The path of a namespace of another container or of a space; None where that is the host's."""
    if space_id(mode):
        return space_namespace(parts, mode, kind)
    return joinable(parts.registry.get(mode.removeprefix("container:")), kind)


def all_mounts(parts: Parts, live: Live) -> list[BundleMount]:
    """The engine's files, then the container's own mounts."""
    record = live.record
    own = {point.target for point in record.mount_points}
    owner = _network_owner(parts, record)
    files = parts.paths.bundle(owner.id if owner else live.id)
    read_only = record.spec.security.read_only_rootfs
    mounts = [
        plan_bind(f"{files}/{name}", target, read_only=read_only)
        for name, target in FILES.items()
        if target not in own and not space_id(record.spec.network.mode)
    ]
    shm = shared_memory(parts, record)
    if shm:
        mounts.append(plan_bind(shm, "/dev/shm"))
    if record.spec.namespaces.ipc == "host" and os.path.isdir(QUEUES) and remap_of(parts, record.spec) is not None:
        mounts.append(plan_bind(QUEUES, QUEUES))  # those of the host cannot be mounted anew from inside
    users = []
    cannot = parts.runtimes.get(record.runtime).recursive_read_only(parts.limits.kernel)
    for point in record.mount_points:
        source = live.sources.get(point.target, point.source)
        planned = plan_mount(point, source, cannot, file=not os.path.isdir(source))
        if planned.type == "bind":  # crun mounts binds anew, and would allow what the source's own mount forbids
            forbidden = [word for word in _forbidden(source) if word != "ro" or point.read_write]
            planned = dataclasses.replace(planned, options=(*planned.options, *forbidden))
        users.append(planned)
    users += [plan_tmpfs(clean(target), options) for target, options in record.spec.tmpfs.items()]
    if users:
        check_places(parts.paths.rootfs(live.id), users)
    return mounts + users


def _forbidden(path: str) -> list[str]:
    """What the mount that holds a path forbids, in mount options."""
    try:
        flags = os.statvfs(path).f_flag
    except OSError:  # it is missing: the runtime says so
        return []
    names = {"ro": os.ST_RDONLY, "noexec": os.ST_NOEXEC, "nosuid": os.ST_NOSUID, "nodev": os.ST_NODEV}
    return [name for name, flag in names.items() if flags & flag]


def shared_memory(parts: Parts, record: Container) -> str:
    """The host directory that is its /dev/shm, "" where it has one that nobody shares (or the host's, by default)."""
    ipc = record.spec.namespaces.ipc
    if space_id(ipc):
        return space_memory(parts, ipc)
    if ipc.startswith("container:"):
        peer = parts.registry.get(ipc.removeprefix("container:")).record
        return "/dev/shm" if peer.spec.namespaces.ipc == "host" else shared_memory(parts, peer)
    return f"{parts.paths.bundle(record.id)}/shm" if ipc == "shareable" else ""


def make_shared_memory(parts: Parts, live: Live) -> None:
    """A shareable container's /dev/shm lies on the host: a mount in its own namespace could not be joined."""
    spec = live.record.spec
    if spec.namespaces.ipc == "shareable":
        target = f"{parts.paths.bundle(live.id)}/shm"
        os.makedirs(target, exist_ok=True)
        flags = linux_mounts.MS_NOSUID | linux_mounts.MS_NODEV | linux_mounts.MS_NOEXEC
        options = f"mode=1777,size={spec.shm_size or parts.config.shm_size}"
        remap = remap_of(parts, spec)
        if remap is not None:
            options += ",uid={},gid={}".format(*remap.maps.root)
        linux_mounts.mount("shm", target, "tmpfs", flags, options)


def plan_mount(point: MountPoint, source: str, cannot: str = "", *, file: bool = False) -> BundleMount:
    """Pure: one mount point in the runtime's words. A read-only one is so with all that is mounted below it.

    `cannot` says why this host cannot do that, "" where it can; HostError where it was insisted on. Below a `file`
    nothing is mounted, and crun 1.8 takes the option for directories only.

    >>> point = MountPoint("volume", "", "/data", read_write=False)
    >>> plan_mount(point, "/v/db").options, plan_mount(point, "/v/db", "too old").options
    (('rbind', 'rro', 'rprivate'), ('rbind', 'ro', 'rprivate'))
    >>> plan_mount(point, "/v/db/file", file=True).options
    ('rbind', 'ro', 'rprivate')
    """
    mount = point.spec or Mount(point.type, point.target)
    if point.type == "tmpfs":
        return plan_tmpfs(point.target, plan_tmpfs_mount(mount))
    if mount.read_only_force_recursive and cannot:
        raise HostError(cannot)
    return plan_bind(
        source,
        point.target,
        read_only=not point.read_write,
        recursive=not mount.non_recursive,
        propagation=point.propagation,
        recursive_read_only=not (cannot or file or mount.read_only_non_recursive),
    )


def _network_owner(parts: Parts, record: Container) -> Container | None:
    mode = record.spec.network.mode
    return parts.registry.get(mode.removeprefix("container:")).record if mode.startswith("container:") else None


def write_files(parts: Parts, live: Live) -> None:
    """Fills in hosts, hostname and resolv.conf, in place: they are mounted already. And notes the network place."""
    record, bundle = live.record, parts.paths.bundle(live.id)
    _write(f"{bundle}/network.json", msgspec.json.encode(Seated(record.endpoints, record.ports)))
    for name, text in own_files(parts, record).items():
        _write(f"{bundle}/{name}", text.encode())


def own_files(parts: Parts, record: Container) -> dict[str, str]:
    """hosts, hostname and resolv.conf; none for a container that is shown those of another, or of a space."""
    if record.spec.network.mode.startswith("container:") or space_id(record.spec.network.mode):
        return {}
    spec, network, config = record.spec, record.spec.network, parts.config
    resolv = plan_resolv_conf(
        read_host_resolv_conf() if network.mode != "host" else _read("/etc/resolv.conf"),
        servers=network.dns or config.dns,
        search=network.dns_search or config.dns_search,
        options=network.dns_options or config.dns_options,
        keep_loopback=network.mode == "host",
        resolver=SERVER if any(parts.networks.need(name).named for name in record.endpoints) else "",
    )
    return {"hostname": f"{spec.hostname}\n", "hosts": _hosts(parts, record), "resolv.conf": resolv}


def tell_linked(parts: Parts, live: Live) -> None:
    """A container that starts again has another address: those that link to it are told."""
    for other in parts.registry:
        record = other.record
        if record.state.running and any(link.startswith(f"{live.id}:") for link in bridge_links(record.spec.network)):
            refresh_hosts(parts, other)


def refresh_hosts(parts: Parts, live: Live) -> None:
    """What a container's hosts file says of those that it links to has changed."""
    if live.record.state.running:
        _write(f"{parts.paths.bundle(live.id)}/hosts", _hosts(parts, live.record).encode())


def _hosts(parts: Parts, record: Container) -> str:
    spec, network = record.spec, record.spec.network
    extra = plan_extra_hosts(network.extra_hosts, parts.networks.gateway)
    for alias, peer in linked(parts, record):
        extra += plan_link_hosts(alias, peer)
    if network.mode == "host":
        return _read("/etc/hosts") + "".join(f"{address}\t{name}\n" for address, name in extra)
    addresses = [a for end in record.endpoints.values() for a in (end.ipv4, end.ipv6)]
    return plan_hosts(extra, plan_own_hosts(addresses, spec.hostname, spec.domainname))


def plan_published(record: Container) -> list[PortBinding]:
    """Pure: the ports to open: those that were bound, and with "publish all" every exposed one besides.

    >>> from corral.model.container import ContainerSpec, NetworkSpec
    >>> spec = ContainerSpec("x", exposed_ports=["80/tcp", "53-54/udp"], network=NetworkSpec(publish_all=True))
    >>> [(b.port, b.protocol) for b in plan_published(Container("1", "a", 0, "i", spec))]
    [(80, 'tcp'), (53, 'udp'), (54, 'udp')]
    """
    network = record.spec.network
    if not network.publish_all:
        return list(network.ports)
    bound = {(b.port, b.protocol) for b in network.ports}
    bindings = list(network.ports)
    exposed = dict.fromkeys(port for text in record.spec.exposed_ports for port in expand_ports(text))
    for port, protocol in exposed:
        if (port, protocol) not in bound:
            bindings.append(msgspec.convert({"port": port, "protocol": protocol}, PortBinding))
    return bindings


def exec_process(parts: Parts, live: Live, spec: ExecSpec) -> dict[str, Any]:
    """The OCI process of an exec session, with its user looked up in the running container."""
    record = live.record
    root = f"/proc/{record.state.pid}/root"
    user = resolve_user(root, spec.user or record.spec.user, [] if spec.user else record.spec.groups)
    told = replace(record.spec, tty=spec.tty, env=[*record.spec.env, *spec.env])
    env = plan_environment(told, record.spec.hostname, user.home, link_environment(parts, record))
    apparmor = plan_apparmor(record.spec.security, parts.limits)
    return plan_exec(record, spec, user=user, env=env, limits=parts.limits, apparmor=apparmor)


def _write(path: str, data: bytes) -> None:
    """In place: a bind mount shows the file that was there when it was made. Its blocks are kept: on a full disk there
    would be no others."""
    try:
        with open(path, "wb", opener=_untruncated) as file:
            file.write(data)
            file.truncate()
    except OSError as error:
        raise HostError(f"write {path}: {error.strerror}", error.errno) from error


def _untruncated(path: str, flags: int) -> int:
    return os.open(path, flags & ~os.O_TRUNC, 0o666)  # as open() makes files: 644 with our umask


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
