"""Who we are at a registry, what it is told, and what nobody else is told."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from corral.errors import CorralError, RemoteFailed, Unauthorized
from corral.images.content import Content
from corral.images.remote.cancel import Cancel
from corral.images.remote.config import RemoteConfig
from corral.images.remote.endpoints import plan_endpoints
from corral.images.remote.hub import Hub
from corral.images.remote.login import login
from corral.images.remote.refusal import Refusal
from corral.images.remote.repository import Repository
from corral.model.transfer import ANYBODY, Credentials
from tests.support.fake_registry import FakeRegistry, sha256

ME = Credentials("me", "secret")
USERS = {"me": "secret"}


@pytest.fixture
async def hub(tmp_path) -> Hub:  # type: ignore[no-untyped-def]
    return Hub(Content(str(tmp_path)), RemoteConfig(attempts=3), {})


def repository(hub: Hub, registry: FakeRegistry, who: Credentials = ANYBODY, path: str = "app") -> Repository:
    (endpoint,) = plan_endpoints(registry.host, hub.config)
    return Repository(hub.open(endpoint, who, Cancel()), path, Cancel())


def words(registry: FakeRegistry) -> list[str]:
    return [headers.get("Authorization", "") for _, _, headers in registry.seen]


@pytest.fixture(params=["basic", "bearer"])
def locked(request: pytest.FixtureRequest) -> Iterator[FakeRegistry]:
    with FakeRegistry(users=USERS, auth=request.param) as made:
        made.add_image("app", "1", [])
        yield made


def test_a_password_opens(hub: Hub, locked: FakeRegistry) -> None:
    here = repository(hub, locked, ME)
    for _ in range(3):
        here.manifest("1")
    assert len(locked.asked("GET", "/token")) == (1 if locked.auth == "bearer" else 0)  # a token is used again
    assert len(locked.asked("GET", "/v2/app/")) == 3  # and nothing is asked twice


@pytest.mark.parametrize("who", [ANYBODY, Credentials("me", "wrong")])
def test_no_password_or_a_wrong_one(hub: Hub, locked: FakeRegistry, who: Credentials) -> None:
    with pytest.raises(Refusal, match=r"UNAUTHORIZED|no basic auth credentials") as refused:
        repository(hub, locked, who).manifest("1")
    assert refused.value.status == 401
    assert len(locked.seen) <= 5  # no loop


def test_anybody_may_pull(hub: Hub) -> None:
    with FakeRegistry(users=USERS, auth="bearer") as registry:
        registry.anonymous_pull = True
        registry.add_image("app", "1", [])
        repository(hub, registry).manifest("1")
        assert all(not word.startswith("Basic") for word in words(registry))


def test_a_token_that_ran_out_is_asked_for_anew(hub: Hub) -> None:
    with FakeRegistry(users=USERS, auth="bearer") as registry:
        registry.add_image("app", "1", [])
        here = repository(hub, registry, ME)
        here.manifest("1")
        header = f'Bearer realm="{registry.url}/token",service="fake"'
        registry.fault(
            lambda ask: "/manifests/" in ask.path and ask.refuse(401, "UNAUTHORIZED", WWW_Authenticate=header), times=1
        )
        here.manifest("1")
        assert len(registry.asked("GET", "/token")) == 2


# Login.


def test_login(hub: Hub, locked: FakeRegistry) -> None:
    token = login(hub, Credentials("me", "secret", server=locked.host), Cancel())
    assert token == ("identity-me" if locked.auth == "bearer" else "")
    if token:  # it opens instead of the password
        locked.seen.clear()
        repository(hub, locked, Credentials(identity_token=token)).manifest("1")
        assert [method for method, path, _ in locked.seen if path.startswith("/token")] == ["POST"]


def test_login_with_a_wrong_password(hub: Hub, locked: FakeRegistry) -> None:
    said = {
        "basic": rf"login attempt to {locked.url}/v2/ failed with status: 401 Unauthorized",
        "bearer": rf'Get "{locked.url}/v2/": unauthorized: incorrect username or password',
    }
    with pytest.raises(Unauthorized, match=said[locked.auth]):
        login(hub, Credentials("me", "wrong", server=locked.url), Cancel())


def test_login_where_nobody_asks_who_we_are(hub: Hub) -> None:
    with FakeRegistry() as registry:
        assert login(hub, Credentials("me", "x", server=f"http://{registry.host}/v2/"), Cancel()) == ""


# What others are told.


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_a_redirect_to_another_server_is_not_told_who_we_are(hub: Hub, auth: str) -> None:
    with FakeRegistry(users=USERS, auth=auth) as registry, FakeRegistry() as other:
        digest = other.add_blob("app", b"blob")
        other.fault(
            lambda ask: ask.refuse(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="give it to me"'), times=1
        )
        registry.add_image("app", "1", [])
        registry.fault(lambda ask: "/blobs/" in ask.path and ask.redirect(f"{other.url}{ask.path}"))
        here = repository(hub, registry, ME)
        here.manifest("1")
        with pytest.raises(Refusal):
            here.blob(digest)
        with here.blob(digest).reply as reply:
            assert reply.read(10) == b"blob"
        assert words(other) == ["", ""]


def test_a_redirect_away_from_tls_is_refused(hub: Hub) -> None:
    from corral.images.remote.session import Session
    from corral.images.remote.wire import Reply

    class Redirecting:
        status, url, headers = 307, "", {"Location": "http://plain.example/"}

        def header(self, name: str) -> str:
            return self.headers.get(name, "")

        def close(self) -> None:
            pass

    (endpoint,) = plan_endpoints("reg.example", hub.config)
    session = Session(hub.wire, endpoint, "https")
    reply: Reply = Redirecting()  # type: ignore[assignment]
    with pytest.raises(RemoteFailed, match="not protected by TLS: refused"):
        session._redirected(reply, "https://reg.example/v2/a/blobs/x")


def test_redirects_without_end(hub: Hub) -> None:
    with FakeRegistry() as registry:
        registry.fault(lambda ask: "/blobs/" in ask.path and ask.redirect(ask.path + "x"))
        with pytest.raises(RemoteFailed, match="stopped after 10 redirects"):
            repository(hub, registry).blob(sha256(b""))
        assert len(registry.asked("GET", "/blobs/")) <= 12


@pytest.mark.parametrize(
    "realm", ["ftp://x/", "javascript:1", "", "http://user:pw@x/", "http://[", "file:///etc/passwd"]
)
def test_token_servers_that_are_none(hub: Hub, realm: str) -> None:
    with FakeRegistry() as registry:
        registry.fault(lambda ask: ask.refuse(401, "UNAUTHORIZED", WWW_Authenticate=f'Bearer realm="{realm}"'))
        with pytest.raises((RemoteFailed, Refusal)):
            repository(hub, registry, ME).manifest("1")


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"{}", b'{"token":""}', b'{"token":5}', b'{"token":"a\\nb"}', b"x" * 2_000_000]
)
def test_tokens_that_are_none(hub: Hub, answer: bytes) -> None:
    with FakeRegistry(users=USERS, auth="bearer") as registry:
        registry.fault(lambda ask: ask.path.startswith("/token") and ask.answer(200, answer))
        with pytest.raises(CorralError):
            repository(hub, registry, ME).manifest("1")


def test_a_mirror_is_asked_first_and_not_told_who_we_are(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from corral.images.references import parse

    with FakeRegistry(users=USERS, auth="basic") as registry, FakeRegistry() as mirror:
        hub = Hub(Content(str(tmp_path)), RemoteConfig(mirrors={registry.host: [f"{mirror.url}/cache"]}), {})
        registry.add_image("app", "1", [])
        ref = parse(f"{registry.host}/app:1")
        assert hub.resolve(ref, "1", ME, Cancel()).repository.session.endpoint.host == registry.host
        assert mirror.asked("GET", "/v2/cache/app/manifests/1")
        mirror.add_image("cache/app", "1", [])
        registry.seen.clear()
        assert hub.resolve(ref, "1", ME, Cancel()).repository.session.endpoint.host == mirror.host
        assert registry.seen == [] and set(words(mirror)) == {""}
        hub.close()


def test_pages_of_tags(hub: Hub) -> None:
    with FakeRegistry() as registry:
        for n in range(7):
            registry.add_image("app", f"t{n}", [])
        assert repository(hub, registry).tags() == [f"t{n}" for n in range(7)]
        registry.fault(
            lambda ask: "/tags/" in ask.path and ask.answer(200, b'{"tags":["a"]}', Link=f'<{ask.path}>; rel="next"')
        )
        assert repository(hub, registry).tags() == ["a"]  # a page that follows itself


def hangs_up_on_tls(listener: socket.socket, abruptly: bool, others: list[str]) -> None:
    """Answers HTTP; whoever says anything else is left alone, and noted."""
    while True:
        try:
            link, _ = listener.accept()
        except OSError:
            return
        with link:
            if link.recv(1, socket.MSG_PEEK) == b"G":
                link.recv(4096)
                link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                continue
            others.append("TLS")
            if abruptly:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                link.recv(4096)


@pytest.mark.parametrize("abruptly", [False, True], ids=["closed", "reset"])
def test_who_hangs_up_on_tls_is_asked_without(hub: Hub, abruptly: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        greetings: list[str] = []
        thread = threading.Thread(target=hangs_up_on_tls, args=(listener, abruptly, greetings))
        thread.start()
        try:
            host = f"127.0.0.1:{listener.getsockname()[1]}"
            (endpoint,) = plan_endpoints(host, hub.config)
            assert hub.open(endpoint, ANYBODY, Cancel()).origin == f"http://{host}"
            assert greetings == ["TLS"]  # not after all the tries that TLS is given
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
