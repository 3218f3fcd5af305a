"""`corral build`: what Docker's classic way cannot carry, and what is shown and said."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.build.builds import Builds
from tests.compat.build.case import Case, tar_of
from tests.compat.build.subject import files
from tests.support.instance import Instance, corral_command, instance
from tests.support.python_image import python_rootfs
from tests.support.terminal import Terminal
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def engine() -> Iterator[Instance]:
    with instance("--registry", "off") as subject:
        yield subject
        subject.remove_everything()


@pytest.fixture
def build(engine: Instance, tmp_path: Path) -> Builds:
    (tmp_path / "context").mkdir()
    return Builds(engine, tmp_path / "context")


def test_a_build_as_lines(engine: Instance, build: Builds) -> None:
    done = build("FROM busybox AS base\nRUN echo hello\nCOPY a /a\n", "-t", "plain:1", a="x")
    lines = done.stderr.splitlines()
    number = next(line for line in lines if line.endswith("[2/3] RUN echo hello")).partition(" ")[0]
    said = [line for line in lines if line.startswith(number + " ")]
    assert said[0] == f"{number} [2/3] RUN echo hello"
    assert said[1].split()[2] == "hello"
    assert said[2].startswith(f"{number} DONE ")
    again = build("FROM busybox AS base\nRUN echo hello\nCOPY a /a\n", "-t", "plain:1", a="x").stderr
    assert again.count(" CACHED\n") >= 2
    assert engine.inspect_image("plain:1")


def test_the_environment_says_of_which_time_it_is(engine: Instance, build: Builds) -> None:
    """As with buildx; what the command line says goes before."""
    text, when = "FROM busybox\nRUN date +%N >/dev/null; echo x >/x\n", {"SOURCE_DATE_EPOCH": "1700000000"}
    first, second = (build(text, "--no-cache", "-q", env=when).stdout for _ in range(2))
    assert first == second and engine.inspect_image(first.strip())["Created"].startswith("2023-11-14T22:13:20")
    other = build(text, "--build-arg", "SOURCE_DATE_EPOCH=0", "-q", env=when).stdout
    assert engine.inspect_image(other.strip())["Created"].startswith("1970-01-01T00:00:00")


def test_the_dockerfile_is_named(build: Builds) -> None:
    (build.folder / "Other.dockerfile").write_text("FROM busybox\n")
    said = build("FROM nothing\n", "-f", "Other.dockerfile").stderr
    assert "[internal] load build definition from Other.dockerfile\n" in said


def test_warnings_are_shown_though_it_failed(build: Builds) -> None:
    said = " 1 warning found (corral"
    rule = " - MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label (line {})\n"
    failed = build("FROM busybox\nMAINTAINER x\nRUN false\n", ok=False).stderr
    assert said in failed and failed.index(rule.format(2)) < failed.index("ERROR: failed to build")
    broken = build("# check=error=true\nFROM busybox\nMAINTAINER x\n", ok=False).stderr
    assert rule.format(3) in broken
    assert broken.endswith("failed to solve: lint violation found for rules: MaintainerDeprecated\n")
    assert "warning" not in build("FROM busybox\nMAINTAINER x\nRUN false\n", "-q", ok=False).stderr


def test_a_failure_shows_output_place_and_reason(build: Builds) -> None:
    done = build("FROM busybox\nRUN echo told && \\\n  exit 5\n", ok=False)
    assert done.returncode == 1
    report = done.stderr[done.stderr.index("------\n") :].splitlines()
    assert report[1] == " > [2/2] RUN echo told &&   exit 5:"
    assert report[2].endswith(" told")
    assert "Dockerfile:2" in report
    assert "   2 | >>> RUN echo told && \\" in report
    assert "   3 | >>>   exit 5" in report
    assert report[-1] == (
        'ERROR: failed to build: failed to solve: process "/bin/sh -c echo told &&   exit 5" did not complete '
        "successfully: exit code: 5"
    )


@pytest.mark.parametrize(
    ("dockerfile", "args", "words"),
    [
        ("FROM busybox\nFOO\n", (), "unknown instruction: FOO"),
        ("FROM busybox AS a\n", ("--target", "b"), 'target stage "b" could not be found'),
        ("FROM busybox\nCOPY nope /\n", (), '"/nope": not found'),
        ("FROM busybox\n", ("-t", "A:b:c"), "invalid reference format"),
        ("FROM busybox\nRUN --mount=type=secret,id=x,required cat /run/secrets/x\n", (), "secret x: not found"),
        ("FROM busybox\n", ("--output", "type=local,dest=o", "--output", "type=tar,dest=t"), "only one of the outputs"),
        ("FROM busybox\n", ("--platform", "linux/s390x"), "s390x"),
        ("FROM busybox\n", ("--secret", "id=a,src=/nope"), "secret a: open /nope: no such file or directory"),
        ("FROM busybox\n", ("--provenance=true",), "attestations are not offered"),
        ("FROM busybox\n", ("-f", "nope"), "failed to read dockerfile: open nope: no such file or directory"),
        ("FROM busybox\n", ("--call", "outline"), "--call outline is not offered"),
        ("FROM busybox\n", ("--ssh", "default=/etc/passwd"), "ssh-add"),
    ],
)
def test_mistakes(build: Builds, dockerfile: str, args: tuple[str, ...], words: str) -> None:
    assert words in build(dockerfile, *args, ok=False).stderr


def test_on_a_terminal(engine: Instance, build: Builds) -> None:
    """The picture at its end; and ^C while it is drawn."""
    Case("", "FROM busybox\nARG SECONDS\nRUN echo begun; sleep $SECONDS\n").lay(build.folder)
    command = [*corral_command(), "--root", str(engine.root), "build", str(build.folder), "--build-arg"]
    with Terminal([*command, "SECONDS=0"], os.environ, rows=12, columns=50) as terminal:
        terminal.expect(r"\[\+\] Building [0-9.]+s \((\d+)/\1\) FINISHED")
        terminal.expect(r"=> \[2/2\] RUN echo begun; sleep 0 +[0-9.]+s")
        assert terminal.wait() == 0
    with Terminal([*command, "SECONDS=4321"], os.environ) as terminal:
        terminal.expect("=> => # begun")
        terminal.send("\x03")
        terminal.expect("context canceled")
        assert terminal.wait() == 130
    eventually(lambda: not sleepers(), "the build's process ended")


def test_secrets_are_seen_and_not_kept(engine: Instance, build: Builds) -> None:
    text = (
        "FROM busybox\n"
        "RUN --mount=type=secret,id=file wc -c < /run/secrets/file > /size\n"
        "RUN --mount=type=secret,id=word,env=WORD echo ${#WORD} > /length\n"
    )
    args = ("--secret", "id=file,src=s", "--secret", "id=word,env=MY_WORD", "-t", "secret:1")
    build(text, *args, s="hush-hush", env={"MY_WORD": "xyz"})
    found = files(engine, "secret:1")
    assert found["/size"] == "0644 0:0 9\n"
    assert found["/length"] == "0644 0:0 3\n"
    assert not any("hush-hush" in what for what in found.values())
    assert "xyz" not in str(engine.inspect_image("secret:1"))


def test_an_agent_is_reached(engine: Instance, build: Builds, tmp_path: Path) -> None:
    """An agent that says one word, to Python: busybox has no client of unix sockets."""
    environment = ["ENV PYTHONHOME=/python"]
    engine.import_image(("corral-test/python:1",), environment, rootfs=python_rootfs({}))
    path = str(tmp_path / "agent")
    agent = socket.socket(socket.AF_UNIX)
    agent.bind(path)
    agent.listen()

    def answer() -> None:
        link, _ = agent.accept()
        with link:
            link.sendall(b"agent here\n")

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    program = (
        "import os, socket; s = socket.socket(socket.AF_UNIX); s.connect(os.environ['SSH_AUTH_SOCK']); "
        "open('/said', 'wb').write(s.recv(99))"
    )
    command = json.dumps(["/python/bin/python3", "-c", program])
    text = f"FROM corral-test/python:1\nRUN --mount=type=ssh {command}\n"
    build(text, "--ssh", f"default={path}", "-t", "agent:1")
    agent.close()
    thread.join(10)
    assert files(engine, "agent:1")["/said"] == "0644 0:0 agent here\n"


def test_outputs(build: Builds, tmp_path: Path) -> None:
    text = "FROM busybox AS make\nRUN mkdir /o /o/d && echo 1 > /o/d/x && ln -s d/x /o/l && chmod 750 /o/d/x\n"
    text += "FROM scratch\nCOPY --from=make /o /\n"
    build(text, "-o", str(tmp_path / "out"))
    assert (tmp_path / "out/d/x").read_text() == "1\n"
    assert (tmp_path / "out/d/x").stat().st_mode & 0o777 == 0o750
    assert os.readlink(tmp_path / "out/l") == "d/x"
    build(text, "-o", f"type=tar,dest={tmp_path}/out.tar")
    with tarfile.open(tmp_path / "out.tar") as tar:
        assert {name.strip("./") for name in tar.getnames()} >= {"d", "d/x", "l"}
    build(text, "-o", f"type=oci,dest={tmp_path}/oci.tar", "-t", "given:1")
    with tarfile.open(tmp_path / "oci.tar") as tar:
        assert {"index.json", "oci-layout"} <= set(tar.getnames())
    assert build(text, "-q", "-o", f"type=oci,dest={tmp_path}/oci.tar").stdout.startswith("sha256:")
    build(text, "-o", f"type=oci,dest={tmp_path}/layout,tar=false", "-t", "given:1")
    assert {"index.json", "oci-layout", "blobs"} <= set(os.listdir(tmp_path / "layout"))
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]


def test_outputs_that_have_no_place(build: Builds, tmp_path: Path) -> None:
    """Said before anything is built, and nothing is left beside it."""
    place = tmp_path / "places"
    (place / "folder").mkdir(parents=True)
    (place / "file").write_text("kept")
    for words, reason in (
        (f"type=tar,dest={place}/folder", "is a directory"),
        (f"type=local,dest={place}/file", "not a directory"),
        (f"type=local,dest={place}/file/x", "not a directory"),
        (f"type=oci,dest={place}/nope/x.tar", "no such file or directory"),
    ):
        failed = build("FROM busybox\nRUN echo x > /x\n", "-o", words, ok=False)
        assert reason in failed.stderr
        assert "Traceback" not in failed.stderr
    assert sorted(os.listdir(place)) == ["file", "folder"]
    assert (place / "file").read_text() == "kept"


def test_an_output_for_docker_loads(engine: Instance, build: Builds, tmp_path: Path) -> None:
    build("FROM busybox\nLABEL a=b\n", "-o", f"type=docker,dest={tmp_path}/i.tar", "-t", "archived:1")
    assert "archived:1" in engine.docker("load", "-i", str(tmp_path / "i.tar"), check=True).stdout


def test_a_tar_on_stdout(engine: Instance, build: Builds) -> None:
    Case("", "FROM scratch\nCOPY a /\n", {"a": "x"}).lay(build.folder)
    command = [*corral_command(), "--root", str(engine.root), "build", "-o", "-", "."]
    done = subprocess.run(command, cwd=build.folder, capture_output=True, timeout=60, check=True)
    assert b"ustar" in done.stdout[:512]


def test_no_room_for_the_tar(engine: Instance, build: Builds) -> None:
    Case("", "FROM scratch\nCOPY a /\n", {"a": "x"}).lay(build.folder)
    command = [*corral_command(), "--root", str(engine.root), "build", "-q", "-o", "-", "."]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, cwd=build.folder, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "write stdout: no space left on device\n")


def test_files_with_the_result(engine: Instance, build: Builds, tmp_path: Path) -> None:
    paths = ("--iidfile", str(tmp_path / "iid"), "--metadata-file", str(tmp_path / "meta"))
    done = build("FROM busybox\nLABEL b=c\n", "-q", "-t", "meta:1", *paths)
    id = engine.inspect_image("meta:1")["Id"]
    assert done.stdout == id + "\n"
    assert done.stderr == ""
    assert (tmp_path / "iid").read_text() == id
    meta = json.loads((tmp_path / "meta").read_text())
    assert meta["containerimage.config.digest"] == id
    assert meta["image.name"] == "docker.io/library/meta:1"


def test_named_contexts(engine: Instance, build: Builds, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/f").write_text("from the other")
    text = "FROM base\nCOPY --from=more f /f\n"
    contexts = ("--build-context", f"more={tmp_path}/other", "--build-context", "base=docker-image://busybox")
    build(text, *contexts, "-t", "named:1")
    assert files(engine, "named:1")["/f"] == "0644 0:0 from the other"


def test_what_is_ignored_is_not_even_sent(build: Builds) -> None:
    modules = build.folder / "node_modules/deep"
    modules.mkdir(parents=True)
    with open(modules / "huge", "wb") as file:
        file.truncate(8 << 30)
    os.chmod(build.folder / "node_modules", 0)
    begun = time.monotonic()
    done = build("FROM busybox\nCOPY . /all\n", **{".dockerignore": "node_modules\n", "a": "x"})
    assert time.monotonic() - begun < 30
    sent = next(line for line in done.stderr.splitlines() if "transferring" in line)
    assert "kB" in sent


def test_the_dockerfile_s_own_ignore_file_wins(engine: Instance, build: Builds) -> None:
    given = {"x.Dockerfile": "FROM scratch\nCOPY . /\n", ".dockerignore": "a\n", "x.Dockerfile.dockerignore": "b\n"}
    build("", "-f", "x.Dockerfile", "-t", "own:1", a="1", b="2", **given)
    found = files(engine, "own:1")
    assert ("/a" in found, "/b" in found) == (True, False)


@pytest.mark.parametrize(
    ("patterns", "said"),
    [("a\n[\n", "[a []: syntax error in pattern: ["), ("!\n", '[!]: illegal exclusion pattern: "!"')],
)
def test_a_broken_ignore_file(build: Builds, patterns: str, said: str) -> None:
    done = build("FROM busybox\n", ok=False, **{".dockerignore": patterns})
    words = f"ERROR: failed to build: failed to solve: error from sender: invalid excludepatterns: {said}\n"
    assert done.stderr == words


def test_stdin(engine: Instance, build: Builds) -> None:
    command = [*corral_command(), "--root", str(engine.root), "build", "-q"]
    context = tar_of({"Dockerfile": "FROM scratch\nCOPY f /\n", "f": "x"})
    subprocess.run([*command, "-t", "stdin:1", "-"], input=context, capture_output=True, check=True, timeout=60)
    assert files(engine, "stdin:1")["/f"] == "0640 0:0 x"
    text = b"FROM busybox\nRUN echo y > /y\n"
    subprocess.run([*command, "-t", "stdin:2", "-"], input=text, capture_output=True, check=True, timeout=60)
    assert files(engine, "stdin:2")["/y"] == "0644 0:0 y\n"
    (build.folder / "g").write_text("z")
    subprocess.run(
        [*command, "-t", "stdin:3", "-f", "-", str(build.folder)],
        input=b"FROM scratch\nCOPY g /\n",
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert files(engine, "stdin:3")["/g"] == "0644 0:0 z"


def test_check(build: Builds) -> None:
    good = build("FROM busybox\n", "--check")
    assert good.stdout == "Check complete, no warnings found.\n"
    bad = build("FROM busybox as One\nMAINTAINER me\n", "--check", ok=False)
    assert "warnings have been found!" in bad.stdout
    assert (
        "WARNING: MaintainerDeprecated - https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/"
        in bad.stdout
    )
    built = build("FROM busybox\nMAINTAINER me\n")
    assert " 1 warning found" in built.stderr
    assert " - MaintainerDeprecated: " in built.stderr


def test_json_for_programs(build: Builds) -> None:
    done = build("FROM busybox\nRUN echo hi\n", "--no-cache", "--progress", "rawjson")
    said = [json.loads(line) for line in done.stderr.splitlines()]
    names = {vertex["name"] for line in said for vertex in line.get("vertexes", ())}
    assert "[2/2] RUN echo hi" in names
    assert any(log["data"] == "aGkK" for line in said for log in line.get("logs", ()))


def test_reproducible(engine: Instance, build: Builds) -> None:
    ids = []
    for _ in range(2):
        args = ("--no-cache", "--build-arg", "SOURCE_DATE_EPOCH=1700000000", "-q")
        ids.append(build("FROM busybox\nRUN date > /dev/null; echo x > /x\nCOPY a /a\n", *args, a="1").stdout)
    assert ids[0] == ids[1]


def test_interrupted(engine: Instance, build: Builds) -> None:
    Case("", "FROM busybox\nRUN echo begun; sleep 4321\n").lay(build.folder)
    process = subprocess.Popen(
        [*corral_command(), "--root", str(engine.root), "build", "."],
        cwd=build.folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert process.stderr is not None
    while not process.stderr.readline().endswith(b" begun\n"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"context canceled" in rest
    eventually(lambda: not sleepers(), "the build's process ended")


def sleepers() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == b"sleep\x004321\x00":
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def test_du_and_prune(engine: Instance, build: Builds) -> None:
    build("FROM busybox\nRUN echo to be pruned > /x\n")
    shown = engine.corral("builder", "du", check=True).stdout
    assert shown.splitlines()[0].split() == ["ID", "RECLAIMABLE", "SIZE", "LAST", "ACCESSED"]
    assert "Reclaimable:" in shown
    assert "Total reclaimed space:" in engine.corral("builder", "prune", "-af", check=True).stdout
    assert "Total:        0B" in engine.corral("builder", "du", check=True).stdout
