"""SIGKILL in the middle of pushes, deletions and sweeps: no acknowledged push is lost, nothing broken is given out."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import oci
from tests.support.registry import Answer, RegistryClient
from tests.support.wait import eventually

pytestmark = pytest.mark.slow
ROUNDS = 12
CODE = str(Path(__file__).with_name("killed.py"))
GONE = (OSError, http.client.HTTPException)
SHARED = [os.urandom(30_000) for _ in range(4)]  # layers that several repositories have


@contextmanager
def running(root: Path) -> Iterator[tuple[RegistryClient, subprocess.Popen[bytes]]]:
    """The worker; killed at the end, if it was not before."""
    where = str(Path(__file__).parents[3])
    environment = os.environ | {"PYTHONPATH": f"{where}/src:{where}"}
    child = subprocess.Popen([sys.executable, CODE, str(root)], stdout=subprocess.PIPE, env=environment)
    try:
        assert child.stdout is not None
        yield RegistryClient("127.0.0.1", int(child.stdout.readline())), child
    finally:
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL, "the registry failed by itself"


class User(threading.Thread):
    """Pushes to one repository, moves and deletes its tags, and remembers what each may mean by now.

    `may`: tag -> the digests that it may have, "" for none: one once it was acknowledged, two while that is open.
    """

    def __init__(self, registry: RegistryClient, repository: str, may: dict[str, set[str]], seed: int) -> None:
        super().__init__()
        self.registry, self.repository, self.may = registry, repository, may
        self._pick = random.Random(seed)
        self.failures: list[Answer] = []
        self.acknowledged = 0

    def run(self) -> None:
        try:
            while True:
                tag = f"t{self._pick.randrange(4)}"
                (self._remove if self._pick.random() < 0.3 else self._push)(tag)
        except GONE:
            return

    def _push(self, tag: str) -> None:
        layers = [self._pick.choice(SHARED), self._pick.randbytes(self._pick.randrange(100, 200_000))]
        image = oci.image(layers)
        for blob in image.blobs:
            self._blob(blob)
        self.may[tag] |= {image.digest}
        self._told(tag, self.registry.push_manifest(self.repository, tag, image.manifest), 201, image.digest)

    def _blob(self, data: bytes) -> None:
        """As clients do: asked for, mounted, or sent, whole or in two pieces."""
        digest = oci.digest(data)
        if self.registry.ask("HEAD", f"/v2/{self.repository}/blobs/{digest}").status == 200:
            return
        where = self.registry.ask("POST", f"/v2/{self.repository}/blobs/uploads/?mount={digest}", b"")
        if where.status == 201:
            return
        half = len(data) // 2 if self._pick.random() < 0.5 else 0
        if half:
            self.registry.ask("PATCH", where.headers["location"], data[:half])
        answer = self.registry.ask("PUT", f"{where.headers['location']}?digest={digest}", data[half:])
        if answer.status != 201:
            self.failures.append(answer)

    def _remove(self, tag: str) -> None:
        (known,) = self.may[tag] if len(self.may[tag]) == 1 else [""]
        whole = known and self._pick.random() < 0.5
        if whole:
            for other, digests in self.may.items():
                self.may[other] = digests | {""} if known in digests else digests
            answer = self.registry.ask("DELETE", f"/v2/{self.repository}/manifests/{known}")
            if answer.status == 202:
                self.may |= {t: {""} for t, digests in self.may.items() if digests == {known, ""}}
            elif answer.status != 404:
                self.failures.append(answer)
        else:
            self.may[tag] |= {""}
            answer = self.registry.ask("DELETE", f"/v2/{self.repository}/manifests/{tag}")
            self._told(tag, answer, 202 if answer.status != 404 else 404, "")

    def _told(self, tag: str, answer: Answer, expected: int, digest: str) -> None:
        if answer.status == expected:
            self.may[tag] = {digest}
            self.acknowledged += 1
        else:
            self.failures.append(answer)


def _sum(users: list[User]) -> int:
    return sum(user.acknowledged for user in users)


def _until_told(users: list[User], times: int) -> None:
    def told() -> bool:
        return _sum(users) >= times or any(user.failures for user in users)

    eventually(told, f"{times} acknowledgements", seconds=60)


def check(registry: RegistryClient, repository: str, may: dict[str, set[str]]) -> None:
    """Each tag means what it may, and all of it is there; afterwards it may mean that only."""
    for tag in may:
        answer = registry.ask("GET", f"/v2/{repository}/manifests/{tag}")
        assert answer.status in (200, 404), answer
        found = oci.digest(answer.body) if answer.status == 200 else ""
        assert found in may[tag], (repository, tag, found, may[tag])
        may[tag] = {found}
        if found:
            root = json.loads(answer.body)
            for one in [root["config"], *root["layers"]]:
                blob = registry.ask("GET", f"/v2/{repository}/blobs/{one['digest']}")
                assert (blob.status, oci.digest(blob.body)) == (200, one["digest"])


def test_no_acknowledged_push_is_lost(tmp_path: Path) -> None:
    pick = random.Random(3)
    states: dict[str, dict[str, set[str]]] = {
        name: {f"t{n}": {""} for n in range(4)} for name in ("team/one", "team/two", "three")
    }
    acknowledged = 0
    for number in range(ROUNDS):
        with running(tmp_path) as (registry, child):
            for name, may in states.items():
                check(registry, name, may)
            users = [User(registry, name, may, 100 * number + n) for n, (name, may) in enumerate(states.items())]
            for user in users:
                user.start()
            wanted = pick.choice([0, 1, 2, 4, 8, 16])  # however fast this machine is
            _until_told(users, wanted)
            threading.Event().wait(pick.uniform(0.0, 0.1))  # no event to wait for: any moment will do
            child.send_signal(signal.SIGKILL)
            for user in users:
                user.join()
                assert not user.failures, user.failures[0]
            acknowledged += _sum(users)
    assert acknowledged > 2 * ROUNDS
    with running(tmp_path) as (registry, _):
        for name, may in states.items():
            check(registry, name, may)
    scratch = [path.name for path in (tmp_path / "content/ingest").iterdir()]
    assert not scratch
