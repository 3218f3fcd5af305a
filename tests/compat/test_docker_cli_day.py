"""A scripted day with the real docker client, and the same day with a real dockerd beside it.

Every step's exit code and words are checked against the script on every machine; where a dockerd may be started
(CI=true or --peers) the answers of both are compared after `normal` and `reworded`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.day import images, living, networking, running, volumes
from tests.compat.day.differences import reworded
from tests.compat.day.step import Day, Outcome, Step, normal
from tests.support.dockerd import Dockerd
from tests.support.endpoint import BUSYBOX, Endpoint

pytestmark = [pytest.mark.root, pytest.mark.timeout(600)]

SCRIPT: list[Step] = [*images.STEPS, *running.STEPS, *living.STEPS, *volumes.STEPS, *networking.STEPS]
Answers = dict[str, Outcome]


def _clients() -> list[str]:
    """The docker clients at hand, newest first on PATH: any, and Debian's."""
    found = [path for path in (shutil.which("docker"), "/usr/bin/docker") if path and os.path.exists(path)]
    return list(dict.fromkeys(os.path.realpath(path) for path in found)) or [""]


def _live(endpoint: Endpoint, client: str) -> Answers:
    """The whole script, once; a step that breaks its own script is an answer with exit code -2.

    It begins with nothing but busybox, and leaves nothing else.
    """
    endpoint.remove_everything()
    if endpoint.get(f"/images/{BUSYBOX}/json").status == 404:
        endpoint.import_image((BUSYBOX,))
    answers: Answers = {}
    with tempfile.TemporaryDirectory(prefix="corral-day-") as folder:
        (Path(folder) / "junk").write_text("no json")
        day = Day(endpoint, client, folder)
        for step in SCRIPT:
            try:
                answer = step.run(day)
                answers[step.name] = Outcome(
                    answer.code, *(t.replace(folder, "FOLDER") for t in (answer.out, answer.err))
                )
            except (AssertionError, OSError, ValueError, LookupError, subprocess.SubprocessError) as error:
                answers[step.name] = Outcome(-2, "", f"{type(error).__name__}: {error}")
    endpoint.remove_everything()
    return answers


@pytest.fixture(scope="module", params=_clients(), ids=os.path.dirname)
def client(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def answers(shared_engine: Endpoint, client: str) -> Answers:
    return _live(shared_engine, client)


@pytest.fixture(scope="module")
def peers_answers(client: str) -> Iterator[Answers]:
    with Dockerd(Path("/tmp/corral-day-peer")) as peer:
        yield _live(peer, client)


def test_the_script_is_a_whole_day() -> None:
    names = [step.name for step in SCRIPT]
    assert len(SCRIPT) >= 120
    doubled = {name for name in names if names.count(name) > 1}
    assert not doubled


@pytest.mark.parametrize("step", SCRIPT, ids=lambda step: step.name)
def test_step(step: Step, answers: Answers) -> None:
    answer = answers[step.name]
    assert not step.misses(answer), f"{step.misses(answer)}: {answer}"


@pytest.mark.peers
@pytest.mark.parametrize("step", [step for step in SCRIPT if step.compare], ids=lambda step: step.name)
def test_same_as_dockerd(step: Step, answers: Answers, peers_answers: Answers) -> None:
    ours, theirs = answers[step.name], peers_answers[step.name]
    if "c" in step.compare:
        assert ours.code == theirs.code, f"{ours}\ndockerd: {theirs}"
    if "o" in step.compare:
        assert _comparable(ours.out, step) == _comparable(theirs.out, step)
    if "e" in step.compare:
        assert _comparable(ours.err, step) == _comparable(theirs.err, step)


def _comparable(text: str, step: Step) -> str:
    """Without what must differ, and in the words of no release in particular. Pure."""
    return reworded(normal(text, unordered=step.unordered))
