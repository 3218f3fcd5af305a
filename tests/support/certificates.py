"""Certificates for tests: one that is its own authority, for 127.0.0.1 and localhost."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


def make(folder: Path, name: str = "server") -> tuple[Path, Path]:
    """(certificate, key), made by openssl."""
    folder.mkdir(parents=True, exist_ok=True)
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    argv = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    argv += ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*argv, "-out", str(cert), "-keyout", str(key)], check=True, capture_output=True)
    return cert, key


def server(certificate: tuple[Path, Path], client: Path | None = None) -> ssl.SSLContext:
    """A server's context; with `client` only who shows that certificate is let in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if client is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client)
    return context
