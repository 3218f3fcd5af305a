"""A small HTTPS server on the loopback, that answers as the test says, and remembers what it was asked."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from corral.cluster.apiserver.caching.item import resource_prefix, stored_bytes
from corral.cluster.apiserver.certificates.issuing import new_authority, new_leaf
from corral.cluster.apiserver.certificates.renewal import Wanted
from tests.support.kubernetes import Namespace

Object = dict[str, Any]
Answer = Callable[[str, str, Object], Object | bytes | tuple[int, bytes]]


class LiveWebhook:
    """`with LiveWebhook(folder, answer) as hook:`; `answer(method, path, body)` gives the body of the answer.

    Or the status and a text, as what is no webhook answers.
    """

    def __init__(self, folder: Path, answer: Answer, names: tuple[str, ...] = ("127.0.0.1", "localhost")) -> None:
        now = int(time.time())
        authority = new_authority("webhooks", now)
        identity = folder / "webhook.pem"
        identity.write_text(new_leaf(Wanted("webhook", names=tuple(sorted(names)), server=True), authority, now))
        self.bundle = base64.b64encode(authority[: authority.index("-----BEGIN PRIVATE")].encode()).decode()
        self.answer, self.asked, self.headers = answer, list[Object](), list[dict[str, str]]()
        self.connections = 0
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def _handler(outer) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                outer.connections += 1
                super().setup()

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                found = json.loads(body) if body else {}
                outer.asked.append(found)
                outer.headers.append({key.lower(): value for key, value in self.headers.items()})
                answer = outer.answer(self.command, self.path, found)
                status, media = 200, "application/json"
                if isinstance(answer, tuple):
                    (status, answer), media = answer, "text/plain"
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", media)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def __enter__(self) -> LiveWebhook:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def reviewed(review: Object, *, allowed: bool = True, patch: Any = None, **more: Any) -> Object:
    """The answer to an AdmissionReview."""
    response = {"uid": review["request"]["uid"], "allowed": allowed, **more}
    if patch is not None:
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1"
PODS = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods", "pods/*"]}
RULE = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}


class Hooks:
    """Configurations of webhooks that look at one namespace and all lead to `live`."""

    def __init__(self, ns: Namespace, live: LiveWebhook) -> None:
        self.ns, self.live, self._made = ns, live, list[str]()

    def install(self, kind: str, *hooks: dict[str, Any], name: str = "") -> None:
        """`kind`: mutating or validating. Only this test's namespace is looked at."""
        name = name or f"{kind}-{self.ns.name}"
        plural = f"{kind}webhookconfigurations"
        selector = {"matchLabels": {"kubernetes.io/metadata.name": self.ns.name}}
        made = [
            {"name": f"h{index}.example.com", "clientConfig": {"url": f"{self.live.url}/{index}", "caBundle": self.live.bundle},  # noqa: E501
             "rules": [RULE], "sideEffects": "None", "admissionReviewVersions": ["v1"], "namespaceSelector": selector,
             "timeoutSeconds": 30, **hook}
            for index, hook in enumerate(hooks)
        ]  # fmt: skip
        self.ns.admin.ok("POST", f"{CONFIGURATIONS}/{plural}", {"metadata": {"name": name}, "webhooks": made})
        self._made.append(f"{CONFIGURATIONS}/{plural}/{name}")

    def put_as_it_was(self, kind: str, **fields: str) -> None:
        """The hooks of a configuration get fields in the store, as another release may have left them there."""
        plural, name = f"{kind}webhookconfigurations", f"{kind}-{self.ns.name}"
        found = self.ns.admin.get(f"{CONFIGURATIONS}/{plural}/{name}")
        found["webhooks"] = [{**hook, **fields} for hook in found["webhooks"]]
        key = resource_prefix("admissionregistration.k8s.io", plural) + f"/{name}"
        self.ns.cluster.run(self.ns.cluster.store.commit({key: stored_bytes(found)}))
        assert self.ns.admin.get(f"{CONFIGURATIONS}/{plural}/{name}")["webhooks"] == found["webhooks"]

    def remove(self) -> None:
        for path in self._made:
            self.ns.admin.ok("DELETE", path)


def create(hooks: Hooks, name: str = "a", query: str = "", **data: str) -> Any:
    return hooks.ns.admin.ask("POST", hooks.ns.path("configmaps") + query, {"metadata": {"name": name}, "data": data})


def last(hooks: Hooks) -> Any:
    """What was asked last."""
    return hooks.live.asked[-1]["request"]
