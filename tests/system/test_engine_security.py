"""The walls: namespaces, capabilities, system calls, read-only places, users."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.endpoint import BUSYBOX, Endpoint
from tests.support.images import busybox_rootfs
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

DEFAULT_CAPABILITIES = 0xA80425FB
NAMESPACES = ("pid", "net", "ipc", "uts", "mnt")


def _status(engine: Endpoint, field: str, **config: Any) -> str:
    code, text = engine.result("cat", "/proc/self/status", **config)
    assert code == 0, text
    return next(line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith(field + ":"))


def _namespace(pid: int, kind: str) -> str:
    return os.readlink(f"/proc/{pid}/ns/{kind}")


def _pid(engine: Endpoint, identity: str) -> int:
    return int(engine.inspect(identity)["State"]["Pid"])


def test_namespaces_are_its_own(engine: Endpoint) -> None:
    pid = _pid(engine, engine.run("sleep", "100"))
    for kind in NAMESPACES:
        assert _namespace(pid, kind) != _namespace(os.getpid(), kind), kind


@pytest.mark.parametrize("kind, field", [("pid", "PidMode"), ("ipc", "IpcMode"), ("uts", "UTSMode")])
def test_the_hosts_namespaces(engine: Endpoint, kind: str, field: str) -> None:
    pid = _pid(engine, engine.run("sleep", "100", HostConfig={field: "host"}))
    assert _namespace(pid, kind) == _namespace(1 if os.access("/proc/1/ns/pid", os.R_OK) else os.getpid(), kind)


@pytest.mark.parametrize("kind, field", [("pid", "PidMode"), ("ipc", "IpcMode")])
def test_another_containers_namespaces(engine: Endpoint, kind: str, field: str) -> None:
    first = engine.run("sleep", "100", HostConfig={"IpcMode": "shareable"})
    second = engine.run("sleep", "100", HostConfig={field: f"container:{first}"})
    assert _namespace(_pid(engine, first), kind) == _namespace(_pid(engine, second), kind)


def test_default_capabilities(engine: Endpoint) -> None:
    assert int(_status(engine, "CapEff"), 16) == DEFAULT_CAPABILITIES
    assert int(_status(engine, "CapBnd"), 16) == DEFAULT_CAPABILITIES


def test_capabilities_added_and_dropped(engine: Endpoint) -> None:
    net_admin, chown = 1 << 12, 1 << 0
    host = {"CapAdd": ["NET_ADMIN"], "CapDrop": ["CAP_CHOWN"]}
    assert int(_status(engine, "CapEff", HostConfig=host), 16) == (DEFAULT_CAPABILITIES | net_admin) & ~chown
    assert int(_status(engine, "CapEff", HostConfig={"CapDrop": ["all"]}), 16) == 0


def test_no_capabilities_for_an_ordinary_user(engine: Endpoint) -> None:
    assert int(_status(engine, "CapEff", User="33"), 16) == 0


def test_privileged_has_what_the_host_allows(engine: Endpoint) -> None:
    found = int(_status(engine, "CapEff", HostConfig={"Privileged": True}), 16)
    assert found & DEFAULT_CAPABILITIES == DEFAULT_CAPABILITIES and found & (1 << 21), "CAP_SYS_ADMIN among them"
    code, _ = engine.result("mount", "-t", "tmpfs", "x", "/tmp", HostConfig={"Privileged": True})
    assert code == 0


def test_seccomp_filters_by_default(engine: Endpoint) -> None:
    assert _status(engine, "Seccomp") == "2"
    code, text = engine.result("unshare", "-U", "true", HostConfig={"CapAdd": ["SYS_PTRACE"]})
    assert code != 0 and "not permitted" in text


FAMILIES = """
import socket
for family in (1, 16, 38, 40):  # local, netlink, the kernel's ciphers, the machine that this is a guest of
    try:
        socket.socket(family, socket.SOCK_RAW if family == 16 else socket.SOCK_SEQPACKET).close()
        print(family, "open")
    except OSError as error:
        print(family, error.strerror)
"""


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_families_of_sockets_that_lead_out_are_refused(engine: Endpoint, runtime: str) -> None:
    if runtime not in engine.get("/info").json["Runtimes"]:
        pytest.skip(f"{runtime} is not there")
    python = os.path.realpath(sys.executable)
    places = [place for place in ("/usr", "/lib", "/lib64") if os.path.exists(place)]
    config = {"Runtime": runtime, "Binds": [f"{os.path.realpath(place)}:{place}:ro" for place in places]}
    code, text = engine.result(python, "-I", "-c", FAMILIES, HostConfig=config)
    refused = [f"{family} {os.strerror(errno.EPERM)}" for family in (38, 40)]
    assert code == 0 and text.splitlines() == ["1 open", "16 open", *refused]


def test_seccomp_profiles(engine: Endpoint) -> None:
    unconfined = {"SecurityOpt": ["seccomp=unconfined"]}
    assert _status(engine, "Seccomp", HostConfig=unconfined) == "0"
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
    }
    code, text = engine.result("mkdir", "/x", HostConfig={"SecurityOpt": [f"seccomp={json.dumps(profile)}"]})
    assert code == 1 and "not permitted" in text


def test_the_second_container_is_filtered_as_the_first(engine: Endpoint) -> None:
    """Its filter was compiled for the first one; its execs have it, too."""
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
    }
    refusing = {"SecurityOpt": [f"seccomp={json.dumps(profile)}"]}
    for _ in range(3):
        identity = engine.run("sleep", "100", HostConfig=refusing)
        for run in (engine.result("mkdir", "/x", HostConfig=refusing), engine.execute(identity, "mkdir", "/x")):
            assert run[0] == 1 and "not permitted" in run[1]
        code, text = engine.execute(identity, "grep", "Seccomp", "/proc/self/status")
        assert code == 0 and text.split() == ["Seccomp:", "2", "Seccomp_filters:", "1"]
        assert engine.result("mkdir", "/x")[0] == 0  # the default filter is another one
    identity = engine.run("sleep", "100", HostConfig=refusing)
    assert "run.oci.seccomp_bpf_data" not in json.dumps(engine.inspect(identity))


def test_no_new_privileges(engine: Endpoint) -> None:
    assert _status(engine, "NoNewPrivs", HostConfig={"SecurityOpt": ["no-new-privileges"]}) == "1"
    assert _status(engine, "NoNewPrivs") == "0"


def test_masked_and_read_only_places(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100")
    assert engine.execute(identity, "sh", "-c", "echo 1 > /proc/sys/kernel/domainname")[0] != 0
    assert engine.execute(identity, "sh", "-c", "echo b > /proc/sysrq-trigger")[0] != 0
    assert engine.execute(identity, "sh", "-c", "cat /proc/timer_list 2>/dev/null | wc -c")[1] == "0\n"
    assert engine.execute(identity, "sh", "-c", "ls /sys/firmware | wc -l")[1] == "0\n"
    assert engine.execute(identity, "sh", "-c", "mkdir /sys/fs/cgroup/pids/x /sys/fs/cgroup/x/y")[0] != 0


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_what_is_mounted_over_proc(engine: Endpoint, tmp_path: Path, runtime: str) -> None:
    """As runc has it, whichever runtime it is."""
    if runtime not in engine.get("/info").json["Runtimes"]:
        pytest.skip(f"{runtime} is not there")
    engine.import_image(("proc-link:1",), rootfs=_with_link("data", "proc/self"))
    (tmp_path / "numbers").write_text("mine\n")
    inside = "cannot be mounted because it is inside /proc"
    for words, refused in (
        (["-v", "/proc/sys"], inside),
        (["-v", "/proc/self/attr"], inside),
        (["--tmpfs", "/proc/acpi"], inside),
        (["-v", "/proc"], "cannot be mounted because it is not of type proc"),
        (["-v", f"{tmp_path}/numbers:/proc/cpuinfo"], ""),
        (["-v", "/proc:/proc"], ""),
        (["-v", "/process", "-v", f"{tmp_path}:/x"], ""),
    ):
        done = engine.docker("run", "--rm", "--runtime", runtime, *words, BUSYBOX, "true")
        assert (done.returncode, refused in done.stderr) == (125 if refused else 0, True), (words, done)
    done = engine.docker("run", "--rm", "--runtime", runtime, "-v", "/data/attr", "proc-link:1", "/bin/true")
    assert done.returncode == 125 and inside in done.stderr, done


def _with_link(name: str, target: str) -> bytes:
    """busybox's tree with a link: an image that leads a volume elsewhere."""
    out = io.BytesIO(busybox_rootfs())
    with tarfile.open(fileobj=out, mode="a") as tar:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = tarfile.SYMTYPE, f"/{target}"
        tar.addfile(entry)
    return out.getvalue()


def test_only_harmless_devices(engine: Endpoint) -> None:
    code, text = engine.result("ls", "/dev")
    harmless = {"console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm"}
    harmless |= {"stderr", "stdin", "stdout", "tty", "urandom", "zero"}
    assert code == 0 and set(text.split()) <= harmless
    code, text = engine.result("sh", "-c", "mknod /d b 252 0 && head -c 1 /d")
    assert code != 0


def test_a_device_that_was_asked_for(engine: Endpoint) -> None:
    devices = [{"PathOnHost": "/dev/zero", "PathInContainer": "/dev/nought", "CgroupPermissions": "rwm"}]
    code, text = engine.result("sh", "-c", "head -c 5 /dev/nought | wc -c", HostConfig={"Devices": devices})
    assert (code, text) == (0, "5\n")


def test_read_only_root_and_tmpfs(engine: Endpoint) -> None:
    host = {"ReadonlyRootfs": True, "Tmpfs": {"/t": "size=1m"}}
    identity = engine.run("sleep", "100", HostConfig=host)
    assert engine.execute(identity, "touch", "/x")[0] != 0
    assert engine.execute(identity, "touch", "/t/x")[0] == 0


def test_users_are_looked_up_inside(engine: Endpoint) -> None:
    assert engine.result("id", User="www-data")[1] == "uid=33(www-data) gid=33(www-data) groups=33(www-data)\n"
    _, text = engine.result("id", User="1000:users", HostConfig={"GroupAdd": ["audio", "5000"]})
    assert text.startswith("uid=1000 gid=100(users)") and "29(audio)" in text and "5000" in text


def test_a_linked_passwd_leads_not_to_the_hosts(engine: Endpoint, tmp_path: Path) -> None:
    """An image whose /etc/passwd points out of it."""
    (tmp_path / "passwd").write_text("intruder:x:4242:4242::/:/bin/sh\n")
    identity = engine.run("sh", "-c", f"rm /etc/passwd; ln -s ../../../../../../..{tmp_path}/passwd /etc/passwd")
    engine.wait(identity)
    engine.post("/commit", {}, query={"container": identity, "repo": "linked"})
    try:
        made = engine.create("id", image="linked", User="intruder")
        answer = engine.post(f"/containers/{made}/start")
        assert answer.status in (400, 500) and "unable to find user intruder" in answer.message
    finally:
        engine.remove_everything()
        engine.delete("/images/linked", query={"force": 1})


def test_sysctls(engine: Endpoint) -> None:
    host = {"Sysctls": {"net.ipv4.ip_unprivileged_port_start": "99", "kernel.shm_rmid_forced": "1"}}
    assert engine.result("cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start", HostConfig=host)[1] == "99\n"


def test_an_init_reaps(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100", HostConfig={"Init": True})
    engine.execute(identity, "sh", "-c", "(sleep 0.1 &) ; exit 0")

    def zombies() -> int:
        return engine.execute(identity, "sh", "-c", "grep -l '^State:.Z' /proc/[0-9]*/status | wc -l")[1].strip() == "0"

    assert Path(f"/proc/{_pid(engine, identity)}/comm").read_text() != "sleep\n"
    eventually(zombies, "no zombie stays")


def test_bind_mounts(engine: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("the host's")
    host = {"Binds": [f"{tmp_path}:/rw", f"{tmp_path}:/ro:ro", f"{tmp_path}/made/on/demand:/made"]}
    identity = engine.run("sleep", "100", HostConfig=host)
    assert engine.execute(identity, "cat", "/ro/file") == (0, "the host's")
    assert engine.execute(identity, "touch", "/ro/x")[0] != 0
    assert engine.execute(identity, "touch", "/rw/x")[0] == 0 and (tmp_path / "x").exists()
    assert (tmp_path / "made/on/demand").is_dir()


def test_volumes_keep_and_copy_up(engine: Endpoint) -> None:
    code, _ = engine.result(
        "sh", "-c", "test -e /etc/passwd && echo kept > /etc/new", HostConfig={"Binds": ["vol:/etc"]}
    )
    assert code == 0
    assert engine.result("cat", "/v/new", HostConfig={"Binds": ["vol:/v:ro"]}) == (0, "kept\n")
    identity = engine.run("sleep", "100", HostConfig={"Binds": ["vol:/v"]})
    assert engine.delete("/volumes/vol").status == 409
    engine.remove(identity)
    assert engine.delete("/volumes/vol").status == 204


def test_an_exec_does_not_get_the_hosts_null_device(engine: Endpoint) -> None:
    """crun makes a process' streams belong to its user, and what the monitor opens is the host's."""
    identity = engine.run("sleep", "100")
    script = "stat -L -c %t:%T /proc/self/fd/0; cat; chmod 666 /proc/self/fd/0"
    code, text = engine.execute(identity, "sh", "-c", script, User="4321:4321")
    assert text.startswith("1:3\n") and code != 0, text
    assert os.stat("/dev/null").st_uid != 4321
    code, text = engine.result("true", User="4321:4321")
    assert code == 0 and os.stat("/dev/null").st_uid != 4321, text
    code, text = engine.result("true", User="4321:4321", HostConfig={"Binds": ["/dev:/dev"]})
    assert code == 0 and os.stat("/dev/null").st_uid != 4321, text
