"""What users of dockerd count on in small things: found by running Docker's own tests against Corral."""

from __future__ import annotations

import io
import socket
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.endpoint import BUSYBOX, Endpoint
from tests.support.images import tree_tar

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]


def test_events_up_to_a_moment_need_no_beginning(engine: Endpoint) -> None:
    engine.docker("run", "--rm", "--name", "ways-past", BUSYBOX, "true", check=True)
    now = engine.docker("info", "--format", "{{.SystemTime}}", check=True).stdout.strip()
    for since in ([], ["--since", "0"]):
        done = engine.docker(
            "events", *since, "--until", now, "-f", "container=ways-past", "--format", "{{.Action}}", check=True
        )
        assert done.stdout.split() == ["create", "attach", "start", "die", "destroy"]


def test_a_new_size_is_an_event(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100", Tty=True)
    assert engine.post(f"/containers/{identity}/resize", query={"h": 24, "w": 80}).status == 200
    now = engine.docker("info", "--format", "{{.SystemTime}}", check=True).stdout.strip()
    shown = engine.docker("events", "--until", now, "-f", f"container={identity}", "-f", "event=resize", check=True)
    assert "height=24" in shown.stdout and "width=80" in shown.stdout


def test_attach_ends_with_the_process_though_it_comes_back(engine: Endpoint) -> None:
    done = engine.docker(
        "run", "-i", "--name", "ways-back", "--restart", "always", BUSYBOX, "sh", "-c", "echo once; exit 11"
    )
    assert (done.returncode, done.stdout) == (11, "once\n")


def test_a_network_is_looked_for_at_the_start(engine: Endpoint) -> None:
    done = engine.docker("run", "--name", "ways-early", "--network", "ways-later", BUSYBOX, "true")
    assert done.returncode == 125 and "network ways-later not found" in done.stderr
    assert engine.inspect("ways-early")["State"]["Status"] == "created"
    engine.docker("network", "create", "ways-later", check=True)
    engine.docker("start", "-a", "ways-early", check=True)


def test_no_container_joins_its_own_network(engine: Endpoint) -> None:
    done = engine.docker("run", "--name", "ways-me", "--network", "container:ways-me", BUSYBOX, "true")
    assert done.returncode == 125 and "cannot join own network" in done.stderr


def test_a_container_whose_network_is_shared_is_looked_for_at_the_start(engine: Endpoint) -> None:
    done = engine.docker("run", "--name", "ways-guest", "--network", "container:ways-donor", BUSYBOX, "hostname")
    missing = "joining network namespace of container: No such container: ways-donor"
    assert done.returncode == 125 and missing in done.stderr, done
    assert engine.inspect("ways-guest")["State"]["Status"] == "created"
    engine.docker("run", "-d", "--name", "ways-donor", "-h", "donor", BUSYBOX, "sleep", "100", check=True)
    assert engine.docker("start", "-a", "ways-guest", check=True).stdout == "donor\n"
    donor = engine.inspect("ways-donor")["Id"]
    assert engine.inspect("ways-guest")["HostConfig"]["NetworkMode"] == f"container:{donor}"
    engine.remove("ways-donor")
    done = engine.docker("start", "ways-guest")
    assert done.returncode == 1 and f"No such container: {donor}" in done.stderr, done


def _is_free(port: int) -> bool:
    """Whether no program, nor a connection of one, has it."""
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True


def test_a_port_that_is_named_is_not_given_to_one_that_is_not(engine: Endpoint) -> None:
    def given(number: int) -> int:
        name = f"ways-any-{number}"
        engine.docker("run", "-d", "--name", name, "-p", "80", BUSYBOX, "sleep", "100", check=True)
        return int(engine.docker("port", name, "80", check=True).stdout.split()[0].rpartition(":")[2])

    last = next(port for port in map(given, range(20)) if _is_free(port + 1))
    named = f"{last + 1}:8080"
    engine.docker("run", "-d", "--name", "ways-both", "-p", "80", "-p", named, BUSYBOX, "sleep", "100", check=True)
    [first, *_] = engine.docker("port", "ways-both", "8080", check=True).stdout.split()
    assert first.endswith(f":{last + 1}")


def test_a_home_that_is_empty_is_the_users(engine: Endpoint) -> None:
    done = engine.docker("run", "--rm", "-e", "HOME=", BUSYBOX, "sh", "-c", "echo $HOME", check=True)
    assert done.stdout == "/root\n"


def test_a_user_that_no_file_names_is_unknown(engine: Endpoint) -> None:
    engine.docker("run", "-d", "--name", "ways-nobody", BUSYBOX, "sh", "-c", "rm /etc/passwd; sleep 100", check=True)
    done = engine.docker("exec", "-u", "root", "ways-nobody", "id")
    while done.returncode == 0:  # until it has removed the file
        done = engine.docker("exec", "-u", "root", "ways-nobody", "id")
    assert "unable to find user root: no matching entries in passwd file" in done.stderr


def test_copies_with_their_owners(engine: Endpoint) -> None:
    engine.docker("create", "--name", "ways-cp", BUSYBOX, "stat", "-c", "%u %g", "/kept", check=True)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("kept")
        entry.uid, entry.gid = 2, 3
        tar.addfile(entry)
    query = {"path": "/", "copyUIDGID": "1"}
    assert engine.request("PUT", "/containers/ways-cp/archive", archive.getvalue(), query=query).status == 200
    assert engine.docker("start", "-a", "ways-cp", check=True).stdout == "2 3\n"


def test_all_that_is_below_the_root_is_copied_as_dot(engine: Endpoint) -> None:
    engine.docker("create", "--name", "ways-dot", BUSYBOX, check=True)
    answer = engine.get("/containers/ways-dot/archive", query={"path": "/./"})
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as tar:
        names = tar.getnames()
    assert names[0] == "." and "./bin/busybox" in names


def test_volumes_of_others_are_not_filled(engine: Endpoint) -> None:
    engine.import_image(("ways-bare:1",), rootfs=tree_tar({"x": b""}))
    engine.docker("create", "--name", "ways-owner", "-v", "/etc", "ways-bare:1", "/x", check=True)
    done = engine.docker("run", "--rm", "--volumes-from", "ways-owner", BUSYBOX, "ls", "/etc/passwd")
    assert done.returncode == 1 and "No such file" in done.stderr
    done = engine.docker("run", "--rm", "-v", "/etc", BUSYBOX, "ls", "/etc/passwd")
    assert done.returncode == 0


@pytest.fixture
def nested(tmp_path: Path) -> Iterator[Path]:
    """A directory with another one mounted in it, at `below`, which has the file `inner`."""
    (tmp_path / "outer" / "below").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "inner").write_text("x")
    subprocess.run(["mount", "--bind", tmp_path / "other", tmp_path / "outer" / "below"], check=True)
    try:
        yield tmp_path / "outer"
    finally:
        subprocess.run(["umount", tmp_path / "outer" / "below"], check=True)


@pytest.mark.parametrize("option", ["disabled", "enabled"])
def test_a_bind_with_and_without_what_is_mounted_below(engine: Endpoint, nested: Path, option: str) -> None:
    options = {"Type": "bind", "Source": str(nested), "Target": "/n"}
    mount = options | {"BindOptions": {"NonRecursive": option == "disabled"}}
    identity = engine.run("ls", "/n/below", HostConfig={"Mounts": [mount]})
    assert engine.wait(identity) == 0
    logged = engine.docker("logs", identity, check=True).stdout
    assert logged == ("" if option == "disabled" else "inner\n")


def test_sessions_go_with_their_container(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100")
    ran, never = (_session(engine, identity) for _ in range(2))
    engine.post(f"/exec/{ran}/start", {"Detach": False})
    shown = engine.get(f"/exec/{ran}/json").json
    assert not shown["Running"] and shown["Pid"] > 1
    engine.post(f"/containers/{identity}/stop", query={"t": 0})
    engine.post(f"/containers/{identity}/start")
    assert engine.post(f"/exec/{never}/start", {"Detach": True}).status == 404
    assert engine.get(f"/exec/{ran}/json").status == 200
    engine.delete(f"/containers/{identity}", query={"force": 1})
    assert engine.get(f"/exec/{ran}/json").status == 404


def _session(engine: Endpoint, identity: str) -> str:
    answer = engine.post(f"/containers/{identity}/exec", {"Cmd": ["true"], "AttachStdout": True})
    assert answer.status == 201, answer
    return str(answer.json["Id"])


def test_containers_of_a_built_image_descend_from_its_base(engine: Endpoint) -> None:
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        text = f"FROM {BUSYBOX}\nLABEL a=1\n".encode()
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    built = engine.post("/build", context.getvalue(), query={"t": "ways-built"})
    assert built.status == 200 and b"Successfully tagged" in built.body
    identity = engine.create("true", image="ways-built")
    engine.create("true", name="ways-base")
    found = engine.get("/containers/json", query={"all": 1, "filters": {"ancestor": ["ways-built"]}}).json
    assert [one["Id"] for one in found] == [identity]
    found = engine.get("/containers/json", query={"all": 1, "filters": {"ancestor": [BUSYBOX]}}).json
    assert identity in [one["Id"] for one in found]


def test_real_time_signals_are_not_called_by_number(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100")
    answer = engine.post(f"/containers/{identity}/kill", query={"signal": "SIG42"})
    assert answer.status == 400 and answer.message.endswith(": invalid signal: SIG42")


def test_a_stop_signal_that_there_is_not_is_noticed_at_the_stop(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100", StopSignal="99")
    assert engine.inspect(identity)["Config"]["StopSignal"] == "99"
    assert engine.post(f"/containers/{identity}/stop").status == 204
    assert engine.inspect(identity)["State"]["ExitCode"] == 137


def test_an_ended_guest_is_shown_the_files_of_whose_network_it_shared(engine: Endpoint) -> None:
    engine.docker("run", "-d", "--name", "ways-host-of", "-h", "donor", BUSYBOX, "sleep", "100", check=True)
    engine.docker("run", "--name", "ways-ended", "--network", "container:ways-host-of", BUSYBOX, "true", check=True)
    for _ in range(2):
        archive = engine.get("/containers/ways-ended/archive", query={"path": "/etc/hostname"}).body
        assert b"donor\n" in archive
        engine.docker("stop", "-t", "0", "ways-host-of", check=True)


def test_a_path_that_is_not_clean_leads_to_the_one_that_is(engine: Endpoint) -> None:
    for path, clean in (("/x/../info/", "/info/"), ("/images//a b/json", "/images/a%20b/json")):
        answer = engine.get(path, query={"a": "b c"})
        assert (answer.status, answer.headers["location"]) == (301, f"/v1.41{clean}?a=b+c")


def test_the_body_of_a_commit_is_read_before_its_container_is_looked_for(engine: Endpoint) -> None:
    answer = engine.post("/commit", b"{invalid", headers={"Content-Type": "application/json"})
    assert answer.status == 400 and answer.message.startswith("invalid JSON: ")


def test_nobody_is_linked_to_the_hosts_network(engine: Endpoint) -> None:
    engine.docker("run", "-d", "--name", "ways-host", "--network", "host", BUSYBOX, "sleep", "100", check=True)
    done = engine.docker("run", "--link", "ways-host:h", BUSYBOX, "true")
    assert done.returncode == 125 and "host type networking can't be used with links" in done.stderr


def test_a_links_alias_may_be_a_path(engine: Endpoint) -> None:
    engine.docker("run", "-d", "--name", "ways-db", BUSYBOX, "sleep", "100", check=True)
    engine.docker("create", "--name", "ways-web", "--link", "ways-db:/db", BUSYBOX, check=True)
    assert engine.inspect("ways-web/db")["Name"] == "/ways-db"


def test_before_1_45_the_short_id_is_an_alias(engine: Endpoint) -> None:
    engine.docker("network", "create", "ways-net", check=True)
    identity = engine.run("sleep", "100", HostConfig={"NetworkMode": "ways-net"})
    for version, among in (("v1.44", True), ("v1.45", False)):
        shown = engine.get(f"/containers/{identity}/json", version=version).json
        aliases = shown["NetworkSettings"]["Networks"]["ways-net"]["Aliases"] or []
        assert (identity[:12] in aliases) is among


def test_a_tmpfs_with_propagation(engine: Endpoint) -> None:
    done = engine.docker(
        "run", "--rm", "--tmpfs", "/t:shared", BUSYBOX, "grep", " /t ", "/proc/self/mountinfo", check=True
    )
    assert " shared:" in done.stdout


def test_a_stop_that_fails_says_what_was_to_be_stopped(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100", name="ways-stop")
    answer = engine.post("/containers/ways-stop/stop", version="v1.45", query={"signal": "BOGUS"})
    assert answer.status == 400 and answer.message == "cannot stop container: ways-stop: invalid signal: BOGUS"
    answer = engine.post("/containers/ways-stop/restart", version="v1.45", query={"signal": "BOGUS"})
    assert answer.status == 400 and answer.message == "Cannot restart container ways-stop: invalid signal: BOGUS"
    assert engine.inspect(identity)["State"]["Running"]
    assert engine.post("/containers/ways-stop/kill").status == 204 and engine.wait(identity) == 137
    assert engine.post("/containers/ways-stop/stop", version="v1.45", query={"signal": "BOGUS"}).status == 304


def test_who_shares_the_hosts_name_is_still_called_by_its_id(engine: Endpoint) -> None:
    """Only with the host's network does the configuration say the host's name."""
    with_uts = engine.create("hostname", HostConfig={"UTSMode": "host"})
    assert engine.inspect(with_uts)["Config"]["Hostname"] == with_uts[:12]
    with_network = engine.create("true", HostConfig={"NetworkMode": "host"})
    assert engine.inspect(with_network)["Config"]["Hostname"] == socket.gethostname()
    done = engine.docker("start", "-a", with_uts, check=True)
    assert done.stdout.strip() == socket.gethostname()


def test_a_relative_directory_is_none_to_execute_in(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100")
    done = engine.docker("exec", "-w", "bin", identity, "pwd")
    assert done.returncode == 128 and "Cwd must be an absolute path" in done.stdout + done.stderr
