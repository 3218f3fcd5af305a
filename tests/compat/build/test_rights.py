"""What a build may only do if its client allows it (`--allow`), asked for by buildx and by our own command."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.buildx import clients, docker_cli, plug_in
from tests.support.instance import Instance, corral_command, instance

pytestmark = [pytest.mark.root, pytest.mark.timeout(120), pytest.mark.ahead.with_args(clients)]
RIGHTS = (("--network=host", "network.host"), ("--security=insecure", "security.insecure"))


@pytest.fixture(scope="module")
def engine() -> Iterator[Instance]:
    with instance("--registry", "off") as subject:
        plug_in(subject)
        yield subject
        subject.remove_everything()


def by_buildx(engine: Instance, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return engine.docker("build", "--no-cache", *words, ".", cli=docker_cli(), cwd=folder)


def by_corral(engine: Instance, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*corral_command(), "--root", str(engine.root), "build", "--no-cache", *words, "."]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("build", [by_buildx, by_corral])
@pytest.mark.parametrize(("flag", "right"), RIGHTS)
def test_what_a_run_may_do_is_what_is_allowed(
    engine: Instance, tmp_path: Path, flag: str, right: str, build: object
) -> None:
    assert callable(build)
    (tmp_path / "Dockerfile").write_text(f"FROM busybox\nRUN {flag} true\n")
    refused = build(engine, tmp_path)
    assert refused.returncode == 1
    assert f"{right} is not allowed" in refused.stderr
    other = next(name for _, name in RIGHTS if name != right)
    assert build(engine, tmp_path, "--allow", other).returncode == 1, "the one right is not the other"
    done = build(engine, tmp_path, "--allow", right)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("build", [by_buildx, by_corral])
def test_whoever_says_that_a_build_is_in_the_hosts_network_has_allowed_it(
    engine: Instance, tmp_path: Path, build: object
) -> None:
    assert callable(build)
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN true\nRUN --network=host true\n")
    done = build(engine, tmp_path, "--network=host")
    assert done.returncode == 0, done.stderr
