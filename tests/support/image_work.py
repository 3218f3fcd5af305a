"""Random work on images (imports, builds, loads, pulls, pushes, removals, prunes) of one daemon, and what must hold of
its images and of its registry afterwards."""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import tarfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import oci
from tests.support.endpoint import BUSYBOX, Answer, Endpoint
from tests.support.fake_registry import FakeRegistry
from tests.support.instance import Instance
from tests.support.kills import until_killed
from tests.support.registry import RegistryClient
from tests.support.tars import member, tar

DOCKERFILE = "FROM busybox\nCOPY f /f\nRUN mkdir /made && cp /f /made/g\nLABEL n={n}\n"
# What may come between a request and its end when others remove and prune: an image is there no more, or is needed.
GONE = ("No such image", "does not exist", "not found", "conflict", "unable to")
Json = dict[str, Any]


@dataclass
class Ledger:
    """The pushes, by repository and tag: the digest that was acknowledged, or None where no answer came."""

    pushes: dict[tuple[str, str], str | None] = field(default_factory=dict)
    archives: list[bytes] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    done: dict[str, int] = field(default_factory=dict)  # how often each kind of work came to its end
    lock: threading.Lock = field(default_factory=threading.Lock)


class Worker:
    """Sends random requests until the daemon is gone. `outside` is a registry elsewhere with app:0 to app:3."""

    def __init__(self, engine: Endpoint, own: RegistryClient, outside: FakeRegistry, ledger: Ledger, seed: int) -> None:
        self.engine, self.own, self.outside, self.ledger = engine, own, outside, ledger
        self.random = random.Random(seed)
        weights = {"load": 3, "build": 6, "push": 6, "pull": 4, "save": 2, "remove": 2, "prune": 1, "make": 4}
        self.actions: list[tuple[int, Callable[[], None]]] = [
            (weight, self._counted(name)) for name, weight in weights.items()
        ]

    def __call__(self) -> None:
        until_killed(self.actions, self.random)

    def _counted(self, name: str) -> Callable[[], None]:
        act = getattr(self, f"_{name}")

        def counted() -> None:
            if act():
                with self.ledger.lock:
                    self.ledger.done[name] = self.ledger.done.get(name, 0) + 1

        return counted

    def _pick(self) -> str:
        """The name of some image, "" if there is none."""
        images = self.engine.get("/images/json").json
        names = sorted(tag for image in images for tag in image["RepoTags"] or () if "<" not in tag)
        return self.random.choice(names) if names else ""

    def _data(self) -> bytes:
        """One of a few files, so that layers and the build's cache are shared, or a new one."""
        number = self.random.randrange(8)
        return random.Random(number or None).randbytes(self.random.choice([100, 150_000]) if not number else 100_000)

    def _make(self) -> bool:
        files = [member(f"f{n}", data=self._data()) for n in range(self.random.randrange(1, 4))]
        query = {"fromSrc": "-", "repo": "made", "tag": f"t{self.random.randrange(5)}"}
        return _succeeded(self.engine.post("/images/create", tar(*files), query=query))

    def _build(self) -> bool:
        text = DOCKERFILE.format(n=self.random.randrange(3))
        context = tar(member("Dockerfile", data=text.encode()), member("f", data=self._data()))
        return _succeeded(self.engine.post("/build", context, query={"t": f"built:t{self.random.randrange(5)}"}))

    def _load(self) -> bool:
        with self.ledger.lock:
            archives = self.ledger.archives[-6:]
        return bool(archives) and _succeeded(self.engine.post("/images/load", self.random.choice(archives)))

    def _save(self) -> bool:
        name = self._pick()
        answer = self.engine.get(f"/images/{name}/get") if name else None
        if answer is None or answer.status != 200:
            assert answer is None or answer.status == 404, answer
            return False
        if name != BUSYBOX:
            with self.ledger.lock:
                self.ledger.archives.append(answer.body)
        return True

    def _pull(self) -> bool:
        with self.ledger.lock:
            known = [f"{self.own.name}/{repository}:{tag}" for (repository, tag), d in self.ledger.pushes.items() if d]
        name = f"{self.outside.host}/app:{self.random.randrange(4)}"
        if known and self.random.random() < 0.4:
            name = self.random.choice(known)
        repository, _, tag = name.rpartition(":")
        return _succeeded(self.engine.post("/images/create", query={"fromImage": repository, "tag": tag}))

    def _push(self) -> bool:
        """Under a name that nothing else has."""
        name = self._pick()
        place = f"team/{self.random.choice('ab')}", f"t{next(self.ledger.numbers)}"
        full = f"{self.own.name}/{place[0]}"
        if not name or self.engine.post(f"/images/{name}/tag", query={"repo": full, "tag": place[1]}).status != 201:
            return False
        self.ledger.pushes[place] = None
        answer = self.engine.post(f"/images/{full}/push", query={"tag": place[1]}, headers={"X-Registry-Auth": "e30="})
        told = [line["aux"]["Digest"] for line in _lines(answer) if "aux" in line and "Digest" in line["aux"]]
        if not _succeeded(answer):
            return False
        (self.ledger.pushes[place],) = told
        return True

    def _remove(self) -> bool:
        name = self._pick()
        if not name or name == BUSYBOX:
            return False
        answer = self.engine.delete(f"/images/{name}", query={"force": self.random.randrange(2)})
        assert answer.status in (200, 404, 409), answer
        return answer.status == 200

    def _prune(self) -> bool:
        """Busybox stays: a container is made from it."""
        if self.random.random() < 0.5:
            answer = self.engine.post("/build/prune", query={"all": 1})
        else:
            answer = self.engine.post("/images/prune", query={"filters": {"dangling": {"false": True}}})
        assert answer.status == 200, answer
        return True


def _lines(answer: Answer) -> list[Json]:
    return [json.loads(line) for line in answer.body.splitlines() if line.strip()]


def _succeeded(answer: Answer) -> bool:
    """Of an answer with progress. What others have removed meanwhile is no failure of the daemon's."""
    errors = [line["error"] for line in _lines(answer) if "error" in line]
    if answer.status >= 400:
        errors.append(answer.message)
    assert all(any(word in error for word in GONE) for error in errors), errors
    return not errors


def check_registry(registry: RegistryClient, ledger: Ledger) -> set[str]:
    """Every push that was acknowledged is served whole; one that was not is there whole, or not at all. All digests."""
    needed: set[str] = set()
    for (repository, tag), digest in list(ledger.pushes.items()):
        answer = registry.ask("GET", f"/v2/{repository}/manifests/{tag}")
        if digest is None and answer.status == 404:
            del ledger.pushes[repository, tag]
            continue
        assert answer.status == 200, (repository, tag, digest, answer)
        found = oci.digest(answer.body)
        assert digest in (None, found), (repository, tag, digest, found)
        ledger.pushes[repository, tag] = found
        root = json.loads(answer.body)
        blobs = {one["digest"] for one in [root["config"], *root["layers"]]}
        for one in blobs - needed:
            blob = registry.ask("GET", f"/v2/{repository}/blobs/{one}")
            assert (blob.status, oci.digest(blob.body)) == (200, one), (repository, tag, one)
        needed |= blobs | {found}
    return needed


def check_images(engine: Endpoint) -> None:
    """Every image can be saved, and its layers are what its configuration says; every layer is read once."""
    for image in engine.get("/images/json", query={"all": 1}).json:
        answer = engine.get(f"/images/{image['Id']}/get")
        assert answer.status == 200, (image, answer)
        check_archive(answer.body, image["Id"])


def check_archive(data: bytes, identity: str) -> None:
    """An image as `docker save` gives it."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:

        def read(name: str) -> bytes:
            file = archive.extractfile(name)
            assert file is not None, name
            return file.read()

        (manifest,) = json.loads(read("manifest.json"))
        config = read(manifest["Config"])
        assert oci.digest(config) == identity
        found = [oci.digest(read(layer)) for layer in manifest["Layers"]]
    assert found == json.loads(config)["rootfs"]["diff_ids"], identity


def half_made(engine: Instance) -> list[str]:
    """Files of the store that nobody works on any more, nor has a use for."""
    images = engine.root / "images"
    return [f"{place}/{name}" for place in ("content/ingest", "trash") for name in os.listdir(images / place)]


def unneeded_layers(engine: Instance) -> set[str]:
    """The layers on disk that no image and no container has. Build caches have some: prune them first."""
    on_disk = {name for name in os.listdir(engine.root / "images/layers") if name != "none"}
    for image in engine.get("/images/json", query={"all": 1}).json:
        data = engine.inspect_image(image["Id"])["GraphDriver"]["Data"]
        places = [data["UpperDir"], *filter(None, data.get("LowerDir", "").split(":"))]
        on_disk -= {part for place in places for part in Path(place).parts}
    return on_disk
