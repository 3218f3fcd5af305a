"""The plan of a bundle, looked at as the runtime would."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from corral.errors import InvalidInput
from corral.linux.idmap import IdMap
from corral.linux.limits import CAPABILITIES, Limits
from corral.model.container import Container, ContainerSpec, Namespaces, Resources, Security, Ulimit
from corral.model.process import ExecSpec
from corral.runtime.capabilities import DEFAULT
from corral.runtime.devices import ResolvedDevice
from corral.runtime.input import BundleInput, BundleMount
from corral.runtime.mounts import plan_bind
from corral.runtime.plan import plan_bundle, plan_exec, plan_warnings
from corral.runtime.users import ResolvedUser

HOST = Limits(apparmor=False, kernel=(6, 1))
WEAK = Limits(frozenset(CAPABILITIES) - {"CAP_SYS_RESOURCE"}, rlimits={"nofile": 4096})
NEW = {"mount": "", "pid": "", "ipc": "", "uts": "", "cgroup": "", "network": "/proc/1/fd/9"}


def an_input(spec: ContainerSpec | None = None, **more: Any) -> BundleInput:
    container = Container("c0ffee", "web", 0, "sha256:1", spec or ContainerSpec("image"))
    given: dict[str, Any] = {
        **{"container": container, "rootfs": "/run/x/rootfs", "user": ResolvedUser(groups=(0,)), "args": ["sh"]},
        **{"env": ["PATH=/bin"], "cwd": "/", "hostname": "web", "cgroup_path": "/corral/c0ffee", "cgroup_version": 2},
        **{"namespaces": NEW, "limits": HOST},
    }
    return BundleInput(**given | more)


def mounts_of(config: dict[str, Any]) -> dict[str, list[str]]:
    return {mount["destination"]: mount["options"] for mount in config["mounts"]}


def test_a_plain_container_is_walled_in() -> None:
    config = plan_bundle(an_input())
    linux, mounts = config["linux"], mounts_of(config)
    assert config["process"]["capabilities"]["bounding"] == list(DEFAULT)
    assert config["process"]["capabilities"].keys() == {"bounding", "effective", "permitted"}
    assert "/proc/kcore" in linux["maskedPaths"] and "/proc/sys" in linux["readonlyPaths"]
    assert "ro" in mounts["/sys"] and "ro" in mounts["/sys/fs/cgroup"] and "ro" not in mounts["/proc"]
    assert f"size={64 << 20}" in mounts["/dev/shm"]
    assert linux["resources"]["devices"][0] == {"allow": False, "access": "rwm"}
    assert [n["type"] for n in linux["namespaces"]] == ["mount", "network", "uts", "pid", "ipc", "cgroup"]
    assert config["process"]["oomScoreAdj"] == 0 and config["process"]["noNewPrivileges"] is False
    assert config["hostname"] == "web" and config["root"] == {"path": "/run/x/rootfs", "readonly": False}


def test_a_privileged_one_is_not() -> None:
    devices = [ResolvedDevice("/dev/kmsg", "c", 1, 11)]
    config = plan_bundle(an_input(ContainerSpec("i", security=Security(privileged=True)), devices=devices))
    linux, mounts = config["linux"], mounts_of(config)
    assert set(config["process"]["capabilities"]["effective"]) == set(CAPABILITIES)
    assert linux["maskedPaths"] == linux["readonlyPaths"] == []
    assert "ro" not in mounts["/sys"] + mounts["/sys/fs/cgroup"]
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert [device["path"] for device in linux["devices"]] == ["/dev/kmsg"]
    assert "seccomp" not in linux


def test_no_more_capabilities_than_the_host_has() -> None:
    weak = replace(HOST, bounding=frozenset({"CAP_KILL", "CAP_CHOWN"}))
    config = plan_bundle(an_input(ContainerSpec("i", security=Security(privileged=True)), limits=weak))
    assert config["process"]["capabilities"]["bounding"] == ["CAP_CHOWN", "CAP_KILL"]


def test_another_user_has_no_effective_capabilities() -> None:
    config = plan_bundle(an_input(user=ResolvedUser(1000, 1000, (1000, 27))))
    assert config["process"]["user"] == {"uid": 1000, "gid": 1000, "additionalGids": [1000, 27]}
    assert config["process"]["capabilities"].keys() == {"bounding"}


def test_a_read_only_root_leaves_what_programs_must_write() -> None:
    mounts = mounts_of(plan_bundle(an_input(ContainerSpec("i", security=Security(read_only_rootfs=True)))))
    assert {target for target, options in mounts.items() if "ro" in options} == {"/sys", "/sys/fs/cgroup"}


def test_the_users_mounts_replace_the_defaults_and_come_in_order() -> None:
    mine = [plan_bind("/s", "/a/b"), plan_bind("/s", "/a"), BundleMount("tmpfs", "/dev/shm", "tmpfs", ["size=1m"])]
    config = plan_bundle(an_input(mounts=mine))
    targets = [mount["destination"] for mount in config["mounts"]]
    assert targets.index("/a") < targets.index("/a/b") and targets.count("/dev/shm") == 1
    assert mounts_of(config)["/dev/shm"] == ["size=1m"]


def test_a_mounted_dev_has_nothing_of_ours_below() -> None:
    targets = {m["destination"] for m in plan_bundle(an_input(mounts=[plan_bind("/dev", "/dev")]))["mounts"]}
    assert {t for t in targets if t.startswith("/dev")} == {"/dev"}


@pytest.mark.parametrize(
    ("ipc", "namespaces", "wanted"),
    [
        ("", NEW, "shm"),
        ("none", NEW, None),
        ("host", {k: v for k, v in NEW.items() if k != "ipc"}, "/dev/shm"),
    ],
)
def test_shared_memory(ipc: str, namespaces: dict[str, str], wanted: str | None) -> None:
    spec = ContainerSpec("i", namespaces=Namespaces(ipc=ipc))
    config = plan_bundle(an_input(spec, namespaces=namespaces))
    sources = [mount["source"] for mount in config["mounts"] if mount["destination"] == "/dev/shm"]
    assert sources == ([] if wanted is None else [wanted])


def test_the_hosts_namespaces() -> None:
    config = plan_bundle(an_input(namespaces={"mount": ""}, default_sysctls={"net.ipv4.ping_group_range": "0 1"}))
    assert [n["type"] for n in config["linux"]["namespaces"]] == ["mount"]
    assert "hostname" not in config and "sysctl" not in config["linux"]


def test_joined_namespaces_have_their_paths_and_keep_their_host_name() -> None:
    config = plan_bundle(an_input(namespaces={**NEW, "uts": "/proc/7/ns/uts", "pid": "/proc/7/ns/pid"}))
    paths = {n["type"]: n.get("path") for n in config["linux"]["namespaces"]}
    assert paths["uts"] == "/proc/7/ns/uts" and paths["pid"] == "/proc/7/ns/pid" and "hostname" not in config


def test_sysctls_of_its_own_network() -> None:
    spec = ContainerSpec("i", sysctls={"net.core.somaxconn": "9"}, domainname="example.org")
    config = plan_bundle(an_input(spec, default_sysctls={"net.ipv4.ping_group_range": "0 1"}))
    assert config["linux"]["sysctl"] == {
        "net.ipv4.ping_group_range": "0 1",
        "kernel.domainname": "example.org",
        "net.core.somaxconn": "9",
    }


def test_the_init_program_goes_first() -> None:
    config = plan_bundle(an_input(init="/usr/bin/catatonit"))
    assert config["process"]["args"] == ["/sbin/docker-init", "--", "sh"]
    assert mounts_of(config)["/sbin/docker-init"] == ["bind", "ro", "rprivate"]


def test_a_terminal_has_its_size() -> None:
    config = plan_bundle(an_input(ContainerSpec("i", tty=True, console_size=[24, 80])))
    assert config["process"]["terminal"] and config["process"]["consoleSize"] == {"height": 24, "width": 80}


def test_what_a_weak_host_cannot_give_is_warned_about() -> None:
    spec = ContainerSpec("i", ulimits=[Ulimit("nofile", 1024, 1 << 20)], oom_score_adj=-500)
    wanted = an_input(spec, limits=WEAK)
    process = plan_bundle(wanted)["process"]
    assert process["rlimits"] == [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 4096}]
    assert process["oomScoreAdj"] == 0
    assert len(plan_warnings(wanted)) == 2 and not plan_warnings(replace(wanted, limits=HOST))


def test_unlimited_is_the_largest_number() -> None:
    process = plan_bundle(an_input(ContainerSpec("i", ulimits=[Ulimit("memlock", -1, -1)])))["process"]
    assert process["rlimits"] == [{"type": "RLIMIT_MEMLOCK", "soft": 2**64 - 1, "hard": 2**64 - 1}]


def test_propagation_of_the_root() -> None:
    shared = [plan_bind("/s", "/t", propagation="rshared"), plan_bind("/s", "/u", propagation="slave")]
    assert plan_bundle(an_input(mounts=shared))["linux"]["rootfsPropagation"] == "shared"
    assert "rootfsPropagation" not in plan_bundle(an_input())["linux"]


def test_a_user_namespace() -> None:
    maps = [IdMap(0, 100000, 65536)]
    linux = plan_bundle(an_input(uid_map=maps, gid_map=maps))["linux"]
    assert linux["namespaces"][0] == {"type": "user"}
    assert linux["uidMappings"] == [{"containerID": 0, "hostID": 100000, "size": 65536}] == linux["gidMappings"]


def test_device_rules_and_limits_go_together() -> None:
    spec = ContainerSpec("i", resources=Resources(pids_limit=7), device_rules=["c 5:* rw"])
    resources = plan_bundle(an_input(spec))["linux"]["resources"]
    assert resources["pids"] == {"limit": 7}
    assert resources["devices"][-1] == {"allow": True, "type": "c", "major": 5, "access": "rw"}
    with pytest.raises(InvalidInput, match="invalid device cgroup rule format: 'x'"):
        plan_bundle(an_input(ContainerSpec("i", device_rules=["x"])))


def test_an_exec_is_inside_the_same_walls() -> None:
    container = an_input(ContainerSpec("i", workdir="/w", security=Security(no_new_privileges=True))).container
    process = plan_exec(
        container, ExecSpec(["id"], tty=True), user=ResolvedUser(5, 5), env=["A=1"], limits=HOST, apparmor="docker"
    )
    assert process["noNewPrivileges"] and process["cwd"] == "/w" and process["terminal"]
    assert process["apparmorProfile"] == "docker" and process["capabilities"] == {"bounding": list(DEFAULT)}


def test_a_privileged_exec_has_all_capabilities() -> None:
    process = plan_exec(
        an_input().container, ExecSpec(["id"], privileged=True), user=ResolvedUser(), env=[], limits=HOST, apparmor="x"
    )
    assert set(process["capabilities"]["effective"]) == set(CAPABILITIES) and "apparmorProfile" not in process
