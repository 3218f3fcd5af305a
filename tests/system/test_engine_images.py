"""Images over the API, where several of its parts must agree."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.endpoint import Endpoint
from tests.support.images import busybox_rootfs


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
