"""Images over the API, where several of its parts must agree."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.endpoint import Endpoint
from tests.support.fake_registry import FakeRegistry
from tests.support.images import busybox_rootfs, tree_tar


@pytest.fixture
def files(tmp_path: Path) -> Iterator[str]:
    """A web server with one file, root.tar."""
    (tmp_path / "root.tar").write_bytes(busybox_rootfs())

    class Files(SimpleHTTPRequestHandler):
        def __init__(self, *words: object) -> None:
            super().__init__(*words, directory=str(tmp_path))  # type: ignore[arg-type]

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{made.server_port}"
        made.shutdown()


def test_an_import_from_a_url(engine: Endpoint, files: str) -> None:
    answer = engine.post(
        "/images/create", query={"fromSrc": f"{files}/root.tar", "repo": "from-afar", "changes": 'CMD ["true"]'}
    )
    first, last = (json.loads(line) for line in answer.body.splitlines())
    assert (answer.status, first) == (200, {"status": f"Downloading from http://{files}/root.tar"})
    shown = engine.get("/images/from-afar/json").json
    assert (shown["Id"], shown["Config"]["Cmd"]) == (last["status"], ["true"])
    assert shown["Comment"] == f"Imported from {files}/root.tar"
    assert engine.delete("/images/from-afar").status == 200
    gone = engine.post("/images/create", query={"fromSrc": f"http://{files}/nothing", "repo": "from-afar"})
    assert gone.status == 404
    assert f"failed to GET http://{files}/nothing with status 404" in gone.message
    assert engine.post("/images/create", query={"fromSrc": "%2Fdata", "repo": "from-afar"}).status == 400


def test_a_repository_without_latest_is_saved_with_all_its_tags(engine: Endpoint) -> None:
    for tag in ("one", "two"):
        assert engine.post("/images/busybox/tag", query={"repo": "many", "tag": tag}).status == 201
    answer = engine.get("/images/many/get")
    assert answer.status == 200
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as tar:
        member = tar.extractfile("manifest.json")
        assert member is not None
        [entry] = json.load(member)
    assert entry["RepoTags"] == ["many:one", "many:two"]
    arm = json.dumps({"os": "linux", "architecture": "arm64"})
    assert engine.get("/images/many:one/get", query={"platform": arm}, version="v1.51").status == 404
    assert engine.get("/images/many:one/json", query={"platform": arm}, version="v1.51").status == 404
    for tag in ("one", "two"):
        assert engine.delete(f"/images/many:{tag}").status == 200


@pytest.mark.parametrize(
    ("asked", "goes"),
    [
        ("prune:b", ["prune:a", "prune:c"]),
        ("", ["prune:a", "prune:b"]),  # by its id: the last name stays
    ],
)
def test_names_that_no_container_was_made_by_are_pruned(engine: Endpoint, asked: str, goes: list[str]) -> None:
    tags = ("prune:a", "prune:b", "prune:c")
    query = {"fromSrc": "-", "repo": "prune", "tag": "a", "changes": "LABEL pruned=1"}
    identity = engine.post("/images/create", tree_tar({"pruned": b""}), query=query).json["status"]
    for tag in tags[1:]:
        engine.docker("tag", "prune:a", tag, check=True)
    engine.create("/x", image=asked or identity)
    for dangling in (True, False):
        filters = json.dumps({"dangling": [str(dangling).lower()], "label": ["pruned"]})
        answer = engine.post("/images/prune", query={"filters": filters}).json
        assert answer["ImagesDeleted"] == (None if dangling else [{"Untagged": name} for name in goes])
    assert sorted(engine.inspect_image(identity)["RepoTags"]) == sorted(set(tags) - set(goes))


@pytest.mark.parametrize("dangling", [True, False])
def test_an_image_whose_names_moved_on_in_two_repositories_is_pruned(engine: Endpoint, dangling: bool) -> None:
    layer = tree_tar({"moved-on": b""})
    with FakeRegistry() as registry:
        names = [f"{registry.host}/{repository}:1" for repository in ("one", "two")]
        for name in names:
            repository = name.partition("/")[2].removesuffix(":1")
            registry.add_image(repository, "1", [layer], config={"Labels": {"moved": "on"}})
            engine.docker("pull", name, check=True)
    identity = engine.inspect_image(names[0])["Id"]
    assert engine.inspect_image(names[1])["Id"] == identity
    for name in names:
        engine.docker("tag", "busybox", name, check=True)
    left = engine.inspect_image(identity)
    assert (left["RepoTags"], len(left["RepoDigests"])) == ([], 2)
    filters = json.dumps({"dangling": [str(dangling).lower()], "label": ["moved=on"]})
    gone = engine.post("/images/prune", query={"filters": filters}).json["ImagesDeleted"]
    assert [{"Untagged": name} for name in left["RepoDigests"]] == gone[:2] and {"Deleted": identity} in gone
    assert engine.get(f"/images/{identity}/json").status == 404
    for name in names:
        engine.docker("rmi", name, check=True)


def test_a_pull_for_no_platform_is_refused_before_a_registry_is_asked(engine: Endpoint) -> None:
    done = engine.docker("pull", "--platform", "foobar", "127.0.0.1:1/nobody/there:1")
    assert done.returncode == 1 and "unknown operating system or architecture: invalid argument" in done.stderr
    query = {"fromImage": "127.0.0.1:1/nobody/there", "tag": "1", "platform": "foobar"}
    assert engine.post("/images/create", query=query).status == 400


def test_an_image_that_says_its_machine_is_for_the_platform(engine: Endpoint) -> None:
    engine.post("/images/load", _archive_of("x86_64", "machine:1"), headers={"Content-Type": "application/x-tar"})
    for architecture, status in (("amd64", 200), ("arm64", 404)):
        platform = json.dumps({"os": "linux", "architecture": architecture})
        answer = engine.get("/images/machine:1/json", query={"platform": platform}, version="v1.49")
        assert answer.status == status, answer


def test_a_name_that_is_loaded_again_is_tagged_no_later(engine: Endpoint) -> None:
    archives = {name: _archive_of("amd64", f"{name}:1") for name in ("again", "other")}
    query = {"quiet": 1}
    for name in ("again", "again", "other", "again"):
        before = engine.get("/images/again:1/json")
        loaded = engine.post("/images/load", archives[name], query=query)
        assert loaded.status == 200 and f"Loaded image: {name}:1" in loaded.body.decode(), loaded
        after = engine.inspect_image("again:1")
        assert sorted(after["RepoTags"])[0] == "again:1"
        if before.status == 200 and name == "again":
            assert after["Metadata"] == before.json["Metadata"]


def _archive_of(architecture: str, name: str) -> bytes:
    """As `docker save` makes it."""
    layer = tree_tar({"x": b""})
    rootfs = {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}
    config = json.dumps({"architecture": architecture, "os": "linux", "config": {}, "rootfs": rootfs}).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    return tree_tar({"config.json": config, "layer.tar": layer, "manifest.json": manifest})
