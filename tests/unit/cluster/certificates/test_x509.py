"""Reading certificates: what openssl makes, and what is no certificate."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from corral.cluster.certificates import x509


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("x509")
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-utf8", "-days", "30"]
    subject = ["-subj", "/O=dev/O=ops \u00e9/CN=first/CN=jane"]
    names = ["-addext", "subjectAltName=DNS:b,DNS:a,IP:10.0.0.1,IP:::1,email:x@y"]
    out, key = folder / "c.pem", folder / "k.pem"
    subprocess.run([*new, *subject, *names, "-out", out, "-keyout", key], check=True, capture_output=True)
    return Path(out).read_text()


def test_the_subject_is_read(pem: str) -> None:
    found = x509.from_pem(pem)
    assert (found.common_name, found.organizations) == ("jane", ("dev", "ops \u00e9"))
    assert found.parts(x509.USER_ID) == ()


def test_names_addresses_and_authority_are_read(pem: str) -> None:
    found = x509.from_pem(pem)
    assert found.names == ("10.0.0.1", "::1", "a", "b")
    assert found.issuer == found.subject_name and found.key_id == found.authority_id
    assert found.not_after - found.not_before == 30 * 86400


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 10, 100, 300])
def test_what_is_cut_off_is_refused(pem: str, cut: int) -> None:
    with pytest.raises(ValueError):
        x509.parse(x509.pem_to_der(pem)[:cut])


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----", "x"])
def test_what_is_no_pem_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        x509.from_pem(text)
