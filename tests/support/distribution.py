"""Debian's docker-registry, the reference implementation of the distribution-spec, to speak to.

Run by hand on the loopback with a configuration of its own, never as a service, and ended by its process id.
"""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.ports import free_port
from tests.support.wait import eventually

USER, PASSWORD = "me", "secret"
_BCRYPT = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"  # of PASSWORD


class Distribution:
    """`with Distribution(folder) as registry:` runs one; `host` is its name in references."""

    def __init__(self, folder: Path, *, auth: bool = False, tls: tuple[Path, Path] | None = None) -> None:
        self.folder, self.auth, self.tls = folder, auth, tls
        self.port = free_port()
        self.host = f"localhost:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def _config(self) -> dict[str, Any]:
        http: dict[str, Any] = {"addr": f"127.0.0.1:{self.port}"}
        if self.tls:
            http["tls"] = {"certificate": str(self.tls[0]), "key": str(self.tls[1])}
        config: dict[str, Any] = {
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "data")}, "delete": {"enabled": True}},
            "http": http,
        }
        if self.auth:
            (self.folder / "htpasswd").write_text(f"{USER}:{_BCRYPT}\n")
            config["auth"] = {"htpasswd": {"realm": "here", "path": str(self.folder / "htpasswd")}}
        return config

    def __enter__(self) -> Distribution:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "config.yml"
        path.write_text(json.dumps(self._config()))  # JSON is YAML
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(["docker-registry", "serve", str(path)], stdout=log, stderr=log)
        try:
            eventually(self._answers, lambda: (self.folder / "log").read_text()[-2000:], seconds=20)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _answers(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), 5):
            return True

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def get(self, path: str) -> Any:
        """The JSON of a path, without a password or TLS; None where there is nothing."""
        kinds = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers={"Accept": kinds})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            return None
