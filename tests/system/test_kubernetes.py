"""The Kubernetes API as a part of the daemon: where it is, who may use it, and that it outlives the daemon's death."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import ssl
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from corral.cluster.apiserver.authentication.keys import SigningKey
from corral.cluster.apiserver.certificates.issuing import new_key
from tests.support.instance import Instance
from tests.support.ports import free_port
from tests.support.webhooks import LiveWebhook

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Instance]:
    made = Instance(tmp_path / "i", "--kubernetes=true", f"--kubernetes-address=127.0.0.1:{free_port()}")
    made.up()
    try:
        yield made
    finally:
        made.down(everything=True)


PUBLISHED = "kube-root-ca.crt"  # a controller puts this ConfigMap into every namespace


class Admin:
    """Whoever the instance's kubeconfig stands for; without being `identified`, whom the headers name."""

    def __init__(self, engine: Instance, *, identified: bool = True) -> None:
        found = yaml.safe_load((engine.root / "run/kubeconfig").read_text())
        cluster, user = found["clusters"][0]["cluster"], found["users"][0]["user"]
        self.server: str = cluster["server"]
        identity = engine.root / "identity.pem"
        with open(os.open(identity, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._context = ssl.create_default_context(cadata=authority)
        if identified:
            self._context.load_cert_chain(identity)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        return json.loads(self.raw(path, method, body))

    def raw(self, path: str, method: str = "GET", body: Any = None, headers: Mapping[str, str] | None = None) -> bytes:
        host = self.server.removeprefix("https://")
        connection = http.client.HTTPSConnection(host, timeout=60, context=self._context)
        try:
            data = json.dumps(body) if body is not None else None
            connection.request(method, path, body=data, headers={"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            found = answer.read()
            assert answer.status < 300, found
            return found
        finally:
            connection.close()


def test_it_is_there_when_the_daemon_is(engine: Instance) -> None:
    admin = Admin(engine)
    assert admin.ask("GET", "/version")["gitVersion"].startswith("v1.37")
    names = {one["metadata"]["name"] for one in admin.ask("GET", "/api/v1/namespaces")["items"]}
    assert names == {"default", "kube-system", "kube-public", "kube-node-lease"}
    service = admin.ask("GET", "/api/v1/namespaces/default/services/kubernetes")
    assert service["spec"]["clusterIP"] == "10.96.0.1"
    assert f"Kubernetes: {admin.server}\n" in engine.corral("status", check=True).stdout
    for name in ("run/kubeconfig", "cluster.db", "kubernetes/pki/ca.pem", "kubernetes/pki/admin.pem"):
        assert stat.S_IMODE((engine.root / name).stat().st_mode) == 0o600, name


def test_what_was_acknowledged_outlives_the_death_of_the_daemon(engine: Instance) -> None:
    admin, path = Admin(engine), "/api/v1/namespaces/default/configmaps"
    made = [admin.ask("POST", path, {"metadata": {"name": f"c{number}"}}) for number in range(20)]
    engine.kill_daemon()
    engine.up()
    found = [one for one in Admin(engine).ask("GET", path)["items"] if one["metadata"]["name"] != PUBLISHED]
    assert {one["metadata"]["uid"] for one in found} == {one["metadata"]["uid"] for one in made}
    assert Admin(engine).server == admin.server


def test_an_instance_of_its_own_takes_another_port(tmp_path: Path) -> None:
    first, second = (Instance(tmp_path / name, "--kubernetes=true") for name in ("a", "b"))
    try:
        first.up()
        second.up()
        servers = {Admin(one).server for one in (first, second)}
        assert len(servers) == 2
    finally:
        for one in (first, second):
            one.down(everything=True)


def test_without_it_there_is_no_trace_of_it(engine: Instance) -> None:
    engine.down()
    assert not (engine.root / "run/kubeconfig").exists()
    engine.flags = ("--kubernetes=false",)
    engine.up()
    assert not (engine.root / "run/kubeconfig").exists()
    said = engine.corral("kubeconfig")
    assert said.returncode == 1 and "no Kubernetes API is served here" in said.stderr


def test_its_address_is_no_other_programs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        made = Instance(tmp_path / "i")
        said = made.corral("up", "--detach", f"--kubernetes-address=127.0.0.1:{port}")
        assert said.returncode == 1 and "address already in use" in said.stderr
        made.down(everything=True)  # its bridge was there already


@pytest.mark.parametrize("flag", ["--kubernetes-address=nowhere", "--kubernetes-service-subnet=10.0.0.0/31"])
def test_settings_that_cannot_be(tmp_path: Path, flag: str) -> None:
    said = Instance(tmp_path / "i").corral("up", "--detach", flag)
    assert said.returncode == 1 and "kubernetes-" in said.stderr


# The verbs


def test_kubeconfig_is_printed_and_merged(engine: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine.corral("kubeconfig", check=True).stdout == (engine.root / "run/kubeconfig").read_text()
    mine = tmp_path / "mine"
    mine.write_text("contexts:\n- name: other\n  context: {}\n")
    monkeypatch.setenv("KUBECONFIG", str(mine))
    engine.corral("kubeconfig", "--merge", check=True)
    found = yaml.safe_load(mine.read_text())
    assert [one["name"] for one in found["contexts"]] == ["other", "corral-i"]
    assert found["current-context"] == "corral-i" and stat.S_IMODE(mine.stat().st_mode) == 0o600


def test_kubectl_gets_the_kubeconfig_and_all_its_words(
    engine: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin/helm"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$KUBECONFIG" "$@"\nexit 3\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("KUBECONFIG", "/far")
    said = engine.corral("helm", "list", "-A", "--help")
    assert (said.returncode, said.stdout) == (3, f"{engine.root}/run/kubeconfig list -A --help\n")


def test_a_backup_and_its_way_back(engine: Instance, tmp_path: Path) -> None:
    admin, path = Admin(engine), "/api/v1/namespaces/default/configmaps"
    admin.ask("POST", path, {"metadata": {"name": "kept"}})
    engine.corral("cluster", "backup", str(tmp_path / "b"), check=True)
    admin.ask("DELETE", f"{path}/kept")
    admin.ask("POST", path, {"metadata": {"name": "later"}})
    engine.corral("cluster", "restore", str(tmp_path / "b"), check=True)
    names = {one["metadata"]["name"] for one in admin.ask("GET", path)["items"]}
    assert names - {PUBLISHED} == {"kept"}


def test_the_audit_log_is_as_the_policy_says(engine: Instance, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n")
    engine.restart_daemon(f"--kubernetes-audit-policy={policy}")
    Admin(engine).ask("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "seen"}})
    engine.down()
    log = engine.root / "kubernetes/audit.log"
    events = [json.loads(line) for line in log.read_text().splitlines()]
    last = next(one for one in reversed(events) if one.get("objectRef", {}).get("resource") == "configmaps")
    assert (last["verb"], last["stage"], last["responseStatus"]["code"]) == ("create", "ResponseComplete", 201)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_users_of_an_identity_provider_log_in(engine: Instance, tmp_path: Path) -> None:
    key = SigningKey(new_key())
    with LiveWebhook(tmp_path, lambda *_: {}) as provider:
        keys = {"keys": [key.public.jwk()]}
        found = {"issuer": provider.url, "jwks_uri": f"{provider.url}/keys"}
        provider.answer = lambda _method, path, _body: keys if path == "/keys" else found
        authority = tmp_path / "authority.pem"
        authority.write_bytes(base64.b64decode(provider.bundle))
        given = {"issuer-url": provider.url, "client-id": "corral", "ca-file": authority, "signing-alg": "ES256"}
        engine.restart_daemon(
            *(f"--kubernetes-oidc-{key}={value}" for key, value in {**given, "groups-claim": "teams"}.items())
        )
        claims = {"iss": provider.url, "aud": "corral", "exp": int(time.time()) + 600, "sub": "jane", "teams": ["dev"]}
        headers = {"Authorization": f"Bearer {key.sign(claims)}"}
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        review = json.loads(Admin(engine, identified=False).raw(path, "POST", {}, headers))
        user = review["status"]["userInfo"]
        assert (user["username"], user["groups"]) == (f"{provider.url}#jane", ["dev", "system:authenticated"])
