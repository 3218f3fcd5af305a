"""Pull, push and login with the real docker client and our own command, against Debian's docker-registry, and the
images on to and from skopeo and podman."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import certificates
from tests.support.distribution import PASSWORD, USER, Distribution
from tests.support.instance import Instance, instance
from tests.support.tools import run, storage, tool

pytestmark = [pytest.mark.root, pytest.mark.peers, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Distribution]:
    tool("docker-registry")
    with Distribution(tmp_path_factory.mktemp("distribution")) as made:
        yield made


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Distribution]:
    """With a password and TLS."""
    tool("docker-registry")
    folder = tmp_path_factory.mktemp("locked")
    with Distribution(folder, auth=True, tls=certificates.make(folder)) as made:
        yield made


@pytest.fixture(scope="module")
def subject() -> Iterator[Instance]:
    with instance() as made:
        yield made


@pytest.fixture
def engine(subject: Instance) -> Iterator[Instance]:
    yield subject
    subject.docker("logout", "x", check=False)
    shutil.rmtree(subject._config, ignore_errors=True)
    for image in subject.docker("images", "-q", "--no-trunc", check=True).stdout.split():
        if image not in subject.docker("images", "-q", "--no-trunc", "busybox:latest").stdout:
            subject.docker("rmi", "-f", image)
    names = subject.docker("images", "--format", "{{.Repository}}:{{.Tag}}", check=True).stdout.split()
    if extra := [name for name in names if name != "busybox:latest"]:
        subject.docker("rmi", *extra, check=True)


def a_container_s_image(engine: Instance, name: str) -> None:
    """busybox and one layer more."""
    script = "dd if=/dev/urandom of=/blob bs=1k count=2000"
    engine.docker("run", "--name", "maker", "busybox", "sh", "-c", script, check=True)
    engine.docker("commit", "maker", name, check=True)
    engine.docker("rm", "maker", check=True)


def test_push_remove_pull_run(engine: Instance, registry: Distribution) -> None:
    name = f"{registry.host}/team/app:1"
    a_container_s_image(engine, name)
    image = engine.docker("inspect", "-f", "{{.Id}}", name, check=True).stdout
    said = engine.docker("push", name, check=True).stdout
    found = re.search(r"^1: digest: (sha256:[0-9a-f]{64}) size: \d+$", said, re.MULTILINE)
    assert found and said.count(": Pushed") == 2 and said.startswith(f"The push refers to repository [{name[:-2]}]\n")
    engine.docker("rmi", name, check=True)
    said = engine.docker("pull", name, check=True).stdout
    assert f"Digest: {found[1]}\nStatus: Downloaded newer image for {name}\n{name}\n" in said
    assert engine.docker("inspect", "-f", "{{.Id}}", name, check=True).stdout == image
    assert engine.docker("inspect", "-f", "{{.RepoDigests}}", name, check=True).stdout == f"[{name[:-2]}@{found[1]}]\n"
    assert found[1] in engine.docker("images", "--digests", check=True).stdout
    assert engine.docker("run", "--rm", name, "wc", "-c", "/blob", check=True).stdout == "2048000 /blob\n"
    assert "Layer already exists" in engine.docker("push", name, check=True).stdout
    assert "Image is up to date" in engine.docker("pull", f"{name[:-2]}@{found[1]}", check=True).stdout


def test_a_missing_image_is_pulled_by_run(engine: Instance, registry: Distribution) -> None:
    name = f"{registry.host}/run:1"
    engine.docker("tag", "busybox", name, check=True)
    engine.docker("push", "-q", name, check=True)
    engine.docker("rmi", name, check=True)
    done = engine.docker("run", "--rm", name, "echo", "hello", check=True)
    assert done.stdout == "hello\n" and "Unable to find image" in done.stderr
    engine.docker("rmi", name, check=True)
    ours = engine.corral("run", "--rm", name, "echo", "hello", check=True)
    assert ours.stdout == "hello\n" and f"Unable to find image '{name}' locally" in ours.stderr
    engine.docker("rmi", name, check=True)
    assert engine.corral("run", "--rm", "--pull", "never", name, "true").returncode == 125


def test_a_mount_instead_of_a_push(engine: Instance, registry: Distribution) -> None:
    name = f"{registry.host}/mount/from:1"
    a_container_s_image(engine, name)
    engine.docker("push", name, check=True)
    engine.docker("tag", name, f"{registry.host}/mount/to:1", check=True)
    assert engine.docker("push", f"{registry.host}/mount/to:1", check=True).stdout.count("Mounted from mount/from") == 2
    assert registry.get("/v2/mount/to/manifests/1") == registry.get("/v2/mount/from/manifests/1")


def test_all_tags_both_ways(engine: Instance, registry: Distribution) -> None:
    name = f"{registry.host}/tags"
    for number in range(3):
        engine.docker("tag", "busybox", f"{name}:t{number}", check=True)
    engine.docker("push", "-a", name, check=True)
    assert sorted(registry.get("/v2/tags/tags/list")["tags"]) == ["t0", "t1", "t2"]
    engine.docker("rmi", *(f"{name}:t{n}" for n in range(3)), check=True)
    engine.docker("pull", "-a", name, check=True)
    assert len(engine.docker("images", "-q", name, check=True).stdout.split()) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("pull {}/nope:1", "daemon: manifest for {}/nope:1 not found: manifest unknown: manifest unknown"),
        ("push {}/nope:1", "An image does not exist locally with the tag: {}/nope"),
        ("pull {}/UPPER", "invalid reference format: repository name (UPPER) must be lowercase"),
        ("pull localhost:1/x", 'Error response from daemon: Get "http://localhost:1/v2/": dial tcp'),
        ("pull scratch", "Error response from daemon: 'scratch' is a reserved name"),
    ],
)
def test_what_goes_wrong(engine: Instance, registry: Distribution, words: str, message: str) -> None:
    done = engine.docker(*words.format(registry.host).split())
    assert done.returncode == 1 and message.format(registry.host) in done.stderr


def test_events_search_and_distribution(engine: Instance, registry: Distribution) -> None:
    name = f"{registry.host}/looked/at:1"
    engine.docker("tag", "busybox", name, check=True)
    engine.docker("push", name, check=True)
    engine.docker("pull", name, check=True)
    shown = ("--since", "1m", "--until", "-1s", "--format", "{{.Action}} {{.ID}}")
    events = engine.docker("events", *shown, check=True).stdout
    assert f"push {name}" in events and f"pull {name}" in events
    assert "looked/at" in engine.docker("search", f"{registry.host}/looked", check=True).stdout
    assert "looked/at" in engine.corral("search", f"{registry.host}/looked", check=True).stdout
    found = engine.get(f"/distribution/{name}/json").json
    assert found["Platforms"][0]["os"] == "linux" and found["Descriptor"]["digest"].startswith("sha256:")


# With a password, over TLS.


def test_login_with_docker(engine: Instance, locked: Distribution) -> None:
    name = f"{locked.host}/app:1"
    engine.docker("tag", "busybox", name, check=True)
    assert "no basic auth credentials" in engine.docker("push", name).stderr
    wrong = engine.docker("login", "-u", USER, "--password-stdin", locked.host, input="wrong")
    assert wrong.returncode == 1
    assert f"login attempt to https://{locked.host}/v2/ failed with status: 401 Unauthorized" in wrong.stderr
    done = engine.docker("login", "-u", USER, "--password-stdin", locked.host, input=PASSWORD, check=True)
    assert "Login Succeeded" in done.stdout
    engine.docker("push", name, check=True)
    engine.docker("rmi", name, check=True)
    engine.docker("pull", name, check=True)
    engine.docker("logout", locked.host, check=True)
    engine.docker("rmi", name, check=True)
    assert "no basic auth credentials" in engine.docker("pull", name).stderr


def test_login_with_our_command(engine: Instance, locked: Distribution, tmp_path: Path) -> None:
    folder, helper = tmp_path / "config", tmp_path / "bin/docker-credential-file"
    helper.parent.mkdir()
    helper.write_text(
        f"#!/bin/sh\ncase $1 in store) cat >{tmp_path}/kept ;; get) cat >/dev/null; cat {tmp_path}/kept 2>/dev/null || "
        f"{{ echo 'credentials not found in native keychain'; exit 1; }} ;; erase) rm -f {tmp_path}/kept ;; esac\n"
    )
    helper.chmod(0o755)
    name = f"{locked.host}/ours:1"

    def corral(*words: str, input: str = "") -> subprocess.CompletedProcess[str]:
        env = {"DOCKER_CONFIG": str(folder), "PATH": f"{helper.parent}:{os.environ['PATH']}"}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Instance, "_env", staticmethod(lambda: {**os.environ, **env}))
            return engine.corral(*words, input=input)

    engine.docker("tag", "busybox", name, check=True)
    assert corral("push", name).returncode == 1
    assert corral("login", "-u", USER, "--password-stdin", locked.host, input="wrong").returncode == 1
    for _ in range(2):
        done = corral("login", "-u", USER, "--password-stdin", locked.host, input=PASSWORD)
        assert (done.returncode, done.stdout) == (0, "Login Succeeded\n")
        assert corral("push", name).returncode == 0
        assert corral("pull", name).returncode == 0
        assert corral("logout", locked.host).stdout == f"Removing login credentials for {locked.host}\n"
        assert corral("push", f"{locked.host}/ours:1").returncode == 1
        (folder / "config.json").write_text(json.dumps({"credsStore": "file"}))  # the second time, by a helper
    assert "auth" not in json.loads((folder / "config.json").read_text()).get("auths", {}).get(locked.host, {})


# On to other tools, and from them.


@pytest.mark.parametrize("format", ["v2s2", "oci"])
def test_skopeo_both_ways(engine: Instance, registry: Distribution, tmp_path: Path, format: str) -> None:
    skopeo, name = tool("skopeo"), f"{registry.host}/skopeo/{format}"
    a_container_s_image(engine, f"{name}:ours")
    image = json.loads(engine.docker("inspect", f"{name}:ours", check=True).stdout)[0]
    engine.docker("push", f"{name}:ours", check=True)
    about = json.loads(run(skopeo, "inspect", "--tls-verify=false", f"docker://{name}:ours"))
    assert len(about["Layers"]) == 2
    run(skopeo, "copy", "--src-tls-verify=false", f"docker://{name}:ours", f"oci:{tmp_path}/layout:x")
    run(
        skopeo, "copy", "--format", format, "--dest-tls-verify=false", "--dest-compress", "--dest-compress-format",
        "zstd" if format == "oci" else "gzip", f"oci:{tmp_path}/layout:x", f"docker://{name}:theirs",
    )  # fmt: skip
    engine.docker("rmi", f"{name}:ours", check=True)
    engine.docker("pull", f"{name}:theirs", check=True)
    found = json.loads(engine.docker("inspect", f"{name}:theirs", check=True).stdout)[0]
    assert found["RootFS"] == image["RootFS"] and found["Config"] == image["Config"]
    assert engine.docker("run", "--rm", f"{name}:theirs", "echo", "hi", check=True).stdout == "hi\n"
    pushed = engine.docker("push", f"{name}:theirs", check=True).stdout
    assert found["RepoDigests"][0].partition("@")[2] in pushed  # it goes back as it came


def test_podman_both_ways(engine: Instance, registry: Distribution, tmp_path: Path) -> None:
    name = f"{registry.host}/podman"
    engine.docker("tag", "busybox", f"{name}:ours", check=True)
    engine.docker("push", f"{name}:ours", check=True)
    with storage(tmp_path / "root") as peer:
        peer("podman", "pull", "--tls-verify=false", f"{name}:ours")
        peer("podman", "tag", f"{name}:ours", f"{name}:theirs")
        peer("podman", "push", "--tls-verify=false", "--format", "oci", f"{name}:theirs")
    engine.docker("pull", f"{name}:theirs", check=True)
    assert engine.docker("run", "--rm", f"{name}:theirs", "echo", "hi", check=True).stdout == "hi\n"
