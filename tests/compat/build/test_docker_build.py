"""`docker build` of every instruction, flag and mistake, by each docker client that is here."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest

from tests.compat.build import cases
from tests.compat.build.case import Case, tar_of
from tests.compat.build.subject import build, check, clients, files
from tests.support.instance import Instance, instance
from tests.support.tars import member, tar
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]
CLIENTS = clients()
NEWEST = max(CLIENTS, key=int, default="")
TAG = "built:x"


@pytest.fixture(scope="module")
def engine() -> Iterator[Instance]:
    with instance("--registry", "off") as subject:
        yield subject
        subject.remove_everything()


def named(some: tuple[Case, ...]) -> list[object]:
    return [pytest.param(case, id=case.name.replace(" ", "-")) for case in some]


@pytest.mark.parametrize("case", named(cases.INSTRUCTIONS + cases.FLAGS))
def test_it_builds(engine: Instance, tmp_path: Path, case: Case) -> None:
    done = build(engine, case, tmp_path, TAG)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Successfully tagged built:x" in done.stdout
    for words in case.says:
        assert words in done.stdout
    check(engine, case, TAG)


@pytest.mark.parametrize("case", named(cases.MISTAKES))
def test_it_fails(engine: Instance, tmp_path: Path, case: Case) -> None:
    done = build(engine, case, tmp_path, TAG)
    assert done.returncode != 0
    assert case.fails in done.stderr, done.stdout + done.stderr
    for words in case.says:
        assert words in done.stdout


@pytest.mark.parametrize("version", sorted(CLIENTS, key=int))
def test_what_each_client_says(engine: Instance, tmp_path: Path, version: str) -> None:
    case = Case("", "FROM busybox\nARG V\nRUN echo hello $V\nENV A=1\nCOPY a /a\n", {"a": "x"})
    args = ("--build-arg", f"V={version}", "--iidfile", str(tmp_path / "id"))
    done = build(engine, case, tmp_path / "c", TAG, cli=CLIENTS[version], args=args)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [line for line in done.stdout.splitlines() if line.startswith("Step ")]
    assert steps == [
        "Step 1/5 : FROM busybox",
        "Step 2/5 : ARG V",
        "Step 3/5 : RUN echo hello $V",
        "Step 4/5 : ENV A=1",
        "Step 5/5 : COPY a /a",
    ]
    assert f"hello {version}\n" in done.stdout
    id = (tmp_path / "id").read_text()
    assert f"Successfully built {id[7:19]}\nSuccessfully tagged {TAG}\n" in done.stdout
    assert engine.inspect_image(TAG)["Id"] == id
    again = build(engine, case, tmp_path / "c", TAG, cli=CLIENTS[version], args=args)
    assert again.stdout.count(" ---> Using cache\n") >= 2
    assert (tmp_path / "id").read_text() == id, "nothing changed, so the image is the same"
    quiet = build(engine, case, tmp_path / "c", TAG, cli=CLIENTS[version], args=("-q", *args))
    assert quiet.stdout.strip() == id


def test_what_is_said_below_each_step(engine: Instance, tmp_path: Path) -> None:
    """As dockerd says it: what it runs in, what stands there then, what was there already, what nobody asked for."""
    case = Case("", f"ARG I=busybox\nFROM $I\nLABEL of={tmp_path.name}\nRUN echo hello\nENV A=1\n")
    args = ("--build-arg", "nobody=1")
    done = build(engine, case, tmp_path, TAG, args=args)
    pattern = (
        r"Step 1/5 : ARG I=busybox\nStep 2/5 : FROM \$I\n ---> \w{12}\nStep 3/5 : LABEL .*\n ---> \w{12}\n"
        r"Step 4/5 : RUN echo hello\n ---> Running in (\w{12})\nhello\n"
        r" ---> Removed intermediate container \1\n ---> \w{12}\nStep 5/5 : ENV A=1\n ---> (\w{12})\n"
        r"\[Warning\] One or more build-args \[nobody\] were not consumed\nSuccessfully built \2\n"
    )
    assert re.search(pattern, done.stdout), done.stdout
    again = build(engine, case, tmp_path, TAG, args=args).stdout
    assert again.count(" ---> Using cache\n") == 3
    assert "Running in" not in again
    changed = Case("", case.dockerfile.replace("A=1", "A=2"))
    assert build(engine, changed, tmp_path, TAG).stdout.count(" ---> Using cache\n") == 2


def test_a_changed_file_does_again_only_what_depends_on_it(engine: Instance, tmp_path: Path) -> None:
    once = "cat /proc/sys/kernel/random/uuid"
    case = Case("", f"FROM busybox\nRUN {once} > /first\nCOPY a /a\nRUN {once} > /last\n", {"a": "x"})
    seen = []
    for content in ("x", "y"):
        case.lay(tmp_path)
        (tmp_path / "a").write_text(content)
        engine.docker("build", "-t", TAG, ".", cwd=tmp_path, env={"DOCKER_BUILDKIT": "0"}, check=True)
        seen.append(files(engine, TAG))
    assert seen[0]["/first"] == seen[1]["/first"]
    assert seen[0]["/last"] != seen[1]["/last"]
    engine.docker("build", "--no-cache", "-t", TAG, ".", cwd=tmp_path, env={"DOCKER_BUILDKIT": "0"}, check=True)
    assert files(engine, TAG)["/first"] != seen[0]["/first"]


def test_history(engine: Instance, tmp_path: Path) -> None:
    case = Case("", 'FROM busybox\nRUN echo a > /a\nENV B=c\nCOPY f /f\nCMD ["x"]\n', {"f": "x"})
    build(engine, case, tmp_path, TAG)
    lines = engine.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", TAG, check=True).stdout.splitlines()
    assert lines[:4] == ['CMD ["x"]', "COPY f /f # buildkit", "ENV B=c", "RUN /bin/sh -c echo a > /a # buildkit"]
    assert len(lines) == 5


def test_several_names(engine: Instance, tmp_path: Path) -> None:
    done = build(engine, Case("", "FROM busybox\nLABEL a=1\n"), tmp_path, "built:1", args=("-t", "localhost:1/a/b"))
    assert "Successfully tagged built:1\nSuccessfully tagged localhost:1/a/b:latest\n" in done.stdout
    assert engine.inspect_image("built:1")["Id"] == engine.inspect_image("localhost:1/a/b")["Id"]


def test_a_tar_and_a_dockerfile_on_stdin(engine: Instance) -> None:
    context = tar_of({"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "from stdin"})
    env = {"DOCKER_BUILDKIT": "0"}
    engine.docker("build", "-t", TAG, "-", input=context, env=env, check=True)
    assert files(engine, TAG)["/f"] == "0640 0:0 from stdin"
    engine.docker("build", "-t", TAG, "-", input="FROM busybox\nRUN echo a > /only\n", env=env, check=True)
    assert files(engine, TAG)["/only"] == "0644 0:0 a\n"


def test_the_exit_code_is_the_program_s(engine: Instance, tmp_path: Path) -> None:
    assert build(engine, Case("", "FROM busybox\nRUN exit 7\n"), tmp_path, TAG).returncode == 7


def test_interrupted(engine: Instance, tmp_path: Path) -> None:
    """^C ends the client, and with it what runs in the build."""
    Case("", "FROM busybox\nRUN echo begun; sleep 1234\n").lay(tmp_path)
    process = subprocess.Popen(
        [CLIENTS[NEWEST], "build", "-t", TAG, "."],
        cwd=tmp_path,
        env=engine.env({"DOCKER_BUILDKIT": "0"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    while process.stdout.readline().strip() != b"begun":
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    eventually(lambda: not sleepers(), "the build's process ended")
    assert engine.get("/containers/json", query={"all": 1}).json == []


def test_ended_by_its_id(engine: Instance, tmp_path: Path) -> None:
    """As clients with a ^C do it; one that has ended meanwhile is no error."""
    assert engine.post("/build/cancel", query={"id": "gone"}).status == 200
    assert engine.post("/build/cancel").status == 400


def sleepers() -> list[str]:
    found = []
    for entry in os.listdir("/proc"):
        try:
            words = Path(f"/proc/{entry}/cmdline").read_bytes() if entry.isdigit() else b""
        except OSError:
            continue
        if words == b"sleep\x001234\x00":
            found.append(entry)
    return found


def test_connections_that_are_not_taken_over(engine: Instance) -> None:
    """BuildKit's, which begin with an upgrade."""
    for path in ("/session", "/grpc"):
        answer = engine.post(path)
        assert (answer.status, answer.message) == (400, "no upgrade proto in request")
        answer = engine.post(path, headers={"Upgrade": "tcp", "Connection": "Upgrade"})
        assert (answer.status, answer.message) == (400, "protocol tcp not supported")


@pytest.mark.parametrize("packed", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_buildkit_of_a_context_in_the_request(engine: Instance, packed: Callable[[bytes], bytes]) -> None:
    """As libraries ask for it, which make no session."""
    text = b"FROM busybox\nRUN --mount=type=cache,target=/c cat /c/x || :\nCOPY a /\n"
    context = tar(member("Dockerfile", data=text), member("a", data=b"here"))
    answer = engine.post("/build", packed(context), query={"version": "2", "t": "sent:1"})
    *said, last = map(json.loads, answer.body.splitlines())
    assert {line["id"] for line in said} == {"moby.buildkit.trace"}
    assert last["id"] == "moby.image.id"
    assert engine.get("/images/sent:1/json").json["Id"] == last["aux"]["ID"]
    assert engine.docker("run", "--rm", "sent:1", "cat", "/a", check=True).stdout == "here"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"isolation": "hyperv"}, "isolation"),
        ({"buildargs": "nope"}, "build args"),
        ({"labels": "[]"}, "labels"),
        ({"t": "a:b:c"}, "invalid reference format"),
        ({"memory": "many"}, "invalid syntax"),
        ({"version": "3"}, "version"),
        ({"remote": "client-session"}, "client-session"),
        ({"dockerfile": "nope"}, "nope"),
        ({"dockerfile": "../../etc/passwd"}, "Cannot locate specified Dockerfile: ../../etc/passwd"),
        ({"ulimits": "{}x"}, "error reading ulimit settings"),
    ],
)
def test_parameters_that_make_no_sense(engine: Instance, query: dict[str, str], words: str) -> None:
    buffer = BytesIO()
    tarfile.open(fileobj=buffer, mode="w").close()
    answer = engine.post("/build", buffer.getvalue(), query=query)
    assert answer.status in (400, 404, 501), answer
    assert words in answer.message


def test_the_cache_in_df_and_prune(engine: Instance, tmp_path: Path) -> None:
    build(engine, Case("", "FROM busybox\nRUN dd if=/dev/zero of=/x bs=1M count=2\n"), tmp_path, TAG)
    entries = engine.get("/system/df", query={"type": "build-cache"}, version="v1.44").json["BuildCache"]
    assert any("dd if=" in entry["Description"] and entry["Size"] >= 2 << 20 for entry in entries)
    engine.docker("rmi", TAG, check=True)
    answer = engine.post("/build/prune", query={"all": "1", "max-used-space": "100000000"}, version="v1.48")
    assert answer.json == {"CachesDeleted": None, "SpaceReclaimed": 0}
    done = engine.docker("builder", "prune", "-af", check=True)
    assert re.search(r"Total reclaimed space: [2-9]", done.stdout)
    assert not engine.get("/system/df", query={"type": "build-cache"}, version="v1.44").json["BuildCache"]


def test_events(engine: Instance, tmp_path: Path) -> None:
    start = engine.get("/info").json["SystemTime"]
    build(engine, Case("", "FROM busybox\nLABEL x=y\n"), tmp_path, "told:1")
    engine.post("/build/prune")
    until = engine.get("/info").json["SystemTime"]
    lines = engine.get("/events", query={"since": start, "until": until}).body.splitlines()
    found = [
        (event["Type"], event["Action"], event["Actor"]["Attributes"].get("name")) for event in map(json.loads, lines)
    ]
    assert ("image", "tag", "told:1") in found
    assert ("builder", "prune", None) in found
