"""One instance for all of these tests, a namespace for each; and a proof that nothing stays."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from corral.testing import Isolated
from tests.support.fleet import Fleet, Space

NUMBERS = itertools.count(1)
# Asked for at the very beginning, seen at the end: its minute passes beside the other tests.
EACH_MINUTE = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: minutes}
spec:
  schedule: "* * * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [
    {name: main, image: busybox, imagePullPolicy: Never, command: [echo, it is time]}]}}}}
"""


@pytest.fixture(scope="package")
def fleet() -> Iterator[Fleet]:
    with Isolated() as corral:
        made = Fleet(corral)
        made.ok("apply", "-f", "-", input=EACH_MINUTE)
        yield made


@pytest.fixture
def space(fleet: Fleet) -> Iterator[Space]:
    """Its namespace goes after the test; that it goes wholly is one of the tests."""
    made = Space(fleet, f"test-{next(NUMBERS)}")
    fleet.ok("create", "namespace", made.name)
    yield made
    fleet.ok("delete", "namespace", made.name, "--wait=false")
