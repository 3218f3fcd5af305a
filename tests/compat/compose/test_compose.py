"""A day with the real Compose, new and old, through our own command and by itself."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.compose.day import STEPS, Day, Step
from tests.compat.day.step import Outcome
from tests.support.compose import compose_v1, compose_v2
from tests.support.instance import Instance, corral_command
from tests.support.instance import instance as running_instance

pytestmark = [
    *(pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)),
    pytest.mark.ahead.with_args(compose_v2),
]


@pytest.fixture(scope="module", params=["new", pytest.param("old", marks=pytest.mark.peers)])
def day(request: pytest.FixtureRequest) -> Iterator[Day]:
    with running_instance() as subject, tempfile.TemporaryDirectory(prefix="corral-compose-") as folder:
        place = Path(folder)
        if request.param == "old":
            yield Day(subject, [str(compose_v1())], place, old=True)
        else:
            yield Day(subject, _through_us(subject, place), place)


def _through_us(subject: Instance, folder: Path) -> list[str]:
    """`corral --root … compose`, which finds the binary where a user's docker client keeps its plugins."""
    plugins = Path(subject.env()["DOCKER_CONFIG"]) / "cli-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    (plugins / "docker-compose").symlink_to(compose_v2())
    return [*corral_command(), "--root", str(subject.root), "compose"]


@pytest.fixture(scope="module")
def answers(day: Day) -> dict[str, Outcome]:
    """The whole day, once. A step that cannot be done at all is an answer with exit code -2."""
    found: dict[str, Outcome] = {}
    for step in STEPS:
        if day.old and not step.old:
            continue
        try:
            found[step.name] = step.run(day)
        except (AssertionError, OSError, ValueError, LookupError, subprocess.SubprocessError) as error:
            found[step.name] = Outcome(-2, "", f"{type(error).__name__}: {error}")
    return found


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_step(step: Step, day: Day, answers: dict[str, Outcome]) -> None:
    if step.name not in answers:
        pytest.skip("not in 1.29, or in words of its own")
    answer = answers[step.name]
    assert not step.misses(day, answer), f"{step.misses(day, answer)}: {answer}"


def test_names_are_names() -> None:
    names = [step.name for step in STEPS]
    assert len(names) == len(set(names)) >= 50


def test_the_binary_is_the_release_that_is_asked_for() -> None:
    assert shutil.which(compose_v2())
