"""Docker's API as bytes: who answers, to whom, in which version, and what it says to what makes no sense."""

from __future__ import annotations

import re

import pytest

from tests.contract.docker.wire import Answer, Api


@pytest.mark.parametrize("path", ["/_ping", "/v1.24/_ping", "/v1.51/_ping"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_ping(api: Api, method: str, path: str) -> None:
    answer = await api.ask(method, path)
    assert answer.status == 200 and answer.body == (b"" if method == "HEAD" else b"OK")
    expected = {
        "api-version": "1.51",
        "builder-version": "1",
        "docker-experimental": "false",
        "ostype": "linux",
        "swarm": "inactive",
        "cache-control": "no-cache, no-store, must-revalidate",
        "pragma": "no-cache",
        "content-type": "text/plain; charset=utf-8",
        "content-length": "0" if method == "HEAD" else "2",
    }
    assert expected.items() <= answer.headers.items()
    assert re.fullmatch(r"Docker/28\.\S+ \(linux\)", answer.headers["server"])


async def test_version(api: Api) -> None:
    version = (await api.ask("GET", "/version")).json
    assert version["ApiVersion"] == "1.51" and version["MinAPIVersion"] == "1.24" and version["Os"] == "linux"
    assert version["Components"][0]["Name"] == "Engine"
    assert version["Components"][0]["Version"] == version["Version"]
    assert version["Components"][0]["Details"]["ApiVersion"] == "1.51"


@pytest.mark.parametrize("version", ["1.24", "1.30", "1.41", "1.44", "1.51"])
async def test_every_version_is_spoken(api: Api, version: str) -> None:
    for path in ("/info", "/version", "/containers/json", "/images/json"):
        assert (await api.ask("GET", f"/v{version}{path}")).status == 200


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("1.99", "client version 1.99 is too new. Maximum supported API version is 1.51"),
        (
            "1.23",
            "client version 1.23 is too old. Minimum supported API version is 1.24, "
            "please upgrade your client to a newer version",
        ),
    ],
)
async def test_other_versions_are_refused(api: Api, version: str, message: str) -> None:
    answer = await api.ask("GET", f"/v{version}/info")
    assert answer.status == 400 and answer.headers["api-version"] == "1.51"
    if version == "1.23":  # such a client does not read JSON errors
        assert answer.body.decode() == message + "\n" and answer.headers["content-type"].startswith("text/plain")
    else:
        assert answer.message == message


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("GET", "/v1.41/nothing"),
        ("GET", "/v1.99/nothing"),
        ("PUT", "/info"),
        ("DELETE", "/_ping"),
        ("GET", "/"),
        ("GET", "/containers/"),
        ("GET", "/v1.41"),
    ],
)
async def test_unknown_routes_and_methods(api: Api, method: str, path: str) -> None:
    answer = await api.ask(method, path)
    assert (answer.status, answer.message) == (404, "page not found")
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/web/checkpoints"), ("POST", "/web/checkpoints"), ("DELETE", "/web/checkpoints/one")]
)
async def test_checkpoints_are_an_experiment(api: Api, method: str, path: str) -> None:
    answer = await api.ask(method, f"/containers{path}")
    assert (answer.status, answer.message) == (
        501,
        "This experimental feature is disabled by default. "
        "Start the Docker daemon in experimental mode in order to enable it.",
    )
    answer = await api.ask("POST", "/containers/nosuch/start?checkpoint=one")
    assert (answer.status, answer.message) == (400, "checkpoint is only supported in experimental mode")


async def test_what_is_not_there_yet_says_so_by_name(api: Api) -> None:
    answer = await api.ask("POST", "/v1.43/swarm/init")
    assert answer.status == 501 and answer.message.startswith("POST /swarm/init is not available yet")
    assert (await api.ask("GET", "/services")).status == 503
    assert "not a swarm manager" in (await api.ask("GET", "/nodes")).message
    left = await api.ask("POST", "/swarm/leave?force=1")
    assert (left.status, left.message) == (503, "This node is not part of a swarm")
    assert (await api.ask("GET", "/plugins")).json == []


async def test_info_has_what_the_client_prints(api: Api) -> None:
    await api.container("sleep")
    info = (await api.ask("GET", "/info")).json
    assert (info["Containers"], info["ContainersRunning"], info["ContainersStopped"]) == (1, 1, 0)
    assert info["Swarm"]["LocalNodeState"] == "inactive" and info["Warnings"] is None
    assert info["MemTotal"] == 8 << 30 and info["Runtimes"] == {"runc": {"path": "/usr/bin/runc"}}
    old = (await api.ask("GET", "/v1.40/info")).json
    assert old["BridgeNfIptables"] is False and "FirewallBackend" not in old


@pytest.mark.parametrize(
    ("head", "body", "message"),
    [
        ("Content-Type: application/json", b"{", "invalid JSON: unexpected EOF"),
        (
            "Content-Type: application/json",
            b"x",
            "invalid JSON: invalid character 'x' looking for beginning of value",
        ),
        ("Content-Type: text/plain", b"{}", "unsupported Content-Type header (text/plain): must be 'application/json'"),
        ("X: y", b"{}", "malformed Content-Type header (): mime: no media type"),
        ("Content-Type: application/json", b"{}", "No exec command specified"),
        (
            "Content-Type: application/json; charset=utf-8",
            b'{"Cmd": "sh"}',
            "invalid JSON: json: cannot unmarshal string into Go struct field ExecOptions.Cmd of type []string",
        ),
    ],
)
async def test_bad_bodies(api: Api, head: str, body: bytes, message: str) -> None:
    sent = f"POST /containers/x/exec HTTP/1.1\r\nHost: d\r\n{head}\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = Answer(await api.talk(sent.encode() + body))
    assert answer.status == 400
    assert answer.message == message


async def test_a_body_that_is_too_large(api: Api) -> None:
    sent = (
        b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n"
    )
    answer = Answer(await api.talk(sent + b"\r\n", eof=False))
    assert answer.status == 413 and "too large" in answer.message
