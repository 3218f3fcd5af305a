"""The small parts of request bodies, under the names that the Docker Engine API gives them."""

from __future__ import annotations

from corral.api.docker.gotypes import Body, FileMode, Int, Int64, UInt16, UInt64


class HealthConfig(Body):
    GO = "v1.HealthcheckConfig"
    Test: list[str] = []
    Interval: Int64 = 0
    Timeout: Int64 = 0
    StartPeriod: Int64 = 0
    StartInterval: Int64 = 0
    Retries: Int = 0


class Driver(Body):
    GO = "mount.Driver"
    Name: str = ""
    Options: dict[str, str] = {}


class BindOptions(Body):
    GO = "mount.BindOptions"
    Propagation: str = ""
    NonRecursive: bool = False
    CreateMountpoint: bool = False
    ReadOnlyNonRecursive: bool = False
    ReadOnlyForceRecursive: bool = False


class VolumeOptions(Body):
    GO = "mount.VolumeOptions"
    NoCopy: bool = False
    Labels: dict[str, str] = {}
    Subpath: str = ""
    DriverConfig: Driver | None = None


class ImageOptions(Body):
    GO = "mount.ImageOptions"
    Subpath: str = ""


class TmpfsOptions(Body):
    GO = "mount.TmpfsOptions"
    SizeBytes: Int64 = 0
    Mode: FileMode = 0
    Options: list[list[str]] = []


class PortBinding(Body):
    GO = "nat.PortBinding"
    HostIp: str = ""
    HostPort: str = ""


class RestartPolicy(Body):
    Name: str = ""
    MaximumRetryCount: Int = 0


class LogConfig(Body):
    Type: str = ""
    Config: dict[str, str] = {}


class WeightDevice(Body):
    GO = "blkiodev.WeightDevice"
    Path: str = ""
    Weight: UInt16 = 0


class ThrottleDevice(Body):
    GO = "blkiodev.ThrottleDevice"
    Path: str = ""
    Rate: UInt64 = 0


class DeviceMapping(Body):
    PathOnHost: str = ""
    PathInContainer: str = ""
    CgroupPermissions: str = ""


class DeviceRequest(Body):
    Driver: str = ""
    Count: Int = 0
    DeviceIDs: list[str] = []
    Capabilities: list[list[str]] = []
    Options: dict[str, str] = {}


class Ulimit(Body):
    GO = "units.Ulimit"
    Name: str = ""
    Hard: Int64 = 0
    Soft: Int64 = 0


class EndpointIPAMConfig(Body):
    GO = "network.EndpointIPAMConfig"
    IPv4Address: str = ""
    IPv6Address: str = ""
    LinkLocalIPs: list[str] = []
