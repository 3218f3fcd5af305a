"""Remapped users: root inside is a subordinate id outside, and every file has the ids that it had before."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.instance import Instance, instance
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Instance]:
    with instance("--userns-remap=default") as subject:
        yield subject


def up(subject: Instance, script: str, **config: object) -> str:
    """A container that has done what the script says, and runs on."""
    identity = subject.run("sh", "-ec", f"{script}; echo done; exec sleep 1000", **config)
    eventually(lambda: subject.output(identity) == "done\n", lambda: subject.output(identity))
    return identity


@pytest.fixture
def remapped(daemon: Instance) -> Iterator[Instance]:
    yield daemon
    daemon.remove_everything()


def first(subject: Instance) -> int:
    """The host's id of the root of containers."""
    return int(json.loads((subject.root / "userns-remap.json").read_text())["start"])


def sh(subject: Instance, script: str, **config: object) -> str:
    code, text = subject.result("sh", "-ec", script, **config)
    assert code == 0, text
    return text


def test_root_is_somebody_else_outside(remapped: Instance) -> None:
    identity = remapped.run("sleep", "100")
    pid = remapped.inspect(identity)["State"]["Pid"]
    assert os.stat(f"/proc/{pid}").st_uid == first(remapped)
    assert os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user")
    other = remapped.inspect(remapped.run("sleep", "100"))["State"]["Pid"]
    assert os.readlink(f"/proc/{pid}/ns/user") != os.readlink(f"/proc/{other}/ns/user")
    assert [os.stat(remapped.root / name).st_mode & 0o777 for name in ("images", "volumes")] == [0o700, 0o700]
    assert "name=userns" in remapped.get("/info").json["SecurityOptions"]


def test_nobody_gets_the_hosts_null_device(remapped: Instance) -> None:
    identity = remapped.run("sleep", "100")
    owners = [os.stat("/dev/null").st_uid]
    code, text = remapped.execute(identity, "sh", "-c", "stat -L -c %t:%T /proc/self/fd/0; chmod 666 /proc/self/fd/0")
    owners.append(os.stat("/dev/null").st_uid)
    assert text.startswith("1:3\n") and code != 0 and first(remapped) not in owners, (text, owners)


def test_files_belong_to_the_ids_of_the_image(remapped: Instance) -> None:
    script = "touch /x; chown 33:70 /x; rm /bin/vi; stat -c %u:%g / /bin/sh /x /etc/hosts /etc/resolv.conf /tmp"
    assert sh(remapped, script).split() == ["0:0", "0:0", "33:70", "0:0", "0:0", "0:0"]
    code, text = remapped.result("sh", "-c", "id -u; cd; pwd; touch /tmp/y", User="postgres")
    assert (code, text.split()[0]) == (0, "70")


def test_on_disk_they_do_too(remapped: Instance) -> None:
    identity = up(remapped, "touch /x; chown 33:70 /x")
    upper = Path(remapped.inspect(identity)["GraphDriver"]["Data"]["UpperDir"])
    assert (os.stat(upper / "x").st_uid, os.stat(upper / "x").st_gid) == (33, 70)
    remapped.docker("commit", identity, "copy", check=True)
    shown = remapped.docker("run", "--rm", "--userns=host", "copy", "stat", "-c", "%u:%g", "/x", "/etc", check=True)
    assert shown.stdout.split() == ["33:70", "0:0"]
    assert "A /x" in remapped.docker("diff", identity, check=True).stdout.splitlines()


@pytest.mark.parametrize("running", [True, False])
def test_copies_keep_ids(remapped: Instance, running: bool) -> None:
    identity = remapped.run("sleep", "100", HostConfig={"Binds": ["data:/data"], "Tmpfs": {"/fast": ""}})
    if not running:
        remapped.docker("stop", "-t", "0", identity, check=True)
    sent = io.BytesIO()
    with tarfile.open(fileobj=sent, mode="w") as archive:
        entry = tarfile.TarInfo("f")
        entry.uid, entry.gid = 33, 70
        archive.addfile(entry)
    for place in ["/", "/data", "/tmp"] + (["/fast"] if running else []):
        remapped.docker("cp", "-", f"{identity}:{place}", input=sent.getvalue(), check=True)
        got = remapped.get(f"/containers/{identity}/archive", query={"path": f"{place}/f"})
        member = tarfile.open(fileobj=io.BytesIO(got.body)).getmembers()[0]
        assert (member.uid, member.gid) == (33, 70), place
    members = {m.name: m for m in tarfile.open(fileobj=io.BytesIO(remapped.get(f"/containers/{identity}/export").body))}
    assert (members["f"].uid, members["f"].gid, members["etc"].uid) == (33, 70, 0)


def test_volumes_are_shared_with_everybody_and_binds_are_the_host_s(remapped: Instance, tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o777)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.getuid() and parent != Path("/tmp") and parent.is_relative_to("/tmp"):
            os.chmod(parent, 0o755)
    config = {"HostConfig": {"Binds": ["data:/data", f"{tmp_path}:/host", f"{tmp_path}/made:/made"]}}
    assert (
        sh(remapped, "touch /data/f /host/f /made/f; chown 33 /data/f; stat -c %u /data /data/f", **config) == "0\n33\n"
    )
    assert sh(remapped, "stat -c %u /data/f", HostConfig={"Binds": ["data:/data"], "UsernsMode": "host"}) == "33\n"
    assert os.stat(tmp_path / "f").st_uid == first(remapped) == os.stat(tmp_path / "made").st_uid


def test_it_is_root_of_its_network(remapped: Instance) -> None:
    probes = "net.ipv4.tcp_keepalive_probes"  # not of net.core: older kernels hide that in user namespaces
    config = {"HostConfig": {"Sysctls": {probes: "99"}, "CapAdd": ["NET_ADMIN"]}}
    script = f"ip link set lo mtu 1400; ip a; cat /proc/sys/{probes.replace('.', '/')}; nc -lp 80 & kill $!"
    text = sh(remapped, script, **config)
    assert "mtu 1400" in text and "inet " in text.partition("eth0")[2] and "\n99\n" in text
    gateway = "ping -c 1 -W 5 $(ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p')"
    assert "0% packet loss" in sh(remapped, gateway)
    assert "UP,LOWER_UP" in sh(remapped, "ip link show lo", HostConfig={"NetworkMode": "none"})


def test_namespaces_are_shared_with_the_user_namespace(remapped: Instance) -> None:
    peer = up(remapped, "touch /dev/shm/f", HostConfig={"IpcMode": "shareable"})
    shared = {"NetworkMode": f"container:{peer}", "IpcMode": f"container:{peer}", "PidMode": f"container:{peer}"}
    text = sh(remapped, "stat -c %u /dev/shm/f; ip a; ps", HostConfig=shared)
    assert text.startswith("0\n") and "eth0" in text and "sleep 100" in text
    apart = remapped.run("sleep", "100", HostConfig={"UsernsMode": "host"})
    done = remapped.docker("run", "--rm", "--network", f"container:{apart}", "busybox", "true")
    assert done.returncode != 0 and "it runs in another user namespace" in done.stderr
    joined = remapped.docker("run", "--rm", "--userns=host", "--network", f"container:{peer}", "busybox", "true")
    assert joined.returncode == 0, joined.stderr


def test_terminals_devices_and_read_only_roots(remapped: Instance) -> None:
    # It waits: what a terminal said last may be lost with its last user.
    identity = remapped.run("sh", "-ec", "stat -c %u:%g $(tty); echo shown >/dev/tty; sleep 100", Tty=True)
    eventually(lambda: remapped.output(identity).split() == ["0:5", "shown"], lambda: remapped.output(identity))
    assert os.stat("/dev/null").st_uid == 0, "the host's, which the runtime had as stdin and stdout"
    devices = [{"PathOnHost": "/dev/zero", "PathInContainer": "/dev/none", "CgroupPermissions": "rwm"}]
    assert sh(remapped, "head -c 3 /dev/none | wc -c", HostConfig={"Devices": devices}) == "3\n"
    read_only = {"ReadonlyRootfs": True, "Binds": ["data:/data:ro"], "Tmpfs": {"/t": "uid=7"}}
    assert sh(remapped, "stat -c %u /t; touch /t/f; ! touch /f; ! touch /data/f", HostConfig=read_only).startswith(
        "7\n"
    )


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--privileged", "privileged mode is incompatible with user namespaces"),
        ("--pid=host", "cannot share the host PID namespace when user namespaces are enabled"),
        ("--network=host", "cannot share the host's network namespace when user namespaces are enabled"),
    ],
)
def test_the_host_s_are_for_the_host_s_users(remapped: Instance, option: str, message: str) -> None:
    done = remapped.docker("run", "--rm", option, "busybox", "true")
    assert done.returncode == 125 and message in done.stderr
    done = remapped.docker("run", "--rm", option, "--userns=host", "busybox", "cat", "/proc/self/uid_map", check=True)
    assert done.stdout == Path("/proc/self/uid_map").read_text()


def test_a_daemon_that_does_not_remap_takes_them_over() -> None:
    with instance("--userns-remap=default") as subject:
        identity = up(subject, "touch /x; chown 33 /x")
        subject.down()
        subject.flags = tuple(flag for flag in subject.flags if "userns" not in flag)
        subject.up()
        got = subject.get(f"/containers/{identity}/archive", query={"path": "/x"})
        assert tarfile.open(fileobj=io.BytesIO(got.body)).getmembers()[0].uid == 33
        assert subject.execute(identity, "stat", "-c", "%u", "/x") == (0, "33\n")
        subject.docker("restart", "-t", "0", identity, check=True)
        pid = subject.inspect(identity)["State"]["Pid"]
        assert os.readlink(f"/proc/{pid}/ns/user") == os.readlink("/proc/self/ns/user")
        subject.docker("rm", "-f", identity, check=True)
