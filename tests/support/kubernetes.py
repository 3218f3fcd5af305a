"""A Kubernetes API server under test: ours in a thread of this process, over HTTPS, and plain clients for it."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from corral.cluster.apiserver.app import Kubernetes, Options
from corral.cluster.apiserver.certificates import kubeconfig, pki
from corral.http.server import Server
from corral.http.tls import server_context
from corral.store.interface import Store
from corral.store.memory import MemoryStore

Object = dict[str, Any]
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


class Answer(NamedTuple):
    """One HTTP answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def told(self) -> tuple[int, str, str]:
        """(code, reason, message) of a Status, once it was found to be one."""
        found = self.json
        assert (found["kind"], found["apiVersion"], found["status"]) == ("Status", "v1", "Failure"), found
        assert found["code"] == self.status
        return self.status, found.get("reason", ""), found["message"]


class WatchStream:
    """A watch over HTTP: `next()` gives the next event."""

    def __init__(self, connection: http.client.HTTPSConnection, path: str, headers: Mapping[str, str]) -> None:
        self._connection = connection
        connection.request("GET", path, headers=dict(headers))
        self.answer = connection.getresponse()
        assert self.answer.status == 200, self.answer.read()

    def next(self) -> Object:
        line = self.answer.readline()
        assert line, "the watch has ended"
        return json.loads(line)

    def told(self) -> tuple[str, str]:
        """(type, name) of the next event."""
        event = self.next()
        return event["type"], event["object"]["metadata"].get("name", "")

    def rest(self) -> list[Object]:
        """All that comes until the server ends the watch."""
        return [json.loads(line) for line in self.answer]

    def close(self) -> None:
        self._connection.close()


class ApiClient:
    """One user, who shows a certificate (`context` has it), a token or nothing."""

    def __init__(self, port: int, context: ssl.SSLContext, headers: Mapping[str, str] | None = None) -> None:
        self._port, self._context, self._headers = port, context, dict(headers or {})
        self._kept: http.client.HTTPSConnection | None = None

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self._port, timeout=60, context=self._context)

    def acting(self, **headers: str) -> ApiClient:
        """The same with more headers: `impersonate_user="jane"`."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return ApiClient(self._port, self._context, {**self._headers, **more})

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """`body`: bytes as they are, anything else as JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        found = {"accept": "application/json", "user-agent": "test/1"}
        if data is not None:
            found["content-type"] = "application/json"
        found |= {name.lower(): value for name, value in (*self._headers.items(), *(headers or {}).items())}
        connection = self._kept = self._kept or self.connect()
        connection.request(method, path, body=data, headers=found)
        answer = connection.getresponse()
        return Answer(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())

    def ok(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """The answer's JSON, once it was found to be a success."""
        answer = self.ask(method, path, body, headers)
        assert answer.status < 300, (method, path, answer.status, answer.body[:2000])
        return answer.json

    def get(self, path: str, **headers: str) -> Any:
        return self.ok("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def patch(self, path: str, patch: Any, media: str = MERGE_PATCH) -> Answer:
        return self.ask("PATCH", path, patch, {"Content-Type": media})

    def watch(self, path: str, **headers: str) -> WatchStream:
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return WatchStream(self.connect(), path, {**self._headers, **more})

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()


class LiveKubernetes:
    """`with LiveKubernetes(folder) as cluster:` serves it on the loopback; `cluster.admin` may do everything."""

    def __init__(
        self,
        folder: Path,
        store: Store | None = None,
        options: Options | None = None,
        opens: Callable[[], Awaitable[Store]] | None = None,
    ) -> None:
        """`opens` opens the store, on the server's own event loop."""
        self._folder, self._given, self._options, self._opens = folder, store, options or Options(), opens
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="live-kubernetes")
        self._failure: BaseException | None = None

    def __enter__(self) -> LiveKubernetes:
        self._thread.start()
        self._ready.wait()
        if self._failure:
            raise self._failure
        self.admin = ApiClient(self.port, self._client_context(str(self._pki.admin)))
        return self

    def __exit__(self, *_: object) -> None:
        self.admin.close()
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _client_context(self, identity: str = "") -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self._pki.ca)
        if identity:
            context.load_cert_chain(identity)
        return context

    @property
    def front_proxy(self) -> str:
        """The authority of who may speak for others, as extension servers know it."""
        return self._pki.front_proxy_ca

    def renew_front_proxy(self) -> None:
        """Makes the certificate anew that extension servers know this server by, as when it ends soon."""
        self._pki.front_proxy_client.unlink()
        pki.renew(self._pki, int(time.time()))
        self.loop.call_soon_threadsafe(self.api.renewed)

    @property
    def nobody(self) -> ApiClient:
        """Somebody without credentials."""
        return ApiClient(self.port, self._client_context())

    def another_admin(self) -> ApiClient:
        """One more connection of the administrator's, for a thread of its own."""
        return ApiClient(self.port, self._client_context(str(self._pki.admin)))

    def bearer(self, token: str) -> ApiClient:
        return ApiClient(self.port, self._client_context(), {"Authorization": f"Bearer {token}"})

    @property
    def kubeconfig(self) -> str:
        identity = self._pki.admin.read_text()
        return kubeconfig.render("test", f"https://127.0.0.1:{self.port}", self._pki.ca, identity)

    async def _serve(self) -> None:
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            self.store = await self._opens() if self._opens else self._given or MemoryStore()
            self._pki = pki.ensure(self._folder / "pki", pki.server_names("10.96.0.1"), int(time.time()))
            self.api = await Kubernetes.open(self.store, self._pki, self._options)
            await self.api.boot()
            server = Server(self.api.handle)
            path = str(self._pki.server)
            context = server_context(path, path, self._pki.client_authorities)
            self.port = await server.listen_tcp("127.0.0.1", 0, context)
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._ready.set()
        await self._stop.wait()
        await self.api.close()
        await server.close(grace=5)  # what the end of the API ends is told so, however slowly
        self.store.close()

    def run(self, work: Any) -> Any:
        """A coroutine in the server's own event loop: its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)


class Namespace:
    """A namespace of a test's own, and where its objects are."""

    def __init__(self, cluster: LiveKubernetes, name: str) -> None:
        self.cluster, self.name, self.admin = cluster, name, cluster.admin
        self.admin.ok("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        self.create("serviceaccounts", {"metadata": {"name": "default"}})  # as its controller does

    def path(self, plural: str, *parts: str, group: str = "") -> str:
        start = f"/apis/{group}" if group else "/api/v1"
        return "/".join((f"{start}/namespaces/{self.name}/{plural}", *parts))

    def create(self, plural: str, obj: Object, group: str = "") -> Any:
        return self.admin.ok("POST", self.path(plural, group=group), obj)

    def config(self, name: str, data: Mapping[str, str] | None = None, **metadata: Any) -> Any:
        """A ConfigMap, the plainest of objects."""
        return self.create("configmaps", {"metadata": {"name": name, **metadata}, "data": dict(data or {})})

    def pod(self, name: str, **metadata: Any) -> Any:
        spec = {"containers": [{"name": "main", "image": "busybox"}]}
        return self.create("pods", {"metadata": {"name": name, **metadata}, "spec": spec})

    def deployment(self, name: str, replicas: int = 1) -> Any:
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "busybox"}]}}
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        return self.create("deployments", {"metadata": {"name": name}, "spec": spec}, "apps/v1")


def numbered(prefix: str = "ns") -> Iterator[str]:
    """Names that no other test has."""
    number = 0
    while True:
        number += 1
        yield f"{prefix}-{number}"
