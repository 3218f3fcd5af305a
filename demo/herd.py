"""Herd: the pods of the demo as the API server tells of them, kept up by a watch, in one thread."""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class Api:
    """The cluster of a kubeconfig that Corral wrote (one cluster, one user with a certificate)."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig

    def connect(self) -> http.client.HTTPSConnection:
        text = self._kubeconfig.read_text()
        found = {name: value for name, value in re.findall(r'^\s*-?\s*([\w-]+): "?([^\s"]+)"?$', text, re.MULTILINE)}
        with tempfile.NamedTemporaryFile(suffix=".pem") as both:
            for name in ("client-certificate-data", "client-key-data"):
                both.write(base64.b64decode(found[name]))
            both.flush()
            context = ssl.create_default_context(cadata=base64.b64decode(found["certificate-authority-data"]).decode())
            context.load_cert_chain(both.name)
        where = urlsplit(found["server"])
        return http.client.HTTPSConnection(where.hostname or "", where.port, context=context, timeout=60)


class Herd:
    """`pods` has the pods by name; a watch that breaks is begun anew."""

    def __init__(self, api: Api, path: str) -> None:
        self._api, self._path = api, path
        self._pods: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._run, daemon=True).start()

    def pods(self) -> list[dict[str, Any]]:
        with self._lock:
            return list(self._pods.values())

    def _run(self) -> None:
        while True:
            try:
                self._follow()
            except (OSError, http.client.HTTPException, ValueError, KeyError):
                time.sleep(0.2)  # the daemon is away for a moment, say

    def _follow(self) -> None:
        connection = self._api.connect()
        try:
            connection.request("GET", self._path)
            listed = json.loads(connection.getresponse().read())
            with self._lock:
                self._pods = {one["metadata"]["name"]: one for one in listed["items"]}
            mark = "&" if "?" in self._path else "?"
            version = listed["metadata"]["resourceVersion"]
            connection.request("GET", f"{self._path}{mark}watch=1&resourceVersion={version}")
            for line in connection.getresponse():
                self._take(json.loads(line))
        finally:
            connection.close()

    def _take(self, event: dict[str, Any]) -> None:
        if event["type"] == "ERROR":
            raise ValueError(event["object"].get("message", ""))
        name = event["object"]["metadata"]["name"]
        with self._lock:
            if event["type"] == "DELETED":
                self._pods.pop(name, None)
            else:
                self._pods[name] = event["object"]
