"""The smaller decisions: users, capabilities, seccomp, devices, limits, mounts, words of failure."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.engine.runtimes import RuntimeSet
from corral.errors import InvalidInput, NoSpace, RuntimeFailed, Unavailable, Unsupported
from corral.linux.cgroup_layout import Layout
from corral.linux.limits import CAPABILITIES, Limits
from corral.model.container import Device, Resources, Security, ThrottleDevice, Ulimit, WeightDevice
from corral.runtime.abilities import Abilities, format_list, parse_list, plan_allowed
from corral.runtime.capabilities import plan_capabilities
from corral.runtime.choose import FoundRuntime, RuntimeChoice, choose
from corral.runtime.conmon import plan_log
from corral.runtime.cover import Cover
from corral.runtime.devices import parse_rule, resolve_devices
from corral.runtime.failure import last_error, plan_failure
from corral.runtime.handshake import parse_answer
from corral.runtime.init import find_init, is_static
from corral.runtime.mounts import check_propagation, parse_mountinfo, plan_bind, plan_tmpfs
from corral.runtime.oci import OciRuntime
from corral.runtime.resources import plan_resources
from corral.runtime.rlimits import plan_rlimits
from corral.runtime.seccomp import SeccompHost, compile_profile, plan_seccomp
from corral.runtime.security import check_labels, plan_apparmor, plan_paths, plan_unconfined
from corral.runtime.sysctls import check_sysctls
from corral.runtime.users import plan_user, resolve_user

PASSWD = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:100:Ann:/home/ann:/bin/sh\nbroken:x:y:z\n\n# note\n+::::::\n"
GROUP = "root:x:0:\nusers:x:100:\nwheel:x:10:ann,bob\ndisk:x:6:ann\nbad\n"


class TestUsers:
    @pytest.mark.parametrize(
        ("user", "uid", "gid", "groups", "home"),
        [
            ("", 0, 0, (0,), "/root"),
            ("ann", 1000, 100, (100, 10, 6), "/home/ann"),
            ("1000", 1000, 100, (100, 10, 6), "/home/ann"),
            ("ann:wheel", 1000, 10, (10,), "/home/ann"),
            ("ann:7", 1000, 7, (7,), "/home/ann"),
            (":wheel", 0, 10, (10,), "/root"),
            ("4711", 4711, 0, (0,), "/"),
            ("4711:4712", 4711, 4712, (4712,), "/"),
        ],
    )
    def test_forms(self, user: str, uid: int, gid: int, groups: tuple[int, ...], home: str) -> None:
        found = plan_user(user, [], PASSWD, GROUP)
        assert (found.uid, found.gid, found.groups, found.home) == (uid, gid, groups, home)

    @pytest.mark.parametrize(
        ("user", "groups", "words"),
        [
            ("nobody", [], "unable to find user nobody: no matching entries in passwd file"),
            ("ann:none", [], "unable to find group none: no matching entries in group file"),
            ("ann", ["none"], "Unable to find group none: no matching entries in group file"),
            ("2147483648", [], "uids and gids must be in range 0-2147483647"),
            ("-1", [], "uids and gids must be in range 0-2147483647"),
        ],
    )
    def test_refused(self, user: str, groups: list[str], words: str) -> None:
        with pytest.raises(InvalidInput) as raised:
            plan_user(user, groups, PASSWD, GROUP)
        assert raised.value.message == words

    @given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=20))
    def test_strange_files_never_break_it(self, passwd: str, group: str, user: str) -> None:
        with contextlib.suppress(InvalidInput):
            assert plan_user(user, [], passwd, group).uid >= 0

    def test_links_do_not_lead_out_of_the_root(self, tmp_path: Path) -> None:
        (tmp_path / "outside").write_text("evil:x:66:66::/:/bin/sh\n")
        root = tmp_path / "root"
        (root / "etc").mkdir(parents=True)
        (root / "etc/passwd").symlink_to("../../outside")
        with pytest.raises(InvalidInput, match="unable to find user evil"):
            resolve_user(str(root), "evil")

    def test_files_that_are_none(self, tmp_path: Path) -> None:
        (tmp_path / "etc/group").mkdir(parents=True)
        os.mkfifo(tmp_path / "etc/passwd")
        assert resolve_user(str(tmp_path), "5").uid == 5


class TestCapabilities:
    def test_refused(self) -> None:
        with pytest.raises(InvalidInput, match='invalid CapDrop: unknown capability: "CAP_FOO"'):
            plan_capabilities([], ["foo"])
        with pytest.raises(InvalidInput, match="not supported by your kernel or not available"):
            plan_capabilities(["BPF"], [], available={"CAP_KILL"})

    def test_combinations(self) -> None:
        assert plan_capabilities(["ALL"], ["KILL"]) == [name for name in CAPABILITIES if name != "CAP_KILL"]
        assert plan_capabilities([], ["all"]) == []
        assert plan_capabilities(["kill"], ["kill"])[-1] == "CAP_KILL"
        assert len(plan_capabilities(["kill"], [])) == 14


class TestSeccomp:
    host = SeccompHost()

    def test_when_there_is_a_filter(self) -> None:
        def plan(option: str, privileged: bool = False, enabled: bool = True) -> object:
            return plan_seccomp(option, privileged=privileged, capabilities=[], host=SeccompHost(enabled=enabled))

        custom = json.dumps({"defaultAction": "SCMP_ACT_ALLOW"})
        assert plan("") and plan("builtin") and plan(custom) and plan(custom, privileged=True)
        assert plan("unconfined") is plan("", privileged=True) is plan("", enabled=False) is None
        with pytest.raises(InvalidInput, match="seccomp is not enabled in your kernel"):
            plan(custom, enabled=False)

    def test_conditions_of_the_default(self) -> None:
        def rules(name: str, *capabilities: str, arch: str = "amd64") -> list[dict[str, object]]:
            found = plan_seccomp("", privileged=False, capabilities=capabilities, host=SeccompHost(arch))
            assert found is not None
            return [rule for rule in found["syscalls"] if name in rule["names"]]

        assert rules("clone3")[0]["errnoRet"] == 38
        assert rules("clone3", "CAP_SYS_ADMIN")[0]["action"] == "SCMP_ACT_ALLOW"
        masked = {"index": 0, "op": "SCMP_CMP_MASKED_EQ", "value": 0x7E020000, "valueTwo": 0}
        assert rules("clone")[0]["args"] == [masked]
        assert len(rules("personality")) == 5 and not rules("mount") and rules("mount", "CAP_SYS_ADMIN")
        assert rules("arch_prctl") and not rules("arch_prctl", arch="arm64")
        assert not rules("io_uring_setup") and not rules("kexec_load", *CAPABILITIES) and not rules("keyctl")

    def test_needless_architectures_are_left_out(self) -> None:
        found = plan_seccomp(
            "",
            privileged=False,
            capabilities=[],
            host=SeccompHost(needless=frozenset({"SCMP_ARCH_X32"})),
        )
        assert found is not None and found["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("{", "Decoding seccomp profile failed"),
            ("[]", "not a JSON object"),
            ('{"syscalls": {}}', "syscalls is not a list"),
            ('{"defaultAction": "x", "syscalls": [{"names": []}]}', "needs names and an action"),
            ('{"defaultAction": "x", "syscalls": [{"name": "a", "names": ["b"], "action": "c"}]}', "both 'name' and"),
            ('{"defaultAction": "x", "architectures": ["a"], "archMap": [{}]}', "both 'architectures' and"),
            (
                '{"defaultAction": "x", "syscalls": [{"name": "a", "action": "c", "includes": {"minKernel": "x"}}]}',
                "invalid kernel version",
            ),
        ],
    )
    def test_bad_profiles(self, text: str, words: str) -> None:
        with pytest.raises(InvalidInput, match=words):
            plan_seccomp(text, privileged=False, capabilities=[], host=self.host)

    def test_a_profile_in_dockers_form(self) -> None:
        profile = {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": 5,
            "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
            "syscalls": [
                {"names": ["a"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
                {"names": ["b"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "99.1"}},
                {"names": ["c"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_KILL"]}},
                {"names": ["d"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}, "args": None},
            ],
        }
        found = compile_profile(profile, ["CAP_KILL"], self.host)
        assert found == {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": 5,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
            "syscalls": [{"names": ["a"], "action": "SCMP_ACT_ALLOW"}],
        }

    def test_an_empty_profile_is_none(self) -> None:
        assert plan_seccomp("{}", privileged=False, capabilities=[], host=self.host) is None


class TestDevices:
    @pytest.mark.parametrize("text", ["", "c 1:2", "d 1:2 r", "c 1:2 x", "c 1:2 rwmr", "c -1:2 r"])
    def test_bad_rules(self, text: str) -> None:
        with pytest.raises(InvalidInput, match="invalid device cgroup rule format"):
            parse_rule(text)

    def test_a_device_a_link_and_a_directory(self, tmp_path: Path) -> None:
        (tmp_path / "null").symlink_to("/dev/null")
        (null,) = resolve_devices([Device(str(tmp_path / "null"), "/dev/x", "r")], privileged=False)
        assert (null.path, null.type, null.major, null.minor, null.permissions) == ("/dev/x", "c", 1, 3, "r")

    @pytest.mark.parametrize(("path", "words"), [("/nope", "no such file or directory"), ("/etc", "not a device node")])
    def test_none(self, path: str, words: str) -> None:
        with pytest.raises(InvalidInput) as raised:
            resolve_devices([Device(path, path)], privileged=False)
        assert raised.value.message == (
            f'error gathering device information while adding custom device "{path}": {words}'
        )

    def test_all_of_the_hosts(self) -> None:
        paths = {device.path for device in resolve_devices([], privileged=True)}
        assert "/dev/null" in paths and "/dev/console" not in paths
        assert not any(path.startswith(("/dev/pts/", "/dev/shm/")) for path in paths)


class TestLimits:
    def test_every_field(self) -> None:
        wanted = Resources(
            memory=1 << 20,
            memory_reservation=1 << 19,
            memory_swap=3 << 20,
            memory_swappiness=0,
            kernel_memory_tcp=4096,
            oom_kill_disable=True,
            oom_group=True,
            cpu_shares=2,
            cpu_period=1000,
            cpu_quota=500,
            cpu_realtime_period=9,
            cpu_realtime_runtime=8,
            cpuset_cpus="0",
            cpuset_mems="0",
            pids_limit=-1,
            blkio_weight=10,
            blkio_weight_device=[WeightDevice("/d", 20)],
            blkio_read_bps=[ThrottleDevice("/d", 1)],
            blkio_write_bps=[ThrottleDevice("/d", 2)],
            blkio_read_iops=[ThrottleDevice("/d", 3)],
            blkio_write_iops=[ThrottleDevice("/d", 4)],
        )
        number = {"major": 8, "minor": 1}
        assert plan_resources(wanted, 1, lambda path: (8, 1)) == {
            "memory": {
                **{"limit": 1 << 20, "swap": 3 << 20, "reservation": 1 << 19},
                **{"swappiness": 0, "kernelTCP": 4096, "disableOOMKiller": True},
            },
            "cpu": {
                **{"shares": 2, "quota": 500, "period": 1000, "realtimeRuntime": 8, "realtimePeriod": 9},
                **{"cpus": "0", "mems": "0"},
            },
            "blockIO": {
                "weight": 10,
                "weightDevice": [{**number, "weight": 20}],
                "throttleReadBpsDevice": [{**number, "rate": 1}],
                "throttleWriteBpsDevice": [{**number, "rate": 2}],
                "throttleReadIOPSDevice": [{**number, "rate": 3}],
                "throttleWriteIOPSDevice": [{**number, "rate": 4}],
            },
            "pids": {"limit": -1},
        }
        on_v2 = plan_resources(wanted, 2, lambda path: (8, 1))
        assert on_v2["memory"].keys() == {"limit", "swap", "reservation"} and "realtimePeriod" not in on_v2["cpu"]
        assert on_v2["unified"] == {"memory.oom.group": "1"}  # with which runtimes refuse to start anything on v1

    def test_nothing_is_nothing(self) -> None:
        assert plan_resources(Resources(), 1) == plan_resources(Resources(), 2) == {}

    def test_what_the_host_cannot_do_is_dropped_with_a_warning(self) -> None:
        able = Abilities(swap=False, oom_kill_disable=False, oom_group=False, swappiness=False, blkio_weight=False)
        asked = {"memory": 100, "memory_swap": 200, "memory_swappiness": 0, "blkio_weight": 9}
        left, warnings = plan_allowed(Resources(**asked, oom_kill_disable=True, oom_group=True), able)
        assert left == Resources(memory=100, memory_swap=-1) and len(warnings) == 5
        assert "Your kernel does not support OomKillDisable. OomKillDisable discarded." in warnings

    def test_without_swap_accounting_memory_is_limited_alone(self) -> None:
        assert plan_allowed(Resources(memory=100), Abilities(swap=False)) == (Resources(memory=100), [])
        assert plan_resources(Resources(memory=100), 1, swap=False)["memory"] == {"limit": 100}

    @pytest.mark.parametrize(
        ("wanted", "words"),
        [
            (Resources(nano_cpus=1), "NanoCPUs can not be set"),
            (Resources(cpu_realtime_runtime=1), "CPU real-time scheduler"),
            (Resources(cpuset_cpus="9"), "Requested CPUs are not available - requested 9, available: 0-1"),
            (Resources(cpuset_cpus="x"), "Invalid value x for cpuset cpus"),
            (Resources(cpuset_mems="3"), "Requested memory nodes are not available - requested 3, available: 0"),
            (Resources(blkio_weight=5), "Range of blkio weight is from 10 to 1000"),
        ],
    )
    def test_refused(self, wanted: Resources, words: str) -> None:
        able = Abilities(cpu_cfs=False, cpu_realtime=False, cpus=frozenset({0, 1}), mems=frozenset({0}))
        with pytest.raises(InvalidInput, match=words):
            plan_allowed(wanted, able)

    @given(st.frozensets(st.integers(0, 500)))
    def test_lists_of_numbers(self, numbers: frozenset[int]) -> None:
        assert parse_list(format_list(numbers)) == numbers

    @pytest.mark.parametrize("text", ["-1", "3-1", "1-", "a", "1,,2", "0-99999999"])
    def test_bad_lists(self, text: str) -> None:
        with pytest.raises(ValueError):
            parse_list(text)

    def test_ulimits(self) -> None:
        with pytest.raises(InvalidInput, match="invalid ulimit type: foo"):
            plan_rlimits([Ulimit("foo", 1, 1)], Limits())
        with pytest.raises(InvalidInput, match="soft limit must be less than or equal to hard limit: 2 > 1"):
            plan_rlimits([Ulimit("core", 2, 1)], Limits())
        assert plan_rlimits([Ulimit("core", 1, 1), Ulimit("core", 2, 2)], Limits())[0][0]["soft"] == 2


class TestMounts:
    @pytest.mark.parametrize(
        ("text", "options"),
        [
            ("", ("noexec", "nosuid", "nodev")),
            ("exec,suid,dev", ("exec", "suid", "dev")),
            ("size=64m,size=1m,mode=1777", ("noexec", "nosuid", "nodev", "size=1m", "mode=1777")),
            ("exec,noexec,ro", ("nosuid", "nodev", "noexec", "ro")),
        ],
    )
    def test_tmpfs(self, text: str, options: tuple[str, ...]) -> None:
        assert plan_tmpfs("/t", text).options == options

    @pytest.mark.parametrize(
        ("text", "named"), [("foo", "foo"), ("size", "size"), ("context=x", "context"), ("bind", "bind")]
    )
    def test_bad_tmpfs(self, text: str, named: str) -> None:
        with pytest.raises(InvalidInput, match=f'^invalid tmpfs option "{named}"$'):
            plan_tmpfs("/t", text)

    def test_binds(self) -> None:
        assert plan_bind("/s", "/t").options == ("rbind", "rprivate")
        assert plan_bind("/s", "/t", read_only=True, recursive_read_only=True).options == ("rbind", "rro", "rprivate")
        one = plan_bind("/s", "/t", read_only=True, recursive=False, recursive_read_only=True)
        assert one.options == ("bind", "ro", "rprivate")

    def test_propagation_needs_a_mount_that_propagates(self) -> None:
        table = parse_mountinfo(
            "1 0 8:1 / / rw - ext4 a rw\n"
            "2 1 8:2 / /srv rw - ext4 covered rw\n"
            "3 1 8:2 / /srv rw shared:3 - ext4 b rw\n"
            "4 3 8:3 / /srv/x rw master:3 - ext4 c rw\n"
            "5 3 8:3 / /srv/a\\040b rw - ext4 d rw\n"
        )
        assert table["/srv"] == "shared:3" and "/srv/a b" in table
        check_propagation("/srv/data", "rshared", table)
        check_propagation("/srv/x/y", "rslave", table)
        check_propagation("/etc", "rprivate", table)
        with pytest.raises(InvalidInput, match="path /etc is mounted on / but it is not a shared mount"):
            check_propagation("/etc", "shared", table)
        with pytest.raises(InvalidInput, match="path /srvx is mounted on / but it is not a shared or slave mount"):
            check_propagation("/srvx", "slave", table)


class TestSecurity:
    def test_paths(self) -> None:
        masked, read_only = plan_paths(Security())
        assert "/proc/kcore" in masked and "/proc/sysrq-trigger" in read_only
        assert plan_paths(Security(unconfined_system_paths=True)) == ([], [])
        assert plan_paths(Security(masked_paths=[], readonly_paths=["/a"])) == ([], ["/a"])

    def test_apparmor(self) -> None:
        assert plan_apparmor(Security(), Limits(apparmor=True), "corral") == "corral"
        assert plan_apparmor(Security(privileged=True), Limits(apparmor=True), "corral") == "unconfined"
        assert plan_apparmor(Security(), Limits(), "corral") == ""
        assert plan_apparmor(Security(apparmor="x", privileged=True), Limits(apparmor=True)) == "unconfined"
        assert plan_unconfined(Security(apparmor="unconfined"), Limits()) == []
        assert plan_unconfined(Security(apparmor="x", labels=["level:s0"]), Limits(apparmor=True, selinux=True)) == []

    def test_labels(self) -> None:
        check_labels(["disable"], Limits())
        with pytest.raises(InvalidInput, match="bad label option"):
            check_labels(["colour:red"], Limits(selinux=True))
        with pytest.raises(Unsupported, match="type:spc_t"):
            check_labels(["type:spc_t"], Limits(selinux=True))

    @pytest.mark.parametrize(
        ("name", "namespaces", "words"),
        [
            ("kernel.sem", {"network"}, "hosts ipc namespace"),
            ("fs.mqueue.msg_max", {"network"}, "hosts ipc namespace"),
            ("net/ipv4/ip_forward", {"ipc"}, "not allowed in host network namespace"),
            ("kernel.domainname", set(), "hosts UTS namespace"),
            ("vm.swappiness", {"network", "ipc", "uts"}, "is not in a separate kernel namespace"),
        ],
    )
    def test_sysctls(self, name: str, namespaces: set[str], words: str) -> None:
        with pytest.raises(InvalidInput, match=words):
            check_sysctls({name: "1"}, namespaces)


class TestRuntimes:
    crun, runc = FoundRuntime("crun", "/c", "1.8.1"), FoundRuntime("runc", "/r", "1.1.5")

    def test_choice(self) -> None:
        v2 = Layout("v2", {}, "/sys/fs/cgroup")
        hybrid = Layout("hybrid", {"cpu": "/cpu"}, "/unified")
        assert choose("", [self.crun, self.runc], v2).name == "crun"
        assert choose("", [self.runc], v2).name == "runc"
        assert choose("", [self.crun, self.runc], hybrid, "hugetlb").name == "runc"
        assert choose("", [self.crun, self.runc], hybrid, "").name == "crun"
        assert choose("runc", [self.crun, self.runc], v2).name == "runc"
        with pytest.raises(Unavailable, match="install the package runc"):
            choose("", [self.crun], hybrid, "hugetlb")
        cover = Cover("/unified", "/usr/bin/nsenter")
        covered = choose("", [self.crun, self.runc], hybrid, "hugetlb\n", cover)
        assert covered.name == "crun" and covered.cover == cover and "owns hugetlb here" in covered.reason
        assert choose("runc", [self.crun, self.runc], hybrid, "hugetlb", cover).cover == cover
        with pytest.raises(Unavailable):
            choose("", [], v2)

    def test_who_may_see_what_is_covered(self) -> None:
        def runtimes(*names: str) -> RuntimeSet:
            covers = {"crun": cover}
            made = {name: OciRuntime(name, f"/bin/{name}", "1.1", "/r", covers.get(name)) for name in names}
            return RuntimeSet(made, RuntimeChoice("crun", ""))

        cover = Cover("/sys/fs/cgroup/unified", "/usr/bin/nsenter")
        both, alone = runtimes("crun", "runc"), runtimes("crun")
        assert both.choose("").name == "crun" and both.choose("", ["/srv", "/sys/fs/cgroup/cpu"]).name == "crun"
        assert both.choose("", ["/srv", "/sys"]).name == "runc"
        for refused in (both, "crun"), (alone, ""):
            with pytest.raises(Unsupported, match="/sys cannot be mounted by crun on this host"):
                refused[0].choose(refused[1], ["/sys"])
        with pytest.raises(InvalidInput, match="unknown or invalid runtime name: kata"):
            both.choose("kata", ["/sys"])

    def test_who_has_the_hosts_devices_is_run_by_who_does_not_give_them_away(self) -> None:
        def runtimes(crun: str, *others: str) -> RuntimeSet:
            made = {name: OciRuntime(name, f"/bin/{name}", "1.1", "/r") for name in others}
            return RuntimeSet({"crun": OciRuntime("crun", "/c", crun, "/r"), **made}, RuntimeChoice("crun", ""))

        assert runtimes("1.8.1", "runc").choose("", ["/dev"], devices=True).name == "runc"
        assert runtimes("1.8.1", "runc").choose("crun", ["/dev"], devices=True).name == "crun"  # asked for by name
        assert runtimes("1.24", "runc").choose("", ["/dev"], devices=True).name == "crun"
        assert runtimes("1.8.1").choose("", ["/dev"], devices=True).name == "crun"

    def test_few_open_files_are_runcs_where_there_is_one(self) -> None:
        made = {name: OciRuntime(name, f"/bin/{name}", "1.1", "/r") for name in ("crun", "runc")}
        few = [Ulimit("nofile", 20, 1024)]
        assert RuntimeSet(made, RuntimeChoice("crun", "")).choose("", ulimits=few).name == "runc"
        assert RuntimeSet(made, RuntimeChoice("crun", "")).choose("crun", ulimits=few).name == "crun"
        del made["runc"]
        assert RuntimeSet(made, RuntimeChoice("crun", "")).choose("", ulimits=few).name == "crun"

    def test_what_an_uninstalled_runtime_made_is_not_anothers(self, tmp_path: Path) -> None:
        """It waits for its start, or runs, whoever else is installed now."""
        left = RuntimeSet({}, RuntimeChoice("", "there is none"), str(tmp_path)).of("crun")
        assert left.gone and not left.unstarted("a")
        (tmp_path / "crun/a").mkdir(parents=True)
        (tmp_path / "crun/a/exec.fifo").touch()
        assert left.unstarted("a") and left.known() == ["a"]
        with pytest.raises(Unavailable, match="the OCI runtime crun does not exist: install the package crun"):
            left.require()

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ('exec: "nope": executable file not found in $PATH', 127),
            ('exec: "/nope": stat /nope: no such file or directory', 127),
            ('exec: "/etc": is a directory', 126),
            ('exec: "/etc/passwd": permission denied', 126),
            ("error mounting: not a directory", 127),
            ("something else", 128),
        ],
    )
    def test_exit_codes(self, text: str, code: int) -> None:
        error = plan_failure("OCI runtime create failed", text)
        assert isinstance(error, RuntimeFailed) and error.exit_code == code
        assert error.message.startswith(f"OCI runtime create failed: {text}: unknown")

    def test_a_full_disk_is_told_apart(self) -> None:
        assert isinstance(plan_failure("x", "write /a: no space left on device"), NoSpace)

    @given(st.text())
    def test_logs_of_any_shape(self, text: str) -> None:
        last_error(text)

    @given(st.binary())
    def test_answers_of_any_shape(self, line: bytes) -> None:
        parse_answer(line)

    def test_a_path_that_the_monitor_would_cut(self) -> None:
        with pytest.raises(InvalidInput, match="without a colon"):
            plan_log("/a:b/log")

    def test_init_programs(self, tmp_path: Path) -> None:
        with pytest.raises(Unavailable, match=r"the init program .*/nope does not exist"):
            find_init(str(tmp_path / "nope"))
        (tmp_path / "script").write_text("#!/bin/sh\n")
        assert not is_static(str(tmp_path / "script")) and not is_static(str(tmp_path / "none"))
