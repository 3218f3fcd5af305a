"""Bad input, bad places, missing parts: a clear error in Docker's words, and nothing left behind."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.endpoint import BUSYBOX, Endpoint
from tests.support.instance import Instance, instance

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


def _create(engine: Endpoint, name: str = "", **config: Any) -> Any:
    body = {"Image": BUSYBOX, "Cmd": ["true"]} | config
    return engine.post("/containers/create", body, query={"name": name} if name else None)


@pytest.fixture
def nothing_stays(engine: Endpoint) -> Iterator[Endpoint]:
    """The test must leave no container, without any help."""
    yield engine
    assert engine.get("/containers/json", query={"all": 1}).json == []


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"Image":', b"\xff\xfe", b'"text"', b"{}{}x"])
def test_malformed_json(nothing_stays: Endpoint, body: bytes) -> None:
    answer = nothing_stays.post("/containers/create", body, headers={"Content-Type": "application/json"})
    assert answer.status == 400 and answer.message


def test_json_of_the_wrong_type(nothing_stays: Endpoint) -> None:
    answer = _create(nothing_stays, HostConfig={"Memory": "much"})
    assert answer.status == 400 and "json: cannot unmarshal string into Go struct field" in answer.message


def test_a_body_that_is_no_json_by_its_header(nothing_stays: Endpoint) -> None:
    answer = nothing_stays.post("/containers/create", b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status == 400 and "application/json" in answer.message


def test_no_body(nothing_stays: Endpoint) -> None:
    assert nothing_stays.post("/containers/create").status == 400


def test_unknown_fields_do_not_stop_a_create(engine: Endpoint) -> None:
    answer = _create(engine, Nonsense={"deep": 1}, HostConfig={"Unheard": True})
    assert answer.status == 201


@pytest.mark.parametrize("name", ["../x", "a/b", "-x", "a b", "ü", "a\nb", "."])
def test_names(nothing_stays: Endpoint, name: str) -> None:
    answer = _create(nothing_stays, name)
    assert answer.status == 400
    assert f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed" == answer.message


@pytest.mark.parametrize("reference", ["..%2f..", "nosuch", "%2e%2e", "a%00b", "x" * 5000])
def test_references(engine: Endpoint, reference: str) -> None:
    connection = engine.connection()
    connection.request("GET", f"/v1.41/containers/{reference}/json")
    assert connection.getresponse().status in (301, 400, 404, 414, 431)
    connection.close()


@pytest.mark.parametrize(
    "host, words",
    [
        ({"Memory": 1}, "Minimum memory limit allowed is 6MB"),
        ({"Memory": 64 << 20, "MemorySwap": 32 << 20}, "Minimum memoryswap limit should be larger than memory limit"),
        ({"MemorySwap": 64 << 20}, "You should always set the Memory limit when using Memoryswap limit"),
        ({"MemoryReservation": 1}, "Minimum memory reservation allowed is 6MB"),
        ({"NanoCpus": 10**15}, "range of CPUs is from 0.01 to"),
        ({"NanoCpus": 10**9, "CpuQuota": 1000}, "Conflicting options: Nano CPUs and CPU Quota cannot both be set"),
        ({"CpuPeriod": 1}, "CPU cfs period can not be less than 1ms"),
        ({"CpuQuota": 1}, "CPU cfs quota can not be less than 1ms"),
        ({"CpusetCpus": "banana"}, "nvalid value banana for cpuset cpus"),
        ({"CpusetCpus": "4095"}, "Requested CPUs are not available"),
        ({"MemorySwappiness": 500}, "nvalid value: 500, valid memory swappiness range is 0-100"),
        ({"OomScoreAdj": 5000}, "nvalid value 5000, range for oom score adj is [-1000, 1000]"),
        ({"ShmSize": -1}, "SHM size can not be less than 0"),
        ({"RestartPolicy": {"Name": "sometimes"}}, "sometimes"),
        ({"RestartPolicy": {"Name": "always"}, "AutoRemove": True}, "restart policy"),
        ({"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}}, "aximum retry count"),
        ({"NetworkMode": "container:"}, ""),
        ({"Binds": ["/a:relative"]}, "mount path must be absolute"),
        ({"Binds": ["/a:/b:nonsense"]}, "nonsense"),
        ({"Binds": ["bad name!:/b"]}, "includes invalid characters for a local volume name"),
        ({"Mounts": [{"Type": "bind", "Source": "/no/such", "Target": "/x"}]}, "path does not exist: /no/such"),
        ({"Mounts": [{"Type": "strange", "Target": "/x"}]}, "mount type unknown"),
        ({"Mounts": [{"Type": "volume", "Target": ""}]}, "must not be empty"),
        ({"CapAdd": ["NOSUCH"]}, "unknown capability"),
        ({"SecurityOpt": ["nonsense"]}, "nvalid --security-opt"),
        ({"LogConfig": {"Type": "json-file", "Config": {"nonsense": "1"}}}, "unknown log opt 'nonsense'"),
        ({"Runtime": "nosuch"}, "nosuch"),
        ({"PortBindings": {"99999/tcp": [{}]}}, "99999"),
        ({"PortBindings": {"80/tcp": [{"HostPort": "abc"}]}}, "nvalid port specification: \"abc\""),
        ({"UTSMode": "strange"}, "invalid UTS mode"),
        ({"PidMode": "strange"}, "invalid PID mode"),
        ({"IpcMode": "strange"}, "IPC"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else None,
)  # fmt: skip
def test_absurd_requests(nothing_stays: Endpoint, host: dict[str, Any], words: str) -> None:
    """Refused by create, or at the latest by start; the words are Docker's."""
    answer = _create(nothing_stays, HostConfig=host)
    if answer.status == 201:
        identity = answer.json["Id"]
        answer = nothing_stays.post(f"/containers/{identity}/start")
        nothing_stays.remove(identity)
    assert 400 <= answer.status <= 500 and words.lower() in answer.message.lower(), answer


@pytest.mark.parametrize(
    "field, value",
    [("WorkingDir", "relative"), ("StopSignal", "NOSUCH"), ("Hostname", "x" * 100), ("ExposedPorts", {"x/tcp": {}})],
)
def test_absurd_configs(nothing_stays: Endpoint, field: str, value: Any) -> None:
    answer = _create(nothing_stays, **{field: value})
    if answer.status == 201:  # a name that only the kernel finds too long
        identity = answer.json["Id"]
        answer = nothing_stays.post(f"/containers/{identity}/start")
        nothing_stays.remove(identity)
    assert 400 <= answer.status <= 500


def test_a_missing_image(nothing_stays: Endpoint) -> None:
    answer = _create(nothing_stays, Image="nosuch:tag")
    assert answer.status == 404 and answer.message == "No such image: nosuch:tag"


@pytest.mark.parametrize(
    "command, words", [(["nosuch"], "executable file not found"), (["/etc/passwd"], "permission denied")]
)
def test_a_program_that_cannot_be_run(engine: Endpoint, command: list[str], words: str) -> None:
    identity = engine.create(*command)
    answer = engine.post(f"/containers/{identity}/start")
    assert answer.status == 400 and words in answer.message
    state = engine.inspect(identity)["State"]
    assert state["Status"] == "created" and state["ExitCode"] in (126, 127) and words in state["Error"]
    # It is as startable as before: nothing of the attempt stands in the way.
    assert engine.post(f"/containers/{identity}/start").message == answer.message


def test_an_unknown_path_and_a_wrong_method(engine: Endpoint) -> None:
    assert engine.get("/nonsense").status == 404 and engine.get("/nonsense").message == "page not found"
    assert engine.request("PATCH", "/containers/json").status in (404, 405)


def test_versions(engine: Endpoint) -> None:
    new, old = engine.get("/version", version="v9.99"), engine.get("/version", version="v1.1")
    assert new.status == 400 == old.status
    assert "client version 9.99 is too new. Maximum supported API version is" in new.message
    assert b"client version 1.1 is too old. Minimum supported API version is" in old.body  # plain text, for its age


def test_garbage_on_the_socket(engine: Endpoint) -> None:
    for garbage in (b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(engine.socket))
            client.sendall(garbage)
            assert client.recv(4096).startswith(b"HTTP/1.1 400")
    assert engine.get("/_ping").status == 200


def test_a_tar_that_is_none(nothing_stays: Endpoint) -> None:
    connection = nothing_stays.connection()
    connection.request(
        "POST", "/v1.41/images/create?fromSrc=-&repo=junk", b"x" * 2000, {"Content-Type": "application/x-tar"}
    )
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status >= 400 or "error" in text
    assert nothing_stays.get("/images/junk/json").status == 404


def test_filters_that_are_none(engine: Endpoint) -> None:
    for text in ("{", "[]", '{"name": 5}'):
        assert engine.get("/containers/json", query={"filters": text}).status == 400


# -- places and parts --------------------------------------------------------------------------------------------


@pytest.fixture
def broken_runtimes(tmp_path: Path) -> Iterator[Instance]:
    """An instance that knows a runtime which is not there, and one that is no program."""
    (tmp_path / "junk").write_text("no program")
    flags = ("--add-runtime", f"gone={tmp_path}/gone", "--add-runtime", f"junk={tmp_path}/junk")
    with instance(*flags) as subject:
        yield subject


def test_a_missing_runtime(broken_runtimes: Instance) -> None:
    for name in ("gone", "junk"):
        answer = _create(broken_runtimes, HostConfig={"Runtime": name})
        if answer.status == 201:
            identity = answer.json["Id"]
            answer = broken_runtimes.post(f"/containers/{identity}/start")
            assert broken_runtimes.inspect(identity)["State"]["Status"] == "created"
            broken_runtimes.remove(identity)
        assert answer.status >= 400 and name in answer.message
    assert broken_runtimes.result("echo", "fine") == (0, "fine\n")


def test_settings_that_are_none(tmp_path: Path) -> None:
    """`corral up` refuses what it does not know, and names what comes nearest."""
    root = tmp_path / "i"
    root.mkdir()
    (root / "config.toml").write_text('log-max-sise = "1m"\n')
    done = Instance(root).corral("up", "--detach")
    assert done.returncode != 0 and "log-max-size" in done.stderr
    (root / "config.toml").write_text("")
    done = Instance(root).corral("up", "--detach", "--runtime", "nosuch")
    assert done.returncode != 0 and "nosuch" in done.stderr
    assert not (root / "run/docker.sock").exists()
    assert Instance(root).corral("reset", "--yes").returncode == 0
    assert not Instance(root).volatile.exists(), "nor is anything left on /run"
