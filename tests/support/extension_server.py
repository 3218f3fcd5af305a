"""An extension API server for tests: HTTPS with an authority of its own, one kind, and who asks known by its headers.

It believes X-Remote-User from nobody but who shows a certificate of the front proxy's authority, as a real one does.
"""

from __future__ import annotations

import base64
import json
import queue
import ssl
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from corral.cluster.apiserver.certificates.issuing import new_authority, new_leaf
from corral.cluster.apiserver.certificates.renewal import Wanted

Object = dict[str, Any]
GROUP, VERSION = "wardle.example.com", "v1alpha1"
PREFIX = f"/apis/{GROUP}/{VERSION}"
VERBS = ["create", "delete", "deletecollection", "get", "list", "watch"]
RESOURCES = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": f"{GROUP}/{VERSION}",
    "resources": [
        {"name": "flunders", "singularName": "flunder", "kind": "Flunder", "namespaced": True, "verbs": VERBS,
         "shortNames": ["flu"]},
        {"name": "flunders/echo", "singularName": "", "kind": "Flunder", "namespaced": True, "verbs": ["get"]},
    ],
}  # fmt: skip
META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def open_api() -> Object:
    """Its v2 document."""
    gvk = {"group": GROUP, "version": VERSION, "kind": "Flunder"}
    text = {"type": "string"}
    fields = {"kind": text, "apiVersion": text, "metadata": {"$ref": f"#/definitions/{META}"},
        "spec": {"type": "object", "description": "What a flunder is to be."}}  # fmt: skip
    flunder = {
        "type": "object",
        "description": "A flunder.",
        "properties": fields,
        "x-kubernetes-group-version-kind": [gvk],
    }
    answer = {"200": {"description": "OK", "schema": {"$ref": "#/definitions/Flunder"}}}
    paths = {
        f"{PREFIX}/namespaces/{{namespace}}/flunders": {
            "get": {"responses": answer, "x-kubernetes-action": "list", "x-kubernetes-group-version-kind": gvk}
        }
    }
    definitions = {"Flunder": flunder, META: {"type": "object"}}
    return {"swagger": "2.0", "info": {"title": "wardle", "version": "1"}, "paths": paths, "definitions": definitions}


def status(code: int, reason: str, message: str) -> tuple[int, Object]:
    found = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }
    return code, found


class Flunders:
    """The objects, and who watches them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.found: dict[tuple[str, str], Object] = {}
        self._revision = 1
        self._watchers: list[tuple[str, queue.Queue[Object | None]]] = []

    def _tell(self, kind: str, obj: Object) -> None:
        for namespace, watcher in self._watchers:
            if namespace in ("", obj["metadata"]["namespace"]):
                watcher.put({"type": kind, "object": obj})

    def create(self, namespace: str, obj: Object) -> tuple[int, Object]:
        with self._lock:
            name = obj["metadata"]["name"]
            if (namespace, name) in self.found:
                return status(409, "AlreadyExists", f'flunders.{GROUP} "{name}" already exists')
            self._revision += 1
            metadata = {**obj["metadata"], "namespace": namespace, "uid": f"uid-{self._revision}",
                "resourceVersion": str(self._revision), "creationTimestamp": "2026-01-01T00:00:00Z"}  # fmt: skip
            made = {"kind": "Flunder", "apiVersion": f"{GROUP}/{VERSION}", **obj, "metadata": metadata}
            self.found[namespace, name] = made
            self._tell("ADDED", made)
            return 201, made

    def get(self, namespace: str, name: str) -> tuple[int, Object]:
        found = self.found.get((namespace, name))
        return (200, found) if found else status(404, "NotFound", f'flunders.{GROUP} "{name}" not found')

    def delete(self, namespace: str, name: str) -> tuple[int, Object]:
        with self._lock:
            found = self.found.pop((namespace, name), None)
            if found is None:
                return status(404, "NotFound", f'flunders.{GROUP} "{name}" not found')
            self._revision += 1
            self._tell("DELETED", found)
            return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def list(self, namespace: str) -> tuple[int, Object]:
        items = [one for (where, _), one in sorted(self.found.items()) if namespace in ("", where)]
        metadata = {"resourceVersion": str(self._revision)}
        return 200, {"kind": "FlunderList", "apiVersion": f"{GROUP}/{VERSION}", "metadata": metadata, "items": items}

    def watch(self, namespace: str) -> queue.Queue[Object | None]:
        made: queue.Queue[Object | None] = queue.Queue()
        with self._lock:
            self._watchers.append((namespace, made))
        return made

    def end(self) -> None:
        for _, watcher in self._watchers:
            watcher.put(None)


class ExtensionServer:
    """`with ExtensionServer(folder, front_proxy_ca, names) as server:`; `asked` has (user, groups, method, path)."""

    def __init__(self, folder: Path, front_proxy: str, names: tuple[str, ...], address: str = "127.0.0.1") -> None:
        now = int(time.time())
        authority = new_authority("wardle", now)
        identity = folder / "wardle.pem"
        identity.write_text(new_leaf(Wanted("wardle", names=tuple(sorted(names)), server=True), authority, now))
        self.bundle = base64.b64encode(authority[: authority.index("-----BEGIN PRIVATE")].encode()).decode()
        self.flunders, self.healthy = Flunders(), True
        self.address = address
        self.asked: list[tuple[str, tuple[str, ...], str, str]] = []
        self.shown: list[str] = []  # serial numbers of the certificates that requests came with
        self.extra: Mapping[str, str] = {}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=front_proxy)
        self._server = ThreadingHTTPServer((address, 0), self._handler())
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def _handler(outer) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                parts = urlsplit(self.path)
                if not outer._believed(self.connection):
                    return self._answer(*status(401, "Unauthorized", "no front proxy"))
                outer.shown.append(self.connection.getpeercert()["serialNumber"])
                user, groups = self.headers["X-Remote-User"], tuple(self.headers.get_all("X-Remote-Group", ()))
                outer.asked.append((user, groups, self.command, parts.path))
                if extra := {key.lower(): value for key, value in self.headers.items() if "extra" in key.lower()}:
                    outer.extra = extra  # the last that there was
                if not outer.healthy:
                    return self._answer(*status(500, "InternalError", "out of order"))
                if parts.path == PREFIX:
                    return self._answer(200, RESOURCES)
                if parts.path == "/openapi/v2":
                    return self._answer(200, open_api())
                if not parts.path.startswith(PREFIX):
                    return self._answer(*status(404, "NotFound", "the server could not find the requested resource"))
                return self._object(parts.path.removeprefix(PREFIX).strip("/").split("/"), parse_qs(parts.query), body)

            def _object(self, words: list[str], query: Mapping[str, list[str]], body: bytes) -> None:
                namespace = words[1] if words[0] == "namespaces" else ""
                words = words[2:] if namespace else words
                name, known = words[1] if len(words) > 1 else "", outer.flunders
                if words[2:] == ["echo"]:
                    return self._echo()
                if self.command == "POST":
                    return self._answer(*known.create(namespace, json.loads(body)))
                if self.command == "DELETE":
                    return self._answer(*known.delete(namespace, name))
                if query.get("watch", ["false"])[0] in ("true", "1"):
                    return self._watch(namespace)
                return self._answer(*(known.get(namespace, name) if name else known.list(namespace)))

            def _echo(self) -> None:
                """Another protocol: what comes goes back in capitals, until the other side is silent for good."""
                self.send_response(101)
                self.send_header("Connection", "Upgrade")
                self.send_header("Upgrade", "echo")
                self.end_headers()
                while data := self.connection.recv(4096):
                    self.connection.sendall(data.upper())
                self.close_connection = True

            def _watch(self, namespace: str) -> None:
                events = outer.flunders.watch(namespace)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                while (event := events.get()) is not None:
                    data = json.dumps(event).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                self.wfile.write(b"0\r\n\r\n")

            def _answer(self, code: int, found: Object) -> None:
                data = json.dumps(found).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Warning", '299 - "flunders are a sample"')
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = _serve

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    @staticmethod
    def _believed(connection: Any) -> bool:
        """Who shows a certificate of that authority, with the one name that may speak for others."""
        found = connection.getpeercert() or {}
        return ("commonName", "front-proxy-client") in [pair for one in found.get("subject", ()) for pair in one]

    def __enter__(self) -> ExtensionServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.flunders.end()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
