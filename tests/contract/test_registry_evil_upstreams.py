"""The pull-through cache before upstreams that are broken or hostile: nothing that is wrong is kept or given out whole,
nothing stays on the disk for it, and the cache goes on."""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from corral.images.remote.config import RemoteConfig
from corral.registry import asking, download
from corral.registry.upstreams import Upstream
from tests.support import oci
from tests.support.fake_registry import OCI_MANIFEST, Ask, FakeRegistry
from tests.support.registry import Answer, LiveRegistry
from tests.support.wait import eventually

BLOB = random.Random(5).randbytes(300_000)
DIGEST = oci.digest(BLOB)
IMAGE = oci.image([b"good"])
Act = Callable[[Ask], bool]


@pytest.fixture
def upstream() -> Iterator[FakeRegistry]:
    with FakeRegistry() as made:
        made.manifests["app"] = {"v1": (OCI_MANIFEST, IMAGE.manifest), IMAGE.digest: (OCI_MANIFEST, IMAGE.manifest)}
        yield made


@pytest.fixture
def cache(tmp_path: Path, upstream: FakeRegistry) -> Iterator[LiveRegistry]:
    upstreams = (Upstream("*", f"http://{upstream.host}"),)
    with LiveRegistry(tmp_path / "cache", upstreams=upstreams, remote=RemoteConfig(attempts=2)) as made:
        yield made


def endless(ask: Ask) -> bool:
    """A body that does not end, and whose length is not said."""
    ask.send_response(200)
    ask.send_header("Content-Type", OCI_MANIFEST)
    ask.end_headers()
    ask.close_connection = True
    while ask.command != "HEAD":
        ask.wfile.write(bytes(65536))
    return True


def endless_after_a_length(ask: Ask) -> bool:
    return ask.answer(200, Content_Length=str(len(BLOB))) if ask.command == "HEAD" else endless(ask)


def told(length: str) -> Act:
    def act(ask: Ask) -> bool:
        ask.close_connection = True
        return ask.answer(200, BLOB, Content_Length=length)

    return act


def heads(line: bytes) -> Act:
    """Headers without end."""

    def act(ask: Ask) -> bool:
        ask.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            ask.wfile.write(line * 1000)

    return act


def moved(target: str) -> Act:
    return lambda ask: ask.redirect(target)


def round_and_round(ask: Ask) -> bool:
    return ask.redirect(f"{ask.url.path}?{len(ask.server.registry.seen)}")


EVIL: dict[str, Act] = {
    "other bytes": lambda ask: ask.answer(200, BLOB[:-1] + bytes([BLOB[-1] ^ 1])),
    "endless": endless,
    "endless after a length": endless_after_a_length,
    "too long": told("100"),
    "too short": told(str(len(BLOB) + 5)),
    "negative": told("-5"),
    "no number": told("9" * 5000),
    "larger than any disk": told(str(10**18)),
    "a file": moved("file:///etc/passwd"),
    "no address": moved("http://[::1"),
    "no port": moved("http://127.0.0.1:99999/"),
    "round": round_and_round,
    "500": lambda ask: ask.answer(500, b"<html>oops</html>"),
    "a page": lambda ask: ask.answer(200, b"<html>log in</html>", Content_Type="text/html"),
    "another range": lambda ask: ask.answer(206, BLOB[10:], Content_Range=f"bytes 10-{len(BLOB) - 1}/{len(BLOB)}"),
    "a huge manifest": lambda ask: ask.answer(200, b'{"a":"' + b" " * (20 << 20), Content_Type=OCI_MANIFEST),
    "a deep one": lambda ask: ask.answer(200, b'{"manifests":' + b"[" * 500_000, Content_Type=OCI_MANIFEST),
    "a long header": heads(b"X"),
    "many headers": heads(b"X-A: b\r\n"),
}  # fmt: skip


def ask(cache: LiveRegistry, path: str) -> Answer | None:
    """None if the answer broke off."""
    with suppress(http.client.HTTPException, ConnectionError):
        return cache.ask("GET", path)
    return None


def kept(cache: LiveRegistry) -> list[str]:
    """All files of the content store."""
    root = Path(cache.config.root) / "content"
    return [path.name for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", EVIL)
def test_nothing_evil_is_kept_or_given_out(upstream: FakeRegistry, cache: LiveRegistry, name: str) -> None:
    upstream.fault(lambda asked: asked.url.path != "/v2/" and EVIL[name](asked))
    for path in (f"blobs/{DIGEST}", "manifests/v1", f"manifests/{DIGEST}"):
        answer = ask(cache, f"/v2/app/{path}")
        assert answer is None or answer.status == 503, (path, answer)
    tags = ask(cache, "/v2/app/tags/list")
    assert tags is not None and tags.status == 503
    referrers = cache.ask("GET", f"/v2/app/referrers/{DIGEST}")
    assert (referrers.status, referrers.json["manifests"]) == (200, [])
    assert cache.registry.repositories.get("app") is None
    assert not cache.registry.content.digests()
    assert all((Path(cache.config.root) / "content" / "resume" / one).stat().st_size for one in kept(cache))
    upstream.faults.clear()
    upstream.add_blob("app", BLOB)
    cache.registry.proxy._asking._silent.clear()  # type: ignore[union-attr]
    for _ in range(2):  # what came before it broke off may be gone on with, and be found wrong, once
        answer = ask(cache, f"/v2/app/blobs/{DIGEST}")
    assert answer is not None and answer.body == BLOB
    assert kept(cache) == [DIGEST.partition(":")[2]]


@pytest.mark.parametrize("name", EVIL)
def test_what_is_kept_outlives_it(upstream: FakeRegistry, cache: LiveRegistry, name: str) -> None:
    assert cache.ask("GET", "/v2/app/manifests/v1").body == IMAGE.manifest
    upstream.fault(lambda asked: asked.url.path != "/v2/" and EVIL[name](asked))
    answer = cache.ask("GET", "/v2/app/manifests/v1")
    assert (answer.status, answer.body) == (200, IMAGE.manifest)


def test_only_tags_are_tags(upstream: FakeRegistry, cache: LiveRegistry) -> None:
    """Page after page of what is none takes no room."""
    odd = [1, None, {"a": 1}, "../../etc", "UPPER:bad", "<script>", "a" * (1 << 20), "ok"]
    upstream.fault(lambda asked: "/tags/" in asked.path and asked.answer(200, json.dumps({"tags": odd}).encode()))
    assert cache.ask("GET", "/v2/app/tags/list").json["tags"] == ["ok"]


def test_only_descriptors_are_referrers(upstream: FakeRegistry, cache: LiveRegistry) -> None:
    good = {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 5, "annotations": {"a": "b"}, "artifactType": "x"}
    odd = [1, None, {}, {"digest": DIGEST}, good | {"size": "5"}, good | {"annotations": {"a": 1}}]
    odd += [good | {"annotations": []}, good | {"mediaType": 5}, good | {"artifactType": {}}, good | {"digest": "x"}]
    body = json.dumps({"manifests": [*odd, good | {"more": [[]]}]}).encode()
    upstream.fault(lambda asked: "/referrers/" in asked.path and asked.answer(200, body))
    assert cache.ask("GET", f"/v2/app/referrers/{DIGEST}").json["manifests"] == [good]


@contextmanager
def held(upstream: FakeRegistry) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Blobs stop after their first bytes. (set when one has, to be set for the rest)"""
    reached, go = threading.Event(), threading.Event()

    def hold(asked: Ask) -> bool:
        if asked.command == "GET" and "/blobs/" in asked.path and not go.is_set():
            asked.send_response(200)
            asked.send_header("Content-Length", str(len(BLOB)))
            asked.end_headers()
            asked.wfile.write(BLOB[:1000])
            reached.set()
            go.wait(60)
            return asked.hang_up()
        return False

    upstream.fault(hold)
    try:
        yield reached, go
    finally:
        go.set()


def test_what_hardly_comes_is_given_up(
    upstream: FakeRegistry, cache: LiveRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to be there for it; and the next one goes on where it stopped."""
    usual = download.Download._all

    async def once_begun(self: download.Download, *given: Any) -> None:
        await self.begun()  # the time runs from the first bytes on, however late they are
        await usual(self, *given)

    upstream.add_blob("app", BLOB)
    with monkeypatch.context() as patched, held(upstream):
        patched.setattr(download, "PATIENCE", 0.3)
        patched.setattr(download.Download, "_all", once_begun)
        assert ask(cache, f"/v2/app/blobs/{DIGEST}") is None
    answer = ask(cache, f"/v2/app/blobs/{DIGEST}")
    assert answer is not None and answer.body == BLOB
    assert upstream.asked("GET", "/blobs/")[-1][2]["Range"] == "bytes=1000-"


@pytest.mark.parametrize("path", ["manifests/v1", "tags/list", f"blobs/{DIGEST}"])
def test_an_answer_that_does_not_come_to_an_end(
    upstream: FakeRegistry, cache: LiveRegistry, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """As with headers that come by drops."""
    monkeypatch.setattr(asking, "PATIENCE", 0.3)

    def drops(asked: Ask) -> bool:
        if asked.url.path == "/v2/":
            return False
        asked.wfile.write(b"HTTP/1.1 200 OK\r\nA: b")
        asked.rfile.read(1)  # until the other side goes
        return asked.hang_up()

    upstream.fault(drops)
    answer = cache.ask("GET", f"/v2/app/{path}")
    assert answer.status == 503 and b"within 0.3 seconds" in answer.body
    eventually(lambda: all(thread.name != "upstream" for thread in threading.enumerate()), "nobody listens any more")


@pytest.mark.parametrize("path", ["manifests/v1", "tags/list", f"blobs/{DIGEST}"])
def test_an_answer_that_is_announced_without_end(upstream: FakeRegistry, cache: LiveRegistry, path: str) -> None:
    def floods(asked: Ask) -> bool:
        while asked.url.path != "/v2/":
            asked.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
        return False

    upstream.fault(floods)
    answer = cache.ask("GET", f"/v2/app/{path}")
    assert answer.status == 503 and b"too many 1xx informational responses" in answer.body
    eventually(lambda: all(thread.name != "upstream" for thread in threading.enumerate()), "nobody listens any more")


def test_one_upstream_does_not_hold_up_another(upstream: FakeRegistry, tmp_path: Path) -> None:
    upstream.add_blob("app", BLOB)
    with FakeRegistry() as other, held(upstream) as (reached, go):
        other.add_blob("app", b"other")
        upstreams = (Upstream("slow", f"http://{upstream.host}"), Upstream("other", f"http://{other.host}"))
        settings = {"upstreams": upstreams, "remote": RemoteConfig(downloads=1)}
        with LiveRegistry(tmp_path / "cache", **settings) as cache:
            slow: list[Answer | None] = []
            waits = threading.Thread(target=lambda: slow.append(ask(cache, f"/v2/slow/app/blobs/{DIGEST}")))
            waits.start()
            assert reached.wait(20)
            assert cache.ask("GET", f"/v2/other/app/blobs/{oci.digest(b'other')}").body == b"other"
            go.set()
            waits.join()
            assert slow[0] is not None and slow[0].body == BLOB
