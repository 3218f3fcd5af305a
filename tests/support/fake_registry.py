"""A registry in memory for tests, as well behaved or as hostile as they want it.

Written from the distribution-spec, with none of the client's code: an independent idea of what a registry is.

::

    with FakeRegistry() as registry:
        registry.add_image("app", "1", [tar])
        registry.fault(lambda ask: ask.cut(1000) if "/blobs/" in ask.path else False)
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Ask(BaseHTTPRequestHandler):
    """One request, and the ways to answer it."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _handle(self) -> None:
        registry = self.server.registry
        self.url = urlsplit(self.path)
        self.query = parse_qs(self.url.query)
        self._sent = False
        if registry.is_down:
            self.hang_up()
            return
        with registry.lock:
            registry.seen.append((self.command, self.path, dict(self.headers)))
        try:
            for fault in list(registry.faults):
                if fault(self):
                    return
            registry.serve(self)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline().strip() or b"0", 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    # Answers. Each returns True, so that a fault can end with it.

    def answer(self, status: int, body: bytes = b"", **headers: str) -> bool:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers and "Transfer_Encoding" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return True

    def refuse(self, status: int, code: str, message: str = "", **headers: str) -> bool:
        body = json.dumps({"errors": [{"code": code, "message": message or code.lower().replace("_", " ")}]}).encode()
        return self.answer(status, body, **headers)

    def redirect(self, target: str) -> bool:
        return self.answer(307, b"", Location=target)

    def cut(self, after: int) -> bool:
        """Serves what there is, but only so many bytes of it: then the connection is reset."""
        registry = self.server.registry
        wfile, left = self.wfile, [after]

        class Short:
            def write(short, data: bytes) -> None:
                wfile.write(data[: left[0]])
                left[0] -= min(left[0], len(data))

            def flush(short) -> None:
                wfile.flush()

        headers = self.end_headers

        def end_headers() -> None:
            headers()
            self.wfile = Short()  # type: ignore[assignment]

        self.end_headers = end_headers  # type: ignore[method-assign]
        registry.serve(self)
        self.wfile = wfile
        self.hang_up()
        return True

    def hang_up(self) -> bool:
        """Resets the connection."""
        with suppress(OSError):
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        with suppress(OSError):
            self.connection.close()
        return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    registry: FakeRegistry

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # connections that tests break


def packed_alike(data: bytes) -> bytes:
    """With gzip, and with no word of when: two images share what is the same in both."""
    return gzip.compress(data, mtime=0)


class FakeRegistry:
    """`users`: name -> password; then `auth` says "basic" or "bearer". `seen` is every request, `blobs` and
    `manifests` (repository -> reference -> (media type, bytes)) what there is."""

    def __init__(
        self, *, users: dict[str, str] | None = None, auth: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        self.lock = threading.Lock()
        self.users, self.auth = users or {}, auth
        self.anonymous_pull = False
        self.ranges = True
        self.blobs: dict[str, dict[str, bytes]] = {}
        self.manifests: dict[str, dict[str, tuple[str, bytes]]] = {}
        self.uploads: dict[str, bytearray] = {}
        self._names = itertools.count()
        self.faults: list[Callable[[Ask], bool]] = []
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.identity_tokens: dict[str, str] = {}
        self.scheme, self._tls = "https" if tls else "http", tls
        self.is_down = False
        self.port = 0
        self._listen()

    def _listen(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), Ask)
        self._server.registry = self
        if self._tls:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def down(self) -> None:
        """Nobody listens any more, and who is connected is cut off; uploads are forgotten."""
        self.is_down = True
        self.__exit__()
        self.uploads.clear()

    def up(self) -> None:
        """Again, at the same port."""
        self.is_down = False
        self._listen()
        self._thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    def __enter__(self) -> FakeRegistry:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fault(self, act: Callable[[Ask], bool], times: int = -1) -> None:
        """`act` sees each request first; True means that it has answered. It goes after it has acted so often."""
        left = [times]

        def once(ask: Ask) -> bool:
            if left[0] == 0:
                return False
            acted = act(ask)
            left[0] -= bool(acted) and left[0] > 0
            return acted

        self.faults.append(once)

    def asked(self, method: str, pattern: str) -> list[tuple[str, str, dict[str, str]]]:
        with self.lock:
            return [one for one in self.seen if one[0] == method and re.search(pattern, one[1])]

    # Content.

    def add_blob(self, repository: str, data: bytes) -> str:
        digest = sha256(data)
        self.blobs.setdefault(repository, {})[digest] = data
        return digest

    def add_manifest(self, repository: str, tag: str, document: dict[str, Any], media_type: str = OCI_MANIFEST) -> str:
        data = json.dumps(document).encode()
        digest = sha256(data)
        for reference in {tag, digest} - {""}:
            self.manifests.setdefault(repository, {})[reference] = (media_type, data)
        return digest

    def add_image(
        self, repository: str, tag: str, tars: Iterable[bytes], *, pack: Callable[[bytes], bytes] = packed_alike,
        layer_type: str = OCI_LAYER, **config: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """An image with these layers; its manifest."""
        tars = list(tars)
        about = {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]},
            "config": {"Cmd": ["sh"]},
            **config,
        }
        packed = [pack(tar) for tar in tars]
        data = json.dumps(about).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": self.add_blob(repository, data), "size": len(data)},
            "layers": [
                {"mediaType": layer_type, "digest": self.add_blob(repository, blob), "size": len(blob)}
                for blob in packed
            ],
        }
        self.add_manifest(repository, tag, manifest)
        return manifest

    # Serving.

    def serve(self, ask: Ask) -> None:
        if ask.url.path == "/token":
            self._token(ask)
        elif not self._allowed(ask):
            ask.body()
            header = (
                f'Bearer realm="{self.url}/token",service="fake",scope="{self._scope(ask)}"'
                if self.auth == "bearer"
                else 'Basic realm="fake"'
            )
            ask.refuse(401, "UNAUTHORIZED", "authentication required", WWW_Authenticate=header)
        elif ask.url.path == "/v2/":
            ask.answer(200, b"{}")
        elif ask.url.path == "/v2/_catalog":
            ask.answer(200, json.dumps({"repositories": sorted(self.manifests)}).encode())
        elif found := re.fullmatch(r"/v2/(.+)/(manifests|blobs|tags|blobs/uploads)/([^/]*)", ask.url.path):
            kind = found[2]
            {"manifests": self._manifest, "blobs": self._blob, "tags": self._tags, "blobs/uploads": self._upload}[kind](
                ask, found[1], found[3]
            )
        else:
            ask.body()
            ask.refuse(404, "UNSUPPORTED")

    def _scope(self, ask: Ask) -> str:
        found = re.match(r"/v2/(.+)/(manifests|blobs|tags)/", ask.url.path)
        return f"repository:{found[1]}:pull" if found else ""

    def _allowed(self, ask: Ask) -> bool:
        if not self.auth:
            return True
        word = ask.headers.get("Authorization", "")
        if self.auth == "basic":
            return self._user(word) is not None
        token = word.removeprefix("Bearer ") if word.startswith("Bearer ") else ""
        if not token:
            return False
        scopes = json.loads(base64.b64decode(token))
        found = re.match(r"/v2/(.+)/(manifests|blobs|tags)/", ask.url.path)
        wanted = "pull" if ask.command in ("GET", "HEAD") else "push"
        return found is None or any(
            s.split(":")[1] == found[1] and wanted in s.split(":")[2].split(",") for s in scopes if s.count(":") == 2
        )

    def _user(self, word: str) -> str | None:
        if not word.startswith("Basic "):
            return None
        name, _, password = base64.b64decode(word[6:]).decode().partition(":")
        return name if self.users.get(name) == password else None

    def _token(self, ask: Ask) -> None:
        body = ask.body()
        scopes = ask.query.get("scope", [])
        if ask.command == "POST":
            form = parse_qs(body.decode())
            user: str | None = self.identity_tokens.get(form.get("refresh_token", [""])[0])
            scopes = form.get("scope", [""])[0].split()
        else:
            word = ask.headers.get("Authorization", "")
            user = self._user(word)
            if word and user is None:
                ask.answer(401, b'{"details":"incorrect username or password"}')
                return
        if user is None:
            if ask.command == "POST":
                ask.answer(401, b'{"details":"invalid refresh token"}')
                return
            scopes = [s.replace("pull,push", "pull") for s in scopes if self.anonymous_pull]
        answer = {"token": base64.b64encode(json.dumps(scopes).encode()).decode(), "expires_in": 300}
        if user and ask.query.get("offline_token"):
            answer["refresh_token"] = f"identity-{user}"
            self.identity_tokens[f"identity-{user}"] = user
        ask.answer(200, json.dumps(answer).encode())

    def _manifest(self, ask: Ask, repository: str, reference: str) -> None:
        body = ask.body()
        if ask.command == "PUT":
            digest = sha256(body)
            for name in {reference, digest}:
                self.manifests.setdefault(repository, {})[name] = (ask.headers["Content-Type"], body)
            ask.answer(201, Docker_Content_Digest=digest, Location=f"/v2/{repository}/manifests/{digest}")
            return
        found = self.manifests.get(repository, {}).get(reference)
        if found is None:
            ask.refuse(404, "MANIFEST_UNKNOWN" if repository in self.manifests else "NAME_UNKNOWN")
            return
        ask.answer(200, found[1], Content_Type=found[0], Docker_Content_Digest=sha256(found[1]))

    def _blob(self, ask: Ask, repository: str, digest: str) -> None:
        data = self.blobs.get(repository, {}).get(digest)
        wanted = re.fullmatch(r"bytes=(\d+)-", ask.headers.get("Range", ""))
        if data is None:
            ask.refuse(404, "BLOB_UNKNOWN")
        elif wanted and self.ranges:
            start = int(wanted[1])
            ask.answer(206, data[start:], Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            ask.answer(200, data)

    def _tags(self, ask: Ask, repository: str, _: str) -> None:
        tags = sorted(name for name in self.manifests.get(repository, {}) if ":" not in name)
        count, last = int(ask.query.get("n", ["2"])[0]), ask.query.get("last", [""])[0]
        page = [tag for tag in tags if tag > last][:count]
        more = {"Link": f'</v2/{repository}/tags/list?n={count}&last={page[-1]}>; rel="next"'} if page else {}
        ask.answer(200, json.dumps({"name": repository, "tags": page}).encode(), **more)

    def _upload(self, ask: Ask, repository: str, name: str) -> None:
        body = ask.body()
        if ask.command == "POST":
            digest, source = ask.query.get("mount", [""])[0], ask.query.get("from", [""])[0]
            if digest and digest in self.blobs.get(source, {}):
                self.blobs.setdefault(repository, {})[digest] = self.blobs[source][digest]
                ask.answer(201, Location=f"/v2/{repository}/blobs/{digest}", Docker_Content_Digest=digest)
                return
            name = f"u{next(self._names)}"  # never one that an upload had before, also when that one is gone
            self.uploads[name] = bytearray()
            ask.answer(202, Location=f"/v2/{repository}/blobs/uploads/{name}?state=x", Range="0-0")
            return
        upload = self.uploads.get(name)
        if upload is None:
            ask.refuse(404, "BLOB_UPLOAD_UNKNOWN")
            return
        where = {"Location": f"/v2/{repository}/blobs/uploads/{name}?state=y"}
        if ask.command == "DELETE":
            del self.uploads[name]
            ask.answer(204)
        elif ask.command == "GET":
            ask.answer(204, Range=f"0-{max(0, len(upload) - 1)}", **where)
        elif ask.command == "PATCH":
            begin = re.match(r"(\d+)-", ask.headers.get("Content-Range", ""))
            if begin and int(begin[1]) != len(upload):
                ask.refuse(416, "BLOB_UPLOAD_INVALID", Range=f"0-{max(0, len(upload) - 1)}", **where)
                return
            upload += body
            ask.answer(202, Range=f"0-{max(0, len(upload) - 1)}", **where)
        else:
            upload += body
            digest = ask.query.get("digest", [""])[0]
            if sha256(bytes(upload)) != digest:
                ask.refuse(400, "DIGEST_INVALID")
                return
            self.blobs.setdefault(repository, {})[digest] = bytes(upload)
            del self.uploads[name]
            ask.answer(201, Location=f"/v2/{repository}/blobs/{digest}", Docker_Content_Digest=digest)
