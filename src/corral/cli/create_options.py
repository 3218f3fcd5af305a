"""The options of `run` and `create`, and where each goes in the request.

`PLAIN` says it all for most: option -> (place in the body, how its words become a value). The few that need more
are in `corral.cli.create_body`.
"""

from __future__ import annotations

from corral.cli.fail import Failure
from corral.cli.options import Option, flag, many, text
from corral.cli.render import parse_duration, parse_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _swap(words: str) -> int:
    return -1 if words == "-1" else parse_size(words)


def _cpus(words: str) -> int:
    return round(float(words) * 10**9)


def _pairs(words: list[str]) -> dict[str, str]:
    """["a=b", "c"] is {"a": "b", "c": ""}."""
    return {key: value for key, _, value in (word.partition("=") for word in words)}


def _weight_devices(words: list[str]) -> list[dict[str, Any]]:
    return [{"Path": path, "Weight": int(weight)} for path, _, weight in (w.rpartition(":") for w in words)]


def _rates(words: list[str]) -> list[dict[str, Any]]:
    return [{"Path": path, "Rate": parse_size(rate)} for path, _, rate in (w.rpartition(":") for w in words)]


def _counts(words: list[str]) -> list[dict[str, Any]]:
    return [{"Path": path, "Rate": int(rate)} for path, _, rate in (w.rpartition(":") for w in words)]


def parse_ulimits(words: list[str]) -> list[dict[str, Any]]:
    """["nofile=1024:2048"] is [{"Name": "nofile", "Soft": 1024, "Hard": 2048}]. Failure."""
    found = []
    for word in words:
        name, _, value = word.partition("=")
        soft, _, hard = value.partition(":")
        try:
            found.append({"Name": name, "Soft": int(soft), "Hard": int(hard or soft)})
        except ValueError:
            raise Failure(f'invalid argument "{word}" for "--ulimit" flag', 125) from None
    return found


def _devices(words: list[str]) -> list[dict[str, str]]:
    """["/dev/fuse:/dev/x:r"] is what is asked for; the place inside and "rwm" may be left out."""
    found = []
    for word in words:
        host, *rest = word.split(":")
        rights = rest.pop() if rest and not rest[-1].startswith("/") else "rwm"
        found.append({"PathOnHost": host, "PathInContainer": rest[0] if rest else host, "CgroupPermissions": rights})
    return found


HOST = "HostConfig."
Place = tuple[str, "Callable[[Any], Any]"]

# one word each
ONE: dict[str, tuple[Option, str, Callable[[str], Any]]] = {
    option.key: (option, place, convert)
    for option, place, convert in (
        (text("-h --hostname", "NAME", "the name of the machine inside"), "Hostname", str),
        (text("--domainname", "NAME", "its domain"), "Domainname", str),
        (text("-u --user", "USER[:GROUP]", "who runs the program"), "User", str),
        (text("-w --workdir", "DIR", "where it starts"), "WorkingDir", str),
        (text("--stop-signal", "SIGNAL", "what `stop` sends"), "StopSignal", str),
        (text("--stop-timeout", "SECONDS", "how long `stop` waits"), "StopTimeout", int),
        (text("-m --memory", "BYTES", "memory limit, 512m"), HOST + "Memory", parse_size),
        (text("--memory-reservation", "BYTES", "soft memory limit"), HOST + "MemoryReservation", parse_size),
        (text("--memory-swap", "BYTES", "memory and swap together, -1 for no limit"), HOST + "MemorySwap", _swap),
        (text("--memory-swappiness", "0..100", "how readily it is swapped out"), HOST + "MemorySwappiness", int),
        (text("--cpus", "NUMBER", "how many CPUs, 1.5"), HOST + "NanoCpus", _cpus),
        (text("-c --cpu-shares", "N", "CPU weight against others"), HOST + "CpuShares", int),
        (text("--cpu-period", "MICROSECONDS", "period of the CPU quota"), HOST + "CpuPeriod", int),
        (text("--cpu-quota", "MICROSECONDS", "CPU time in each period"), HOST + "CpuQuota", int),
        (text("--cpu-rt-period", "MICROSECONDS", "real-time period"), HOST + "CpuRealtimePeriod", int),
        (text("--cpu-rt-runtime", "MICROSECONDS", "real-time budget"), HOST + "CpuRealtimeRuntime", int),
        (text("--cpuset-cpus", "LIST", "which CPUs, 0-3,5"), HOST + "CpusetCpus", str),
        (text("--cpuset-mems", "LIST", "which memory nodes"), HOST + "CpusetMems", str),
        (text("--pids-limit", "N", "how many processes, -1 for no limit"), HOST + "PidsLimit", int),
        (text("--blkio-weight", "10..1000", "disk weight against others"), HOST + "BlkioWeight", int),
        (text("--shm-size", "BYTES", "size of /dev/shm"), HOST + "ShmSize", parse_size),
        (text("--oom-score-adj", "N", "how soon it is killed when memory is short"), HOST + "OomScoreAdj", int),
        (text("--cgroup-parent", "PATH", "the cgroup it is put under"), HOST + "CgroupParent", str),
        (text("--cgroupns", "MODE", "cgroup namespace: private or host"), HOST + "CgroupnsMode", str),
        (text("--pid", "MODE", "process namespace: host or container:NAME"), HOST + "PidMode", str),
        (text("--ipc", "MODE", "IPC namespace: private, shareable, host, none, container:NAME"), HOST + "IpcMode", str),
        (text("--uts", "MODE", "host name namespace: host"), HOST + "UTSMode", str),
        (text("--userns", "MODE", "user namespace: host"), HOST + "UsernsMode", str),
        (text("--runtime", "NAME", "OCI runtime: crun or runc"), HOST + "Runtime", str),
        (text("--volume-driver", "NAME", "driver of the volumes it names"), HOST + "VolumeDriver", str),
        (text("--log-driver", "NAME", "json-file, local or none"), HOST + "LogConfig.Type", str),
        (text("--cidfile", "FILE", "write the id there"), HOST + "ContainerIDFile", str),
        (text("--health-interval", "TIME", "between two checks, 30s"), "Healthcheck.Interval", parse_duration),
        (text("--health-timeout", "TIME", "how long a check may take"), "Healthcheck.Timeout", parse_duration),
        (
            text("--health-start-period", "TIME", "how long failures do not count"),
            "Healthcheck.StartPeriod",
            parse_duration,
        ),
        (
            text("--health-start-interval", "TIME", "between checks in that period"),
            "Healthcheck.StartInterval",
            parse_duration,
        ),
        (text("--health-retries", "N", "failures in a row that make it unhealthy"), "Healthcheck.Retries", int),
    )
}

# may be repeated
MANY: dict[str, tuple[Option, str, Callable[[list[str]], Any]]] = {
    option.key: (option, place, convert)
    for option, place, convert in (
        (many("-v --volume", "SOURCE:TARGET[:OPTIONS]", "show a directory or a volume inside"), HOST + "Binds", list),
        (many("--volumes-from", "CONTAINER", "the volumes of another container"), HOST + "VolumesFrom", list),
        (many("--cap-add", "NAME", "one more capability"), HOST + "CapAdd", list),
        (many("--cap-drop", "NAME", "one capability less"), HOST + "CapDrop", list),
        (many("--group-add", "GROUP", "one more group"), HOST + "GroupAdd", list),
        (many("--dns", "ADDRESS", "name server"), HOST + "Dns", list),
        (many("--dns-search", "DOMAIN", "search domain"), HOST + "DnsSearch", list),
        (many("--dns-option", "OPTION", "resolver option"), HOST + "DnsOptions", list),
        (many("--add-host", "NAME:ADDRESS", "a line in /etc/hosts"), HOST + "ExtraHosts", list),
        (many("--link", "CONTAINER[:ALIAS]", "name another container in /etc/hosts"), HOST + "Links", list),
        (many("--device", "PATH[:PATH[:rwm]]", "show a device of the host"), HOST + "Devices", _devices),
        (many("--device-cgroup-rule", "RULE", "allow devices, 'c 1:3 rwm'"), HOST + "DeviceCgroupRules", list),
        (many("--ulimit", "NAME=SOFT[:HARD]", "a resource limit"), HOST + "Ulimits", parse_ulimits),
        (many("--sysctl", "NAME=VALUE", "a kernel parameter of its namespaces"), HOST + "Sysctls", _pairs),
        (many("--tmpfs", "DIR[:OPTIONS]", "an empty file system in memory"), HOST + "Tmpfs", lambda w: _tmpfs(w)),
        (many("--log-opt", "KEY=VALUE", "max-size, max-file"), HOST + "LogConfig.Config", _pairs),
        (many("--storage-opt", "KEY=VALUE", "option of its file system"), HOST + "StorageOpt", _pairs),
        (many("--annotation", "KEY=VALUE", "annotation for the runtime"), HOST + "Annotations", _pairs),
        (many("--blkio-weight-device", "PATH:WEIGHT", "disk weight"), HOST + "BlkioWeightDevice", _weight_devices),
        (many("--device-read-bps", "PATH:RATE", "bytes read per second"), HOST + "BlkioDeviceReadBps", _rates),
        (many("--device-write-bps", "PATH:RATE", "bytes written per second"), HOST + "BlkioDeviceWriteBps", _rates),
        (many("--device-read-iops", "PATH:RATE", "reads per second"), HOST + "BlkioDeviceReadIOps", _counts),
        (many("--device-write-iops", "PATH:RATE", "writes per second"), HOST + "BlkioDeviceWriteIOps", _counts),
    )
}

FLAGS: dict[str, tuple[Option, str]] = {
    option.key: (option, place)
    for option, place in (
        (flag("-t --tty", "give it a terminal"), "Tty"),
        (flag("-i --interactive", "keep its input open"), "OpenStdin"),
        (flag("--rm", "remove it when it has ended"), HOST + "AutoRemove"),
        (flag("--init", "a small init reaps and passes signals"), HOST + "Init"),
        (flag("--privileged", "all capabilities and devices"), HOST + "Privileged"),
        (flag("--read-only", "its root file system cannot be written"), HOST + "ReadonlyRootfs"),
        (flag("-P --publish-all", "publish every exposed port"), HOST + "PublishAllPorts"),
        (flag("--oom-kill-disable", "do not kill it when its memory is used up"), HOST + "OomKillDisable"),
    )
}


def _tmpfs(words: list[str]) -> dict[str, str]:
    return {path: options for path, _, options in (word.partition(":") for word in words)}


SPECIAL = (
    text("--name", "NAME", "its name"),
    many("-e --env", "NAME=VALUE", "environment variable; NAME alone takes it from here"),
    many("--env-file", "FILE", "environment variables, one a line"),
    many("-l --label", "KEY=VALUE", "label"),
    many("--label-file", "FILE", "labels, one a line"),
    Option("--entrypoint", "PROGRAM", "instead of the image's entry point"),
    many("-p --publish", "[IP:][PORT:]PORT[/PROTOCOL]", "publish a port"),
    many("--expose", "PORT[/PROTOCOL]", "a port it listens on"),
    many("--mount", "KEY=VALUE,…", "type=bind|volume|tmpfs|image,source=…,target=…"),
    text("--restart", "POLICY", "no, always, unless-stopped, on-failure[:N]"),
    many("--security-opt", "OPTION", "seccomp=FILE, apparmor=…, no-new-privileges, label=…"),
    many("--network", "NAME", "bridge, host, none or container:NAME"),
    many("--net", "NAME", "the same as --network"),
    many("--network-alias", "NAME", "one more name in that network"),
    text("--ip", "ADDRESS", "IPv4 address in that network"),
    text("--ip6", "ADDRESS", "IPv6 address in that network"),
    text("--mac-address", "MAC", "its hardware address"),
    text("--health-cmd", "LINE", "a shell command that says whether it is well"),
    flag("--no-healthcheck", "no health check, whatever the image says"),
    many("-a --attach", "STREAM", "stdin, stdout or stderr"),
    text("--platform", "OS/ARCH", "the platform the image must have"),
    text("--pull", "WHEN", "missing, always or never: whether the image is pulled first"),
    flag("-q --quiet", "no progress of a pull"),
)

ALL = (
    *SPECIAL,
    *(one[0] for one in ONE.values()),
    *(one[0] for one in MANY.values()),
    *(one[0] for one in FLAGS.values()),
)
