"""Who may log in by an identity provider: which settings make sense, and who is told why."""

from __future__ import annotations

from pathlib import Path

import pytest

from corral.cluster.apiserver.authentication.oidc import Provider
from corral.daemon.config import Settings
from corral.daemon.identity import plan_provider, providers
from corral.daemon.kubernetes import check
from corral.errors import HostError, InvalidInput

URL = "https://id.example"


def settings(**values: str) -> Settings:
    return Settings.of({f"kubernetes-oidc-{key.replace('_', '-')}": value.split() for key, value in values.items()}, {})


def test_nobody_logs_in_so_by_default() -> None:
    assert plan_provider(settings()) is None and providers(settings()) == ()


def test_what_settings_mean() -> None:
    assert plan_provider(settings(issuer_url=URL, client_id="c")) == Provider(URL, "c")
    given = {"username_claim": "email", "username_prefix": "-", "groups_claim": "teams", "groups_prefix": "id:"}
    found = plan_provider(
        settings(issuer_url=URL, client_id="c", required_claim="a=b=c d=", signing_alg="ES256 RS256", **given)
    )
    assert found == Provider(URL, "c", "email", "-", "teams", "id:", {"a": "b=c", "d": ""}, ("ES256", "RS256"))


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ({"client_id": "c"}, "kubernetes-oidc-client-id without kubernetes-oidc-issuer-url"),
        ({"groups_claim": "c"}, "kubernetes-oidc-groups-claim without kubernetes-oidc-issuer-url"),
        ({"required_claim": "a=b"}, "kubernetes-oidc-required-claim without kubernetes-oidc-issuer-url"),
        ({"issuer_url": "http://id.example", "client_id": "c"}, "must be a https:// URL"),
        ({"issuer_url": URL}, "a client id is needed"),
        ({"issuer_url": URL, "client_id": "c", "required_claim": "x"}, "'x': must be CLAIM=VALUE"),
        ({"issuer_url": URL, "client_id": "c", "signing_alg": "HS256"}, "unsupported signing alg: HS256"),
    ],
)
def test_settings_that_cannot_work(values: dict[str, str], cause: str) -> None:
    with pytest.raises(InvalidInput, match=cause):
        check(settings(**values))


def test_an_authority_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="ca-file /nowhere: No such file or directory"):
        providers(settings(issuer_url=URL, client_id="c", ca_file="/nowhere"))
    (tmp_path / "ca").write_text("no certificate")
    with pytest.raises(InvalidInput, match="ca: holds no certificate"):
        providers(settings(issuer_url=URL, client_id="c", ca_file=str(tmp_path / "ca")))
