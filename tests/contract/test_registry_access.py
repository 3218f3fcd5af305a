"""Logging in to the registry: passwords, tokens, rights, and what those without them are told."""

from __future__ import annotations

import base64
import json
import os
import re
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from corral.errors import CorralError
from corral.registry.passwords import Passwords
from corral.registry.rights import parse_right
from tests.support import oci
from tests.support.registry import Answer, LiveRegistry

HASHES = {  # made with `htpasswd -nbB`
    "alice": "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",  # secret
    "bob": "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
}


def write_users(folder: Path) -> str:
    path = folder / "htpasswd"
    path.write_text("".join(f"{name}:{hashed}\n" for name, hashed in HASHES.items()))
    return str(path)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[LiveRegistry]:
    rights = ("alice:*:*", "bob:bobs/*:pull,push", "*:public/*:pull", "anonymous:free/*:pull")
    settings = {"htpasswd": write_users(tmp_path), "rights": tuple(parse_right(word) for word in rights)}
    with LiveRegistry(tmp_path / "data", **settings) as made:
        yield made


def basic(user: str, password: str = "secret") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def token(registry: LiveRegistry, user: str, *scopes: str, password: str = "secret") -> dict[str, str]:
    query = urlencode([("service", "corral-registry"), *(("scope", scope) for scope in scopes)])
    answer = registry.ask("GET", f"/token?{query}", headers=basic(user, password) if user else {})
    assert answer.status == 200, answer
    assert answer.json["token"] == answer.json["access_token"] and answer.json["expires_in"] >= 60
    return {"Authorization": f"Bearer {answer.json['token']}"}


def claims(headers: dict[str, str]) -> dict[str, object]:
    body = headers["Authorization"].split(".")[1]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(body + "=="))
    return found


def challenge(answer: Answer) -> dict[str, str]:
    assert (answer.status, answer.codes) == (401, ["UNAUTHORIZED"])
    kind, _, rest = answer.headers["www-authenticate"].partition(" ")
    assert kind == "Bearer"
    return dict(re.findall(r'(\w+)="([^"]*)"', rest))


def upload(registry: LiveRegistry, name: str, headers: dict[str, str]) -> Answer:
    return registry.ask("POST", f"/v2/{name}/blobs/uploads/", b"", headers)


def test_who_is_not_logged_in_is_told_where(registry: LiveRegistry) -> None:
    found = challenge(registry.ask("GET", "/v2/"))
    assert found == {"realm": f"http://{registry.name}/token", "service": "corral-registry"}
    assert challenge(registry.ask("GET", "/v2/team/app/manifests/x"))["scope"] == "repository:team/app:pull"
    assert challenge(upload(registry, "team/app", {}))["scope"] == "repository:team/app:pull,push"
    assert challenge(registry.ask("GET", "/v2/_catalog"))
    assert challenge(registry.ask("GET", "/metrics"))


def test_the_address_behind_a_proxy(registry: LiveRegistry) -> None:
    headers = {"Host": "images.example.com", "X-Forwarded-Proto": "https"}
    assert challenge(registry.ask("GET", "/v2/", headers=headers))["realm"] == "https://images.example.com/token"


@pytest.mark.parametrize(
    ("user", "password"), [("alice", "wrong"), ("nobody", "secret"), ("alice", ""), ("", "secret")]
)
def test_wrong_passwords(registry: LiveRegistry, user: str, password: str) -> None:
    for path in ("/v2/", "/token?service=x", "/v2/free/x/tags/list"):
        answer = registry.ask("GET", path, headers=basic(user, password))
        assert (answer.status, answer.codes) == (401, ["UNAUTHORIZED"])
    form = urlencode({"grant_type": "password", "username": user, "password": password}).encode()
    assert registry.ask("POST", "/token", form).status == 401


@pytest.mark.parametrize("value", ["Basic !!!", "Basic", "Bearer x", "Bearer a.b.c", "Nonsense x", "Bearer é.x.y"])
def test_nonsense_is_no_login(registry: LiveRegistry, value: str) -> None:
    assert registry.ask("GET", "/v2/", headers={"Authorization": value}).status == 401


def test_passwords_do_everywhere(registry: LiveRegistry) -> None:
    assert registry.ask("GET", "/v2/", headers=basic("alice")).status == 200
    assert upload(registry, "team/app", basic("alice")).status == 202


def test_a_token_for_what_was_asked(registry: LiveRegistry) -> None:
    headers = token(registry, "alice", "repository:team/app:pull,push")
    assert claims(headers)["access"] == [{"type": "repository", "name": "team/app", "actions": ["pull", "push"]}]
    assert registry.ask("GET", "/v2/", headers=headers).status == 200
    assert upload(registry, "team/app", headers).status == 202
    again = challenge(upload(registry, "team/other", headers))
    assert (again["scope"], again["error"]) == ("repository:team/other:pull,push", "insufficient_scope")


def test_the_form_of_oauth(registry: LiveRegistry) -> None:
    form = {"grant_type": "password", "username": "alice", "password": "secret", "scope": "repository:a:pull"}
    answer = registry.ask("POST", "/token", urlencode(form).encode())
    assert answer.status == 200
    headers = {"Authorization": f"Bearer {answer.json['access_token']}"}
    assert registry.ask("GET", "/v2/a/tags/list", headers=headers).codes == ["NAME_UNKNOWN"]
    assert (answer.json["scope"], "refresh_token" in answer.json) == ("repository:a:pull", False)
    for kind, error in (("refresh_token", "invalid_request"), ("authorization_code", "unsupported_grant_type")):
        answer = registry.ask("POST", "/token", urlencode(form | {"grant_type": kind}).encode())
        assert (answer.status, answer.json["error"]) == (400, error)


def refresh(registry: LiveRegistry, token: str, **more: str) -> Answer:
    form = {"grant_type": "refresh_token", "refresh_token": token, "service": "corral-registry", "client_id": "docker"}
    return registry.ask("POST", "/token", urlencode(form | {"scope": "repository:bobs/a:pull,push"} | more).encode())


def test_a_refresh_token_stands_for_the_password(registry: LiveRegistry, tmp_path: Path) -> None:
    """From either form of asking, for who asks for it; only at /token; until the password or the user goes."""
    query = "/token?service=corral-registry&client_id=docker&offline_token=true"
    form = {"grant_type": "password", "username": "bob", "password": "secret", "access_type": "offline"}
    answers = [
        registry.ask("GET", query, headers=basic("bob")),
        registry.ask("POST", "/token", urlencode(form).encode()),
    ]
    for answer in answers:
        kept = answer.json["refresh_token"]
        assert registry.ask("GET", "/v2/", headers={"Authorization": f"Bearer {kept}"}).status == 401
        given = refresh(registry, kept)
        assert (given.status, given.json["scope"]) == (200, "repository:bobs/a:pull,push")
        assert "refresh_token" not in given.json
        assert upload(registry, "bobs/a", {"Authorization": f"Bearer {given.json['access_token']}"}).status == 202
        assert refresh(registry, kept, access_type="offline").json["refresh_token"] == kept
        assert refresh(registry, kept, scope="repository:team/x:pull").json["scope"] == ""
        for wrong in (refresh(registry, kept, service="other"), refresh(registry, kept + "x"), refresh(registry, "é")):
            assert (wrong.status, wrong.codes) == (401, ["UNAUTHORIZED"])
    assert "refresh_token" not in registry.ask("GET", query).json  # nobody's
    file = tmp_path / "htpasswd"
    other = "$2y$05$abcdefghijklmnopqrstuuc0wAGpOrlXd9QwzVJ8XSsvRTa1vCQ0."
    for users in (f"bob:{other}\n", f"alice:{HASHES['alice']}\n"):
        file.write_text(users)
        assert [refresh(registry, answer.json["refresh_token"]).status for answer in answers] == [401, 401]
    file.write_text(f"bob:{HASHES['bob']}\n")
    assert refresh(registry, kept).status == 200


def test_a_token_gives_no_other_token(registry: LiveRegistry) -> None:
    """One for a single repository would else be one for all, and for ever."""
    headers = token(registry, "alice", "repository:a:pull")
    for query in ("", "?offline_token=true", "?scope=repository:b:push"):
        answer = registry.ask("GET", f"/token{query}", headers=headers)
        assert (answer.status, answer.codes) == (401, ["UNAUTHORIZED"])


def test_rights_of_each_repository(registry: LiveRegistry) -> None:
    headers = token(registry, "bob", "repository:bobs/app:pull,push,delete", "repository:team/app:pull,push")
    assert claims(headers)["access"] == [{"type": "repository", "name": "bobs/app", "actions": ["pull", "push"]}]
    assert upload(registry, "bobs/app", headers).status == 202
    for who in (headers, basic("bob")):
        answer = upload(registry, "team/app", who)
        assert (answer.status, answer.codes) == (403, ["DENIED"])
        assert registry.ask("DELETE", "/v2/bobs/app/manifests/x", headers=who).codes == ["DENIED"]
        assert registry.ask("GET", "/v2/public/x/tags/list", headers=basic("bob")).codes == ["NAME_UNKNOWN"]


def test_nobody_loses_a_right_by_logging_in(registry: LiveRegistry) -> None:
    assert registry.ask("GET", "/v2/free/x/tags/list", headers=basic("bob")).codes == ["NAME_UNKNOWN"]
    headers = token(registry, "bob", "repository:free/x:pull,push")
    assert claims(headers)["access"] == [{"type": "repository", "name": "free/x", "actions": ["pull"]}]
    assert upload(registry, "free/x", headers).status == 403


def test_who_is_nobody_may_do_what_anonymous_may(registry: LiveRegistry) -> None:
    assert registry.ask("GET", "/v2/free/x/tags/list").codes == ["NAME_UNKNOWN"]
    headers = token(registry, "", "repository:free/x:pull,push", "repository:public/x:pull")
    assert claims(headers)["access"] == [{"type": "repository", "name": "free/x", "actions": ["pull"]}]
    assert registry.ask("GET", "/v2/", headers=headers).status == 200
    assert upload(registry, "free/x", headers).status == 401


def test_lists_show_what_one_may_pull(registry: LiveRegistry) -> None:
    for name in ("bobs/app", "team/app", "free/app"):
        url = upload(registry, name, basic("alice")).headers["location"]
        registry.ask("PUT", f"{url}?digest={oci.digest(b'x')}", b"x", basic("alice"))
    assert registry.ask("GET", "/v2/_catalog", headers=basic("bob")).json["repositories"] == ["bobs/app", "free/app"]
    everything = token(registry, "alice", "registry:catalog:*")
    assert len(registry.ask("GET", "/v2/_catalog", headers=everything).json["repositories"]) == 3
    assert [one["name"] for one in registry.ask("GET", "/v1/search?q=").json["results"]] == ["free/app"]
    mount = f"/v2/bobs/app/blobs/uploads/?mount={oci.digest(b'x')}&from=team/app"
    assert registry.ask("POST", mount, b"", basic("bob")).status == 201  # it has it already
    mount = f"/v2/bobs/new/blobs/uploads/?mount={oci.digest(b'x')}"
    assert registry.ask("POST", f"{mount}&from=team/app", b"", basic("bob")).status == 202
    assert registry.ask("POST", mount, b"", basic("bob")).status == 201  # from bobs/app, which bob may read


def test_the_file_is_read_again_when_it_changes(registry: LiveRegistry, tmp_path: Path) -> None:
    assert registry.ask("GET", "/v2/", headers=basic("alice")).status == 200
    (tmp_path / "new").write_text(f"carol:{HASHES['alice']}\n")
    os.replace(tmp_path / "new", tmp_path / "htpasswd")
    assert registry.ask("GET", "/v2/", headers=basic("alice")).status == 401
    assert registry.ask("GET", "/v2/", headers=basic("carol")).status == 200


def test_a_mistake_in_the_file_locks_out_only_whom_it_is_about(registry: LiveRegistry, tmp_path: Path) -> None:
    file = tmp_path / "htpasswd"
    file.write_bytes(f"bob:\nno line\n\xff:\xff\ncarol:$apr1$x$y\nalice:{HASHES['alice']}\n".encode("latin-1"))
    statuses = [registry.ask("GET", "/v2/", headers=basic(name)).status for name in ("alice", "bob", "carol")]
    assert statuses == [200, 401, 401]
    file.unlink()
    assert registry.ask("GET", "/v2/", headers=basic("alice")).status == 200
    file.write_text("")
    assert registry.ask("GET", "/v2/", headers=basic("alice")).status == 401


@pytest.mark.parametrize("content", ["alice:\n", "no line\n", None])
def test_at_the_start_the_file_must_be_right(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "users").write_text(content)
    with pytest.raises(CorralError, match=r"users: (line 1|no such file)"):
        Passwords(str(tmp_path / "users")).users()


def test_tokens_outlive_a_restart_and_end(tmp_path: Path) -> None:
    from corral.registry.tokens import SERVICE, sign

    settings = {"htpasswd": write_users(tmp_path)}
    with LiveRegistry(tmp_path / "data", **settings) as registry:
        headers = token(registry, "alice")
    assert (tmp_path / "data/token.key").stat().st_mode & 0o777 == 0o600
    with LiveRegistry(tmp_path / "data", **settings) as registry:
        assert registry.ask("GET", "/v2/", headers=headers).status == 200
        key = (tmp_path / "data/token.key").read_bytes()
        old = sign({"sub": "alice", "aud": SERVICE, "exp": 1_700_000_000, "access": []}, key)
        assert registry.ask("GET", "/v2/", headers={"Authorization": f"Bearer {old}"}).status == 401
        forged = sign({"sub": "alice", "aud": SERVICE, "exp": 9e12, "access": []}, b"x" * 32)
        assert registry.ask("GET", "/v2/", headers={"Authorization": f"Bearer {forged}"}).status == 401


def test_anonymous_pull(tmp_path: Path) -> None:
    with LiveRegistry(tmp_path / "data", htpasswd=write_users(tmp_path), anonymous_pull=True) as registry:
        headers = token(registry, "", "repository:a:pull,push")
        assert registry.ask("GET", "/v2/a/tags/list", headers=headers).codes == ["NAME_UNKNOWN"]
        assert upload(registry, "a", headers).status == 401
        assert upload(registry, "a", basic("bob")).status == 202


def test_read_only(tmp_path: Path) -> None:
    with LiveRegistry(tmp_path / "data", read_only=True) as registry:
        answer = upload(registry, "a", {})
        assert (answer.status, answer.codes) == (405, ["UNSUPPORTED"])
        assert registry.ask("DELETE", "/v2/a/manifests/x").status == 405
        assert registry.ask("GET", "/v2/").status == 200


def test_over_tls_the_address_is_https(tmp_path: Path) -> None:
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-out", cert, "-keyout", key]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*new, *name], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    with LiveRegistry(tmp_path / "data", tls=server, htpasswd=write_users(tmp_path)) as registry:
        request = urllib.request.Request(f"https://{registry.name}/v2/")
        context = ssl.create_default_context(cafile=cert)
        with pytest.raises(urllib.error.HTTPError, match="401") as caught:
            urllib.request.urlopen(request, context=context)
        assert f'realm="https://{registry.name}/token"' in caught.value.headers["WWW-Authenticate"]


@pytest.mark.parametrize(("rights", "status"), [(("alice:*:*",), 401), (("alice:*:*", "anonymous:free/*:pull"), 200)])
def test_who_may_search(tmp_path: Path, rights: tuple[str, ...], status: int) -> None:
    settings = {"htpasswd": write_users(tmp_path), "rights": tuple(parse_right(word) for word in rights)}
    with LiveRegistry(tmp_path / "data", **settings) as registry:
        assert registry.ask("GET", "/v1/search?q=a").status == status
        assert registry.ask("GET", "/v1/search?q=a", headers=basic("alice")).status == 200
        assert registry.ask("GET", "/v1/search?q=a", headers=token(registry, "alice")).status == 200


def test_podman_is_sent_on_to_the_catalogue(registry: LiveRegistry) -> None:
    """It asks /v1/search without its password, and where that is refused /v2/_catalog with a token."""
    for name in ("bobs/app", "free/app"):
        url = upload(registry, name, basic("alice")).headers["location"]
        registry.ask("PUT", f"{url}?digest={oci.digest(b'x')}", b"x", basic("alice"))
    podman = {"User-Agent": "containers/5.23.1 (github.com/containers/image)"}
    assert registry.ask("GET", "/v1/search?q=app", headers=podman).status == 401
    for user, seen in (("", ["free/app"]), ("bob", ["bobs/app", "free/app"])):
        headers = podman | token(registry, user, "registry:catalog:*")
        assert registry.ask("GET", "/v2/_catalog", headers=headers).json["repositories"] == seen
