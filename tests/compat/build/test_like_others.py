"""The same Dockerfiles built by Corral, by a dockerd and by buildah give the same files and the same configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.build import cases
from tests.compat.build.case import Case, listing
from tests.compat.build.subject import Buildah, build, files
from tests.support.dockerd import Dockerd
from tests.support.instance import Instance, instance
from tests.support.tools import tool

pytestmark = [pytest.mark.root, pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(180)]
TAG = "built:x"
ALL = cases.INSTRUCTIONS + cases.FLAGS
CONFIG = (
    "Cmd",
    "Entrypoint",
    "Env",
    "User",
    "WorkingDir",
    "ExposedPorts",
    "Volumes",
    "Labels",
    "StopSignal",
    "OnBuild",
)
# What engines put into a container that is only exported, and what a build's process leaves in a peer's image
NOISE = ("/dev", "/proc", "/sys", "/.dockerenv", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab", "/run")


@pytest.fixture(scope="module")
def engine() -> Iterator[Instance]:
    with instance("--registry", "off") as subject:
        yield subject
        subject.remove_everything()


@pytest.fixture(scope="module")
def dockerd() -> Iterator[Dockerd]:
    tool("dockerd")
    with Dockerd(Path("/tmp/corral-build-peer")) as peer:
        peer.import_image()
        yield peer


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory, engine: Instance) -> Iterator[Buildah]:
    tool("buildah")
    with Buildah(tmp_path_factory.mktemp("buildah")) as peer:
        peer.load(engine, "busybox:latest")
        yield peer


def interesting(found: dict[str, str]) -> dict[str, str]:
    kept = {path: what for path, what in found.items() if path.strip("/") and not path.startswith(NOISE)}
    if not any(path.startswith("/etc/") for path in kept):
        kept.pop("/etc", None)  # where the engine's own files were
    return kept


def config_of(config: dict[str, object]) -> dict[str, object]:
    """What counts of a configuration; nothing and empty are the same, and so is the root as working directory."""
    return {
        name: config.get(name) for name in CONFIG if config.get(name) and (name, config[name]) != ("WorkingDir", "/")
    }


def ours(engine: Instance, case: Case, folder: Path) -> tuple[dict[str, str], dict[str, object]]:
    done = build(engine, case, folder, TAG)
    assert done.returncode == 0, done.stdout + done.stderr
    return interesting(files(engine, TAG)), config_of(engine.inspect_image(TAG)["Config"])


def chosen(peer: str) -> list[object]:
    return [pytest.param(case, id=case.name.replace(" ", "-")) for case in ALL if peer in case.peers]


@pytest.mark.parametrize("case", chosen("dockerd"))
def test_as_dockerd(engine: Instance, dockerd: Dockerd, tmp_path: Path, case: Case) -> None:
    tree, config = ours(engine, case, tmp_path)
    done = build(dockerd, case, tmp_path, TAG)
    assert done.returncode == 0, done.stdout + done.stderr
    assert tree == interesting(files(dockerd, TAG))
    assert config == config_of(dockerd.inspect_image(TAG)["Config"])


@pytest.mark.parametrize("case", chosen("buildah"))
def test_as_buildah(engine: Instance, buildah: Buildah, tmp_path: Path, case: Case) -> None:
    tree, _ = ours(engine, case, tmp_path)
    buildah.run("bud", "--layers=false", "-t", TAG, *case.args, case.where, cwd=tmp_path)
    with buildah.mounted(TAG) as rootfs:
        assert tree == interesting(listing(rootfs))
    shown = json.loads(buildah.run("inspect", "--type", "image", TAG))
    assert shown["OCIv1"]["config"].get("Cmd") == engine.inspect_image(TAG)["Config"]["Cmd"]
