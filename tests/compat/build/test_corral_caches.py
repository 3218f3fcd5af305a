"""`corral build --cache-to` and `--cache-from` with type=local: a directory that outlives the instance's own cache."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compat.build.builds import Builds
from tests.support import oci
from tests.support.instance import Instance, instance
from tests.support.registry import LiveRegistry
from tests.support.tools import needs

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

TEXT = """FROM busybox AS one
RUN echo 1 > /x
FROM busybox
COPY --from=one /x /x
RUN cat /x > /y
"""
TAG = "org.opencontainers.image.ref.name"


@pytest.fixture(scope="module")
def engine() -> Iterator[Instance]:
    with instance("--registry", "off") as subject:
        yield subject
        subject.remove_everything()


@pytest.fixture
def build(engine: Instance, tmp_path: Path) -> Iterator[Builds]:
    (tmp_path / "context").mkdir()
    yield Builds(engine, tmp_path / "context")
    forget(engine)


def forget(engine: Instance) -> None:
    """What builds keep, and their images: nothing is found here any more."""
    for image in engine.get("/images/json").json:
        if not any("busybox" in tag for tag in image["RepoTags"] or ()):
            engine.delete(f"/images/{image['Id']}", query={"force": "1"})
    engine.post("/build/prune", query={"all": "1"})


def cached(said: str) -> set[str]:
    """The steps that were found, of the plain display."""
    names = {}
    found = set()
    for line in said.splitlines():
        number, _, rest = line.partition(" ")
        if rest.startswith("["):
            names[number] = rest.partition("] ")[2]
        elif rest == "CACHED":
            found.add(names[number])
    return found


def document(folder: Path, digest: str) -> Any:
    data = (folder / "blobs" / digest.replace(":", "/")).read_bytes()
    assert f"sha256:{hashlib.sha256(data).hexdigest()}" == digest
    return json.loads(data)


def manifest(folder: Path, tag: str = "latest") -> Any:
    index = json.loads((folder / "index.json").read_bytes())
    (entry,) = [one for one in index["manifests"] if one["annotations"][TAG] == tag]
    return document(folder, entry["digest"])


def put(folder: Path, data: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    (folder / "blobs/sha256").mkdir(parents=True, exist_ok=True)
    (folder / "blobs/sha256" / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def test_what_one_build_writes_another_machine_s_finds(engine: Instance, build: Builds, tmp_path: Path) -> None:
    whole, small = tmp_path / "max", tmp_path / "min"
    to = ("--cache-to", f"type=local,dest={whole},mode=max", "--cache-to", f"type=local,dest={small}")
    build(TEXT, *to, "--progress", "plain")
    every = {"RUN echo 1 > /x", "COPY --from=one /x /x", "RUN cat /x > /y"}
    for folder in (whole, small):
        forget(engine)
        done = build(TEXT, "--cache-from", f"type=local,src={folder}", "--progress", "plain")
        assert cached(done.stderr) == every, done.stderr
    assert cached(build(TEXT, "--progress", "plain").stderr) == every, "what was brought is kept"


STAGES = """FROM busybox AS first
COPY src /src
RUN cat /src /proc/sys/kernel/random/uuid > /one
FROM busybox AS second
COPY --from=first /one /two
RUN cat /proc/sys/kernel/random/uuid >> /two
FROM busybox
ARG A=1
RUN echo $A > /a
RUN --mount=from=first,source=/one,target=/one cat /one > /three
COPY --from=second /two /two
COPY top /top
"""
RANDOM = {"RUN cat /src /proc/sys/kernel/random/uuid > /one", "RUN cat /proc/sys/kernel/random/uuid >> /two"}


@pytest.mark.parametrize("kind", ["min", "max"])
def test_stages_that_are_only_copied_from_are_not_made_again(
    engine: Instance, build: Builds, tmp_path: Path, kind: str
) -> None:
    """As by BuildKit's own, measured with an inline cache: they are made again only for what they are needed for."""

    cache = tmp_path / "cache"

    def run(*args: str, src: str = "1", top: str = "1") -> set[str]:
        forget(engine)
        words = ("--cache-from", f"type=local,src={cache}", "--progress", "plain", *args)
        return cached(build(STAGES, *words, src=src, top=top).stderr)

    build(STAGES, "--cache-to", f"type=local,dest={cache},mode={kind}", src="1", top="1")
    unchanged = run()
    assert unchanged >= RANDOM and "COPY top /top" in unchanged
    found = run(top="2")  # the last step reads another file
    assert found == unchanged - {"COPY top /top"}
    assert not run(src="2") & RANDOM  # the first step of all does, and what follows is made anew
    found = run("--build-arg", "A=2")  # the steps that read stages stand on something else: the stages are needed
    assert (found & RANDOM == RANDOM) is (kind == "max")
    assert not run("--no-cache") & RANDOM and not run("--no-cache-filter", "first") & RANDOM


def test_the_directory_is_as_buildkit_writes_it(build: Builds, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    build(TEXT, "--cache-to", f"type=local,dest={cache},mode=max,image-manifest=true,oci-mediatypes=true")
    assert json.loads((cache / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    found = manifest(cache)
    assert found["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert found["config"]["mediaType"] == "application/vnd.buildkit.cacheconfig.v0"
    config = document(cache, found["config"]["digest"])
    blobs = [layer["digest"] for layer in found["layers"]]
    assert [layer["blob"] for layer in config["layers"]] == blobs and len(blobs) >= 2
    assert all(layer["parent"] == -1 and layer["annotations"]["diffID"] for layer in config["layers"])
    assert all(record["digest"].startswith("sha256:") for record in config["records"])
    assert {result["layer"] for record in config["records"] for result in record["layers"]} <= set(range(len(blobs)))
    for layer in found["layers"]:
        data = (cache / "blobs" / layer["digest"].replace(":", "/")).read_bytes()
        assert len(data) == layer["size"] and f"sha256:{hashlib.sha256(data).hexdigest()}" == layer["digest"]


@needs("skopeo")
def test_other_tools_take_it_for_a_layout(build: Builds, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    build(TEXT, "--cache-to", f"type=local,dest={cache}")
    raw = subprocess.run(
        ["skopeo", "inspect", "--raw", f"oci:{cache}:latest"], capture_output=True, check=True, timeout=60
    )
    assert json.loads(raw.stdout) == manifest(cache)


@pytest.mark.parametrize("compression", ["gzip", "zstd", "uncompressed"])
def test_compression(engine: Instance, build: Builds, tmp_path: Path, compression: str) -> None:
    cache = tmp_path / "cache"
    build(TEXT, "--cache-to", f"type=local,dest={cache},compression={compression},force-compression=true")
    begin = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd", "uncompressed": b""}[compression]
    end = {"gzip": ".tar+gzip", "zstd": ".tar+zstd", "uncompressed": ".tar"}[compression]
    for layer in manifest(cache)["layers"]:
        assert layer["mediaType"].endswith(end)
        assert (cache / "blobs" / layer["digest"].replace(":", "/")).read_bytes().startswith(begin)
    forget(engine)
    done = build(TEXT, "--cache-from", f"type=local,src={cache}", "--progress", "plain")
    assert "RUN cat /x > /y" in cached(done.stderr)


def test_tags_and_reset(engine: Instance, build: Builds, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    build(TEXT, "--cache-to", f"type=local,dest={cache},tag=a")
    other = TEXT.replace("echo 1", "echo 2")
    build(other, "--cache-to", f"type=local,dest={cache},tag=b")
    assert {layer["digest"] for layer in manifest(cache, "a")["layers"]} != {
        layer["digest"] for layer in manifest(cache, "b")["layers"]
    }
    forget(engine)
    done = build(TEXT, "--cache-from", f"type=local,src={cache},tag=a", "--progress", "plain")
    assert "RUN cat /x > /y" in cached(done.stderr)
    before = set((cache / "blobs/sha256").iterdir())
    build("FROM busybox\nRUN echo 3 > /z\n", "--cache-to", f"type=local,dest={cache},tag=a,reset=true")
    after = set((cache / "blobs/sha256").iterdir())
    assert before - after, "what only the old tag needed is gone"
    needed = {layer["digest"].partition(":")[2] for tag in "ab" for layer in manifest(cache, tag)["layers"]}
    assert needed <= {path.name for path in after}


def test_one_that_is_not_there_is_told_and_is_no_failure(build: Builds, tmp_path: Path) -> None:
    done = build(TEXT, "--cache-from", f"type=local,src={tmp_path}/no")
    assert f"WARNING: local cache import at {tmp_path}/no not found due to err:" in done.stderr
    build(TEXT, "--cache-to", f"type=local,dest={tmp_path}/yes")
    done = build(TEXT, "--cache-from", f"type=local,src={tmp_path}/yes,tag=other")
    assert "no digest found for tag other" in done.stderr


def written_by_buildkit(folder: Path, name: str) -> tuple[bytes, list[bytes]]:
    """By hand, after BuildKit's description of the format: as an image manifest, or in the older form of an index;
    with its blobs."""
    layer = put(folder, bytes(1024)) | {"mediaType": "application/vnd.oci.image.layer.v1.tar"}
    about = {"mediaType": layer["mediaType"], "diffID": layer["digest"], "size": 1024}
    records = [
        {"digest": f"sha256:{'1' * 64}"},
        {
            "digest": f"sha256:{'2' * 64}",
            "inputs": [[{"link": 0}]],
            "layers": [{"layer": 0, "createdAt": "2024-01-01T00:00:00Z"}],
        },
    ]
    text = json.dumps({"layers": [{"blob": layer["digest"], "parent": -1, "annotations": about}], "records": records})
    config = put(folder, text.encode()) | {"mediaType": "application/vnd.buildkit.cacheconfig.v0"}
    forms: dict[str, dict[str, Any]] = {
        "manifest": {"mediaType": oci.MANIFEST, "config": config, "layers": [layer]},
        "index": {"mediaType": oci.INDEX, "manifests": [layer, config]},
    }
    data = json.dumps({"schemaVersion": 2} | forms[name]).encode()
    entry = put(folder, data) | {"mediaType": forms[name]["mediaType"], "annotations": {TAG: "latest"}}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return data, [bytes(1024), text.encode()]


@pytest.mark.parametrize("form", ["manifest", "index"])
def test_a_cache_that_buildkit_wrote_is_refused_in_words(
    engine: Instance, build: Builds, tmp_path: Path, form: str
) -> None:
    words = "it was written by BuildKit, whose cache keys are digests of its own build graph"
    data, blobs = written_by_buildkit(tmp_path / "cache", form)
    assert words in build(TEXT, "--cache-from", f"type=local,src={tmp_path}/cache", "--progress", "plain").stderr
    forget(engine)
    with LiveRegistry(tmp_path / "registry") as registry:
        for blob in blobs:
            registry.push_blob("team/cache", blob)
        kind = {"manifest": oci.MANIFEST, "index": oci.INDEX}[form]
        assert registry.push_manifest("team/cache", "v1", data, kind).status == 201
        ref = f"{registry.name}/team/cache:v1"
        done = build(TEXT, "--cache-from", f"type=registry,ref={ref}", "--progress", "plain")
        assert f"cache {ref} cannot be used: {words}" in done.stderr


def test_a_registry_has_the_same_form_of_cache(engine: Instance, build: Builds, tmp_path: Path) -> None:
    with LiveRegistry(tmp_path / "registry") as registry:
        ref = f"{registry.name}/team/cache:v1"
        options = "image-manifest=true,oci-mediatypes=true,compression=gzip,ignore-error=false"
        build(TEXT, "--cache-to", f"type=registry,ref={ref},mode=max,{options}")
        found = json.loads(registry.ask("GET", "/v2/team/cache/manifests/v1").body)
        assert found["config"]["mediaType"] == "application/vnd.buildkit.cacheconfig.v0"
        forget(engine)
        done = build(TEXT, "--cache-from", f"type=registry,ref={ref}", "--progress", "plain")
        assert cached(done.stderr) >= {"RUN echo 1 > /x", "RUN cat /x > /y"}


def test_damage_is_told_and_the_step_is_made(engine: Instance, build: Builds, tmp_path: Path) -> None:
    cache, text = tmp_path / "cache", "FROM busybox\nRUN echo damaged > /d\n"
    build(text, "--cache-to", f"type=local,dest={cache}")
    (layer,) = manifest(cache)["layers"]
    blob = cache / "blobs" / layer["digest"].replace(":", "/")
    whole = blob.read_bytes()
    for damaged in (whole[:-9] + bytes(9), whole + b"more"):
        blob.write_bytes(damaged)
        forget(engine)
        done = build(text, "--cache-from", f"type=local,src={cache}", "--progress", "plain")
        assert cached(done.stderr) == set() and "cache of RUN echo damaged > /d: " in done.stderr, done.stderr
    blob.write_bytes(whole)
    forget(engine)
    assert cached(build(text, "--cache-from", f"type=local,src={cache}", "--progress", "plain").stderr)


def test_a_place_that_cannot_be_written(build: Builds, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    failed = build(TEXT, "--cache-to", f"type=local,dest={tmp_path}/file", ok=False)
    assert f"open {tmp_path}/file: not a directory" in failed.stderr


def test_a_cache_that_cannot_be_exported(build: Builds) -> None:
    nowhere = "type=registry,ref=127.0.0.1:9/cache"
    assert "127.0.0.1:9" in build(TEXT, "--cache-to", nowhere, ok=False).stderr
    done = build(TEXT, "--cache-to", f"{nowhere},ignore-error=true", "--progress", "plain")
    assert "cache-to type=registry: " in done.stderr


REFUSED = {
    "type=local": "local cache exporter requires dest",
    "type=registry": "registry cache exporter requires ref",
    "type=gha": '--cache-to: "gha" caches are not offered; registry, inline and local are',
    "type=local,dest=x,mode=mid": '--cache-to: mode "mid" is neither min nor max',
    "type=local,dest=x,compression=estargz": "compression=estargz is not supported: gzip, zstd, uncompressed are",
    "type=local,dest=x,compression-level=99": "compression-level=99 is no level of gzip: 0 to 9 are",
    "type=local,dest=x,image-manifest=false": "image-manifest=false is not supported",
    "type=local,dest=x,oci-mediatypes=false": "oci-mediatypes=false is not supported",
    "type=local,dest=x,ignore-error=maybe": "ignore-error=maybe is neither true nor false",
    "type=local,dest=x,reset=maybe": "reset=maybe is neither true nor false",
    "type=local,dest=x,nonsense=1": "the option nonsense is not supported",
    "type=inline,compression=zstd": "cache-to type=inline: the option compression is not supported",
    "type=registry,ref=a/b,compression=zstd": "compression=zstd is not supported: gzip is",
    "type=registry,ref=a/b,force-compression=true": "force-compression is not supported",
}


@pytest.mark.parametrize("words", REFUSED)
def test_each_option_is_carried_out_or_refused_by_name(build: Builds, tmp_path: Path, words: str) -> None:
    given = words.replace("dest=x", f"dest={tmp_path}/x")
    failed = build("FROM scratch\nCOPY a /\n", "--cache-to", given, ok=False, a="1")
    assert REFUSED[words] in failed.stderr
    assert not (tmp_path / "x").exists()
