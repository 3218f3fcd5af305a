"""The cluster's certificates on disk: what is made, what is kept, what is renewed; openssl has the last word."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from corral.cluster.apiserver.certificates import files, pki
from corral.cluster.apiserver.certificates.renewal import DAY, LEAF_LIFE
from corral.cluster.certificates.x509 import from_pem
from corral.errors import HostError, InvalidInput

NOW = 1_800_000_000
NAMES = pki.server_names("10.96.0.1", ["box.example"])


def openssl(*words: object) -> str:
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def made(tmp_path: Path) -> pki.Pki:
    return pki.ensure(tmp_path / "pki", NAMES, NOW)


def test_only_the_owner_reads_keys(made: pki.Pki) -> None:
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    for path in made.folder.glob("*.pem"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert "PRIVATE KEY" not in (made.folder / "ca.crt").read_text()


def test_openssl_trusts_what_the_authority_has_signed(made: pki.Pki) -> None:
    check = ("verify", "-attime", NOW, "-CAfile", made.folder / "ca.crt")
    assert "OK" in openssl(*check, "-purpose", "sslserver", "-verify_hostname", "kubernetes.default.svc", made.server)
    assert "OK" in openssl(*check, "-purpose", "sslserver", "-verify_ip", "10.96.0.1", made.server)
    assert "OK" in openssl(*check, "-purpose", "sslclient", made.admin)
    for path, purpose in ((made.server, "sslclient"), (made.admin, "sslserver"), (made.front_proxy_client, "any")):
        with pytest.raises(subprocess.CalledProcessError):
            openssl(*check, "-purpose", purpose, path)


def test_the_admin_is_one_of_the_masters(made: pki.Pki) -> None:
    found = from_pem(made.admin.read_text())
    assert (found.common_name, found.organizations) == ("kubernetes-admin", ("system:masters",))
    assert from_pem(made.server.read_text()).names == NAMES


def test_a_second_start_makes_nothing_and_imports_nothing(made: pki.Pki) -> None:
    before = {path: path.read_bytes() for path in made.folder.iterdir()}
    code = (
        "import sys; from pathlib import Path; from corral.cluster.apiserver.certificates import pki;"
        f"pki.ensure(Path({str(made.folder)!r}), {NAMES!r}, {NOW + 5}); assert 'cryptography' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {path: path.read_bytes() for path in made.folder.iterdir()} == before


def test_leaves_are_renewed_in_time_and_authorities_kept(made: pki.Pki) -> None:
    authority, admin = (made.folder / "ca.pem").read_text(), made.admin.read_text()
    due = pki.next_renewal(made)
    assert NOW + LEAF_LIFE * 2 / 3 - DAY < due < NOW + LEAF_LIFE * 2 / 3 + DAY
    assert pki.renew(made, due - 1) == ()
    assert pki.renew(made, due) == ("server.pem", "admin.pem", "kubelet-client.pem", "front-proxy-client.pem")
    assert (made.folder / "ca.pem").read_text() == authority
    assert made.admin.read_text() != admin
    assert pki.next_renewal(made) > due


def test_other_names_make_another_server_certificate_only(made: pki.Pki) -> None:
    admin = made.admin.read_text()
    again = pki.ensure(made.folder, pki.server_names("10.96.0.1", ["other"]), NOW)
    assert "other" in from_pem(again.server.read_text()).names
    assert again.admin.read_text() == admin


def test_a_new_authority_signs_everything_anew(made: pki.Pki) -> None:
    (made.folder / "ca.pem").unlink()
    again = pki.ensure(made.folder, NAMES, NOW)
    assert again.ca != made.ca and (made.folder / "ca.crt").read_text() == again.ca
    assert "OK" in openssl("verify", "-attime", NOW, "-CAfile", made.folder / "ca.crt", again.server, again.admin)


def test_a_damaged_leaf_is_made_anew_and_a_damaged_authority_is_not(made: pki.Pki) -> None:
    made.server.write_text("garbage")
    assert from_pem(pki.ensure(made.folder, NAMES, NOW).server.read_text()).names == NAMES
    for clock, text in ((NOW - DAY, "not valid yet"), (NOW + 4000 * DAY, "has expired")):
        with pytest.raises(HostError, match=text):
            pki.ensure(made.folder, NAMES, clock)
    (made.folder / "ca.pem").write_text("garbage")
    with pytest.raises(HostError, match="restore it from a backup"):
        pki.ensure(made.folder, NAMES, NOW)


def test_identities_are_made_once(made: pki.Pki) -> None:
    path = pki.identity(made, "node-a", "system:node:a", ("system:nodes",), NOW)
    text = path.read_text()
    assert from_pem(text).organizations == ("system:nodes",)
    assert pki.identity(made, "node-a", "system:node:a", ("system:nodes",), NOW) == path and path.read_text() == text
    with pytest.raises(InvalidInput):
        pki.identity(made, "../ca", "x", (), NOW)
    with pytest.raises(InvalidInput, match="64"):
        pki.identity(made, "long", "system:node:" + "x" * 60, (), NOW)


def test_nothing_is_half_written_after_a_kill(tmp_path: Path) -> None:
    """Killed again and again while it makes the certificates; each time the next start finds what it can use."""
    folder = tmp_path / "pki"
    code = (
        "from pathlib import Path; import shutil; from corral.cluster.apiserver.certificates import pki\n"
        "print('ready', flush=True)\n"
        f"while True:\n    pki.ensure(Path({str(folder)!r}), {NAMES!r}, {NOW})\n"
        f"    [path.unlink() for path in Path({str(folder)!r}).iterdir()]\n"
    )
    for delay in range(4):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            while len(list(folder.glob("*.pem")) if folder.exists() else []) < delay + 1:
                os.sched_yield()
            process.send_signal(signal.SIGKILL)
        found = pki.ensure(folder, NAMES, NOW)
        assert "OK" in openssl("verify", "-attime", NOW, "-CAfile", folder / "ca.crt", found.server, found.admin)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write(path, "old")
    (tmp_path / "file.new").mkdir()
    with pytest.raises(HostError):
        files.write(path, "new")
    assert path.read_text() == "old"
