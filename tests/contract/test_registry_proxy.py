"""Repositories of other registries: fetched when they are asked for, kept, and there when the other one is not."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from corral.kit.clock import SystemClock
from corral.registry.sweep import sweep
from corral.registry.upstreams import Upstream
from tests.support import oci
from tests.support.fake_registry import Ask, FakeRegistry
from tests.support.registry import LiveRegistry
from tests.support.wait import eventually


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[LiveRegistry]:
    with LiveRegistry(tmp_path / "upstream") as made:
        yield made


@pytest.fixture
def cache(tmp_path: Path, upstream: LiveRegistry) -> Iterator[LiveRegistry]:
    with LiveRegistry(tmp_path / "cache", upstreams=(Upstream("up", f"http://{upstream.name}"),)) as made:
        yield made


def pull(registry: LiveRegistry, name: str, tag: str) -> oci.OciImage:
    """As a client does it."""
    answer = registry.ask("GET", f"/v2/{name}/manifests/{tag}")
    assert answer.status == 200, answer
    root = json.loads(answer.body)
    blobs = []
    for one in [root["config"], *root["layers"]]:
        found = registry.ask("GET", f"/v2/{name}/blobs/{one['digest']}")
        assert (found.status, oci.digest(found.body)) == (200, one["digest"])
        blobs.append(found.body)
    return oci.OciImage(answer.body, blobs)


def asked(registry: LiveRegistry, endpoint: str) -> int:
    """How often it was asked for that."""
    counts = registry.registry.metrics.counts
    return sum(n for (name, labels), n in counts.items() if name == "requests_total" and f'"{endpoint}"' in labels)


def test_what_was_pulled_once_is_here(upstream: LiveRegistry, cache: LiveRegistry) -> None:
    image = oci.image([os.urandom(3_000_000), b"small"])
    upstream.push("team/app", "v1", image)
    assert pull(cache, "up/team/app", "v1") == image
    before = asked(upstream, "blob")
    assert before == 3
    assert pull(cache, "up/team/app", "v1") == image
    assert pull(cache, "up/team/app", image.digest) == image
    assert asked(upstream, "blob") == before
    assert cache.ask("GET", "/v2/_catalog").json == {"repositories": ["up/team/app"]}


def test_it_outlives_its_upstream(tmp_path: Path) -> None:
    image = oci.image([os.urandom(100_000)])
    with LiveRegistry(tmp_path / "upstream") as upstream:
        settings = {"upstreams": (Upstream("*", f"http://{upstream.name}"),)}
        upstream.push("app", "v1", image)
        with LiveRegistry(tmp_path / "cache", **settings) as cache:
            assert pull(cache, "app", "v1") == image
    with LiveRegistry(tmp_path / "cache", **settings) as cache:
        assert pull(cache, "app", "v1") == image
        assert cache.ask("GET", "/v2/app/tags/list").json["tags"] == ["v1"]
        answer = cache.ask("GET", "/v2/app/manifests/v2")
        assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
        assert answer.body.decode().count(f"http://{upstream.name}") == 1
        assert cache.ask("GET", f"/v2/app/blobs/{oci.digest(b'other')}").status == 503


def test_a_tag_that_moved_is_noticed(upstream: LiveRegistry, cache: LiveRegistry) -> None:
    old, new = oci.image([b"old"]), oci.image([b"new"])
    upstream.push("app", "latest", old)
    assert pull(cache, "up/app", "latest") == old
    upstream.push("app", "latest", new)
    assert pull(cache, "up/app", "latest") == new
    assert cache.ask("HEAD", "/v2/up/app/manifests/latest").headers["docker-content-digest"] == new.digest
    upstream.ask("DELETE", "/v2/app/manifests/latest")
    answer = cache.ask("GET", "/v2/up/app/manifests/latest")
    assert (answer.status, answer.codes) == (404, ["MANIFEST_UNKNOWN"])
    assert pull(cache, "up/app", old.digest) == old


def test_a_tag_is_taken_as_it_was_for_a_while(upstream: LiveRegistry, tmp_path: Path) -> None:
    up = Upstream("up", f"http://{upstream.name}")
    old, new = oci.image([b"old"]), oci.image([b"new"])
    with LiveRegistry(tmp_path / "cache", upstreams=(up,), proxy_fresh=3600.0) as cache:
        upstream.push("app", "latest", old)
        assert pull(cache, "up/app", "latest") == old
        upstream.push("app", "latest", new)
        before = asked(upstream, "manifest")
        assert pull(cache, "up/app", "latest") == old and asked(upstream, "manifest") == before


def test_what_is_not_there(upstream: LiveRegistry, cache: LiveRegistry) -> None:
    upstream.push("app", "v1", oci.image([b"x"]))
    missing = oci.digest(b"nothing")
    for path, code in (
        ("nothing/manifests/v1", "MANIFEST_UNKNOWN"),
        ("app/manifests/v2", "MANIFEST_UNKNOWN"),
        (f"app/manifests/{missing}", "MANIFEST_UNKNOWN"),
        (f"app/blobs/{missing}", "BLOB_UNKNOWN"),
        ("nothing/tags/list", "NAME_UNKNOWN"),
        ("UPPER/manifests/v1", "MANIFEST_UNKNOWN"),
        ("app/manifests/.x", "MANIFEST_UNKNOWN"),
    ):
        answer = cache.ask("GET", f"/v2/up/{path}")
        assert (answer.status, answer.codes) == (404, [code]), path


def test_nothing_is_pushed_into_it(upstream: LiveRegistry, cache: LiveRegistry) -> None:
    answer = cache.ask("POST", "/v2/up/app/blobs/uploads/", b"")
    assert (answer.status, answer.codes) == (405, ["UNSUPPORTED"]) and upstream.name in answer.body.decode()
    assert cache.push_manifest("up/app", "v1", b"{}").status == 405
    cache.push("own/app", "v1", oci.image([b"ours"]))
    assert cache.ask("GET", "/v2/own/app/tags/list").json["tags"] == ["v1"]


def test_ranges_heads_and_lists(upstream: LiveRegistry, cache: LiveRegistry) -> None:
    image = oci.image([os.urandom(200_000)])
    upstream.push("app", "v1", image)
    upstream.push("app", "v2", image)
    signature = oci.artifact(oci.descriptor(image.manifest, oci.MANIFEST))
    upstream.push("app", "", signature)
    layer = image.blobs[1]
    head = cache.ask("HEAD", f"/v2/up/app/blobs/{oci.digest(layer)}")
    assert (head.status, head.headers["content-length"]) == (200, str(len(layer)))
    part = cache.ask("GET", f"/v2/up/app/blobs/{oci.digest(layer)}", headers={"Range": "bytes=100-199"})
    assert (part.status, part.body) == (206, layer[100:200])
    assert cache.ask("GET", "/v2/up/app/tags/list?n=1").json["tags"] == ["v1"]
    found = cache.ask("GET", f"/v2/up/app/referrers/{image.digest}").json["manifests"]
    assert [one["digest"] for one in found] == [signature.digest]


def test_an_index_is_kept_without_its_other_platforms(upstream: LiveRegistry, cache: LiveRegistry) -> None:
    one, two = oci.image([b"1"]), oci.image([b"2"], architecture="arm64")
    for image in (one, two):
        upstream.push("app", "", image)
    upstream.push_manifest("app", "all", oci.index(one, two), oci.INDEX)
    assert cache.ask("GET", "/v2/up/app/manifests/all").body == oci.index(one, two)
    assert pull(cache, "up/app", one.digest) == one
    assert not cache.registry.content.has(two.digest)


def test_what_nobody_asks_for_goes(upstream: LiveRegistry, cache: LiveRegistry) -> None:
    image = oci.image([os.urandom(100_000)])
    upstream.push("app", "v1", image)
    cache.push("own", "v1", image)
    cache.ask("DELETE", f"/v2/own/manifests/{image.digest}")
    assert pull(cache, "up/app", "v1") == image

    class Later(SystemClock):
        def now(self) -> int:
            return super().now() + self.more

        more = 6 * 86400 * 10**9

    clock = cache.registry.clock = Later()
    assert pull(cache, "up/app", "v1") == image  # asked for again
    clock.more = 12 * 86400 * 10**9
    cache.run(sweep(cache.registry))
    assert cache.ask("GET", "/v2/_catalog").json == {"repositories": ["up/app"]}
    clock.more = 14 * 86400 * 10**9
    cache.run(sweep(cache.registry))
    assert cache.ask("GET", "/v2/_catalog").json == {"repositories": []}
    assert not any(cache.registry.content.has(oci.digest(blob)) for blob in image.blobs)


def test_several_at_once_are_one_download(tmp_path: Path) -> None:
    with FakeRegistry() as upstream:
        layer = os.urandom(2_000_000)
        image = oci.image([layer])
        digest = oci.digest(image.blobs[1])
        upstream.add_blob("app", image.blobs[1])
        started, go = threading.Event(), threading.Event()

        def hold(ask: Ask) -> bool:
            if ask.command == "GET" and "/blobs/" in ask.path:
                started.set()
                assert go.wait(20)
            return False

        upstream.fault(hold)
        with LiveRegistry(tmp_path / "cache", upstreams=(Upstream("*", f"http://{upstream.host}"),)) as cache:
            answers: list[bytes] = []
            threads = [
                threading.Thread(target=lambda: answers.append(cache.ask("GET", f"/v2/app/blobs/{digest}").body))
                for _ in range(4)
            ]
            for thread in threads:
                thread.start()
            assert started.wait(20)
            go.set()
            for thread in threads:
                thread.join()
            assert answers == [image.blobs[1]] * 4
            assert sum(1 for method, path, _ in upstream.seen if method == "GET" and "/blobs/" in path) == 1


@pytest.mark.parametrize("range_too", [True, False])
def test_a_broken_blob_is_not_given_out(tmp_path: Path, range_too: bool) -> None:
    with FakeRegistry() as upstream:
        data = os.urandom(500_000)
        upstream.blobs["app"] = {oci.digest(data): data[:-1] + bytes([data[-1] ^ 1])}
        with LiveRegistry(tmp_path / "cache", upstreams=(Upstream("*", f"http://{upstream.host}"),)) as cache:
            headers = {"Range": "bytes=0-9"} if range_too else {}
            try:
                answer = cache.ask("GET", f"/v2/app/blobs/{oci.digest(data)}", headers=headers)
                assert answer.status == 503
            except Exception as error:
                assert "IncompleteRead" in repr(error) or "reset" in str(error)
            assert not cache.registry.content.has(oci.digest(data))
            assert cache.registry.repositories.get("app") is None


def test_a_connection_that_breaks_is_gone_on_with(tmp_path: Path) -> None:
    with FakeRegistry() as upstream:
        data = os.urandom(500_000)
        upstream.add_blob("app", data)
        cuts = [100_000, 50_000]
        upstream.fault(
            lambda ask: ask.cut(cuts.pop()) if cuts and ask.command == "GET" and "/blobs/" in ask.path else False
        )
        with LiveRegistry(tmp_path / "cache", upstreams=(Upstream("*", f"http://{upstream.host}"),)) as cache:
            assert cache.ask("GET", f"/v2/app/blobs/{oci.digest(data)}").body == data
        assert not cuts


def test_who_goes_away_leaves_the_download(tmp_path: Path, upstream: LiveRegistry, cache: LiveRegistry) -> None:
    image = oci.image([os.urandom(5_000_000)])
    upstream.push("app", "v1", image)
    digest = oci.digest(image.blobs[1])
    cache.ask("GET", "/v2/up/app/manifests/v1")
    with socket.create_connection((cache.host, cache.port)) as gone:
        gone.sendall(f"GET /v2/up/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert gone.recv(10)
    eventually(lambda: digest in cache.registry.repositories.by_name["up/app"].blobs, "the blob is kept")


def test_a_password_for_the_upstream(tmp_path: Path) -> None:
    from tests.contract.test_registry_access import write_users

    image = oci.image([b"secret"])
    with LiveRegistry(tmp_path / "open") as upstream:
        upstream.push("app", "v1", image)
    (tmp_path / "open").mkdir(exist_ok=True)
    with LiveRegistry(tmp_path / "open", htpasswd=write_users(tmp_path)) as upstream:
        path = tmp_path / "config.json"
        pair = base64.b64encode(b"alice:secret").decode()
        settings = {"upstreams": (Upstream("*", f"http://{upstream.name}"),), "proxy_auth": str(path)}
        path.write_text('{"auths": {}}')
        with LiveRegistry(tmp_path / "cache", **settings) as cache:
            assert cache.ask("GET", "/v2/app/manifests/v1").status == 404
            path.write_text(json.dumps({"auths": {upstream.name: {"auth": pair}}}))
            assert pull(cache, "app", "v1") == image


def test_an_upstream_that_asks_to_wait(tmp_path: Path) -> None:
    image = oci.image([b"x"])
    with FakeRegistry() as upstream:
        upstream.fault(lambda ask: ask.answer(429, b"", Retry_After="900"))
        with LiveRegistry(tmp_path / "cache", upstreams=(Upstream("*", f"http://{upstream.host}"),)) as cache:
            answer = cache.ask("GET", "/v2/app/manifests/v1")
            assert answer.status == 503 and "15 minutes" in answer.json["errors"][0]["message"]
            count = len(upstream.seen)
            assert cache.ask("GET", f"/v2/app/manifests/{image.digest}").status == 503
            assert len(upstream.seen) == count  # it is left alone for a while


def test_it_ends_in_the_middle_of_a_download(tmp_path: Path) -> None:
    """Nobody waits for an upstream that says nothing any more; the next start fetches anew."""
    with FakeRegistry() as upstream:
        data = os.urandom(500_000)
        upstream.add_blob("app", data)
        reached, go = threading.Event(), threading.Event()

        def hold(ask: Ask) -> bool:
            if ask.command == "GET" and "/blobs/" in ask.path and not go.is_set():
                reached.set()
                go.wait(60)
            return False

        upstream.fault(hold)
        settings = {"upstreams": (Upstream("*", f"http://{upstream.host}"),)}
        failures: list[BaseException] = []

        def get(cache: LiveRegistry) -> None:
            try:
                cache.ask("GET", f"/v2/app/blobs/{oci.digest(data)}")
            except (OSError, http.client.HTTPException) as error:
                failures.append(error)

        with LiveRegistry(tmp_path / "cache", **settings) as cache:
            thread = threading.Thread(target=get, args=(cache,))
            thread.start()
            assert reached.wait(20)
        thread.join(20)
        assert not thread.is_alive()
        go.set()
        with LiveRegistry(tmp_path / "cache", **settings) as cache:
            assert cache.ask("GET", f"/v2/app/blobs/{oci.digest(data)}").body == data


def test_a_manifest_that_lies_about_a_blob_that_is_here(upstream: LiveRegistry, cache: LiveRegistry) -> None:
    """Its bytes end before the size that was promised: nobody waits for the rest."""
    honest = oci.image([os.urandom(5000)])
    cache.push("own/app", "v1", honest)
    root = json.loads(honest.manifest)
    size = root["layers"][0]["size"]
    root["layers"][0]["size"] = size + 1000
    upstream.push("team/app", "v1", oci.OciImage(json.dumps(root).encode(), honest.blobs))
    assert cache.ask("GET", "/v2/up/team/app/manifests/v1").status == 200
    answer = cache.ask("GET", f"/v2/up/team/app/blobs/{root['layers'][0]['digest']}")
    assert f"has {size} bytes, not {size + 1000} as its manifest says".encode() in answer.body, answer
    assert answer.status == 503
    assert cache.ask("GET", "/v2/").status == 200


def test_what_is_here_for_others_is_given_out_only_if_the_upstream_has_it(tmp_path: Path) -> None:
    """A manifest names it, at an upstream that takes manifests without what is in them."""
    secret = os.urandom(50_000)
    bait = json.loads(oci.image([b"bait"]).manifest) | {"layers": [oci.descriptor(secret, oci.LAYER)]}
    with LiveRegistry(tmp_path / "upstream", sparse=True) as upstream:
        upstream.push_manifest("mallory", "v1", json.dumps(bait).encode())
        with LiveRegistry(tmp_path / "cache", upstreams=(Upstream("up", f"http://{upstream.name}"),)) as cache:
            digest = cache.push_blob("own/secret", secret)
            assert cache.ask("GET", "/v2/up/mallory/manifests/v1").status == 200
            for headers in ({}, {"Range": "bytes=0-9"}):
                answer = cache.ask("GET", f"/v2/up/mallory/blobs/{digest}", headers=headers)
                assert (answer.status, answer.codes) == (404, ["BLOB_UNKNOWN"])
            upstream.push_blob("mallory", secret)
            before = asked(upstream, "blob")
            for _ in range(2):
                assert cache.ask("GET", f"/v2/up/mallory/blobs/{digest}").body == secret
            assert asked(upstream, "blob") == before + 1  # whether it has it, once; no download


def test_who_joins_another_ones_download_needs_the_upstreams_word_too(tmp_path: Path) -> None:
    with FakeRegistry() as upstream:
        data = os.urandom(500_000)
        digest = oci.digest(data)
        upstream.add_blob("hers", data)
        bait = json.loads(oci.image([b"x"]).manifest) | {"layers": [oci.descriptor(data, oci.LAYER)]}
        upstream.manifests["his"] = {"v1": (oci.MANIFEST, json.dumps(bait).encode())}
        reached, go = threading.Event(), threading.Event()

        def hold(ask: Ask) -> bool:
            if ask.command == "GET" and "/hers/blobs/" in ask.path:
                ask.send_response(200)
                ask.send_header("Content-Length", str(len(data)))
                ask.end_headers()
                ask.wfile.write(data[:100_000])
                reached.set()
                go.wait(20)
                ask.wfile.write(data[100_000:])
                return True
            return False

        upstream.fault(hold)
        with LiveRegistry(tmp_path / "cache", upstreams=(Upstream("*", f"http://{upstream.host}"),)) as cache:
            assert cache.ask("GET", "/v2/his/manifests/v1").status == 200
            found: dict[str, object] = {}

            def get(name: str) -> None:
                found[name] = cache.ask("GET", f"/v2/{name}/blobs/{digest}")

            threads = [threading.Thread(target=get, args=(name,)) for name in ("hers", "his")]
            threads[0].start()
            assert reached.wait(20)
            threads[1].start()
            eventually(lambda: len(cache.registry.proxy._downloads) == 2, "both want it")  # type: ignore[union-attr]
            go.set()
            for thread in threads:
                thread.join(20)
            assert (found["hers"].status, found["hers"].body) == (200, data)  # type: ignore[attr-defined]
            assert (found["his"].status, found["his"].codes) == (404, ["BLOB_UNKNOWN"])  # type: ignore[attr-defined]


def test_a_download_that_breaks_off_is_one_line_of_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """For an administrator: which blob, from where, why. It is no bug of ours."""
    with FakeRegistry() as upstream:
        data = os.urandom(500_000)
        digest = oci.digest(data)
        upstream.blobs["app"] = {digest: data[:-1] + bytes([data[-1] ^ 1])}
        upstreams = (Upstream("*", f"http://{upstream.host}"),)
        cut = pytest.raises((http.client.HTTPException, ConnectionError))
        with LiveRegistry(tmp_path / "cache", upstreams=upstreams) as cache, cut:
            cache.ask("GET", f"/v2/app/blobs/{digest}")
    broken = [record for record in caplog.records if "broke off" in record.getMessage()]
    assert len(broken) == 1 and broken[0].exc_info is None
    assert digest in broken[0].getMessage() and f"http://{upstream.host}" in broken[0].getMessage()
