"""What a client asks for becomes the engine's specification, or is refused in dockerd's words."""

import json
from typing import Any

import pytest

from corral.api.docker.create import NewContainer, clean_name, parse_create
from corral.api.docker.facts import Facts
from corral.errors import InvalidInput, NotFound, Unsupported
from corral.model.container import Device, Mount, PortBinding, ThrottleDevice, Ulimit

FACTS = Facts(cpus=(0, 1), memory_nodes=(0,), cgroup_version=2)
OLD_HOST = Facts(cpus=(0, 1), cgroup_version=1, controllers=("cpu", "cpuset", "memory", "blkio", "pids"))


def create(
    host: dict[str, Any] | None = None, version: tuple[int, int] = (1, 51), facts: Facts = FACTS, **config: Any
) -> NewContainer:
    networking = config.pop("networking", None)
    body = {"Image": "busybox", "HostConfig": host, "NetworkingConfig": networking} | config
    return parse_create(json.dumps(body).encode(), "", "", version, facts, lambda path: path != "/missing")


def refusal(host: dict[str, Any] | None = None, **config: Any) -> str:
    with pytest.raises(InvalidInput) as error:
        create(host, **config)
    return error.value.message


def test_the_process() -> None:
    spec = create(
        Cmd=["ls"],
        Entrypoint=["sh"],
        Env=["A=1", "B"],
        WorkingDir="/a/../b/",
        User="1:2",
        Tty=True,
        OpenStdin=True,
        StopSignal="SIGINT",
        StopTimeout=3,
        Labels={"a": "b"},
        Healthcheck={"Test": ["CMD", "true"], "Interval": 10**9, "Retries": 2},
    ).spec
    assert (spec.command, spec.entrypoint, spec.env, spec.workdir) == (["ls"], ["sh"], ["A=1", "B"], "/b")
    assert (spec.user, spec.tty, spec.stdin_open, spec.stop_signal, spec.stop_timeout) == (
        "1:2",
        True,
        True,
        "SIGINT",
        3,
    )
    assert spec.health is not None
    assert (spec.health.test, spec.health.interval, spec.health.retries) == (["CMD", "true"], 10**9, 2)


def test_an_empty_entrypoint_is_not_an_absent_one() -> None:
    assert create(Entrypoint=[]).spec.entrypoint == []
    assert create().spec.entrypoint is None


def test_defaults() -> None:
    spec = create().spec
    assert spec.network.mode == "bridge"
    assert (spec.namespaces.ipc, spec.namespaces.cgroup, spec.restart.name) == ("private", "private", "no")
    assert create(facts=OLD_HOST).spec.namespaces.cgroup == "host"


def test_limits() -> None:
    spec = create(
        {
            "Memory": 10 << 20,
            "NanoCpus": 1_500_000_000,
            "CpusetCpus": "0-1",
            "PidsLimit": 100,
            "Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 20}],
            "Devices": [{"PathOnHost": "/dev/null"}],
            "BlkioDeviceReadBps": [{"Path": "/dev/sda", "Rate": 5}],
        }
    ).spec
    assert (spec.resources.memory, spec.resources.memory_swap) == (10 << 20, 20 << 20)
    assert (spec.resources.nano_cpus, spec.resources.cpuset_cpus, spec.resources.pids_limit) == (1500000000, "0-1", 100)
    assert spec.ulimits == [Ulimit("nofile", 10, 20)]
    assert spec.devices == [Device("/dev/null", "/dev/null", "rwm")]
    assert spec.resources.blkio_read_bps == [ThrottleDevice("/dev/sda", 5)]
    assert create({"PidsLimit": -1}).spec.resources.pids_limit is None


def test_security() -> None:
    security = create(
        {
            "CapAdd": ["NET_ADMIN"],
            "SecurityOpt": ["no-new-privileges", 'seccomp={"defaultAction": "SCMP_ACT_ALLOW"}', "apparmor=unconfined"],
            "MaskedPaths": [],
            "ReadonlyRootfs": True,
        }
    ).spec.security
    assert security.no_new_privileges and security.read_only_rootfs
    assert json.loads(security.seccomp) == {"defaultAction": "SCMP_ACT_ALLOW"}
    assert (security.apparmor, security.cap_add) == ("unconfined", ["NET_ADMIN"])
    assert (security.masked_paths, security.readonly_paths) == ([], None)
    assert create({"SecurityOpt": ["no-new-privileges:false"]}).spec.security.no_new_privileges is False


def test_ports() -> None:
    network = create(
        {
            "PortBindings": {
                "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}, {"HostPort": ""}],
                "53/udp": [{"HostPort": "5300-5310"}],
            }
        },
        ExposedPorts={"80": {}, "90-92/tcp": {}},
    ).spec
    assert network.network.ports == [
        PortBinding(80, "tcp", "127.0.0.1", 8080),
        PortBinding(80, "tcp"),
        PortBinding(53, "udp", "", 5300, 5310),
    ]
    assert network.exposed_ports == ["80/tcp", "90-92/tcp"]


def test_mounts() -> None:
    spec = create(
        {
            "Binds": ["/srv:/data:ro,rslave", "cache:/cache:nocopy"],
            "Mounts": [
                {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 4096, "Mode": 0o1777}},
                {"Type": "volume", "Source": "v", "Target": "/v", "VolumeOptions": {"Subpath": "a/b"}},
                {"Type": "bind", "Source": "/missing", "Target": "/b", "BindOptions": {"CreateMountpoint": True}},
            ],
            "Tmpfs": {"/run": "size=1m"},
        },
        Volumes={"/anonymous": {}},
    ).spec
    assert spec.mounts == [
        Mount("bind", "/data", "/srv", read_only=True, short=True, mode="ro,rslave", propagation="rslave"),
        Mount("volume", "/cache", "cache", short=True, mode="nocopy", no_copy=True),
        Mount("tmpfs", "/t", tmpfs_size=4096, tmpfs_mode=0o1777),
        Mount("volume", "/v", "v", subpath="a/b"),
        Mount("bind", "/b", "/missing", create_source=True),
    ]
    assert (spec.tmpfs, spec.volumes) == ({"/run": "size=1m"}, ["/anonymous"])


def _volume(name: str, driver: str) -> dict[str, Any]:
    return {"Type": "volume", "Source": name, "Target": "/x", "VolumeOptions": {"DriverConfig": {"Name": driver}}}


@pytest.mark.parametrize(
    ("outside", "inside", "meant"),
    [("runc", "", "runc"), ("runc", "crun", "crun"), (None, "", ""), ("", "crun", "crun")],
)
def test_the_runtime_may_stand_where_docker_py_puts_it(outside: str | None, inside: str, meant: str) -> None:
    assert create({"Runtime": inside}, Runtime=outside).spec.runtime == meant


def test_unknown_fields_are_told() -> None:
    assert create({"Speed": 9}).warnings == ['Unknown field "HostConfig.Speed" was ignored']


@pytest.mark.parametrize("name", ["../x", "a", "_x", "-x", "a b", "a/b", "/", "ä-x", "x\n"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(InvalidInput) as error:
        clean_name(name)
    expected = f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    assert error.value.message == expected


CONFLICT = "conflicting options: "


@pytest.mark.parametrize(
    ("host", "config", "message"),
    [
        ({"NetworkMode": "container:"}, {}, "invalid network mode: invalid container format container:<name|id>"),
        ({"NetworkMode": "container:a"}, {"Hostname": "h"}, CONFLICT + "hostname and the network mode"),
        ({"NetworkMode": "container:a", "Dns": ["1.1.1.1"]}, {}, CONFLICT + "dns and the network mode"),
        (
            {"NetworkMode": "container:a", "PublishAllPorts": True},
            {},
            CONFLICT + "port publishing and the container type network mode",
        ),
        (
            {"NetworkMode": "container:a"},
            {"ExposedPorts": {"80/tcp": {}}},
            CONFLICT + "port exposing and the container type network mode",
        ),
        ({"UTSMode": "host"}, {"Hostname": "h"}, CONFLICT + "hostname and the UTS mode"),
        (
            {"NetworkMode": "host", "Links": ["a"]},
            {},
            CONFLICT + "host type networking can't be used with links. This would result in undefined behavior",
        ),
        (
            {"AutoRemove": True, "RestartPolicy": {"Name": "always"}},
            {},
            "can't create 'AutoRemove' container with restart policy",
        ),
        (
            {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}},
            {},
            "invalid restart policy: maximum retry count can only be used with 'on-failure'",
        ),
        (
            {"RestartPolicy": {"Name": "no", "MaximumRetryCount": -3}},
            {},
            "invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative",
        ),
        (
            {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": -1}},
            {},
            "invalid restart policy: maximum retry count cannot be negative",
        ),
        ({"Memory": 1024}, {}, "Minimum memory limit allowed is 6MB"),
        (
            {"Memory": 10 << 20, "MemorySwap": 8 << 20},
            {},
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        (
            {"MemorySwap": 8 << 20},
            {},
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        ),
        ({"MemoryReservation": 5}, {}, "Minimum memory reservation allowed is 6MB"),
        (
            {"Memory": 8 << 20, "MemoryReservation": 9 << 20},
            {},
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ),
        (
            {"NanoCpus": 3 * 10**9},
            {},
            "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
        ),
        (
            {"NanoCpus": 10**9, "CpuPeriod": 1000},
            {},
            "Conflicting options: Nano CPUs and CPU Period cannot both be set",
        ),
        (
            {"NanoCpus": 10**9, "CpuQuota": 1000},
            {},
            "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
        ),
        (
            {"CpuPeriod": 10},
            {},
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ),
        ({"CpuQuota": 10}, {}, "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
        ({"CpuShares": -1}, {}, "invalid CPU shares (-1): value must be a positive integer"),
        ({"CpusetCpus": "0-7"}, {}, "Requested CPUs are not available - requested 0-7, available: 0-1"),
        ({"CpusetCpus": "x"}, {}, "Invalid value x for cpuset cpus: invalid format: x"),
        ({"CpusetMems": "4"}, {}, "Requested memory nodes are not available - requested 4, available: 0"),
        ({"UTSMode": "host"}, {"Domainname": "d"}, "conflicting options: domainname and the UTS mode"),
        (
            {"Binds": ["/a:/b:nocopy"]},
            {},
            "invalid volume specification: '/a:/b:nocopy': "
            'invalid mount config for type "bind": field VolumeOptions must not be specified',
        ),
        (
            {"Binds": ["a:/b:rslave"]},
            {},
            "invalid volume specification: 'a:/b:rslave': "
            'invalid mount config for type "volume": field BindOptions must not be specified',
        ),
        ({"ShmSize": -1}, {}, "SHM size can not be less than 0"),
        ({"OomScoreAdj": 1001}, {}, "Invalid value 1001, range for oom score adj is [-1000, 1000]"),
        ({"IpcMode": "x"}, {}, "invalid IPC mode: x"),
        ({"PidMode": "container:"}, {}, "invalid PID mode: container:"),
        ({"UTSMode": "x"}, {}, "invalid UTS mode: x"),
        ({"CgroupnsMode": "x"}, {}, "invalid cgroup namespace mode: x"),
        ({"UsernsMode": "private"}, {}, "invalid USER mode: private"),
        ({"Runtime": "nope"}, {}, "unknown or invalid runtime name: nope"),
        ({"ExtraHosts": ["db"]}, {}, 'bad format for add-host: "db"'),
        ({"ExtraHosts": ["db:nope"]}, {}, 'invalid IP address in add-host: "nope"'),
        ({"Dns": ["nope"]}, {}, "IP address is not correctly formatted: nope"),
        ({"PortBindings": {"x/tcp": []}}, {}, 'invalid port specification: "x"'),
        ({"PortBindings": {"80/tcp": [{"HostPort": "99999"}]}}, {}, 'invalid port specification: "99999"'),
        ({"PortBindings": {"80/tcp": [{"HostPort": "90-80"}]}}, {}, 'invalid port specification: "90-80"'),
        ({"PortBindings": {"80/icmp": []}}, {}, "invalid proto: icmp"),
        ({"PortBindings": {"80/tcp": [{"HostIp": "x"}]}}, {}, "invalid IP address: x"),
        ({"Annotations": {"": "x"}}, {}, "invalid Annotations: the empty string is not permitted as an annotation key"),
        ({"SecurityOpt": ["x"]}, {}, 'invalid --security-opt 1: "x"'),
        ({"SecurityOpt": ["x=y"]}, {}, 'invalid --security-opt 2: "x=y"'),
        ({"SecurityOpt": ["no-new-privileges=maybe"]}, {}, 'invalid --security-opt 2: "no-new-privileges=maybe"'),
        ({"Ulimits": [{"Name": "x"}]}, {}, "invalid ulimit type: x"),
        (
            {"Ulimits": [{"Name": "core", "Soft": 5, "Hard": 3}]},
            {},
            "ulimit soft limit must be less than or equal to hard limit: 5 > 3",
        ),
        ({"DeviceCgroupRules": ["x"]}, {}, "invalid device cgroup rule format: 'x'"),
        ({"LogConfig": {"Type": "nope"}}, {}, "logger: no log driver named 'nope' is registered"),
        (
            {"LogConfig": {"Type": "json-file", "Config": {"x": "y"}}},
            {},
            "unknown log opt 'x' for json-file log driver",
        ),
        ({"LogConfig": {"Config": {"max-file": "0"}}}, {}, "max-file cannot be less than 1"),
        ({}, {"WorkingDir": "a"}, "the working directory 'a' is invalid, it needs to be an absolute path"),
        ({}, {"StopSignal": "SIGNOPE"}, "invalid signal: SIGNOPE"),
        ({}, {"StopSignal": "0"}, "invalid signal: 0"),
        ({}, {"Env": ["=x"]}, "invalid environment variable: =x"),
        ({}, {"Healthcheck": {"Interval": 5}}, "Interval in Healthcheck cannot be less than 1ms"),
        ({}, {"Healthcheck": {"Retries": -1}}, "Retries in Healthcheck cannot be negative"),
    ],
)
def test_refusals(host: dict[str, Any], config: dict[str, Any], message: str) -> None:
    assert refusal(host, **config) == message


BIND = 'invalid mount config for type "bind": '


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ({"Binds": [":/x"]}, "invalid volume specification: ':/x'"),
        ({"Binds": ["/a:ro"]}, "invalid volume specification: '/a:ro'"),
        ({"Binds": ["/a:/b:ro:x"]}, "invalid volume specification: '/a:/b:ro:x'"),
        ({"Binds": ["/a:/b:fast"]}, "invalid mode: fast"),
        ({"Binds": ["/a:/b:ro,rw"]}, "invalid mode: ro,rw"),
        (
            {"Binds": ["/a:/"]},
            "invalid volume specification: '/a:/': " + BIND + "invalid specification: destination can't be '/'",
        ),
        ({"Binds": ["/a:/b", "/c:/b"]}, "Duplicate mount point: /b"),
        ({"Binds": ["/a:/b"], "Tmpfs": {"/b": ""}}, "Duplicate mount point: /b"),
        ({"Mounts": [{"Type": "bind", "Target": "/x"}]}, BIND + "field Source must not be empty"),
        ({"Mounts": [{"Type": "bind", "Source": "/a"}]}, BIND + "field Target must not be empty"),
        (
            {"Mounts": [{"Type": "bind", "Source": "/a", "Target": "x"}]},
            BIND + "invalid mount path: 'x' mount path must be absolute",
        ),
        (
            {"Mounts": [{"Type": "bind", "Source": "/missing", "Target": "/x"}]},
            BIND + "bind source path does not exist: /missing",
        ),
        (
            {"Mounts": [{"Type": "bind", "Source": "/a", "Target": "/x", "BindOptions": {"Propagation": "p"}}]},
            BIND + "invalid propagation mode: p",
        ),
        (
            {"Mounts": [{"Type": "bind", "Source": "/a", "Target": "/x", "VolumeOptions": {}}]},
            'VolumeOptions must not be specified on mount type "bind"',
        ),
        (
            {"Mounts": [{"Type": "volume", "Target": "/x", "ReadOnly": True}]},
            'invalid mount config for type "volume": must not set ReadOnly mode when using anonymous volumes',
        ),
        (
            {"Mounts": [{"Type": "volume", "Source": "v", "Target": "/x", "VolumeOptions": {"Subpath": "../a"}}]},
            'invalid mount config for type "volume": subpath must be a relative path within the volume',
        ),
        (
            {"Mounts": [{"Type": "tmpfs", "Source": "a", "Target": "/x"}]},
            'invalid mount config for type "tmpfs": field Source must not be specified',
        ),
        (
            {"Mounts": [{"Type": "tmpfs", "Target": "/x", "TmpfsOptions": {"Options": [["a"]]}}]},
            'invalid mount config for type "tmpfs": invalid option: a',
        ),
        (
            {"Mounts": [{"Type": "x", "Source": "a", "Target": "/x"}]},
            'invalid mount config for type "x": mount type unknown',
        ),
        ({"Tmpfs": {"/": ""}}, "invalid specification: destination can't be '/'"),
        ({"Tmpfs": {"x": ""}}, "invalid mount path: 'x' mount path must be absolute"),
    ],
)
def test_mounts_that_make_no_sense(host: dict[str, Any], message: str) -> None:
    assert refusal(host) == message


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (
            {"DeviceRequests": [{"Capabilities": [["gpu"]]}]},
            'could not select device driver "" with capabilities: [[gpu]]',
        ),
        ({"Isolation": "hyperv"}, "invalid isolation (hyperv): linux only supports 'default'"),
        ({"IOMaximumIOps": 5}, "invalid option: QoS maximum IOPs configuration is not supported on linux"),
        ({"CpuPercent": 5}, "invalid option: CPU percent is not supported on linux; use NanoCpus"),
        (
            {"StorageOpt": {"size": "1G"}},
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
        ),
        ({"StorageOpt": {"size": "1G", "bad": "x"}}, "Unknown option bad"),
        (
            {"LogConfig": {"Type": "syslog"}},
            "logger: the log driver 'syslog' is not offered; use json-file, local or none",
        ),
        (
            {"Mounts": [{"Type": "npipe", "Source": "a", "Target": "/x"}]},
            'invalid mount config for type "npipe": mount type "npipe" is not offered',
        ),
    ],
)
def test_what_is_not_offered_is_refused_by_name(host: dict[str, Any], message: str) -> None:
    with pytest.raises(Unsupported) as error:
        create(host)
    assert error.value.message == message


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (
            {"VolumeDriver": "nfs", "Binds": ["data:/data"]},
            'error looking up volume plugin nfs: plugin "nfs" not found',
        ),
        (
            {"Mounts": [_volume("data", "nfs")]},
            'create data: error looking up volume plugin nfs: plugin "nfs" not found',
        ),
        ({"Mounts": [_volume("", "nfs")]}, 'error looking up volume plugin nfs: plugin "nfs" not found'),
    ],
)
def test_a_volume_driver_that_is_not_there_is_not_found(host: dict[str, Any], message: str) -> None:
    with pytest.raises(NotFound) as error:
        create(host)
    assert error.value.message == message


def test_endpoints() -> None:
    assert refusal(networking={"EndpointsConfig": {"bridge": {"IPAMConfig": {"IPv4Address": "10.0.0.2"}}}}) == (
        "invalid config for network bridge: invalid endpoint settings:\n"
        "user specified IP address is supported on user defined networks only"
    )
    assert refusal(networking={"EndpointsConfig": {"bridge": {"MacAddress": "x"}}}) == (
        "invalid config for network bridge: invalid MAC address x"
    )
    assert refusal(networking={"EndpointsConfig": {"bridge": {"IPAMConfig": {"LinkLocalIPs": ["10.0.0.1"]}}}}) == (
        "invalid config for network bridge: invalid endpoint settings:\ninvalid link-local IP address: 10.0.0.1"
    )
    assert refusal(networking={"EndpointsConfig": {"bridge": {"IPAMConfig": {"IPv4Address": "x"}}}}) == (
        "invalid config for network bridge: invalid endpoint settings:\n"
        "* user specified IP address is supported on user defined networks only\n* invalid IPv4 address: x"
    )
    spec = create(networking={"EndpointsConfig": {"default": {"MacAddress": "02:42:ac:11:00:09"}}}).spec
    assert spec.network.endpoints["bridge"].mac == "02:42:ac:11:00:09"


def test_an_empty_config() -> None:
    with pytest.raises(InvalidInput, match="config cannot be empty in order to create a container"):
        parse_create(b"{}", "", "", (1, 51), FACTS, lambda path: True)


def test_warnings() -> None:
    discarded = "capabilities or the cgroup is not mounted."
    assert create({"MemorySwappiness": 5}).warnings == [
        f"Your kernel does not support memory swappiness {discarded} Memory swappiness discarded."
    ]
    assert create({"OomKillDisable": True}).warnings == [
        "Your kernel does not support OomKillDisable. OomKillDisable discarded."
    ]
    assert create({"KernelMemory": 1 << 30}, version=(1, 41)).warnings == [
        f"Your kernel does not support kernel memory limit {discarded} Limitation discarded."
    ]
    assert create({"KernelMemory": 1 << 30}).warnings  # dockerd is silent about it since 1.42; Corral is not
    assert create({"NetworkMode": "host", "PortBindings": {"80/tcp": [{}]}}).warnings == [
        "Published ports are discarded when using host network mode"
    ]
    for mode, wanted in (
        ("bridge", ["IPv4 forwarding is disabled. Networking will not work."]),
        ("host", []),
        ("none", []),
    ):
        assert create({"NetworkMode": mode}, facts=Facts(forwarding=False)).warnings == wanted
    no_controllers = Facts(controllers=("cpu",))
    assert create({"Memory": 10 << 20}, facts=no_controllers).spec.resources.memory == 0


class TestOlderApis:
    def test_auto_remove_was_the_client_s(self) -> None:
        assert create({"AutoRemove": True}, version=(1, 24)).spec.auto_remove is False

    def test_ipc_was_shareable(self) -> None:
        assert create(version=(1, 39)).spec.namespaces.ipc == "shareable"

    def test_read_only_binds_were_not_recursive(self) -> None:
        mounts = [{"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": True}]
        assert create({"Mounts": mounts}, version=(1, 43)).spec.mounts[0].read_only_non_recursive
        assert not create({"Mounts": mounts}).spec.mounts[0].read_only_non_recursive
        assert create({"Binds": ["/a:/b:ro"]}, version=(1, 43)).spec.mounts[0].read_only_non_recursive
        assert not create({"Binds": ["/a:/b"]}, version=(1, 43)).spec.mounts[0].read_only_non_recursive

    def test_the_mac_address_was_the_container_s(self) -> None:
        old = create(MacAddress="02:42:ac:11:00:09", version=(1, 43))
        assert old.spec.network.endpoints["bridge"].mac == "02:42:ac:11:00:09"
        assert old.warnings == []
        new = create(MacAddress="02:42:ac:11:00:09")
        assert new.spec.network.endpoints["bridge"].mac == "02:42:ac:11:00:09"
        assert new.warnings == [
            "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead."
        ]
        assert refusal({"NetworkMode": "host"}, MacAddress="02:42:ac:11:00:09", version=(1, 43)) == (
            CONFLICT + "mac-address and the network mode"
        )

    def test_settings_of_an_interface_move_to_its_endpoint(self) -> None:
        host = {"Sysctls": {"net.ipv4.conf.eth0.forwarding": "1", "net.core.somaxconn": "5"}}
        spec = create(host, version=(1, 47)).spec
        assert spec.sysctls == {"net.core.somaxconn": "5"}
        assert spec.network.endpoints["bridge"].driver_options == {
            "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.forwarding=1"
        }
        assert "must be supplied using driver option" in refusal(host)

    def test_new_features_need_new_versions(self) -> None:
        image = {"Mounts": [{"Type": "image", "Source": "a", "Target": "/x"}]}
        assert refusal(image, version=(1, 47)) == 'Mount type "Image" needs API v1.48 or newer'
        assert create(image).warnings == ["Image mount is an experimental feature"]


def test_memory_beyond_all_measure_is_a_number_that_clients_can_read() -> None:
    limits = create({"Memory": 1 << 62}).spec.resources
    assert (limits.memory, limits.memory_swap) == (1 << 62, (1 << 63) - 1)
