"""TCP with mutual TLS: who has no certificate of the right authority gets nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.endpoint import docker_cli
from tests.support.instance import Instance
from tests.support.instance import instance as running_instance

pytestmark = [pytest.mark.root, pytest.mark.not_in_guest]  # nothing here is about the host


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def authority(folder: Path) -> None:
    """ca.pem and ca-key.pem."""
    folder.mkdir()
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca-key.pem", "-out", "ca.pem",
            "-days", "2", "-subj", "/CN=test authority")  # fmt: skip


def certificate(folder: Path, name: str, extension: str) -> None:
    """NAME.pem and NAME-key.pem, signed by the folder's authority."""
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}-key.pem", "-out", f"{name}.csr",
            "-subj", f"/CN={name}")  # fmt: skip
    (folder / "extensions").write_text(extension)
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial",
            "-out", f"{name}.pem", "-days", "2", "-extfile", "extensions")  # fmt: skip


def client_folder(folder: Path) -> Path:
    """An authority of its own with a client's certificate, named as docker wants them: cert.pem and key.pem."""
    certificate(folder, "cert", "extendedKeyUsage=clientAuth")
    (folder / "cert-key.pem").rename(folder / "key.pem")
    return folder


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Instance, str, Path]]:
    folder = tmp_path_factory.mktemp("tls") / "ours"
    authority(folder)
    certificate(folder, "server", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth")
    flags = ["--host", "tcp://127.0.0.1:0", "--tlsverify", "--tlscacert", str(folder / "ca.pem")]
    flags += ["--tlscert", str(folder / "server.pem"), "--tlskey", str(folder / "server-key.pem")]
    with running_instance(*flags, image=False) as made:
        port = made.log.rpartition("tcp://127.0.0.1:")[2].split()[0]
        yield made, f"tcp://127.0.0.1:{port}", folder


def docker(url: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    keys = ["--tlsverify", f"--tlscacert={folder}/ca.pem", f"--tlscert={folder}/cert.pem", f"--tlskey={folder}/key.pem"]
    return subprocess.run([docker_cli(), "-H", url, *keys, *words], capture_output=True, text=True, timeout=60)


def test_a_client_of_our_authority_is_served(served: tuple[Instance, str, Path]) -> None:
    _, url, folder = served
    done = docker(url, client_folder(folder), "info", "--format", "{{.ServerVersion}}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_a_client_of_another_authority_is_not(served: tuple[Instance, str, Path], tmp_path: Path) -> None:
    _, url, folder = served
    authority(tmp_path / "theirs")
    theirs = client_folder(tmp_path / "theirs")
    (theirs / "ca.pem").write_bytes((folder / "ca.pem").read_bytes())  # it trusts us; we do not trust it
    done = docker(url, theirs, "info")
    assert done.returncode != 0 and "Server Version" not in done.stdout


def test_plain_http_gets_nothing(served: tuple[Instance, str, Path]) -> None:
    _, url, _ = served
    done = subprocess.run([docker_cli(), "-H", url, "version"], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
