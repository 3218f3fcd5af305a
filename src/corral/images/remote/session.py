"""Session: one registry as one user: who we are there, redirects, tries, and what its errors mean. Blocking.

Credentials go to the registry itself and to the token server that it names, to nobody else: a redirect, or an upload's
address on another server, is followed without them.
"""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from corral.errors import RemoteFailed
from corral.images.remote.cancel import Cancel
from corral.images.remote.challenge import Challenge, choose, parse_challenges
from corral.images.remote.endpoints import Endpoint
from corral.images.remote.refusal import NOBODY, Refusal, parse_refusal
from corral.images.remote.retry import parse_retry_after, plan_retry
from corral.images.remote.tokens import Token, ask_for_token
from corral.images.remote.wire import Body, Reply, Wire, WireError, pointed
from corral.model.transfer import ANYBODY, Credentials

T = TypeVar("T")
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS, _ERROR_BODY = 10, 64 << 10
Waits = Callable[[float], None]  # told before a pause, in seconds


class Session:
    """Made with `open_session`, which finds out the scheme. `origin` is "https://host:port"."""

    def __init__(
        self, wire: Wire, endpoint: Endpoint, scheme: str, credentials: Credentials = ANYBODY,
        agent: str = "corral", attempts: int = 5, *, login: bool = False,
        rides_out: bool = False,
    ) -> None:  # fmt: skip
        self._wire, self._credentials, self._agent, self._attempts = wire, credentials, agent, attempts
        self._login = login
        self.endpoint = endpoint
        self.origin = f"{scheme}://{endpoint.host}"
        self.challenge: Challenge | None = None
        self._lock = threading.Lock()
        self._tokens: dict[tuple[str, ...], Token] = {}
        self.identity_token = ""  # what a login with a password gave to be used from now on
        self.rides_out = rides_out
        self.under_way = False  # it has answered what we asked for: what fails from now on may pass

    # Requests.

    def send(
        self, method: str, url: str, *, scopes: Iterable[str] = (), headers: Mapping[str, str] | None = None,
        body: Body = None, cancel: Cancel, good: Iterable[int] = (200,),
    ) -> Reply:  # fmt: skip
        """One request, authorized as the registry wants it, redirects of reading followed. `url` may be a path.

        Refusal for another status than the good ones; WireError.
        """
        wanted = tuple(sorted(set(scopes)))
        url = urljoin(self.origin, url)
        asked = False
        for _ in range(_MOST_REDIRECTS + 2):
            sent = {"User-Agent": self._agent, **(headers or {}), **self._authorization(url, wanted, cancel)}
            reply = self._wire.request(
                method, url, sent, body=body, insecure=self.endpoint.insecure, cancel=cancel
            )  # fmt: skip
            if reply.status == 401 and not asked and self._ours(url):
                asked = True
                if self._challenged(method, reply, wanted):
                    continue
            if reply.status in _REDIRECTS and method in ("GET", "HEAD") and reply.header("Location"):
                url = self._redirected(reply, url)
                continue
            if reply.status in good:
                self.under_way = self.rides_out
                return reply
            raise _refused(reply, url)
        raise RemoteFailed(f"{method} {url}: stopped after {_MOST_REDIRECTS} redirects")

    def _redirected(self, reply: Reply, url: str) -> str:
        reply.close()
        target = pointed(url, reply.header("Location"))
        if url.startswith("https:") and not target.startswith("https:"):
            raise RemoteFailed(f"{url} redirects to {target[:200]}, which is not protected by TLS: refused")
        return target

    def _ours(self, url: str) -> bool:
        return origin(url) == origin(self.origin)

    # Who we are.

    def _authorization(self, url: str, scopes: tuple[str, ...], cancel: Cancel) -> dict[str, str]:
        if not self._ours(url):
            return {}
        if self._credentials.registry_token:
            return {"Authorization": f"Bearer {self._credentials.registry_token}"}
        challenge = self.challenge
        if challenge is None:
            return {}
        if challenge.scheme == "basic":
            return basic(self._credentials)
        return {"Authorization": f"Bearer {self._token(challenge, scopes, cancel).text}"}

    def _challenged(self, method: str, reply: Reply, scopes: tuple[str, ...]) -> bool:
        """Is there something better to answer this 401 with than what was sent? Closes the reply if so. Refusal if a
        password is needed, and there is none."""
        challenge = choose(parse_challenges(reply.headers.get_all("WWW-Authenticate") or []))
        if challenge is None or self._credentials.registry_token:
            return False
        if challenge.scheme == "basic":
            if self._credentials.anonymous:
                reply.close()
                message = f'{method.capitalize()} "{reply.url}": no basic auth credentials'
                raise Refusal(401, NOBODY, message, reply.url)
            if self.challenge is not None and self.challenge.scheme == "basic":
                return False  # our password was sent, and refused
        reply.close()
        with self._lock:
            self.challenge = challenge
            self._tokens.pop(scopes, None)
        return True

    def _token(self, challenge: Challenge, scopes: tuple[str, ...], cancel: Cancel) -> Token:
        with self._lock:
            token = self._tokens.get(scopes)
            if token is None or token.until < time.monotonic():
                fetch = self._fetch_token(cancel)
                token = ask_for_token(
                    fetch, challenge, scopes, self._credentials, self.origin, login=self._login
                )  # fmt: skip
                self._tokens[scopes] = token
                self.identity_token = token.identity or self.identity_token
        return token

    def _fetch_token(self, cancel: Cancel) -> Callable[[str, str, Mapping[str, str], bytes | None], bytes]:
        def fetch(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
            insecure = self.endpoint.insecure and self._ours(url)
            sent = {"User-Agent": self._agent, **headers}

            def once() -> bytes:
                with self._wire.request(method, url, sent, body=body, insecure=insecure, cancel=cancel) as reply:
                    if reply.status != 200:
                        raise _refused(reply, url)
                    return reply.read(1 << 20)

            return self.persist(once, cancel)

        return fetch

    # Tries.

    def persist(self, work: Callable[[], T], cancel: Cancel, waits: Waits = lambda seconds: None) -> T:
        """Does it again while that makes sense. Raises what the last try raised."""
        attempt = 0
        while True:
            cancel.check()
            try:
                return work()
            except (WireError, Refusal) as error:
                delay = retry_delay(error, attempt, self._attempts, under_way=self.under_way)
                if delay < 0:
                    raise
            waits(delay)
            cancel.wait(delay)
            attempt += 1

    def ping(self, cancel: Cancel) -> None:
        """Is a registry there? Learns how it wants to be spoken to. WireError; any answer is one."""
        with self._wire.request(
            "GET", f"{self.origin}/v2/", {"User-Agent": self._agent}, insecure=self.endpoint.insecure, cancel=cancel
        ) as reply:  # fmt: skip
            if reply.status == 401:
                with contextlib.suppress(Refusal):  # an answer all the same; the next request will say it again
                    self._challenged("GET", reply, ())


def retry_delay(error: WireError | Refusal, attempt: int, attempts: int, *, under_way: bool) -> float:
    """As `plan_retry`; nobody being there is a failure that may pass only where somebody has been."""
    if isinstance(error, WireError):
        broken = error.passing or (error.down and under_way)
        return plan_retry(attempt, attempts, broken=broken, under_way=under_way)
    return plan_retry(attempt, attempts, status=error.status, after=error.after, under_way=under_way)


def _refused(reply: Reply, url: str) -> Refusal:
    after = parse_retry_after(reply.header("Retry-After"), time.time())
    with reply:
        body = b""
        for data in reply.pieces():
            body += data
            if len(body) > _ERROR_BODY:
                break
    return parse_refusal(reply.status, body, url, after)


def basic(credentials: Credentials) -> dict[str, str]:
    """
    >>> basic(Credentials("me", "pw"))
    {'Authorization': 'Basic bWU6cHc='}
    """
    if not credentials.username and not credentials.password:
        return {}
    pair = f"{credentials.username}:{credentials.password}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: who a URL speaks to. Pure.

    >>> origin("HTTPS://A.example/x") == origin("https://a.example:443/y"), origin("http://a") == origin("https://a")
    (True, False)
    """
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
