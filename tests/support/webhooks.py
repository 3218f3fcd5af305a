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

from corral.cluster.apiserver.certificates.issuing import new_authority, new_leaf
from corral.cluster.apiserver.certificates.renewal import Wanted

Object = dict[str, Any]
Answer = Callable[[str, str, Object], Object | bytes]


class LiveWebhook:
    """`with LiveWebhook(folder, answer) as hook:`; `answer(method, path, body)` gives the body of the answer."""

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
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
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
