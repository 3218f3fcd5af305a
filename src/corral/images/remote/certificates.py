"""Certificates: whom to trust as a registry, and who we are there. Directories like /etc/docker/certs.d:

::

    HOST[:PORT]/*.crt     authorities, besides those of the system
    HOST[:PORT]/*.cert    our certificate, with its key in the .key of the same name
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable

from corral.errors import InvalidInput, from_oserror

Stamp = tuple[str, int, int, int]  # path, inode, time of change, size


class Trust:
    """TLS contexts by registry, made once. Blocking."""

    def __init__(self, directories: Iterable[str]) -> None:
        self._directories = list(directories)
        self._contexts: dict[tuple[str, bool], tuple[list[Stamp], ssl.SSLContext]] = {}

    def context(self, host: str, insecure: bool) -> ssl.SSLContext:
        """For "host:port". Made anew when a file in its directories is another, or has another content: certificates
        are renewed in place. InvalidInput, HostError name the file.
        """
        folders = [f"{directory}/{host}" for directory in self._directories if os.path.isdir(f"{directory}/{host}")]
        stamp = [_stamp(path) for folder in folders for path in _files(folder)]
        known = self._contexts.get((host, insecure))
        if known is None or known[0] != stamp:
            known = self._contexts[host, insecure] = (stamp, _make(folders, insecure))
        return known[1]


def _make(folders: Iterable[str], insecure: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    for folder in folders:
        names = [os.path.basename(path) for path in _files(folder)]
        for name in names:
            _add(context, folder, name, names)
    return context


def _files(folder: str) -> list[str]:
    try:
        return [f"{folder}/{name}" for name in sorted(os.listdir(folder))]
    except OSError as error:
        raise from_oserror(f"read {folder}", error) from error


def _stamp(path: str) -> Stamp:
    """What changes with a file's content; zeros where there is none, as behind a link to nothing."""
    try:
        found = os.stat(path)
    except OSError:
        return path, 0, 0, 0
    return path, found.st_ino, found.st_mtime_ns, found.st_size


def _add(context: ssl.SSLContext, folder: str, name: str, names: list[str]) -> None:
    stem, _, kind = name.rpartition(".")
    try:
        if kind == "crt":
            context.load_verify_locations(cafile=f"{folder}/{name}")
        elif kind == "cert":
            if f"{stem}.key" not in names:
                raise InvalidInput(
                    f"missing key {stem}.key for client certificate {name}. CA certificates must use the extension .crt"
                )
            context.load_cert_chain(f"{folder}/{name}", f"{folder}/{stem}.key")
        elif kind == "key" and f"{stem}.cert" not in names:
            raise InvalidInput(f"missing client certificate {stem}.cert for key {name}")
    except (ssl.SSLError, OSError) as error:
        raise InvalidInput(f"{folder}/{name} cannot be used: {str(error).lower()}") from error
