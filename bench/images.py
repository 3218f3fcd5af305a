"""Images on their way: pulled from one registry, loaded and saved, by each engine in its room.

The image has ten layers of this machine's own files, so it compresses as real ones do. The registry is Debian's
docker-registry, the same for all: one runs in each room meanwhile, on the same data.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from bench.engines import Engine
from tests.support.distribution import Distribution

LAYERS = 10
NAME = "bench/app:1"
SOURCES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib", "/usr/share", "/usr/bin")
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
Sample = Mapping[str, float]


def files() -> Iterator[Path]:
    """Files of this machine, each once, none of them huge, in the same order every time."""
    for source in SOURCES:
        for folder, folders, names in os.walk(source):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if path.is_file() and not path.is_symlink() and path.stat().st_size < 4_000_000:
                    yield path


def layers(mb: int) -> Iterator[bytes]:
    """Tars of `mb` / LAYERS megabytes each."""
    there = files()
    for number in range(LAYERS):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
            while buffer.tell() < mb * 1_000_000 // LAYERS and (path := next(there, None)):
                tar.add(path, f"layer{number}{path}")
        yield buffer.getvalue()


@cache
def prepared(folder: Path, mb: int) -> Path:
    """A folder with `app.tar`, as docker saves images, and `registry/data`, which a docker-registry serves."""
    made = folder / "images"
    made.mkdir()
    tars = list(layers(mb))
    config = json.dumps(_config(tars)).encode()
    with tarfile.open(made / "app.tar", "w") as archive:
        names = [f"layer{number}.tar" for number in range(len(tars))]
        index = [{"Config": "config.json", "RepoTags": [NAME], "Layers": names}]
        for name, data in [*zip(names, tars, strict=True), ("config.json", config), ("manifest.json", _json(index))]:
            _add(archive, name, data)
    with Distribution(made / "registry") as registry:
        _push(registry.port, [config, *(gzip.compress(tar, 6, mtime=0) for tar in tars)])
    return made


def _config(tars: list[bytes]) -> dict[str, Any]:
    diffs = [digest(tar) for tar in tars]
    return {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diffs}}


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def _json(data: object) -> bytes:
    return json.dumps(data).encode()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _push(port: int, blobs: list[bytes]) -> None:
    """The configuration, then the layers."""
    from tests.support.registry import RegistryClient

    client, repository = RegistryClient("127.0.0.1", port), NAME.partition(":")[0]
    kinds = ["application/vnd.docker.container.image.v1+json"]
    kinds += ["application/vnd.docker.image.rootfs.diff.tar.gzip"] * (len(blobs) - 1)
    described = []
    for blob, kind in zip(blobs, kinds, strict=True):
        where = client.start(repository).partition(f":{port}")[2]
        answer = client.ask("PUT", f"{where}&digest={digest(blob)}", blob)
        assert answer.status == 201, answer
        described.append({"mediaType": kind, "size": len(blob), "digest": digest(blob)})
    manifest = {"schemaVersion": 2, "mediaType": DOCKER, "config": described[0], "layers": described[1:]}
    answer = client.push_manifest(repository, NAME.partition(":")[2], _json(manifest), DOCKER)
    assert answer.status == 201, answer


@contextmanager
def serving(engine: Engine, folder: Path) -> Iterator[int]:
    """A docker-registry in the engine's room, on the prepared data: its port."""
    registry = Distribution(folder)
    path = engine.folder / "registry.yml"
    path.write_text(json.dumps(registry._config()))
    with open(engine.folder / "registry.log", "wb") as log:
        process = subprocess.Popen(engine.room.inside(["docker-registry", "serve", str(path)]), stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        probe = engine.room.inside(["sh", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{registry.port}"])
        while subprocess.run(["bash" if w == "sh" else w for w in probe], capture_output=True).returncode:
            if time.monotonic() > deadline:
                raise RuntimeError("no registry in the room: " + (engine.folder / "registry.log").read_text()[-500:])
            time.sleep(0.05)
        yield registry.port
    finally:
        process.terminate()
        process.wait(10)


def _forget(engine: Engine, *names: str) -> None:
    engine.cli("rmi", "--force", *names)
    engine.room.settle()


def pull(engine: Engine, mb: int) -> Sample:
    """`pull` as a user types it, of an image of which nothing is there."""
    folder = prepared(engine.folder.parent, mb)
    with serving(engine, folder / "registry") as port:
        name = f"localhost:{port}/{NAME}"
        flags = ["--tls-verify=false"] if engine.name == "podman" else []
        os.sync()
        begin = time.perf_counter()
        engine.cli("pull", *flags, name)
        seconds = time.perf_counter() - begin
        _forget(engine, name)
    return {"pull": seconds}


def load_and_save(engine: Engine, mb: int) -> Sample:
    """`load` of a file, then `save` into one."""
    folder = prepared(engine.folder.parent, mb)
    saved = engine.folder / "saved.tar"
    name = f"localhost/{NAME}" if engine.name == "podman" else NAME
    os.sync()
    begin = time.perf_counter()
    engine.cli("load", "--input", str(folder / "app.tar"))
    middle = time.perf_counter()
    os.sync()
    start = time.perf_counter()
    engine.cli("save", "--output", str(saved), name)
    end = time.perf_counter()
    saved.unlink()
    _forget(engine, name)
    return {"load": middle - begin, "save": end - start}
