"""`corral doctor`: what this host can do, what is missing, and what to type. Needs no daemon and changes nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import Literal, NamedTuple

from corral import __version__
from corral.cli.instance import Instance, daemon_pid
from corral.daemon.config import Settings, runtime_paths
from corral.daemon.facts import MODULES, Facts, family, has_nftables, output, read, read_modules
from corral.engine.host import parse_os_release
from corral.errors import CorralError
from corral.linux import limits
from corral.linux.cgroup_layout import Layout, detect
from corral.linux.mounts import filesystem
from corral.linux.systemd import running as has_systemd
from corral.runtime.choose import choose_here, find_runtimes

Level = Literal["ok", "note", "missing"]
NEEDED = ("overlay", "bridge", "veth", "nf_tables")
WANTED_CONTROLLERS = ("cpu", "memory", "pids")

# what to install, by the package manager's family
PACKAGES = {
    "runtime": {"debian": "runc", "fedora": "crun"},
    "conmon": {"debian": "conmon", "fedora": "conmon"},
    "nftables": {"debian": "nftables", "fedora": "nftables"},
    "init": {"debian": "tini", "fedora": "catatonit"},
}
INSTALL = {"debian": "sudo apt-get install -y", "fedora": "sudo dnf install -y"}


class Finding(NamedTuple):
    """One line of the report. `package` is a key of PACKAGES that would help."""

    level: Level
    title: str
    text: str
    package: str = ""


def judge(facts: Facts) -> list[Finding]:
    """Pure: what the facts mean.

    >>> [f.title for f in judge(Facts(runtimes={"runc": ("/usr/sbin/runc", "1.1.5")})) if f.level == "missing"]
    ['monitor']
    """
    findings = [Finding("ok", "system", f"{facts.system}, kernel {facts.kernel}")]
    if not facts.root:
        findings.append(Finding("note", "user", "not root: some of this cannot be seen; use sudo corral doctor"))
    return [
        *findings,
        _cgroups(facts),
        *_programs(facts),
        *_modules(facts),
        *_storage(facts),
        *_security(facts),
        *(Finding("note", "firewall", advice) for advice in facts.foreign),
        *_lingering(facts),
    ]


def _lingering(facts: Facts) -> list[Finding]:
    if not facts.lingering:
        return []
    text = "left of containers that are gone, and tried again by the daemon; by hand: "
    return [Finding("note", "cables", text + "; ".join(f"ip link delete {name}" for name in facts.lingering))]


def _cgroups(facts: Facts) -> Finding:
    absent = [name for name in WANTED_CONTROLLERS if name not in facts.layout.controllers]
    said = f"{facts.layout.version}, controllers: {' '.join(sorted(facts.layout.controllers)) or 'none'}"
    if facts.layout.version == "v2" and facts.systemd:
        said += "; systemd delegates a scope in corral.slice"
    if absent:
        return Finding("note", "cgroups", f"{said}; limits of {', '.join(absent)} will be refused")
    return Finding("ok", "cgroups", said)


def _programs(facts: Facts) -> list[Finding]:
    found = []
    names = ", ".join(f"{name} {version} ({path})" for name, (path, version) in sorted(facts.runtimes.items()))
    if not facts.runtimes:
        found.append(Finding("missing", "runtime", "neither crun nor runc was found", "runtime"))
    else:
        found.append(Finding("ok", "runtimes", names))
        if facts.chosen:
            found.append(Finding("ok", "runtime", f"{facts.chosen}: {facts.reason}"))
        elif facts.reason:
            found.append(Finding("missing", "runtime", facts.reason, "runtime"))
    path, version = facts.monitor
    found.append(
        Finding("ok", "monitor", f"conmon {version} ({path})".replace("  ", " "))
        if path
        else Finding("missing", "monitor", "conmon was not found: it keeps containers' output and exit codes", "conmon")
    )
    if not facts.nftables:
        text = "libnftables was not found: the bridge network and published ports need it"
        found.append(Finding("missing", "nftables", text, "nftables"))
    if facts.init:
        found.append(Finding("ok", "init", f"{facts.init} (for --init)"))
    else:
        found.append(Finding("note", "init", "no tini or catatonit: --init will be refused", "init"))
    return found


def _modules(facts: Facts) -> list[Finding]:
    absent = [name for name in NEEDED if facts.modules.get(name) == "missing"]
    if absent:
        text = f"the kernel has no {', '.join(absent)}: containers cannot be made; boot a kernel with these modules"
        return [Finding("missing", "kernel", text)]
    later = [name for name in MODULES if facts.modules.get(name) == "loadable"]
    return [
        Finding("ok", "kernel", f"modules loaded when needed: {', '.join(later)}" if later else "modules are there")
    ]


def _storage(facts: Facts) -> list[Finding]:
    if facts.state_fs in ("overlay", "nfs", "nfs4", "9p", "virtiofs", "vfat", "ecryptfs"):
        text = f"the state lies on {facts.state_fs}, which cannot hold layers; give a --root on ext4, xfs or btrfs"
        return [Finding("missing", "storage", text)]
    return [Finding("ok", "storage", f"overlay on {facts.state_fs or 'an unknown file system'}")]


def _security(facts: Facts) -> list[Finding]:
    parts = [name for name in ("seccomp", "apparmor", "selinux") if getattr(facts.limits, name)]
    found = [Finding("ok", "security", ", ".join(parts) or "capabilities only: no seccomp, AppArmor or SELinux")]
    if not facts.limits.may_raise:
        text = "no CAP_SYS_RESOURCE: containers get the hard limits and oom scores that this host allows"
        found.append(Finding("note", "limits", text))
    return found


def install_line(findings: list[Finding], family: str) -> str:
    """Pure: the one command that installs all that would help, "" if nothing would.

    >>> install_line([Finding("missing", "monitor", "", "conmon"), Finding("note", "init", "", "init")], "debian")
    'sudo apt-get install -y conmon tini'
    """
    keys = list(dict.fromkeys(f.package for f in findings if f.package))
    if not keys:
        return ""
    if family not in INSTALL:
        return "install, with your package manager: " + ", ".join(PACKAGES[key]["debian"] for key in keys)
    return f"{INSTALL[family]} {' '.join(PACKAGES[key][family] for key in keys)}"


def gather(instance: Instance, settings: Settings) -> Facts:
    """Reads all facts of this host."""
    release = parse_os_release(read("/etc/os-release") or read("/usr/lib/os-release"))
    kernel = os.uname().release
    conmon = settings.text("conmon") or find("conmon", "/usr/libexec/podman/conmon", "/usr/lib/podman/conmon")
    layout = detect()
    runtimes, chosen, reason = _runtimes(settings, layout)
    inits = (find("docker-init"), find("tini"), find("tini-static"), find("catatonit", "/usr/libexec/podman/catatonit"))
    return Facts(
        root=os.geteuid() == 0,
        kernel=kernel,
        system=release.get("PRETTY_NAME", "Linux"),
        family=family(release),
        layout=layout,
        limits=limits.probe(),
        modules=read_modules(kernel),
        monitor=(conmon, conmon and output(conmon, "--version").partition("version ")[2].split("\n")[0]),
        runtimes=runtimes,
        chosen=chosen,
        reason=reason,
        init=settings.text("init-path") or next((path for path in inits if path), ""),
        nftables=has_nftables(),
        state_fs=filesystem(nearest_existing(instance.root)),
        foreign=_foreign(instance),
        lingering=_left_cables(instance),
        systemd=has_systemd(),
    )


def _runtimes(settings: Settings, layout: Layout) -> tuple[dict[str, tuple[str, str]], str, str]:
    """(name -> (path, version), the one that containers get by default or "", why)"""
    found = asyncio.run(find_runtimes(runtime_paths(settings.list("add-runtime"))))
    known = {runtime.name: (runtime.path, runtime.version) for runtime in found}
    try:
        choice = asyncio.run(choose_here(settings.text("runtime"), found, layout))
    except CorralError as error:
        return known, "", error.message
    return known, choice.name, choice.reason


def find(name: str, *more: str) -> str:
    """The path of a program, also where distributions hide it from PATH."""
    folders = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
    found = shutil.which(name, path=folders)
    return found or next((path for path in more if os.access(path, os.X_OK)), "")


def nearest_existing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return os.path.realpath(path)


def _foreign(instance: Instance) -> list[str]:
    if os.geteuid() != 0 or not has_nftables():
        return []
    from corral.networks.foreign import forward_advice
    from corral.networks.names import InstanceNames

    names = InstanceNames.of_root(instance.root)
    try:
        return forward_advice(names.table, [names.bridge, f"{names.user_bridge('')}*"])
    except CorralError as error:
        return [error.message]


def _left_cables(instance: Instance) -> list[str]:
    from corral.linux.netlink import Netlink
    from corral.networks.lingering import plan_left
    from corral.networks.names import InstanceNames

    try:
        with Netlink() as netlink:
            return plan_left(netlink.links(), InstanceNames.of_root(instance.root))
    except CorralError:  # a kernel or a sandbox that does not tell: the other findings say what is missing
        return []


def doctor(instance: Instance, settings: Settings) -> int:
    """Prints the report: exit code 0 if containers can run here, 1 if something is missing."""
    facts = gather(instance, settings)
    findings = judge(facts)
    pid = daemon_pid(instance)
    print(f"Corral {__version__}, {f'up (pid {pid})' if pid else 'down'}, state in {instance.root}")
    marks = {"ok": "  ok      ", "note": "  note    ", "missing": "  MISSING "}
    for finding in findings:
        print(f"{marks[finding.level]}{finding.title + ':':<10} {finding.text}")
    line = install_line(findings, facts.family)
    if line:
        print(f"\nType: {line}")
    return 1 if any(finding.level == "missing" for finding in findings) else 0
