"""`docker build` and `docker buildx` as they are since Docker 23: by BuildKit's protocols, and not by `POST /build`."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.build import cases
from tests.compat.build.case import Case, tar_of
from tests.compat.build.subject import check, files
from tests.support.buildx import clients, docker_cli, plug_in
from tests.support.instance import Instance, instance
from tests.support.ports import free_port
from tests.support.registry import LiveRegistry
from tests.support.tools import missing
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(120), pytest.mark.ahead.with_args(clients)]
TAG = "built:x"
Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def engine() -> Iterator[Instance]:
    with instance("--registry", "127.0.0.1:0") as subject:
        plug_in(subject)
        yield subject
        subject.remove_everything()


class Buildx:
    """The client, in a directory of its own."""

    def __init__(self, engine: Instance, folder: Path) -> None:
        self.engine, self.folder = engine, folder

    def lay(self, dockerfile: str, **more: str) -> None:
        Case("", dockerfile, {name.replace("__", "/"): text for name, text in more.items()}).lay(self.folder)

    def __call__(
        self, *words: str, input: bytes | str = b"", env: dict[str, str] | None = None, ok: bool = True
    ) -> Done:
        done = self.engine.docker(*words, cli=docker_cli(), cwd=self.folder, input=input, env=env)
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done

    def build(self, *words: str, input: bytes | str = b"", env: dict[str, str] | None = None, ok: bool = True) -> str:
        """What it says."""
        return self("build", "--progress", "plain", *words, input=input, env=env, ok=ok).stderr


def made(engine: Instance, image: str = TAG) -> dict[str, str]:
    """The files of an image that has little: without what the engine puts into each."""
    theirs = ("/.dockerenv", "/dev", "/etc", "/proc", "/sys")
    found = files(engine, image).items()
    return {path: what for path, what in found if not path.startswith(theirs) and path != "/"}


@pytest.fixture
def buildx(engine: Instance, tmp_path: Path) -> Buildx:
    return Buildx(engine, tmp_path)


def test_who_builds(buildx: Buildx) -> None:
    assert re.search(r"default\s+running\s+v[\d.]+-moby", buildx("buildx", "ls").stdout)
    assert "Platforms:" in buildx("buildx", "inspect").stdout


def test_it_builds(buildx: Buildx, engine: Instance) -> None:
    buildx.lay(
        "FROM busybox AS one\nARG X=1\nRUN echo $X > /x\nFROM one\nENV A=b\nWORKDIR /w\nCOPY . .\nRUN echo heard >&2\n",
        a="from here",
        skip__b="left out",
        **{".dockerignore": "skip\n"},
    )
    said = buildx.build("--no-cache", "-t", TAG, "-t", "built:y", "--build-arg", "X=7", "--label", "l=m", ".")
    for words in (
        "[internal] load build definition from Dockerfile",
        "[internal] load .dockerignore",
        "[internal] load metadata for docker.io/library/busybox:latest",
        "[one 1/2] FROM docker.io/library/busybox:latest",
        "[one 2/2] RUN echo 7 > /x",
        "[internal] load build context",
        "transferring context: ",
        "[stage-1 3/3] RUN echo heard >&2",
        " heard",
        "naming to docker.io/library/built:y done",
    ):
        assert words in said
    assert "ENV A" not in said
    found = files(engine, TAG)
    assert (found["/x"], found["/w/a"]) == ("0644 0:0 7\n", "0644 0:0 from here")
    assert "/w/skip" not in found and "/w/Dockerfile" in found
    config = engine.inspect_image(TAG)["Config"]
    assert config["Labels"]["l"] == "m" and "A=b" in config["Env"] and config["WorkingDir"] == "/w"
    again = buildx.build("-t", TAG, "--build-arg", "X=7", "--label", "l=m", ".")
    assert again.count("CACHED") == 4
    assert engine.inspect_image(TAG)["Id"] == engine.inspect_image("built:y")["Id"]


def test_only_what_is_copied_is_sent(buildx: Buildx, engine: Instance) -> None:
    buildx.lay("FROM scratch\nCOPY link dir /\n", dir__x="x", big="b" * 5_000_000, target="t")
    (buildx.folder / "link").symlink_to("target")
    said = buildx.build("-t", TAG, ".")
    sent = re.search(r"transferring context: ([\d.]+)(k?B)", said)
    assert sent and sent[2] == "B", said
    assert made(engine) == {"/link": "0644 0:0 t", "/x": "0644 0:0 x"}


def test_files_of_every_kind_and_size(buildx: Buildx, engine: Instance) -> None:
    """Among them more than the windows of a stream, of the connection, and of what is asked for at once."""
    buildx.lay("FROM scratch\nCOPY . /\n")
    sizes = {"empty": 0, "small": 3, "a": 70_000, "b": 4 << 20, "c": 9 << 20, "d": (4 << 20) + 1, "e": 1}
    for name, size in sizes.items():
        (buildx.folder / name).write_bytes(name.encode()[:1] * size)
    for number in range(300):
        (buildx.folder / f"many-{number}").write_text(str(number))
    (buildx.folder / "own").mkdir(mode=0o711)
    (buildx.folder / "own/ä ö").write_text("x")
    os.link(buildx.folder / "small", buildx.folder / "twin")
    (buildx.folder / "run").write_text("x")
    (buildx.folder / "run").chmod(0o4755)
    os.mkfifo(buildx.folder / "pipe")
    buildx("build", "-q", "--output", "type=local,dest=out", ".")
    out = buildx.folder / "out"
    assert {name: (out / name).stat().st_size for name in sizes} == sizes
    assert (out / "c").read_bytes() == b"c" * (9 << 20)
    assert all((out / f"many-{number}").read_text() == str(number) for number in range(300))
    assert (out / "own/ä ö").read_text() == "x" and (out / "own").stat().st_mode & 0o777 == 0o711
    assert (out / "run").stat().st_mode & 0o7777 == 0o4755
    assert (out / "twin").samefile(out / "small")
    assert (out / "pipe").is_fifo()


def test_the_ways_of_a_context(buildx: Buildx, engine: Instance) -> None:
    buildx.lay("FROM scratch\nCOPY f /one\n", f="f", other="FROM scratch\nCOPY f /two\n")
    buildx.build("-t", TAG, "-f", "other", ".")
    assert made(engine) == {"/two": "0644 0:0 f"}
    buildx.build("-t", TAG, "-f", "-", ".", input="FROM scratch\nCOPY f /three\n")
    assert made(engine) == {"/three": "0644 0:0 f"}
    buildx.build("-t", TAG, "-", input="FROM busybox\nRUN echo x > /four\n")
    assert files(engine, TAG)["/four"] == "0644 0:0 x\n"
    sent = tar_of({"Dockerfile": "FROM scratch\nCOPY f /five\n", "f": "t" * 3_000_000})
    buildx.build("-t", TAG, "-", input=sent)
    assert files(engine, TAG)["/five"].endswith("t" * 99)
    named = buildx.folder / "named"
    named.mkdir()
    (named / "n").write_text("n")
    (named / "no").write_text("no")
    (named / ".dockerignore").write_text("no\n")
    text = "FROM base AS b\nFROM scratch\nCOPY --from=more . /\nCOPY --from=b /bin/sh /sh\n"
    words = ("--build-context", "more=named", "--build-context", "base=docker-image://busybox")
    buildx.build("-t", TAG, *words, "-f", "-", ".", input=text)
    assert set(made(engine)) == {"/n", "/sh", "/.dockerignore"}


def test_a_repository(buildx: Buildx, engine: Instance, tmp_path: Path) -> None:
    """As `git://` by git's own server."""
    place = tmp_path / "served/repo"
    place.mkdir(parents=True)
    (place / "Dockerfile").write_text("FROM scratch\nCOPY f /f\n")
    (place / "f").write_text("in git")
    git = ("git", "-C", str(place), "-c", "user.name=a", "-c", "user.email=b", "-c", "init.defaultBranch=main")
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "x")):
        subprocess.run([*git, *words], check=True)
    port = free_port()
    where = ["--listen=127.0.0.1", f"--port={port}", "--reuseaddr", f"--base-path={tmp_path}/served"]
    server = subprocess.Popen(["git", "daemon", "--export-all", *where], stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: _answers(port), "git serves")
        said = buildx.build("-t", TAG, f"git://127.0.0.1:{port}/repo#main")
        assert "[internal] load git source" in said
        assert made(engine) == {"/f": "0644 0:0 in git"}
    finally:
        server.terminate()
        server.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port)):
            return True
    except OSError:
        return False


def test_secrets_and_agents(buildx: Buildx, tmp_path: Path) -> None:
    text = "FROM busybox\nRUN --mount=type=secret,id=a,required cat /run/secrets/a; echo; ! test -e /run/secrets/b\n"
    buildx.lay(text, s="s3cret")
    said = buildx.build("--no-cache", "--secret", "id=a,src=s", ".")
    assert " s3cret" in said
    said = buildx.build("--no-cache", "--secret", "id=a,env=TOKEN", ".", env={"TOKEN": "t0ken"})
    assert " t0ken" in said
    said = buildx.build("--no-cache", ".", ok=False)
    assert "failed to solve: secret a: not found" in said
    buildx.lay("FROM busybox\nRUN --mount=type=ssh,required test -S $SSH_AUTH_SOCK\n")
    assert "unset ssh forward key default" in buildx.build("--no-cache", ".", ok=False)
    with tempfile.TemporaryDirectory(prefix="cr-") as folder, socket.socket(socket.AF_UNIX) as agent:
        agent.bind(f"{folder}/agent")  # paths of sockets are short
        agent.listen()
        buildx.build("--no-cache", "--ssh", "default", ".", env={"SSH_AUTH_SOCK": f"{folder}/agent"})


def test_outputs(buildx: Buildx, engine: Instance) -> None:
    buildx.lay("FROM scratch AS a\nCOPY f /dir/f\nFROM a\nCOPY f /g\n", f="f")
    buildx("build", "-q", "--output", "type=tar,dest=out.tar", ".")
    with tarfile.open(buildx.folder / "out.tar") as archive:
        assert {"dir/f", "g"} <= set(archive.getnames())
    buildx("build", "-q", "--output", "out", "--target", "a", ".")
    assert [str(path.relative_to(buildx.folder / "out")) for path in (buildx.folder / "out").rglob("*")] == [
        "dir",
        "dir/f",
    ]
    done = engine.docker("build", "-q", "--output", "-", ".", cli=docker_cli(), cwd=buildx.folder)
    assert done.returncode == 0
    before = engine.docker("images", "-aq").stdout
    buildx.build("--output", "type=cacheonly", ".")
    assert engine.docker("images", "-aq").stdout == before
    refused = buildx("build", "--output", "type=oci,dest=x", ".", ok=False)
    assert "is not supported for the docker driver" in refused.stderr


def test_what_programs_read(buildx: Buildx, engine: Instance) -> None:
    buildx.lay("FROM busybox\nRUN echo one\n")
    quiet = buildx("build", "-q", "-t", TAG, ".").stdout.strip()
    assert quiet == engine.inspect_image(TAG)["Id"]
    buildx.build("-t", TAG, "--iidfile", "id", "--metadata-file", "about", ".")
    about = json.loads((buildx.folder / "about").read_text())
    assert (buildx.folder / "id").read_text() == quiet == about["containerimage.config.digest"]
    assert about["image.name"] == "docker.io/library/built:x"
    raw = buildx("build", "--no-cache", "--progress", "rawjson", ".").stderr
    told, decoder = [], json.JSONDecoder()
    while raw := raw.lstrip():  # one after the other, each on one line or on several
        one, end = decoder.raw_decode(raw)
        told.append(one)
        raw = raw[end:]
    names = {vertex["name"] for line in told for vertex in line.get("vertexes", ())}
    assert {"[2/2] RUN echo one", "exporting to image"} <= names


# buildx has no --memory
SAME = [one for one in cases.INSTRUCTIONS + cases.FLAGS if one.name != "memory"]


@pytest.mark.parametrize("case", [pytest.param(one, id=one.name.replace(" ", "-")) for one in SAME])
def test_every_instruction_and_flag(engine: Instance, tmp_path: Path, case: Case) -> None:
    """The same images as those of the classic way."""
    case.lay(tmp_path)
    words = ("build", "-t", TAG, *case.args, case.where)
    done = engine.docker(*words, cli=docker_cli(), cwd=tmp_path, input=case.files.get("STDIN", ""))
    assert done.returncode == 0, done.stdout + done.stderr
    check(engine, case, TAG)


MISTAKES = {
    "a process": ("FROM busybox\nRUN echo out; exit 3\n", 2, "did not complete successfully: exit code: 3"),
    "a word": ("FROM busybox\nFOO x\n", 2, "dockerfile parse error on line 2: unknown instruction: FOO"),
    "a file": ("FROM scratch\nCOPY nix /\n", 2, '"/nix": not found'),
    "a user": (
        "FROM busybox\nUSER nobodyx\nRUN true\n",
        3,
        'process "/bin/sh -c true" did not complete successfully: unable to find user nobodyx: no matching entries in '
        "passwd file",
    ),
    "an image": ("FROM localhost:1/nix\n", 1, "failed to resolve source metadata for localhost:1/nix:latest"),
    "a frontend": ("# syntax=me/mine\nFROM scratch\n", 1, "me/mine"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_shown_where_they_are(buildx: Buildx, name: str) -> None:
    text, line, words = MISTAKES[name]
    buildx.lay(text)
    said = buildx.build("--no-cache", ".", ok=False)
    assert f"Dockerfile:{line}\n--------------------\n" in said
    assert f" | >>> {text.splitlines()[line - 1]}\n" in said
    last = said.rpartition("failed to solve: ")  # newer clients say before it that they failed to build
    assert "ERROR: " in last[0].splitlines()[-1] and words in last[2], said


def test_what_is_not_offered_is_named(buildx: Buildx) -> None:
    buildx.lay("FROM scratch\n")
    assert "No such file" not in buildx.build("-f", "nix", ".", ok=False)
    for words, why in (
        (("--platform", "linux/s390x"), "this machine builds for"),
        (
            ("--build-arg", "BUILDKIT_SYNTAX=me/mine"),
            "unsupported frontend me/mine: only docker/dockerfile is built in",
        ),
        (("--cache-from", "type=azblob,name=x"), "cache-from type=azblob is not supported"),
        (("--output", "type=image", "--annotation", "a=b"), "annotations are not supported"),
        (("--provenance=true",), "Attestation is not supported for the docker driver"),
    ):
        assert why in buildx.build(*words, ".", ok=False)


def test_warnings(buildx: Buildx) -> None:
    buildx.lay("FROM busybox as a\nCMD x\n")
    said = buildx.build(".")
    assert "FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)" in said


def test_questions(buildx: Buildx, engine: Instance) -> None:
    """`--print`, which newer ones call `--call`."""
    buildx.lay("# a makes it\nFROM busybox AS a\nFROM a as b\n")
    env = {"BUILDX_EXPERIMENTAL": "1"}

    def ask(what: str, ok: bool = True) -> str:
        done = engine.docker("buildx", "build", f"--print={what}", ".", cli=docker_cli(), cwd=buildx.folder, env=env)
        assert done.returncode == 0 or not ok, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert "\na           makes it\nb (default) \n" in ask("targets")
    assert "lint" in ask("subrequests.describe")
    assert "FromAsCasing" in ask("lint", ok=False)  # newer clients end with its code
    assert "unsupported request frontend.outline" in ask("outline", ok=False)


def test_interrupted(buildx: Buildx, engine: Instance) -> None:
    """^C ends the client, and with it what runs in the build; so does its death."""
    buildx.lay("FROM busybox\nRUN echo begun; sleep 4321\n")
    before, contexts = engine.footprint(), engine.root / "build/contexts"
    for end in (signal.SIGINT, signal.SIGKILL):
        process = subprocess.Popen(
            [docker_cli(), "build", "--progress", "plain", "."],
            cwd=buildx.folder,
            env=engine.env(),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert process.stderr is not None
        while b" begun" not in process.stderr.readline():
            assert process.poll() is None
        os.killpg(process.pid, end)
        process.communicate(timeout=20)
        eventually(lambda: "sleep" not in str(engine.footprint().beyond(before)), "the build's process ended")
        eventually(lambda: not contexts.exists() or not os.listdir(contexts), "its context is gone")


def test_registries(buildx: Buildx, engine: Instance) -> None:
    """Pushed by the engine, pulled as whom the client is."""
    registry = re.findall(r"the registry is at (\S+)", engine.log)[-1]
    buildx.lay("FROM busybox\nRUN echo pushed > /p\n")
    said = buildx.build("--push", "-t", f"{registry}/team/app:1", "--metadata-file", "about", ".")
    assert f"pushing {registry}/team/app:1 with docker" in said
    about = json.loads((buildx.folder / "about").read_text())
    assert about["containerimage.digest"] != about["containerimage.config.digest"]
    engine.docker("rmi", f"{registry}/team/app:1", check=True)
    buildx.lay(f"FROM {registry}/team/app:1\nRUN cat /p\n")
    assert " pushed" in buildx.build("--no-cache", ".")
    buildx.build("--cache-from", f"{registry}/team/app:1", "--cache-to", "type=inline", ".")


def test_a_registry_that_asks_who_it_is(buildx: Buildx, engine: Instance, tmp_path: Path) -> None:
    """The daemon knows nobody's password: it asks the client's session."""
    users = tmp_path / "users"
    users.write_text("alice:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n")  # secret
    with LiveRegistry(tmp_path / "data", htpasswd=str(users)) as registry:
        image = f"{registry.name}/team/app:1"
        buildx.lay("FROM busybox\nRUN echo pushed > /p\n")
        assert "unauthorized" in buildx.build("--push", "-t", image, ".", ok=False).lower()
        engine.docker("rmi", image, check=True)
        buildx("login", "-u", "alice", "--password-stdin", registry.name, input="secret")
        buildx.build("--push", "-t", image, ".")
        engine.docker("rmi", image, check=True)
        buildx.lay(f"FROM {image}\nRUN cat /p\n")
        assert " pushed" in buildx.build("--no-cache", ".")
        engine.docker("rmi", image, check=True)
        buildx("logout", registry.name)
        assert "failed to resolve source metadata" in buildx.build("--no-cache", ".", ok=False)


def test_what_is_kept(buildx: Buildx) -> None:
    buildx.lay("FROM busybox\nRUN echo kept > /k\n")
    buildx.build("--output", "type=cacheonly", ".")
    assert re.search(r"Reclaimable:\s+\d", buildx("buildx", "du").stdout)
    assert "RUN echo kept" in buildx("buildx", "du", "--verbose").stdout
    buildx("buildx", "prune", "-f", "--filter", "type=regular")
    buildx("buildx", "prune", "-af")
    assert not re.search(r"\bRUN echo kept", buildx("buildx", "du", "--verbose").stdout)
    buildx.lay("FROM busybox\nRUN head -c 300000 /dev/zero > /k\n")
    buildx.build("-t", TAG, ".")
    pruned = buildx("buildx", "prune", "-af").stdout
    assert re.search(r"Total:\s+0B", pruned), "the image still has what the build has made: nothing became free"


def test_bake(buildx: Buildx, engine: Instance) -> None:
    """Several targets at once, one of which stands on another that has no name."""
    buildx.lay(
        "FROM busybox AS two\nARG X\nCOPY f /f\nRUN echo $X; echo two > /two\n",
        f="f",
        **{
            "docker-bake.hcl": 'group "default" { targets = ["one", "same", "three"] }\n'
            'target "same" {\n  tags = ["same:1"]\n  args = { X = "8" }\n}\n'
            'target "one" {\n  tags = ["one:1"]\n  args = { X = "7" }\n}\n'
            'target "base" {\n  dockerfile-inline = "FROM busybox\\nRUN echo base > /base"\n'
            '  output = ["type=cacheonly"]\n}\n'
            'target "three" {\n  contexts = { below = "target:base" }\n'
            '  dockerfile-inline = "FROM below\\nRUN echo three > /three"\n  tags = ["three:1"]\n}\n'
        },
    )
    before = set(engine.docker("images", "-aq", check=True).stdout.split())
    done = buildx("buildx", "bake", "--progress", "plain")
    assert "[three] exporting to image" in done.stderr
    for image in ("one:1", "same:1"):  # their directory is in a session that they share
        assert files(engine, image)["/two"] == "0644 0:0 two\n"
    found = files(engine, "three:1")
    assert (found["/base"], found["/three"]) == ("0644 0:0 base\n", "0644 0:0 three\n")
    eventually(
        lambda: len(set(engine.docker("images", "-aq", check=True).stdout.split()) - before) == 3,
        "nothing but what has names is left",
    )


@pytest.mark.peers
def test_a_client_without_buildx(buildx: Buildx, engine: Instance) -> None:
    """Docker 20.10's own way of BuildKit."""
    old = "/usr/bin/docker"
    if not os.path.exists(old) or "20.10" not in subprocess.run([old, "-v"], capture_output=True, text=True).stdout:
        missing("docker 20.10, whose own way this is,")
    config = buildx.folder / "config"
    config.mkdir()
    env = {"DOCKER_BUILDKIT": "1", "DOCKER_CONFIG": str(config)}
    buildx.lay("FROM busybox\nCOPY f /f\nRUN --mount=type=secret,id=a cat /run/secrets/a\n", f="f", s="hush")

    def build(*words: str, input: bytes = b"", ok: bool = True) -> Done:
        done = engine.docker("build", *words, cli=old, cwd=buildx.folder, env=env, input=input)
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done

    said = build("--progress", "plain", "--secret", "id=a,src=s", "-t", TAG, ".").stderr
    assert " hush" in said and "naming to docker.io/library/built:x" in said
    assert build("-q", "--secret", "id=a,src=s", ".").stdout.strip() == engine.inspect_image(TAG)["Id"]
    build("-q", "--output", "out", ".")
    assert (buildx.folder / "out/f").read_text() == "f"
    build("-q", "-t", TAG, "-", input=tar_of({"Dockerfile": "FROM scratch\nCOPY f /x\n", "f": "t"}))
    assert files(engine, TAG)["/x"].endswith("t")
    assert "exit code: 3" in build("-", input=b"FROM busybox\nRUN exit 3\n", ok=False).stderr
    buildx.lay("FROM busybox\nRUN echo begun; sleep 4321\n")
    before = engine.footprint()
    words = [old, "build", "--progress", "plain", "--no-cache", "."]
    process = subprocess.Popen(words, cwd=buildx.folder, env=engine.env(env), stderr=subprocess.PIPE)
    assert process.stderr is not None
    while b" begun" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)  # it has the build cancelled by its id, and waits for the end
    process.communicate(timeout=20)
    eventually(lambda: "sleep" not in str(engine.footprint().beyond(before)), "the build's process ended")


def test_a_tar_on_the_way_out_is_whole(buildx: Buildx, engine: Instance) -> None:
    buildx.lay("FROM scratch\nCOPY f /f\n", f="x" * 6_000_000)
    done = subprocess.run(
        [docker_cli(), "build", "-q", "-o", "-", "."], cwd=buildx.folder, env=engine.env(), capture_output=True
    )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        member = archive.extractfile("f")
        assert member is not None and member.read() == b"x" * 6_000_000


def test_an_error_in_a_long_dockerfile_is_told_at_once(buildx: Buildx) -> None:
    """The whole file goes to the client with it."""
    buildx.lay("FROM busybox\n" + "# forty letters of a comment, and no more\n" * 20_000 + "BOGUS\n")
    said = buildx.build(".", ok=False)
    assert "dockerfile parse error on line 20002: unknown instruction: BOGUS" in said and "20002 | >>> BOGUS" in said
