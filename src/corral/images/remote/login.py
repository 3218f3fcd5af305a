"""Login: are these credentials good at this registry, and is there a token to use instead of the password? Blocking."""

from __future__ import annotations

import http

from corral.errors import CorralError, RemoteFailed, Unauthorized
from corral.images.remote.cancel import Cancel
from corral.images.remote.endpoints import login_domain, plan_endpoints
from corral.images.remote.hub import Hub
from corral.images.remote.refusal import Refusal
from corral.model.transfer import Credentials


def login(hub: Hub, credentials: Credentials, cancel: Cancel) -> str:
    """The identity token, "" if the registry gives none. Unauthorized, RemoteFailed in Docker's words; WireError."""
    (endpoint,) = plan_endpoints(login_domain(credentials.server), hub.config, push=True)
    session = hub.open(endpoint, credentials, cancel, login=True)
    url = f"{session.origin}/v2/"
    try:
        session.persist(lambda: session.send("GET", url, cancel=cancel).close(), cancel)
    except Refusal as refusal:
        raise explain_login(refusal, url) from refusal
    return session.identity_token


def explain_login(refusal: Refusal, url: str) -> CorralError:
    """Pure.

    >>> explain_login(Refusal(401, "UNAUTHORIZED", "authentication required", "http://r/v2/"), "http://r/v2/").message
    'login attempt to http://r/v2/ failed with status: 401 Unauthorized'
    >>> explain_login(Refusal(401, "UNAUTHORIZED", "incorrect username or password", "https://a/"), "https://r/v2/").message
    'Get "https://r/v2/": unauthorized: incorrect username or password'
    """
    kind = Unauthorized if refusal.status in (401, 403) else RemoteFailed
    if refusal.url != url:  # the token server's words
        return kind(f'Get "{url}": {refusal.text}')
    reason = http.HTTPStatus(refusal.status).phrase if refusal.status in http.HTTPStatus._value2member_map_ else ""
    return kind(f"login attempt to {url} failed with status: {refusal.status} {reason}")
