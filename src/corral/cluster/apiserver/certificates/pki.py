"""The cluster's keys and certificates on disk: made once, used as they are, renewed in time.

::

    ca.pem  ca.crt               the cluster's authority (crt: its certificate alone, to hand out)
    server.pem                   the API server
    admin.pem                    kubernetes-admin, of system:masters
    front-proxy-ca.pem           the authority of those who may speak for others (aggregation)
    front-proxy-client.pem       … with which this server speaks to extension API servers
    kubelet-client.pem           by which this server asks kubelets
    service-account.pem          signs the tokens of service accounts
    identities/NAME.pem          kubelets, controllers: on demand
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from corral.cluster.apiserver.certificates import files
from corral.cluster.apiserver.certificates.renewal import Wanted, plan_renewal, renew_at
from corral.cluster.certificates.x509 import Certificate, from_pem
from corral.errors import HostError, InvalidInput

SERVICE_NAMES: Final = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.{domain}")
LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")
AUTHORITIES: Final = (("ca.pem", "kubernetes"), ("front-proxy-ca.pem", "front-proxy-ca"))
ADMIN: Final = Wanted("kubernetes-admin", ("system:masters",), client=True)
KUBELET_CLIENT: Final = Wanted("kube-apiserver-kubelet-client", client=True)
FRONT_PROXY_CLIENT: Final = Wanted("front-proxy-client", client=True)
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.:]*[a-z0-9])?")


def server_names(service_address: str, extra: Iterable[str] = (), domain: str = "cluster.local") -> tuple[str, ...]:
    """Pure: the names and addresses under which clients find the API server.

    `service_address`: the first of the cluster's addresses, that of the Service kubernetes.

    >>> server_names("10.96.0.1", ["box", "10.0.0.7"])[:4]
    ('10.0.0.7', '10.96.0.1', '127.0.0.1', '::1')
    """
    names = {*(name.format(domain=domain) for name in SERVICE_NAMES), *LOCAL_NAMES, service_address, *extra}
    return tuple(sorted(_canonical(name) for name in names if name))


def _canonical(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()


@dataclass(frozen=True, slots=True)
class Pki:
    """What `ensure` has made sure of. The texts are certificates in PEM; the paths hold certificate and key."""

    folder: Path
    names: tuple[str, ...]
    ca: str
    front_proxy_ca: str
    service_account_key: str

    @property
    def server(self) -> Path:
        return self.folder / "server.pem"

    @property
    def admin(self) -> Path:
        return self.folder / "admin.pem"

    @property
    def kubelet_client(self) -> Path:
        return self.folder / "kubelet-client.pem"

    @property
    def front_proxy_client(self) -> Path:
        return self.folder / "front-proxy-client.pem"

    @property
    def client_authorities(self) -> str:
        """Who may have signed a client's certificate."""
        return self.ca + self.front_proxy_ca


def ensure_authorities(folder: Path, now: int) -> dict[str, str]:
    """Makes the authorities that are not there, and the key of tokens: file -> text. HostError."""
    files.make_folder(folder)
    found = {name: _authority(folder / name, who, now) for name, who in AUTHORITIES}
    return {**found, "service-account.pem": _service_account_key(folder)}


def ensure(folder: Path, names: tuple[str, ...], now: int) -> Pki:
    """Makes what is not there, renews what ends soon; authorities are kept. HostError."""
    made = ensure_authorities(folder, now)
    ca, front = made["ca.pem"], made["front-proxy-ca.pem"]
    certificate = certificate_of(ca)
    if files.read(folder / "ca.crt") != certificate:
        files.write(folder / "ca.crt", certificate, 0o644)
    pki = Pki(folder, names, certificate, certificate_of(front), made["service-account.pem"])
    renew(pki, now)
    return pki


def _wanted(pki: Pki) -> dict[str, tuple[Wanted, str]]:
    """What there is besides authorities: file -> (how it should be, file of the authority)."""
    server = Wanted("kube-apiserver", names=pki.names, server=True)
    return {
        "server.pem": (server, "ca.pem"),
        "admin.pem": (ADMIN, "ca.pem"),
        "kubelet-client.pem": (KUBELET_CLIENT, "ca.pem"),
        "front-proxy-client.pem": (FRONT_PROXY_CLIENT, "front-proxy-ca.pem"),
    }


def renew(pki: Pki, now: int) -> tuple[str, ...]:
    """Makes anew what is due; the files that changed. Connections that begin afterwards need them. HostError."""
    return tuple(
        name for name, (wanted, authority) in _wanted(pki).items() if _leaf(pki.folder / name, wanted, authority, now)
    )


def next_renewal(pki: Pki) -> int:
    """The second at which `renew` has something to do."""
    found = (files.read(pki.folder / name) for name in _wanted(pki))
    return min(renew_at(from_pem(text)) for text in found if text)


def identity(pki: Pki, name: str, common_name: str, organizations: tuple[str, ...], now: int) -> Path:
    """The certificate and key of a client: a kubelet ("node-a", "system:node:a", ("system:nodes",)), a controller.

    InvalidInput when `name` is no file's name; HostError.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"identity {name!r}: must be lower-case letters, digits, '-' and '.'")
    folder = pki.folder / "identities"
    files.make_folder(folder)
    path = folder / f"{name}.pem"
    try:
        _leaf(path, Wanted(common_name, organizations, client=True), "../ca.pem", now)
    except ValueError as error:  # names are at most 64 characters long (X.520)
        raise InvalidInput(f"identity {name!r}: {error}") from None
    return path


def certificate_of(pem: str) -> str:
    """Pure: the certificate of a text that also has a key."""
    end = "-----END CERTIFICATE-----\n"
    return pem[: pem.index(end) + len(end)] if end in pem else ""


def key_of(pem: str) -> str:
    """Pure: the key of a text that also has a certificate."""
    return pem[pem.index("-----BEGIN PRIVATE KEY-----") :]


def _authority(path: Path, common_name: str, now: int) -> str:
    """An authority is never replaced: what it has signed is out there. HostError when its file makes no sense."""
    text = files.read(path)
    if text is None:
        from corral.cluster.apiserver.certificates.issuing import new_authority

        text = new_authority(common_name, now)
        files.write(path, text)
        return text
    found = _parsed(text)
    if found is None or "PRIVATE KEY" not in text:
        raise HostError(f"{path}: not an authority's certificate and key; restore it from a backup, or remove it")
    if now < found.not_before:
        raise HostError(f"{path}: not valid yet; set the clock, or remove it if the clock was ahead when it was made")
    if found.not_after <= now:
        raise HostError(f"{path}: the cluster's authority has expired; remove it to make a new one")
    return text


def _leaf(path: Path, wanted: Wanted, authority_name: str, now: int) -> bool:
    """Whether the file had to be written."""
    authority = files.read(path.parent / authority_name) or ""
    text = files.read(path)
    found = _parsed(text) if text and "PRIVATE KEY" in text else None
    if not plan_renewal(found, wanted, from_pem(authority), now):
        return False
    from corral.cluster.apiserver.certificates.issuing import new_leaf

    files.write(path, new_leaf(wanted, authority, now))
    return True


def _service_account_key(folder: Path) -> str:
    path = folder / "service-account.pem"
    text = files.read(path)
    if text is None:
        from corral.cluster.apiserver.certificates.issuing import new_key

        text = new_key()
        files.write(path, text)
    elif "PRIVATE KEY" not in text:
        raise HostError(f"{path}: not a private key; restore it from a backup, or remove it")
    return text


def _parsed(text: str) -> Certificate | None:
    try:
        return from_pem(text)
    except ValueError:
        return None
