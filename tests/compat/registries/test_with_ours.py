"""docker (28 and 20.10), skopeo, podman and buildah against our registry: what one of them makes, the others run."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import certificates
from tests.support.dockerd import Dockerd
from tests.support.images import busybox_rootfs
from tests.support.instance import Instance, corral_command, instance
from tests.support.ports import free_port
from tests.support.tools import Storage, missing, run, storage, tool
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.peers, pytest.mark.timeout(300)]
HASH = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"  # of "secret"
PLAIN = "--tls-verify=false"


@pytest.fixture(scope="module")
def engine() -> Iterator[Instance]:
    """With a registry at `host(engine)`."""
    with instance("--registry", f"127.0.0.1:{free_port()}") as made:
        yield made


@pytest.fixture
def host(engine: Instance) -> str:
    return f"localhost:{engine.flags[1].rpartition(':')[2]}"


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Storage]:
    with storage(tmp_path / "storage") as made:
        yield made


def old_docker() -> str:
    """The 20.10 client, where there is one besides a newer one."""
    for path in ("/usr/bin/docker", shutil.which("docker") or ""):
        if path and "version 20." in subprocess.run([path, "--version"], capture_output=True, text=True).stdout:
            return path
    missing("a docker client 20.10")


def greeting(engine: Instance, name: str) -> str:
    """What a fresh pull of an image says when it is run."""
    engine.docker("rmi", "-f", name)
    try:
        return engine.docker("run", "--rm", name, check=True).stdout
    finally:
        engine.docker("rmi", "-f", name, check=True)


def an_image(engine: Instance, name: str, words: str) -> str:
    """busybox and one layer more, which says `words`; its name."""
    engine.docker("run", "--name", "maker", "busybox", "sh", "-c", "echo more >/file", check=True)
    change = json.dumps(["echo", words])
    engine.docker("commit", "-c", f"CMD {change}", "maker", name, check=True)
    engine.docker("rm", "maker", check=True)
    return name


# Our own build command.


def test_a_build_is_pushed_with_its_cache(engine: Instance, host: str, tmp_path: Path) -> None:
    """--push under each name, and an output that says so; the cache goes there too, and comes back."""
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo pushed > /said\nCMD cat /said\n")
    names = (f"{host}/app:1", f"{host}/app:one")
    cache = f"type=registry,ref={host}/app:cache"
    words = ("build", "-t", names[0], "-t", names[1], "--cache-to", f"{cache},mode=max", "--push", str(tmp_path))
    engine.corral(*words, check=True)
    engine.corral("build", "-o", f"type=registry,name={host}/other:1", str(tmp_path), check=True)
    for name in (*names, f"{host}/other:1"):
        assert greeting(engine, name) == "pushed\n"
    engine.corral("builder", "prune", "-af", check=True)
    again = engine.corral("build", "--cache-from", cache, str(tmp_path), check=True)
    assert " CACHED\n" in again.stderr
    untagged = engine.corral("build", "--push", str(tmp_path))
    assert (untagged.returncode, "tag is needed" in untagged.stderr) == (1, True)


# docker's own clients.


@pytest.mark.parametrize("old", [False, True], ids=["28", "20.10"])
def test_docker(engine: Instance, host: str, old: bool) -> None:
    cli, name = old_docker() if old else "", f"{host}/docker/{old}".lower()
    an_image(engine, f"{name}:1", "hi")
    env = {"DOCKER_CLI_EXPERIMENTAL": "enabled"}
    assert engine.docker("push", f"{name}:1", cli=cli, check=True).stdout.count("Pushed") >= 1
    assert "Layer already exists" in engine.docker("push", f"{name}:1", cli=cli, check=True).stdout
    manifest = json.loads(engine.docker("manifest", "inspect", "--insecure", f"{name}:1", cli=cli, env=env).stdout)
    assert len(manifest["layers"]) == 2
    assert name.partition("/")[2] in engine.docker("search", f"{host}/docker", cli=cli, check=True).stdout
    engine.docker("rmi", f"{name}:1", cli=cli, check=True)
    assert "Downloaded newer image" in engine.docker("pull", f"{name}:1", cli=cli, check=True).stdout
    assert greeting(engine, f"{name}:1") == "hi\n"
    missing = engine.docker("pull", f"{name}:2", cli=cli)
    assert missing.returncode == 1 and f"manifest for {name}:2 not found: manifest unknown" in missing.stderr


@pytest.mark.parametrize("old", [False, True], ids=["28", "20.10"])
def test_docker_makes_an_index(engine: Instance, host: str, old: bool) -> None:
    """`docker manifest` speaks to the registry itself, and copies what it lists into the list's repository."""
    cli = old_docker() if old else ""
    one = an_image(engine, f"{host}/index/one:1", "one")
    engine.docker("push", one, check=True)
    env = {"DOCKER_CLI_EXPERIMENTAL": "enabled"}
    every = f"{host}/index/all/{old}:1".lower()
    engine.docker("manifest", "create", "--insecure", every, one, cli=cli, check=True, env=env)
    engine.docker("manifest", "push", "--insecure", every, cli=cli, check=True, env=env)
    engine.docker("rmi", one, check=True)
    assert greeting(engine, every) == "one\n"


def test_a_dockerd_of_old(engine: Instance, host: str, tmp_path: Path) -> None:
    tool("dockerd")
    ours = an_image(engine, f"{host}/dockerd/app:ours", "ours")
    engine.docker("push", ours, check=True)
    engine.docker("rmi", ours, check=True)
    with Dockerd(tmp_path / "dockerd", bridge=False) as peer:
        peer.docker("pull", ours, check=True)
        assert peer.docker("run", "--rm", "--network", "none", ours, check=True).stdout == "ours\n"
        peer.docker("tag", ours, f"{host}/dockerd/app:theirs", check=True)
        assert "Layer already exists" in peer.docker("push", f"{host}/dockerd/app:theirs", check=True).stdout
        peer.docker("tag", ours, f"{host}/dockerd/other:1", check=True)
        assert "Mounted from dockerd/app" in peer.docker("push", f"{host}/dockerd/other:1", check=True).stdout
        archive = tmp_path / "theirs.tar"
        peer.docker("save", "-o", str(archive), ours, check=True)
        engine.docker("load", "-i", str(archive), check=True)
        assert engine.docker("run", "--rm", ours, check=True).stdout == "ours\n"
        engine.docker("save", "-o", str(archive), ours, check=True)
        peer.docker("rmi", "-f", ours, check=True)
        peer.docker("load", "-i", str(archive), check=True)
        assert peer.docker("run", "--rm", "--network", "none", ours, check=True).stdout == "ours\n"
    engine.docker("rmi", ours, check=True)
    assert greeting(engine, f"{host}/dockerd/other:1") == "ours\n"


# skopeo.


@pytest.mark.parametrize(
    "how", [["--format", "v2s2"], ["--format", "oci"], ["--dest-compress-format", "zstd"]], ids=" ".join
)
def test_skopeo_copy(engine: Instance, host: str, tmp_path: Path, how: list[str]) -> None:
    skopeo, name = tool("skopeo"), f"{host}/skopeo/{how[1]}"
    engine.docker("push", an_image(engine, f"{name}:1", "copied"), check=True)
    engine.docker("rmi", f"{name}:1", check=True)
    layout = f"oci:{tmp_path}/layout:x"
    run(skopeo, "copy", "--src-tls-verify=false", f"docker://{name}:1", layout)
    run(skopeo, "copy", "--dest-tls-verify=false", "--dest-compress", *how, layout, f"docker://{name}:2")
    about = json.loads(run(skopeo, "inspect", PLAIN, f"docker://{name}:2"))
    assert about["RepoTags"] == ["1", "2"] and len(about["Layers"]) == 2
    assert greeting(engine, f"{name}:2") == "copied\n"
    run(skopeo, "delete", PLAIN, f"docker://{name}:2")
    assert "2" not in json.loads(run(skopeo, "list-tags", PLAIN, f"docker://{name}"))["Tags"]


def test_skopeo_sync(engine: Instance, host: str, tmp_path: Path) -> None:
    skopeo, name = tool("skopeo"), f"{host}/sync/app"
    for tag in ("a", "b"):
        engine.docker("push", an_image(engine, f"{name}:{tag}", tag), check=True)
        engine.docker("rmi", f"{name}:{tag}", check=True)
    run(skopeo, "sync", "--src-tls-verify=false", "--src", "docker", "--dest", "dir", name, str(tmp_path))
    run(skopeo, "sync", "--dest-tls-verify=false", "--src", "dir", "--dest", "docker", str(tmp_path), f"{host}/synced")
    assert json.loads(run(skopeo, "list-tags", PLAIN, f"docker://{host}/synced/app"))["Tags"] == ["a", "b"]
    assert greeting(engine, f"{host}/synced/app:b") == "b\n"


# podman and buildah.


def test_podman(engine: Instance, host: str, peer: Storage, tmp_path: Path) -> None:
    ours, theirs = f"{host}/podman/app:ours", f"{host}/podman/app:theirs"
    engine.docker("push", an_image(engine, ours, "ours"), check=True)
    engine.docker("rmi", ours, check=True)
    peer("podman", "pull", PLAIN, ours)
    assert f"{host}/podman/app" in peer("podman", "search", PLAIN, f"{host}/podman")
    (tmp_path / "Containerfile").write_text(f'FROM {ours}\nCOPY Containerfile /f\nCMD ["wc", "-l", "/f"]\n')
    peer("podman", "build", "-t", theirs, str(tmp_path))
    for form in ("oci", "v2s2"):
        peer("podman", "push", PLAIN, "--format", form, theirs)
        assert greeting(engine, theirs) == "3 /f\n"
    assert peer("podman", "search", "--list-tags", PLAIN, f"{host}/podman/app").split()[-2:] == [
        f"{host}/podman/app", "theirs"
    ]  # fmt: skip
    peer("podman", "manifest", "create", "list")
    peer("podman", "manifest", "add", PLAIN, "list", f"docker://{theirs}")
    peer("podman", "manifest", "push", "--all", PLAIN, "list", f"docker://{host}/podman/list:1")
    assert greeting(engine, f"{host}/podman/list:1") == "3 /f\n"


def test_buildah(engine: Instance, host: str, peer: Storage, tmp_path: Path) -> None:
    made = peer("buildah", "from", "scratch").strip()
    (tmp_path / "rootfs.tar").write_bytes(busybox_rootfs())
    peer("buildah", "add", made, str(tmp_path / "rootfs.tar"), "/")
    peer("buildah", "config", "--cmd", json.dumps(["echo", "buildah"]), made)
    name = f"{host}/buildah/app:1"
    peer("buildah", "commit", made, name)
    peer("buildah", "push", PLAIN, name)
    assert greeting(engine, name) == "buildah\n"
    engine.docker("push", an_image(engine, f"{host}/buildah/ours:1", "ours"), check=True)
    engine.docker("rmi", f"{host}/buildah/ours:1", check=True)
    peer("buildah", "pull", PLAIN, f"{host}/buildah/ours:1")
    (tmp_path / "Dockerfile").write_text(f'FROM {host}/buildah/ours:1\nENV A=b\nCMD ["sh", "-c", "echo $A"]\n')
    peer("buildah", "bud", "--format", "docker", "-t", f"{host}/buildah/built:1", str(tmp_path))
    peer("buildah", "push", PLAIN, f"{host}/buildah/built:1")
    assert greeting(engine, f"{host}/buildah/built:1") == "b\n"


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "oci-dir"])
def test_files_to_and_from_podman(engine: Instance, peer: Storage, tmp_path: Path, form: str) -> None:
    name, archive = "localhost/files/app:1", tmp_path / "app.tar"
    engine.docker("save", "-o", str(archive), an_image(engine, name, "filed"), check=True)
    engine.docker("rmi", name, check=True)
    assert name in peer("podman", "load", "-i", str(archive))
    target = tmp_path / "saved"
    peer("podman", "save", "--format", form, "-o", str(target), name)
    if target.is_dir():
        run("tar", "-C", str(target), "-cf", str(archive), ".")
    said = engine.docker("load", "-i", str(archive if target.is_dir() else target), check=True).stdout
    loaded = said.strip().partition(": ")[2] if "ID" not in said else said.strip().rpartition(" ")[2]
    assert engine.docker("run", "--rm", loaded, check=True).stdout == "filed\n"
    engine.docker("rmi", loaded, check=True)


# With users, rights and TLS: the registry alone.


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[str]:
    """ann may do everything, bob may read what is public, who is not logged in nothing; its host."""
    cert, key = certificates.make(tmp_path / "certs")
    (tmp_path / "users").write_text(f"ann:{HASH}\nbob:{HASH}\n")
    port = free_port()
    argv = [*corral_command(), "--root", str(tmp_path / "registry"), "registry", "--listen", f"127.0.0.1:{port}"]
    argv += ["--tlscert", str(cert), "--tlskey", str(key), "--htpasswd", str(tmp_path / "users")]
    argv += ["--right", "ann:*:*", "--right", "bob:public/*:pull"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log)
    try:
        assert process.stdout and b"registry ready" in process.stdout.readline(), (tmp_path / "log").read_text()
        yield f"localhost:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, (tmp_path / "log").read_text()


def test_podman_searches(engine: Instance, peer: Storage, tmp_path: Path) -> None:
    """Where some repositories are everybody's: as nobody it sees these, and logged in its own too."""
    (tmp_path / "users").write_text(f"ann:{HASH}\n")
    host = f"localhost:{(port := free_port())}"
    argv = [*corral_command(), "--root", str(tmp_path / "registry"), "registry", "--listen", f"127.0.0.1:{port}"]
    argv += ["--htpasswd", str(tmp_path / "users"), "--right", "ann:own/*:*", "--right", "anonymous:free/*:pull"]
    argv += ["--right", "ann:free/*:push"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    try:
        assert process.stdout and b"registry ready" in process.stdout.readline()
        engine.docker("save", "-o", str(tmp_path / "app.tar"), an_image(engine, "app:1", "in"), check=True)
        for name in ("own/app", "free/app"):
            copied = ("--dest-tls-verify=false", "--dest-creds", "ann:secret", f"docker://{host}/{name}:1")
            run(tool("skopeo"), "copy", f"docker-archive:{tmp_path}/app.tar", *copied)
        assert peer("podman", "search", PLAIN, f"{host}/app").split()[2:] == [f"{host}/free/app"]
        peer("podman", "login", PLAIN, "-u", "ann", "--password-stdin", host, input="secret")
        assert peer("podman", "search", PLAIN, f"{host}/app").split()[2:] == [f"{host}/free/app", f"{host}/own/app"]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.parametrize("old", [False, True], ids=["28", "20.10"])
def test_docker_logs_in(engine: Instance, locked: str, old: bool) -> None:
    cli, name = old_docker() if old else "", f"{locked}/public/app:1"
    engine.docker("tag", "busybox", name, check=True)

    def login(user: str, password: str) -> subprocess.CompletedProcess[str]:
        return engine.docker("login", "-u", user, "--password-stdin", locked, input=password, cli=cli)

    assert "unauthorized" in login("ann", "wrong").stderr
    assert "Login Succeeded" in login("bob", "secret").stdout
    refused = engine.docker("push", name, cli=cli)
    assert refused.returncode == 1 and "denied" in refused.stderr
    assert "Login Succeeded" in login("ann", "secret").stdout
    engine.docker("push", name, cli=cli, check=True)
    assert "public/app" in engine.docker("search", f"{locked}/app", cli=cli, check=True).stdout
    login("bob", "secret")
    engine.docker("rmi", name, check=True)
    engine.docker("pull", name, cli=cli, check=True)
    assert "Removing login credentials" in engine.docker("logout", locked, cli=cli, check=True).stdout
    engine.docker("rmi", name, check=True)
    assert engine.docker("pull", name, cli=cli).returncode == 1


def test_skopeo_and_podman_log_in(engine: Instance, locked: str, peer: Storage, tmp_path: Path) -> None:
    name = f"{locked}/public/app:1"
    engine.docker("save", "-o", str(tmp_path / "app.tar"), an_image(engine, name, "in"), check=True)
    engine.docker("rmi", name, check=True)
    wrong = peer("podman", "login", PLAIN, "-u", "ann", "--password-stdin", locked, input="wrong", check=False)
    assert "invalid username/password" in wrong
    peer("podman", "login", PLAIN, "-u", "ann", "--password-stdin", locked, input="secret")
    peer("podman", "load", "-i", str(tmp_path / "app.tar"))
    peer("podman", "push", PLAIN, name)
    peer("buildah", "push", PLAIN, name, f"docker://{locked}/private/app:1")
    assert "public/app" in peer("podman", "search", PLAIN, f"{locked}/app")
    skopeo = tool("skopeo")
    assert json.loads(run(skopeo, "inspect", PLAIN, "--creds", "bob:secret", f"docker://{name}"))["RepoTags"] == ["1"]
    private = f"docker://{locked}/private/app:1"
    assert "denied" in run(skopeo, "inspect", PLAIN, "--creds", "bob:secret", private, check=False)
    assert "unauthorized" in run(skopeo, "inspect", PLAIN, private, check=False, env={"DOCKER_CONFIG": str(tmp_path)})
    (tmp_path / "certs.d").mkdir()
    shutil.copy(tmp_path / "certs/server.crt", tmp_path / "certs.d/ca.crt")
    run(skopeo, "inspect", "--cert-dir", str(tmp_path / "certs.d"), "--creds", "ann:secret", private)
    assert "x509" in run(skopeo, "inspect", "--creds", "ann:secret", private, check=False)
    peer("podman", "logout", locked)


def test_the_proxy_before_it(engine: Instance, locked: str, tmp_path: Path) -> None:
    """Another registry of ours that fetches from the locked one, with ann's name and password."""
    source, port = f"{locked}/team/app:1", free_port()
    engine.docker("tag", "busybox", source, check=True)
    engine.docker("login", "-u", "ann", "--password-stdin", locked, input="secret", check=True)
    engine.docker("push", source, check=True)
    engine.docker("logout", locked, check=True)
    pair = base64.b64encode(b"ann:secret").decode()
    (tmp_path / "upstreams.json").write_text(json.dumps({"auths": {locked: {"auth": pair}}}))
    argv = [*corral_command(), "--root", str(tmp_path / "cache"), "registry", "--listen", f"127.0.0.1:{port}"]
    argv += ["--proxy", f"up=https://{locked}", "--proxy-auth", str(tmp_path / "upstreams.json")]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=(tmp_path / "cache.log").open("wb"))
    try:
        assert process.stdout and b"ready" in process.stdout.readline()
        name = f"localhost:{port}/up/team/app:1"
        engine.docker("pull", name, check=True)
        assert engine.docker("run", "--rm", name, "echo", "through", check=True).stdout == "through\n"
        engine.docker("rmi", name, source, check=True)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


def test_shared_content_is_freed(engine: Instance, host: str) -> None:
    """What a push put into the registry is freed when it is deleted there, and not before."""
    name = an_image(engine, f"{host}/freed/app:1", "x")
    engine.docker("push", name, check=True)
    found = engine.docker("inspect", "-f", "{{index .RepoDigests 0}}", name, check=True).stdout.strip()
    engine.docker("rmi", name, check=True)
    digest = found.partition("@")[2]
    assert list(engine.root.rglob(digest.removeprefix("sha256:")))
    run(tool("skopeo"), "delete", PLAIN, f"docker://{host}/freed/app@{digest}")
    eventually(lambda: not list(engine.root.rglob(digest.removeprefix("sha256:"))), "the manifest is gone")
