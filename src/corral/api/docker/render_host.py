"""HostConfig as `inspect` echoes it: what was asked for, with the defaults that were put in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corral.api.docker.render_mounts import bind_text, mount
from corral.model.container import Container, PortBinding, Resources, Security, ThrottleDevice

Json = dict[str, Any]

MASKED_PATHS = (
    [f"/proc/{name}" for name in "asound acpi interrupts kcore keys latency_stats timer_list timer_stats".split()]
    + ["/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"]
)  # fmt: skip
READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def host_config(container: Container, cgroup_version: int, default_runtime: str, links: Sequence[str] = ()) -> Json:
    """Pure: in Docker's order. Lists that clients send empty are [], those they leave out are null."""
    spec = container.spec
    network, security, spaces = spec.network, spec.security, spec.namespaces
    by_default = "private" if cgroup_version == 2 else "host"
    shown: Json = {
        "Binds": [bind_text(m) for m in spec.mounts if m.short] or None,
        "ContainerIDFile": spec.cid_file,
        "LogConfig": {"Type": spec.log.driver or "json-file", "Config": spec.log.options},
        "NetworkMode": "bridge" if network.mode == "default" else network.mode,
        "PortBindings": port_bindings(network.ports),
        "RestartPolicy": {"Name": spec.restart.name, "MaximumRetryCount": spec.restart.max_retries},
        "AutoRemove": spec.auto_remove,
        "VolumeDriver": spec.volume_driver,
        "VolumesFrom": spec.volumes_from or None,
        "ConsoleSize": spec.console_size or [0, 0],
    }
    if spec.annotations:
        shown["Annotations"] = spec.annotations
    shown |= {
        "CapAdd": security.cap_add or None,
        "CapDrop": security.cap_drop or None,
        "CgroupnsMode": spaces.cgroup or by_default,
        "Dns": network.dns,
        "DnsOptions": network.dns_options,
        "DnsSearch": network.dns_search,
        "ExtraHosts": network.extra_hosts or None,
        "GroupAdd": spec.groups or None,
        "IpcMode": spaces.ipc or "private",
        "Cgroup": "",
        "Links": list(links) or None,
        "OomScoreAdj": spec.oom_score_adj,
        "PidMode": spaces.pid,
        "Privileged": security.privileged,
        "PublishAllPorts": network.publish_all,
        "ReadonlyRootfs": security.read_only_rootfs,
        "SecurityOpt": _security_options(security, spaces.pid, spaces.ipc),
    }
    for name, value in (("StorageOpt", spec.storage_options), ("Tmpfs", spec.tmpfs)):
        if value:
            shown[name] = value
    shown |= {"UTSMode": spaces.uts, "UsernsMode": spaces.user, "ShmSize": spec.shm_size or 64 << 20}
    if spec.sysctls:
        shown["Sysctls"] = spec.sysctls
    shown |= {"Runtime": spec.runtime or container.runtime or default_runtime, "Isolation": spec.isolation}
    shown |= resources(container, cgroup_version)
    if long := [mount(m) for m in spec.mounts if not m.short]:
        shown["Mounts"] = long
    bare = security.privileged or security.unconfined_system_paths
    shown["MaskedPaths"] = _paths(security.masked_paths, MASKED_PATHS, bare)
    shown["ReadonlyPaths"] = _paths(security.readonly_paths, READONLY_PATHS, bare)
    if spec.init is not None:
        shown["Init"] = spec.init
    return shown


def _paths(given: list[str] | None, default: list[str], bare: bool) -> list[str] | None:
    if given is not None:
        return given
    return None if bare else default


def _security_options(security: Security, pid: str, ipc: str) -> list[str] | None:
    """Sharing the host's namespaces switches labels off, unless the user set some."""
    options = list(security.options)
    labelled = any(option.partition("=")[0] == "label" for option in options)
    if not labelled and (security.privileged or "host" in (pid, ipc)):
        options.append("label=disable")
    return options or None


def port_bindings(ports: Sequence[PortBinding]) -> Json:
    """
    >>> port_bindings([PortBinding(80, host_port=8000, host_port_end=8010)])
    {'80/tcp': [{'HostIp': '', 'HostPort': '8000-8010'}]}
    """
    shown: dict[str, list[Json]] = {}
    for port in ports:
        host = str(port.host_port or "") + (f"-{port.host_port_end}" if port.host_port_end else "")
        shown.setdefault(f"{port.port}/{port.protocol}", []).append({"HostIp": port.host_ip, "HostPort": host})
    return shown


def resources(container: Container, cgroup_version: int) -> Json:
    """The limits, among them what the model keeps elsewhere (devices, ulimits, the cgroup's parent)."""
    spec, limits = container.spec, container.spec.resources
    return {
        "CpuShares": limits.cpu_shares,
        "Memory": limits.memory,
        "NanoCpus": limits.nano_cpus,
        "CgroupParent": spec.cgroup_parent,
        "BlkioWeight": limits.blkio_weight,
        "BlkioWeightDevice": [{"Path": d.path, "Weight": d.weight} for d in limits.blkio_weight_device],
        "BlkioDeviceReadBps": _throttles(limits.blkio_read_bps),
        "BlkioDeviceWriteBps": _throttles(limits.blkio_write_bps),
        "BlkioDeviceReadIOps": _throttles(limits.blkio_read_iops),
        "BlkioDeviceWriteIOps": _throttles(limits.blkio_write_iops),
        "CpuPeriod": limits.cpu_period,
        "CpuQuota": limits.cpu_quota,
        "CpuRealtimePeriod": limits.cpu_realtime_period,
        "CpuRealtimeRuntime": limits.cpu_realtime_runtime,
        "CpusetCpus": limits.cpuset_cpus,
        "CpusetMems": limits.cpuset_mems,
        "Devices": [
            {"PathOnHost": d.host_path, "PathInContainer": d.path, "CgroupPermissions": d.permissions}
            for d in spec.devices
        ],
        "DeviceCgroupRules": spec.device_rules or None,
        "DeviceRequests": None,
        **({"KernelMemoryTCP": limits.kernel_memory_tcp} if limits.kernel_memory_tcp else {}),
        "MemoryReservation": limits.memory_reservation,
        "MemorySwap": limits.memory_swap,
        "MemorySwappiness": limits.memory_swappiness,
        "OomKillDisable": _oom_kill_disable(limits, cgroup_version),
        "PidsLimit": limits.pids_limit,
        "Ulimits": [{"Name": limit.name, "Hard": limit.hard, "Soft": limit.soft} for limit in spec.ulimits],
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
    }


def _oom_kill_disable(limits: Resources, cgroup_version: int) -> bool | None:
    """cgroup v2 has no such switch."""
    return None if cgroup_version == 2 else bool(limits.oom_kill_disable)


def _throttles(devices: Sequence[ThrottleDevice]) -> list[Json]:
    return [{"Path": device.path, "Rate": device.rate} for device in devices]
