"""The plan of a bundle: the whole of config.json (OCI runtime-spec 1.0.2), as runc and crun take it. All pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corral.linux.idmap import IdMap
from corral.linux.limits import Limits
from corral.model.container import Container, Hook, Resources, Security
from corral.model.process import ExecSpec
from corral.runtime import init
from corral.runtime.capabilities import plan_capabilities, plan_sets
from corral.runtime.devices import plan_device, plan_device_rules
from corral.runtime.input import BundleInput, BundleMount
from corral.runtime.mounts import default_mounts, plan_bind, plan_mounts, plan_root_propagation
from corral.runtime.resources import plan_resources
from corral.runtime.rlimits import plan_rlimits
from corral.runtime.security import plan_paths
from corral.runtime.sysctls import plan_sysctls
from corral.runtime.users import ResolvedUser

OCI_VERSION = "1.0.2"


def plan_bundle(p: BundleInput) -> dict[str, Any]:
    """Pure: config.json. InvalidInput where what is asked for makes no sense."""
    spec = p.container.spec
    mounts = plan_all_mounts(p)
    config: dict[str, Any] = {
        "ociVersion": OCI_VERSION,
        "process": plan_process(p),
        "root": {"path": p.rootfs, "readonly": spec.security.read_only_rootfs},
        "mounts": [_mount(mount) for mount in mounts],
        "linux": plan_linux(p, mounts),
    }
    if "uts" in p.namespaces and p.hostname and not p.namespaces["uts"]:
        config["hostname"] = p.hostname
    if spec.annotations:
        config["annotations"] = dict(spec.annotations)
    if spec.hooks:
        config["hooks"] = plan_hooks(spec.hooks)
    return config


def plan_hooks(hooks: Sequence[Hook]) -> dict[str, list[dict[str, Any]]]:
    """Pure: OCI's hooks, in order for each point.

    >>> plan_hooks([Hook("createRuntime", "/bin/x", ["x", "-v"], timeout=3)])
    {'createRuntime': [{'path': '/bin/x', 'args': ['x', '-v'], 'timeout': 3}]}
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for one in hooks:
        fields = {"path": one.path, "args": list(one.args), "env": list(one.env), "timeout": one.timeout}
        found.setdefault(one.kind, []).append({name: value for name, value in fields.items() if value})
    return found


def plan_process(p: BundleInput) -> dict[str, Any]:
    """Pure: OCI's process of the container itself."""
    spec = p.container.spec
    args = init.plan_arguments(p.args) if p.init else list(p.args)
    process = _process(
        args,
        p.env,
        p.cwd,
        p.user,
        _capabilities(spec.security, p.limits, spec.security.privileged),
        spec.security,
        p.apparmor,
    )
    process |= _terminal(spec.tty, p.console_size or spec.console_size)
    rlimits = plan_rlimits(spec.ulimits, p.limits)[0]
    if rlimits:
        process["rlimits"] = rlimits
    process["oomScoreAdj"] = p.limits.oom_score(spec.oom_score_adj)
    return process


def plan_exec(
    container: Container,
    wanted: ExecSpec,
    *,
    user: ResolvedUser,
    env: Sequence[str],
    limits: Limits,
    apparmor: str = "",
    console_size: Sequence[int] = (),
) -> dict[str, Any]:
    """Pure: OCI's process (process.json) of one more process in a container. `env` is complete."""
    spec = container.spec
    names = _capabilities(spec.security, limits, wanted.privileged or spec.security.privileged)
    cwd = wanted.workdir or spec.workdir
    process = _process(wanted.command, env, cwd, user, names, spec.security, "" if wanted.privileged else apparmor)
    process |= _terminal(wanted.tty, console_size or wanted.console_size)
    rlimits = plan_rlimits(spec.ulimits, limits)[0]
    return process | ({"rlimits": rlimits} if rlimits else {})


def _process(
    args: Sequence[str],
    env: Sequence[str],
    cwd: str,
    user: ResolvedUser,
    capabilities: Sequence[str],
    security: Security,
    apparmor: str,
) -> dict[str, Any]:
    process: dict[str, Any] = {
        "user": {"uid": user.uid, "gid": user.gid},
        "args": list(args),
        "env": list(env),
        "cwd": cwd or "/",
        "capabilities": plan_sets(capabilities, user.uid),
        "noNewPrivileges": security.no_new_privileges,
    }
    if user.groups:
        process["user"]["additionalGids"] = list(user.groups)
    if apparmor:
        process["apparmorProfile"] = apparmor
    return process


def _capabilities(security: Security, limits: Limits, privileged: bool) -> list[str]:
    available = limits.bounding & limits.capabilities
    return plan_capabilities(security.cap_add, security.cap_drop, privileged=privileged, available=available)


def _terminal(tty: bool, size: Sequence[int]) -> dict[str, Any]:
    """`size` is (height, width); zeros mean unknown.

    >>> _terminal(True, [24, 80])
    {'terminal': True, 'consoleSize': {'height': 24, 'width': 80}}
    """
    if not tty:
        return {"terminal": False}
    known = len(size) == 2 and all(size)
    return {"terminal": True} | ({"consoleSize": {"height": size[0], "width": size[1]}} if known else {})


def plan_all_mounts(p: BundleInput) -> list[BundleMount]:
    """Pure: the default mounts, the user's, and the init program's."""
    spec = p.container.spec
    defaults = default_mounts(
        privileged=spec.security.privileged or bool(p.uid_map),
        read_only=spec.security.read_only_rootfs,
        shm=_shm(p),
        shm_size=spec.shm_size,
        writable_cgroups=spec.security.writable_cgroups,
    )
    if p.uid_map and not spec.security.privileged:
        defaults = [_sys_read_only(mount) for mount in defaults]
    mine = list(p.mounts)
    if p.uid_map:
        # Nobody may make devices there, so the runtime binds the host's, which must then have the same path; these not.
        mine += [plan_bind(device.source, device.path) for device in p.devices if device.source]
        if "ipc" not in p.namespaces:
            defaults = [mount for mount in defaults if mount.target != "/dev/mqueue"]  # the host's: root's alone
    if p.init:
        mine.append(BundleMount(p.init, init.TARGET, "bind", ("bind", "ro", "rprivate")))
    return plan_mounts(defaults, mine)


def _shm(p: BundleInput) -> str | None:
    """A tmpfs of its own, the host's with the host's IPC namespace, none with none."""
    if p.container.spec.namespaces.ipc == "none":
        return None
    return "" if "ipc" in p.namespaces else "/dev/shm"


def _sys_read_only(mount: BundleMount) -> BundleMount:
    # In a user namespace the cgroup mount cannot be made read-only, /sys can.
    if mount.target != "/sys":
        return mount
    return BundleMount(mount.source, mount.target, mount.type, (*mount.options, "ro"))


def _mount(mount: BundleMount) -> dict[str, Any]:
    return {"destination": mount.target, "type": mount.type, "source": mount.source, "options": list(mount.options)}


def plan_linux(p: BundleInput, mounts: Sequence[BundleMount]) -> dict[str, Any]:
    """Pure: OCI's linux."""
    spec = p.container.spec
    masked, read_only = plan_paths(spec.security)
    linux: dict[str, Any] = {
        "namespaces": plan_namespaces(p),
        "cgroupsPath": p.cgroup_path,
        "resources": plan_all_resources(p, spec.resources),
        "maskedPaths": masked,
        "readonlyPaths": read_only,
    }
    optional: dict[str, Any] = {
        "devices": [plan_device(device) for device in p.devices if not (p.uid_map and device.source)],
        "sysctl": plan_sysctls(
            spec.sysctls,
            own_network=_own(p, "network"),
            domainname=spec.domainname if _own(p, "uts") else "",
            defaults=p.default_sysctls,
        ),
        "seccomp": p.seccomp,
        "rootfsPropagation": plan_root_propagation(p.mounts),
        "uidMappings": _id_map(p.uid_map),
        "gidMappings": _id_map(p.gid_map),
    }
    return linux | {name: value for name, value in optional.items() if value}


def plan_all_resources(p: BundleInput, wanted: Resources) -> dict[str, Any]:
    """Pure but for the numbers of block devices: the limits, and which devices may be used."""
    spec = p.container.spec
    rules = plan_device_rules(p.devices, spec.device_rules, privileged=spec.security.privileged)
    return {"devices": rules, **plan_resources(wanted, p.cgroup_version, swap=p.swap)}


_ORDER = ("user", "mount", "network", "uts", "pid", "ipc", "cgroup")


def plan_namespaces(p: BundleInput) -> list[dict[str, str]]:
    """Pure: OCI's list, in one order whatever the input's. A mapping of users needs a user namespace."""
    spaces = dict(p.namespaces)
    spaces.setdefault("mount", "")
    if p.uid_map:
        spaces.setdefault("user", "")
    found = []
    for kind in _ORDER:
        if kind in spaces:
            path = spaces[kind]
            found.append({"type": kind, "path": path} if path else {"type": kind})
    return found


def _own(p: BundleInput, kind: str) -> bool:
    """Whether the namespace is made for this container: new, or (a network) made ready beforehand."""
    path = p.namespaces.get(kind, None)
    if kind not in p.namespaces:
        return False
    return not path or (kind == "network" and not p.container.spec.network.mode.startswith(("container:", "space:")))


def _id_map(entries: Sequence[IdMap]) -> list[dict[str, int]]:
    return [{"containerID": inside, "hostID": outside, "size": size} for inside, outside, size in entries]


def plan_warnings(p: BundleInput) -> list[str]:
    """Pure: what this host cannot give as asked for, a sentence each."""
    spec = p.container.spec
    warnings = plan_rlimits(spec.ulimits, p.limits)[1]
    if p.limits.oom_score(spec.oom_score_adj) != spec.oom_score_adj:
        warnings.append(
            f"oom-score-adj {spec.oom_score_adj} raised to {p.limits.oom_score(spec.oom_score_adj)}: the daemon has "
            "no CAP_SYS_RESOURCE to lower it with"
        )
    return warnings
