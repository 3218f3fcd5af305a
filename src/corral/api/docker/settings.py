"""What a container is asked to be, as the Docker Engine API sends it: Config, HostConfig, NetworkingConfig."""

from __future__ import annotations

from typing import Any

from corral.api.docker import parts
from corral.api.docker.gotypes import Body, Int, Int64, Names, UInt, UInt16, UInt64, Words


class Config(Body):
    Hostname: str = ""
    Domainname: str = ""
    User: str = ""
    AttachStdin: bool = False
    AttachStdout: bool = False
    AttachStderr: bool = False
    ExposedPorts: Names = []
    Tty: bool = False
    OpenStdin: bool = False
    StdinOnce: bool = False
    Env: list[str] = []
    Cmd: Words | None = None
    Healthcheck: parts.HealthConfig | None = None
    ArgsEscaped: bool = False
    Image: str = ""
    Volumes: Names = []
    WorkingDir: str = ""
    Entrypoint: Words | None = None
    NetworkDisabled: bool = False
    MacAddress: str = ""
    OnBuild: list[str] | None = None
    Labels: dict[str, str] = {}
    StopSignal: str = ""
    StopTimeout: Int | None = None
    Shell: Words | None = None


class Mount(Body):
    GO = "mount.Mount"
    Type: str = ""
    Source: str = ""
    Target: str = ""
    ReadOnly: bool = False
    Consistency: str = ""
    BindOptions: parts.BindOptions | None = None
    VolumeOptions: parts.VolumeOptions | None = None
    ImageOptions: parts.ImageOptions | None = None
    TmpfsOptions: parts.TmpfsOptions | None = None
    ClusterOptions: Any = None


class Resources(Body):
    CpuShares: Int64 = 0
    Memory: Int64 = 0
    NanoCpus: Int64 = 0
    CgroupParent: str = ""
    BlkioWeight: UInt16 = 0
    BlkioWeightDevice: list[parts.WeightDevice] = []
    BlkioDeviceReadBps: list[parts.ThrottleDevice] = []
    BlkioDeviceWriteBps: list[parts.ThrottleDevice] = []
    BlkioDeviceReadIOps: list[parts.ThrottleDevice] = []
    BlkioDeviceWriteIOps: list[parts.ThrottleDevice] = []
    CpuPeriod: Int64 = 0
    CpuQuota: Int64 = 0
    CpuRealtimePeriod: Int64 = 0
    CpuRealtimeRuntime: Int64 = 0
    CpusetCpus: str = ""
    CpusetMems: str = ""
    Devices: list[parts.DeviceMapping] = []
    DeviceCgroupRules: list[str] = []
    DeviceRequests: list[parts.DeviceRequest] = []
    KernelMemory: Int64 = 0
    KernelMemoryTCP: Int64 = 0
    MemoryReservation: Int64 = 0
    MemorySwap: Int64 = 0
    MemorySwappiness: Int64 | None = None
    OomKillDisable: bool | None = None
    PidsLimit: Int64 | None = None
    Ulimits: list[parts.Ulimit] = []
    CpuCount: Int64 = 0
    CpuPercent: Int64 = 0
    IOMaximumIOps: UInt64 = 0
    IOMaximumBandwidth: UInt64 = 0


class HostConfig(Resources):
    Binds: list[str] = []
    ContainerIDFile: str = ""
    LogConfig: parts.LogConfig | None = None
    NetworkMode: str = ""
    PortBindings: dict[str, list[parts.PortBinding]] = {}
    RestartPolicy: parts.RestartPolicy | None = None
    AutoRemove: bool = False
    VolumeDriver: str = ""
    VolumesFrom: list[str] = []
    ConsoleSize: list[UInt] = []
    Annotations: dict[str, str] = {}
    CapAdd: Words = []
    CapDrop: Words = []
    CgroupnsMode: str = ""
    Dns: list[str] = []
    DnsOptions: list[str] = []
    DnsSearch: list[str] = []
    ExtraHosts: list[str] = []
    GroupAdd: list[str] = []
    IpcMode: str = ""
    Cgroup: str = ""
    Links: list[str] = []
    OomScoreAdj: Int = 0
    PidMode: str = ""
    Privileged: bool = False
    PublishAllPorts: bool = False
    ReadonlyRootfs: bool = False
    SecurityOpt: list[str] = []
    StorageOpt: dict[str, str] = {}
    Tmpfs: dict[str, str] = {}
    UTSMode: str = ""
    UsernsMode: str = ""
    ShmSize: Int64 = 0
    Sysctls: dict[str, str] = {}
    Runtime: str = ""
    Isolation: str = ""
    Mounts: list[Mount] = []
    MaskedPaths: list[str] | None = None
    ReadonlyPaths: list[str] | None = None
    Init: bool | None = None


class EndpointSettings(Body):
    """The second half is what the engine reports; clients that send back what they read may leave it in."""

    GO = "network.EndpointSettings"
    IPAMConfig: parts.EndpointIPAMConfig | None = None
    Links: list[str] = []
    Aliases: list[str] = []
    MacAddress: str = ""
    DriverOpts: dict[str, str] = {}
    GwPriority: Int = 0
    NetworkID: str = ""
    EndpointID: str = ""
    Gateway: str = ""
    IPAddress: str = ""
    IPPrefixLen: Int = 0
    IPv6Gateway: str = ""
    GlobalIPv6Address: str = ""
    GlobalIPv6PrefixLen: Int = 0
    DNSNames: list[str] = []


class NetworkingConfig(Body):
    GO = "network.NetworkingConfig"
    EndpointsConfig: dict[str, EndpointSettings | None] = {}
