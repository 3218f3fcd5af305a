"""A container as the engine knows it: what was asked for (`ContainerSpec`), and what became of it (`Container`).

The words are the engine's. Docker's, LXD's and Kubernetes' shapes are translations of these; everything that
such an API must echo is here, so that inspecting never needs a second copy of the request.

Units: memory and disk in bytes, durations and times in nanoseconds (times since the epoch, 0 is "never"),
CPU in billionths of a CPU or in the kernel's own quota and period (microseconds).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct as _Struct
from msgspec import field


class Struct(_Struct, omit_defaults=True):
    """Every type of the model: JSON without the fields that have their default."""


class HealthCheck(Struct):
    """How to ask a container whether it is well.

    `test` is `[]` (inherit the image's), `["NONE"]`, `["CMD", arg…]` or `["CMD-SHELL", line]`.
    Zero durations and retries mean the defaults: 30 s, 30 s, 0 s, 5 s, 3.
    """

    test: list[str] = []
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class RestartPolicy(Struct):
    """`max_retries` counts only with `on-failure`; 0 is no limit."""

    name: Literal["no", "always", "unless-stopped", "on-failure"] = "no"
    max_retries: int = 0


class Ulimit(Struct):
    """`name` without RLIMIT_, lower case ("nofile"); -1 is unlimited."""

    name: str
    soft: int
    hard: int


class Device(Struct):
    """A host device shown inside; `permissions` is a subset of "rwm"."""

    host_path: str
    path: str
    permissions: str = "rwm"


class Hook(Struct):
    """A program of the host's that the runtime starts at a point of the container's life: prestart, createRuntime,
    createContainer, startContainer, poststart or poststop. `args` begin with its name; `timeout` in seconds, 0: none.
    """

    kind: str
    path: str
    args: list[str] = []
    env: list[str] = []
    timeout: int = 0


class WeightDevice(Struct):
    path: str
    weight: int


class ThrottleDevice(Struct):
    path: str
    rate: int


class Resources(Struct):
    """What a container may use. Zero and empty mean "no limit" unless said otherwise; may change while it runs."""

    memory: int = 0
    memory_reservation: int = 0
    memory_swap: int = 0  # memory plus swap; -1 unlimited; 0 twice the memory
    memory_swappiness: int | None = None  # 0..100
    kernel_memory_tcp: int = 0
    oom_kill_disable: bool | None = None
    oom_group: bool = False  # a lack of memory ends all of its processes, not one alone; cgroup v2 only
    nano_cpus: int = 0
    cpu_shares: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_realtime_period: int = 0
    cpu_realtime_runtime: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids_limit: int | None = None  # None or 0 or -1: no limit
    blkio_weight: int = 0
    blkio_weight_device: list[WeightDevice] = []
    blkio_read_bps: list[ThrottleDevice] = []
    blkio_write_bps: list[ThrottleDevice] = []
    blkio_read_iops: list[ThrottleDevice] = []
    blkio_write_iops: list[ThrottleDevice] = []


class Security(Struct):
    """`seccomp` is "" (the default profile), "unconfined" or the JSON text of a profile; None paths mean the
    default lists of masked and read-only paths, [] none of them."""

    privileged: bool = False
    cap_add: list[str] = []
    cap_drop: list[str] = []
    seccomp: str = ""
    apparmor: str = ""
    labels: list[str] = []  # SELinux: "disable", "user:U", "role:R", "type:T", "level:L"
    no_new_privileges: bool = False
    unconfined_system_paths: bool = False
    writable_cgroups: bool | None = None  # None: as it is privileged or not
    masked_paths: list[str] | None = None
    readonly_paths: list[str] | None = None
    read_only_rootfs: bool = False
    options: list[str] = []  # as the user gave them, for inspection


class Namespaces(Struct):
    """Each is "" (the default: private), "private", "host" or "container:ID"; `ipc` also "shareable" and "none".

    `ipc` and `uts` may be "space:ID" (see `model/space.py`).

    `user` is "" (the daemon's remapping, if any), "host" or "space:ID".
    """

    pid: str = ""
    ipc: str = ""
    uts: str = ""
    cgroup: str = ""
    user: str = ""


class Mount(Struct):
    """Something of the host's shown inside.

    bind: `source` is a host path. volume: `source` is a volume's name ("" makes an anonymous one).
    tmpfs: no source. image: `source` is an image reference, always read-only.
    `short` remembers that it was asked for in the form SOURCE:TARGET[:OPTIONS] (Docker's Binds), with its
    options in `mode`; the long form is more strict (a missing bind source is an error).
    """

    type: Literal["bind", "volume", "tmpfs", "image"]
    target: str
    source: str = ""
    read_only: bool = False
    short: bool = False
    mode: str = ""
    consistency: str = ""
    propagation: str = ""  # "", rprivate, private, rshared, shared, rslave, slave
    non_recursive: bool = False
    create_source: bool = False
    read_only_non_recursive: bool = False
    read_only_force_recursive: bool = False
    no_copy: bool = False
    subpath: str = ""
    volume_labels: dict[str, str] = {}
    volume_driver: str = ""
    volume_driver_options: dict[str, str] = {}
    tmpfs_size: int = 0
    tmpfs_mode: int | None = None
    tmpfs_options: list[list[str]] = []


class PortBinding(Struct):
    """One published port. `host_port` 0 is any free one; `host_port_end` makes a range to choose from."""

    port: int
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    host_ip: str = ""
    host_port: int = 0
    host_port_end: int = 0


class EndpointSpec(Struct):
    """How to join one network."""

    ipv4: str = ""
    ipv6: str = ""
    link_local_ips: list[str] = []
    mac: str = ""
    aliases: list[str] = []
    links: list[str] = []
    driver_options: dict[str, str] = {}
    gateway_priority: int = 0
    interface: str = ""  # its name inside; "" counts up
    sysctls: list[str] = []  # "net.ipv4.conf.IFNAME.x=1", for its interface


class NetworkSpec(Struct):
    """`mode` is "default" or "bridge" (the default bridge), "host", "none", "container:ID", "space:ID" or
    a network's name.

    `endpoints` maps network names to how to join them; the mode's own network may be missing there.
    """

    mode: str = "default"
    endpoints: dict[str, EndpointSpec] = {}
    ports: list[PortBinding] = []
    publish_all: bool = False
    dns: list[str] = []
    dns_search: list[str] = []
    dns_options: list[str] = []
    extra_hosts: list[str] = []  # "name:address"; the address "host-gateway" is the bridge's
    links: list[str] = []
    disabled: bool = False
    left: list[str] = []  # the mode's network, once the container has been taken out of it


class LogSpec(Struct):
    """driver "" is the daemon's default; "json-file", "local" and "none" are offered."""

    driver: str = ""
    options: dict[str, str] = {}


class ContainerSpec(Struct):
    """Everything that was asked for. After creation the image's own configuration is merged in."""

    image: str
    platform: str = ""
    # the process
    entrypoint: list[str] | None = None  # None: the image's; []: none at all
    command: list[str] | None = None
    env: list[str] = []
    workdir: str = ""
    user: str = ""
    groups: list[str] = []
    tty: bool = False
    stdin_open: bool = False
    stdin_once: bool = False
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    args_escaped: bool = False
    shell: list[str] | None = None
    on_build: list[str] | None = None
    init: bool | None = None
    console_size: list[int] = []  # [height, width] of the first terminal
    # what it is called
    hostname: str = ""
    domainname: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    unlisted: str = ""  # the start of labels: lists show it only to who asks for such a label; "": to everybody
    # its life
    stop_signal: str = ""
    stop_timeout: int | None = None  # seconds
    health: HealthCheck | None = None
    restart: RestartPolicy = field(default_factory=RestartPolicy)
    auto_remove: bool = False
    # its walls
    security: Security = field(default_factory=Security)
    namespaces: Namespaces = field(default_factory=Namespaces)
    sysctls: dict[str, str] = {}
    runtime: str = ""
    resources: Resources = field(default_factory=Resources)
    ulimits: list[Ulimit] = []
    oom_score_adj: int = 0
    shm_size: int = 0  # 0: 64 MiB
    devices: list[Device] = []
    device_rules: list[str] = []
    hooks: list[Hook] = []
    cgroup_parent: str = ""
    isolation: str = ""  # Windows' word; here only "default", kept for inspection
    storage_options: dict[str, str] = {}
    # its files
    mounts: list[Mount] = []
    tmpfs: dict[str, str] = {}
    volumes: list[str] = []  # anonymous volumes: the image's and the user's, by target
    volumes_from: list[str] = []
    volume_driver: str = ""
    # its network
    exposed_ports: list[str] = []  # "80/tcp"
    network: NetworkSpec = field(default_factory=NetworkSpec)
    # the rest
    log: LogSpec = field(default_factory=LogSpec)
    cid_file: str = ""


Status = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]


class HealthResult(Struct):
    start: int
    end: int
    exit_code: int
    output: str


class Health(Struct):
    """`log` keeps the last five results, oldest first."""

    status: Literal["starting", "healthy", "unhealthy"] = "starting"
    failing_streak: int = 0
    log: list[HealthResult] = []


class State(Struct):
    """What became of it. `pid` is 0 unless it runs; `pid_start` tells a recycled pid apart."""

    status: Status = "created"
    pid: int = 0
    pid_start: int = 0
    monitor_pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_at: int = 0
    finished_at: int = 0
    restart_count: int = 0
    stopped_by_user: bool = False
    health: Health | None = None

    @property
    def running(self) -> bool:
        """Docker's notion: paused and restarting ones count as running."""
        return self.status in ("running", "paused", "restarting")


class BoundPort(Struct):
    """A published port that is open now."""

    port: int
    protocol: Literal["tcp", "udp", "sctp"]
    host_ip: str
    host_port: int


class Endpoint(Struct):
    """A place in a network that a running container has now."""

    network: str
    network_id: str
    endpoint_id: str
    interface: str = "eth0"
    mac: str = ""
    ipv4: str = ""
    ipv4_prefix: int = 0
    gateway: str = ""
    ipv6: str = ""
    ipv6_prefix: int = 0
    gateway6: str = ""
    host_interface: str = ""
    aliases: list[str] = []
    dns_names: list[str] = []
    links: dict[str, str] = {}  # a name that only this container knows -> a name of the container that it means
    sysctls: list[str] = []
    priority: int = 0  # of the gateways of several networks the one with the highest is taken
    internal: bool = False  # no way out
    routed: list[int] = []  # the versions of IP in which ports are opened to who has a route, not published
    link_local: list[str] = []  # more addresses, that only the network itself knows


class MountPoint(Struct):
    """A mount as it was resolved at creation. `source` is a host path; `name` a volume's name.

    `inherited`: it came with another container's mounts.
    """

    type: Literal["bind", "volume", "tmpfs", "image"]
    source: str
    target: str
    name: str = ""
    driver: str = ""
    mode: str = ""
    read_write: bool = True
    propagation: str = ""
    anonymous: bool = False
    spec: Mount | None = None
    inherited: bool = False


class Container(Struct):
    """One record of the engine: saved as a whole, in one transaction, at every change."""

    id: str
    name: str
    created: int
    image_id: str
    spec: ContainerSpec
    path: str = ""  # the program and its arguments, as they will be executed
    args: list[str] = []
    state: State = field(default_factory=State)
    mount_points: list[MountPoint] = []
    endpoints: dict[str, Endpoint] = {}
    ports: list[BoundPort] = []
    runtime: str = ""  # the runtime that was chosen
    ready: bool = False  # False while it is being made: a restarted daemon removes what is not ready
    hidden: bool = False  # a piece of somebody's work: listed nowhere, told to nobody, never on record
