"""What goes in and out: logs, attach, exec, copies; on the wire, as the clients see it."""

from __future__ import annotations

import io
import json
import socket
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.endpoint import LONG, Endpoint, frames
from tests.support.images import tree_tar
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

# The monitor hears of a new size by another way than of what is typed.
RESIZED = b"while ! stty size | grep '%b'; do :; done; exit %d\n"


class Hijacked:
    """A connection that stopped being HTTP: the head of the answer, then raw bytes both ways."""

    def __init__(self, engine: Endpoint, path: str, body: Any = None, *, upgrade: bool = True) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(LONG)
        self.socket.connect(str(engine.socket))
        data = json.dumps(body).encode() if body is not None else b""
        lines = [f"POST /v1.41{path} HTTP/1.1", "Host: x", f"Content-Length: {len(data)}"]
        lines += ["Content-Type: application/json"] if data else []
        lines += ["Connection: Upgrade", "Upgrade: tcp"] if upgrade else []
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        self.rest = b""
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.socket.recv(65536) or pytest.fail(f"the connection ended: {self.rest!r}")
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        self.head = head.decode()

    def until(self, wanted: bytes) -> bytes:
        while wanted not in self.rest:
            data = self.socket.recv(65536)
            assert data, f"ended before {wanted!r}: {self.rest!r}"
            self.rest += data
        return self.rest

    def end(self) -> bytes:
        while data := self.socket.recv(65536):
            self.rest += data
        self.socket.close()
        return self.rest


def test_both_streams_are_told_apart(engine: Endpoint) -> None:
    identity = engine.run("sh", "-c", "echo out; echo err >&2")
    engine.wait(identity)
    assert engine.output(identity, stderr=False) == "out\n"
    assert engine.output(identity, stdout=False) == "err\n"


def test_logs_need_a_stream(engine: Endpoint) -> None:
    identity = engine.run("true")
    answer = engine.get(f"/containers/{identity}/logs")
    assert answer.status == 400 and "you must choose at least one stream" in answer.message.lower()


def test_every_byte_of_a_big_output_is_logged(engine: Endpoint) -> None:
    identity = engine.run("sh", "-c", "seq 50000")
    assert engine.wait(identity) == 0
    assert engine.output(identity) == "".join(f"{number}\n" for number in range(1, 50001))


def test_a_line_longer_than_any_buffer_and_one_without_an_end(engine: Endpoint) -> None:
    identity = engine.run("sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; echo; printf 'no end'")
    engine.wait(identity)
    assert engine.output(identity) == "x" * 100_000 + "\nno end"


def test_bytes_that_are_no_text(engine: Endpoint) -> None:
    identity = engine.run("sh", "-c", r"printf '\000\001\377\n\r\n'")
    engine.wait(identity)
    answer = engine.get(f"/containers/{identity}/logs", query={"stdout": 1})
    assert b"".join(data for _, data in frames(answer.body)) == b"\x00\x01\xff\n\r\n"


def test_follow_ends_with_the_container(engine: Endpoint) -> None:
    identity = engine.run("sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.2; done")
    answer = engine.get(f"/containers/{identity}/logs", query={"stdout": 1, "follow": 1})
    assert b"".join(data for _, data in frames(answer.body)) == b"1\n2\n3\n"


def test_tail_since_until_and_times(engine: Endpoint) -> None:
    # One line after another: those that the monitor reads together have one time.
    script = "for i in 1 2 3 4; do echo line $i; while [ ! -e /$i ]; do sleep 0.02; done; done"
    identity = engine.run("sh", "-c", script)
    for number in (1, 2, 3, 4):
        eventually(lambda: len(engine.output(identity).splitlines()) == number, "it is logged")  # noqa: B023
        engine.execute(identity, "touch", f"/{number}")
    engine.wait(identity)

    def lines(**query: object) -> list[str]:
        answer = engine.get(f"/containers/{identity}/logs", query={"stdout": 1, **query})
        return [data.decode() for _, data in frames(answer.body)]

    stamped = [line.split(" ", 1) for line in lines(timestamps=1)]
    assert [rest for _, rest in stamped] == [f"line {number}\n" for number in (1, 2, 3, 4)]
    assert lines(tail=2) == ["line 3\n", "line 4\n"]
    assert lines(tail=0) == []
    third = stamped[2][0]
    seconds, fraction = _unix(third)
    assert lines(since=f"{seconds}.{fraction}") == ["line 3\n", "line 4\n"]
    assert lines(until=f"{seconds}.{fraction}")[:2] == ["line 1\n", "line 2\n"]
    assert lines(since=int(time.time()) + 100) == []


def _unix(stamp: str) -> tuple[int, str]:
    """ "2026-01-02T03:04:05.678901234Z" as seconds since the epoch and the nine digits behind the point."""
    from calendar import timegm

    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")), fraction.ljust(9, "0")


def test_logs_are_rotated_by_default_and_by_choice(engine: Endpoint) -> None:
    log = {"Type": "json-file", "Config": {"max-size": "10k", "max-file": "2"}}
    writer = "n=0; while [ ! -e /over ]; do n=$((n+1)); echo $n; [ $((n % 400)) = 0 ] && sleep 0.1; done; echo end $n"
    identity = engine.run("sh", "-c", writer, HostConfig={"LogConfig": log})
    eventually(lambda: engine.output(identity).splitlines()[0] != "1", "the first file is gone", seconds=60)
    engine.execute(identity, "touch", "/over")
    engine.wait(identity)
    *kept, end = engine.output(identity).splitlines()
    last = int(end.removeprefix("end "))
    assert 1 < len(kept) < last
    assert kept == [str(number) for number in range(last + 1 - len(kept), last + 1)], "one piece without a hole"


def test_attach_sees_what_comes_and_gives_what_goes(engine: Endpoint) -> None:
    identity = engine.create("cat", OpenStdin=True, StdinOnce=True, AttachStdin=True, AttachStdout=True)
    stream = Hijacked(engine, f"/containers/{identity}/attach?stream=1&stdin=1&stdout=1&stderr=1")
    assert stream.head.startswith("HTTP/1.1 101 UPGRADED\r\n")
    assert "\r\nConnection: Upgrade" in stream.head and "\r\nUpgrade: tcp" in stream.head
    engine.post(f"/containers/{identity}/start")
    stream.socket.sendall(b"hello\n")
    stream.until(b"hello\n")
    stream.socket.shutdown(socket.SHUT_WR)  # the end of cat's input, and so of cat
    assert frames(stream.end()) == [(1, b"hello\n")]
    assert engine.wait(identity) == 0


def test_attach_without_upgrade_is_200_and_raw(engine: Endpoint) -> None:
    identity = engine.create("echo", "hi")
    stream = Hijacked(engine, f"/containers/{identity}/attach?stream=1&stdout=1", upgrade=False)
    assert stream.head.startswith("HTTP/1.1 200 OK\r\n")
    engine.post(f"/containers/{identity}/start")
    assert frames(stream.end()) == [(1, b"hi\n")]


def test_what_keeps_a_client_from_attaching_is_said_plainly(engine: Endpoint) -> None:
    """Attach speaks no JSON, in errors neither: as dockerd has it."""
    paused = engine.run("sleep", "100")
    engine.post(f"/containers/{paused}/pause")
    for name, status, text in (("nobody", 404, "No such container: nobody"), (paused, 409, "is paused")):
        answer = engine.post(f"/containers/{name}/attach", query={"stream": 1, "stdout": 1})
        assert (answer.status, answer.headers["content-type"]) == (status, "application/vnd.docker.raw-stream")
        assert text in answer.body.decode() and answer.body.endswith(b"\r\n"), answer
    engine.post(f"/containers/{paused}/unpause")


def test_attach_with_logs_gives_the_past_first(engine: Endpoint) -> None:
    identity = engine.run("sh", "-c", "echo past; while [ ! -e /go ]; do sleep 0.05; done; echo new")
    eventually(lambda: engine.output(identity) == "past\n", "the past is past")
    stream = Hijacked(engine, f"/containers/{identity}/attach?stream=1&logs=1&stdout=1")
    stream.until(b"past")
    engine.execute(identity, "touch", "/go")
    assert frames(stream.end()) == [(1, b"past\n"), (1, b"new\n")]


def test_a_slow_reader_stops_nobody(engine: Endpoint) -> None:
    """A client that attaches and never reads: the container writes on, and ends."""
    identity = engine.create("sh", "-c", "seq 200000")
    stream = Hijacked(engine, f"/containers/{identity}/attach?stream=1&stdout=1")
    engine.post(f"/containers/{identity}/start")
    answer = engine.post(f"/containers/{identity}/wait")
    assert answer.json["StatusCode"] == 0
    assert frames(stream.end())[-1][1].endswith(b"200000\n")


def test_a_terminal_is_raw_and_has_a_size(engine: Endpoint) -> None:
    identity = engine.create("sh", Tty=True, OpenStdin=True, AttachStdin=True)
    stream = Hijacked(engine, f"/containers/{identity}/attach?stream=1&stdin=1&stdout=1")
    engine.post(f"/containers/{identity}/start")
    assert engine.post(f"/containers/{identity}/resize", query={"h": 33, "w": 101}).status == 200
    stream.socket.sendall(RESIZED % (b"33 10[1]", 9))
    stream.until(b"33 101\r\n")
    stream.end()
    assert engine.wait(identity) == 9


def test_exec_runs_as_asked(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100", Env=["OUTER=1"], WorkingDir="/var")
    assert engine.execute(identity, "sh", "-c", "echo $OUTER; pwd; exit 3") == (3, "1\n/var\n")
    found = engine.execute(identity, "sh", "-c", "echo $A; id -u; pwd", Env=["A=b"], User="www-data", WorkingDir="/tmp")
    assert found == (0, "b\n33\n/tmp\n")


def test_exec_stdin_ends_by_half_close(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100")
    body = {"Cmd": ["wc", "-c"], "AttachStdin": True, "AttachStdout": True}
    made = engine.post(f"/containers/{identity}/exec", body).json["Id"]
    stream = Hijacked(engine, f"/exec/{made}/start", {"Detach": False, "Tty": False})
    stream.socket.sendall(b"x" * 300_000)
    stream.socket.shutdown(socket.SHUT_WR)
    assert frames(stream.end()) == [(1, b"300000\n")]
    found = engine.get(f"/exec/{made}/json").json
    assert found["ExitCode"] == 0 and found["Running"] is False and found["ContainerID"] == identity


def test_exec_with_a_terminal(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100")
    made = engine.post(
        f"/containers/{identity}/exec",
        {"Cmd": ["sh"], "AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "Tty": True},
    ).json["Id"]
    stream = Hijacked(engine, f"/exec/{made}/start", {"Detach": False, "Tty": True})
    assert engine.post(f"/exec/{made}/resize", query={"h": 20, "w": 70}).status in (200, 201)
    stream.socket.sendall(RESIZED % (b"20 7[0]", 4))
    stream.until(b"20 70\r\n")
    stream.end()
    eventually(lambda: engine.get(f"/exec/{made}/json").json["ExitCode"] == 4, "the exit code")


def test_a_detached_exec_and_its_exit_code(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100")
    made = engine.post(f"/containers/{identity}/exec", {"Cmd": ["sh", "-c", "sleep 0.3; exit 12"]}).json["Id"]
    assert engine.post(f"/exec/{made}/start", {"Detach": True}).status == 200
    eventually(lambda: engine.get(f"/exec/{made}/json").json["ExitCode"] == 12, "the exit code")


def test_exec_that_cannot_start(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100")
    made = engine.post(f"/containers/{identity}/exec", {"Cmd": ["nosuch"], "AttachStdout": True}).json["Id"]
    answer = engine.post(f"/exec/{made}/start", {"Detach": False})
    assert b'"nosuch": executable file not found' in answer.body
    assert engine.get(f"/exec/{made}/json").json["ExitCode"] in (126, 127)


def test_a_program_for_another_machine(engine: Endpoint, tmp_path: Path) -> None:
    """The runtime learns it when the container has begun, so its words are the container's: words, and no JSON."""
    (tmp_path / "odd").write_bytes(b"garbage")
    (tmp_path / "odd").chmod(0o755)
    identity = engine.run("/odd", HostConfig={"Binds": [f"{tmp_path}/odd:/odd"]})
    assert engine.wait(identity) != 0
    said = engine.output(identity)
    assert said.startswith("exec ") and said.lower().endswith(": exec format error\n")


def test_exec_needs_a_running_container(engine: Endpoint) -> None:
    identity = engine.create("true")
    answer = engine.post(f"/containers/{identity}/exec", {"Cmd": ["true"]})
    assert answer.status == 409 and "is not running" in answer.message


@pytest.mark.parametrize("running", [True, False])
def test_copies_in_and_out(engine: Endpoint, running: bool) -> None:
    identity = engine.run("sleep", "100") if running else engine.create("sleep", "100")
    put = engine.request(
        "PUT", f"/containers/{identity}/archive", tree_tar({"a": b"one", "b": b"two"}), query={"path": "/tmp"}
    )
    assert put.status == 200, put
    answer = engine.get(f"/containers/{identity}/archive", query={"path": "/tmp"})
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as tar:
        found = {member.name: member for member in tar}
        assert {"tmp/", "tmp/a", "tmp/b"} <= {name + ("/" if found[name].isdir() else "") for name in found}
        file = tar.extractfile("tmp/b")
        assert file is not None and file.read() == b"two"
    assert "x-docker-container-path-stat" in answer.headers
    assert engine.get(f"/containers/{identity}/archive", query={"path": "/no/such"}).status == 404


def test_the_engine_s_files_are_copied_out_of_one_that_has_ended(engine: Endpoint) -> None:
    identity = engine.run("true", Hostname="gone", HostConfig={"Dns": ["9.9.9.9"], "ExtraHosts": ["db:10.1.2.3"]})
    engine.wait(identity)

    def copied(path: str) -> dict[str, str]:
        answer = engine.get(f"/containers/{identity}/archive", query={"path": path})
        with tarfile.open(fileobj=io.BytesIO(answer.body)) as tar:
            found = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
            return {name: file.read().decode() for name, file in found.items() if file}

    assert copied("/etc/hostname") == {"hostname": "gone\n"}
    whole = copied("/etc")
    assert whole["etc/hostname"] == "gone\n" and "nameserver 9.9.9.9" in whole["etc/resolv.conf"]
    assert "10.1.2.3\tdb\n" in whole["etc/hosts"] and "root:x:0" in whole["etc/passwd"]
    assert copied("/etc/hostname") == {"hostname": "gone\n"}, "and again"
    assert engine.post(f"/containers/{identity}/start").status == 204


def test_a_link_leads_not_out_of_the_container(engine: Endpoint, tmp_path: Path) -> None:
    target = tmp_path / "host"
    target.mkdir()
    (target / "secret").write_text("the host's")
    identity = engine.run("sh", "-c", f"ln -s {target} /door; ln -s ../../../../../../../..{target} /deep; sleep 100")
    eventually(lambda: engine.execute(identity, "test", "-L", "/deep")[0] == 0, "the links are there")
    for path in ("/door/secret", "/deep/secret"):
        assert engine.get(f"/containers/{identity}/archive", query={"path": path}).status == 404
    engine.request("PUT", f"/containers/{identity}/archive", tree_tar({"planted": b"x"}), query={"path": "/door"})
    engine.request("PUT", f"/containers/{identity}/archive", tree_tar({"../../planted": b"x"}), query={"path": "/tmp"})
    assert [path.name for path in target.iterdir()] == ["secret"]
    assert not (tmp_path / "planted").exists()
