"""The whole day: all steps in their order, lived once by a client and a daemon."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tests.compat.day import ending, images, inside, living, networking, running, volumes
from tests.compat.day.step import Day, Outcome, Step
from tests.support.endpoint import BUSYBOX, Endpoint

SCRIPT: list[Step] = [
    *images.STEPS,
    *running.STEPS,
    *living.STEPS,
    *inside.STEPS,
    *ending.STEPS,
    *volumes.STEPS,
    *networking.STEPS,
]
Answers = dict[str, Outcome]


def live(endpoint: Endpoint, client: str) -> Answers:
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
