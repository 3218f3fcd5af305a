"""What the doctor makes of hosts."""

from __future__ import annotations

from dataclasses import replace

from corral.cli.instance import Instance
from corral.daemon.doctor import Finding, install_line, judge
from corral.daemon.facts import Facts, module_state
from corral.daemon.unit import render
from corral.linux.cgroup_layout import Layout
from corral.linux.limits import Limits
from corral.linux.mounts import filesystem_of

GOOD = Facts(
    kernel="6.1.0",
    system="Debian",
    family="debian",
    layout=Layout("v2", dict.fromkeys(("cpu", "memory", "pids", "io", "cpuset"), "/sys/fs/cgroup")),
    limits=Limits(seccomp_actions=frozenset({"errno"}), apparmor=True),
    modules=dict.fromkeys(("overlay", "bridge", "veth", "nf_tables"), "there"),
    monitor=("/usr/bin/conmon", "2.1.6"),
    runtimes={"crun": ("/usr/bin/crun", "1.14")},
    chosen="crun",
    reason="cgroup v2",
    init="/usr/bin/tini",
    state_fs="ext4",
    systemd=True,
)


def levels(facts: Facts) -> dict[str, str]:
    return {finding.title: finding.level for finding in judge(facts)}


def test_a_good_host_has_nothing_to_do() -> None:
    findings = judge(GOOD)
    assert {finding.level for finding in findings} == {"ok"}
    assert install_line(findings, "debian") == ""


def test_what_is_missing_is_one_line_to_type() -> None:
    bare = replace(GOOD, monitor=("", ""), runtimes={}, chosen="", nftables=False, init="")
    assert install_line(judge(bare), "debian") == "sudo apt-get install -y runc conmon nftables tini"
    assert install_line(judge(bare), "fedora") == "sudo dnf install -y crun conmon nftables catatonit"
    assert install_line(judge(bare), "").startswith("install, with your package manager: runc")


def test_runtimes_that_cannot_be_used_here() -> None:
    found = judge(replace(GOOD, chosen="", reason="crun 1.8.1 refuses a hybrid host"))
    assert Finding("missing", "runtime", "crun 1.8.1 refuses a hybrid host", "runtime") in found


def test_kernels_and_file_systems_that_will_not_do() -> None:
    assert levels(replace(GOOD, modules={"overlay": "missing"}))["kernel"] == "missing"
    assert levels(replace(GOOD, state_fs="overlay"))["storage"] == "missing"
    assert levels(replace(GOOD, layout=Layout("v2", {"pids": "/sys/fs/cgroup"})))["cgroups"] == "note"
    assert levels(replace(GOOD, limits=Limits(frozenset())))["limits"] == "note"
    assert levels(replace(GOOD, foreign=["the chain ip filter FORWARD drops"]))["firewall"] == "note"
    assert levels(replace(GOOD, lingering=["c012345678"]))["cables"] == "note"


def test_dashes_and_underscores_in_module_names_are_one() -> None:
    assert module_state("br_netfilter", set(), "kernel/net/bridge/br-netfilter.ko.zst:") == "loadable"


def test_the_deepest_and_last_mount_holds_a_path() -> None:
    lines = "1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:5 / /a rw - xfs /dev/b rw\n3 2 0:6 / /a rw - tmpfs none rw"
    assert filesystem_of("/a/b", lines) == "tmpfs" and filesystem_of("/ab", lines) == "ext4"


def test_the_unit_does_not_end_containers() -> None:
    unit = render("/opt/corral", Instance("/srv/x y")).splitlines()
    assert 'ExecStart=/opt/corral --root "/srv/x y" up' in unit
    assert "RuntimeDirectory=corral" not in unit, "that is the default instance's"
    assert "KillMode=process" in unit and "Type=notify" in unit
