"""An engine that remembers what the handlers of Docker's API asked of it, and how a test asks them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

from corral.engine.host import HostInfo
from corral.engine.named import find_network
from corral.errors import NotFound
from corral.http.message import Body, Request, Response, StreamResponse
from corral.http.parser import Head
from corral.kit.clock import SECOND
from corral.model.container import Container, ContainerSpec, Endpoint, MountPoint, Resources, State
from corral.model.image import HistoryEntry, Image
from corral.model.network import Network, NetworkInfo, NetworkSpec, Pool
from corral.model.volume import Volume
from tests.support.fake_builder import FakeBuilder

IMAGE = Image("sha256:" + "1" * 64, created=SECOND, tags=["docker.io/library/busybox:latest"], history=[HistoryEntry()])
WEB = Container(
    "a" * 64,
    "web",
    SECOND,
    IMAGE.id,
    ContainerSpec("busybox", env=["A=1"], resources=Resources(memory=8 << 20, memory_swap=16 << 20)),
    path="sh",
    state=State("running", pid=1, started_at=SECOND),
    mount_points=[MountPoint("volume", "/v/_data", "/data", name="data", driver="local")],
)
PLACE = Endpoint("bridge", "b" * 64, "e", ipv4="10.88.0.2", ipv4_prefix=16)
BRIDGE = NetworkInfo(
    Network(
        "b" * 64,
        NetworkSpec("bridge"),
        created=1,
        pools=[Pool("10.88.0.0/16", "10.88.0.1")],
        bridge="corral0",
        builtin=True,
    ),
    {WEB.id: PLACE},
)
HOST = NetworkInfo(Network("c" * 64, NetworkSpec("host", "host"), builtin=True))
SHOP = NetworkInfo(Network("d" * 64, NetworkSpec("shop", labels={"tier": "front"}), created=60 * SECOND))


class Calls:
    """Remembers what it was asked to do; `answers` says what comes back."""

    def __init__(self, **answers: Any) -> None:
        self.made: list[tuple[Any, ...]] = []
        self.answers = answers

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any, **options: Any) -> Any:
            self.made.append((name, *arguments, *([options] if options else [])))
            answer = self.answers.get(name)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


class FakeContainers(Calls):
    def get(self, ref: str) -> Container:
        if ref not in (WEB.id, WEB.name):
            raise NotFound(f"No such container: {ref}")
        return WEB

    def list(self, *, unlisted: bool = False) -> list[Container]:
        return [WEB]

    def exec_ids(self, ref: str) -> list[str]:
        return []

    def apparmor(self, container: Container) -> str:
        return "mine"

    def link_names(self) -> dict[str, list[str]]:
        return {WEB.id: ["/proxy/backend"]}

    def export(self, ref: str) -> AsyncIterator[bytes]:
        return pieces(b"tar", b"ball")


class FakeImages(Calls):
    def get(self, ref: str) -> Image:
        if ref not in ("busybox", IMAGE.id):
            raise NotFound(f"No such image: {ref}:latest")
        return IMAGE

    def list(self) -> list[Image]:
        return [IMAGE]

    def graph(self, id: str) -> dict[str, str]:
        return {"UpperDir": f"/{id}"}

    image_graph = graph

    @property
    def rootfs(self) -> FakeImages:
        return self

    def chosen(self, names: list[str]) -> list[Image]:
        return [self.get(name) for name in names]

    def save(self, names: list[str]) -> AsyncIterator[bytes]:
        self.made.append(("save", names))
        return pieces(b"saved")


class FakeVolumes(Calls):
    def get(self, name: str) -> Volume:
        return Volume(name, mountpoint="/v/_data", created=SECOND)

    def list(self) -> list[Volume]:
        return [Volume("data", created=SECOND), Volume("idle", labels={"k": "v"})]

    def exists(self, name: str) -> bool:
        return name == "data"


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


class FakeNetworks(Calls):
    def info(self) -> list[NetworkInfo]:
        return [BRIDGE, HOST, SHOP]

    def get(self, ref: str) -> NetworkInfo:
        return find_network(self.info(), ref)


def make_api(**answers: dict[str, Any]) -> Any:
    events: list[tuple[Any, ...]] = []
    paths = SimpleNamespace(
        log=lambda id: f"/log/{id}", bundle=lambda id: f"/run/{id}", rootfs=lambda id: f"/run/{id}/rootfs"
    )
    engine = SimpleNamespace(
        containers=FakeContainers(**answers.get("containers", {})),
        images=FakeImages(**answers.get("images", {})),
        volumes=FakeVolumes(**answers.get("volumes", {})),
        networks=FakeNetworks(**answers.get("networks", {})),
        events=SimpleNamespace(publish=lambda *event: events.append(event), seen=events),
        host=HostInfo(cpus=2, architecture="x86_64", cgroup_version=2, runtimes={"runc": []}, default_runtime="runc"),
        parts=SimpleNamespace(
            clock=SimpleNamespace(now=lambda: 61 * SECOND),
            paths=paths,
            tell_image=lambda action, id, name="": events.append(("image", action, id, {"name": name or id})),
        ),
    )
    return SimpleNamespace(engine=engine, builder=FakeBuilder())


def ask(method: str, path: str, /, body: Any = None, version: str = "/v1.51", **query: Any) -> Request:
    data = b"" if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", "content-length": str(len(data))} if data else {}
    target = version + path + ("?" + urlencode(query, doseq=True) if query else "")
    incoming = Body(lambda: None, lambda: None)
    if data:
        incoming.feed(data)
    incoming.feed_end()
    return Request(Head(method, target, "1.1", headers, True, len(data)), incoming)


def read(response: Any) -> Any:
    assert isinstance(response, Response)
    return json.loads(response.body) if response.body else None


async def gather(response: Any) -> bytes:
    assert isinstance(response, StreamResponse)
    return b"".join([chunk async for chunk in response.chunks])
