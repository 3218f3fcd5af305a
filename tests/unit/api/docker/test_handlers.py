"""The handlers: what of a request reaches the engine, and what of the engine's answer reaches the client."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest

from corral.api.docker import archive, commit, containers, creating, df, images, networks, prune, volumes
from corral.api.docker.render_image import layers_size
from corral.engine.host import HostInfo
from corral.engine.named import find_network
from corral.errors import Conflict, InvalidInput, NotFound, Unsupported
from corral.http.message import Body, Request, Response, StreamResponse
from corral.http.parser import Head
from corral.kit.clock import SECOND
from corral.model.container import Container, ContainerSpec, Endpoint, MountPoint, Resources, State
from corral.model.image import Change, HistoryEntry, Image, ImageConfig
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


async def test_create() -> None:
    api = make_api(containers={"create": SimpleNamespace(id="f" * 64, warnings=["w"])})
    request = ask("POST", "/containers/create", {"Image": "busybox", "Nope": 1}, name="box", platform="linux/amd64")
    response = await containers.container_create(api, request)
    assert (response.status, read(response)) == (
        201,
        {"Id": "f" * 64, "Warnings": ["w", 'Unknown field "Nope" was ignored']},
    )
    [(verb, spec, name)] = api.engine.containers.made
    assert (verb, name, spec.image, spec.platform) == ("create", "box", "busybox", "linux/amd64")


async def test_create_wants_json() -> None:
    request = ask("POST", "/containers/create", {"Image": "busybox"})
    request.headers["content-type"] = "text/plain"
    with pytest.raises(InvalidInput, match="unsupported Content-Type header"):
        await containers.container_create(make_api(), request)


async def test_list() -> None:
    api = make_api(containers={"sizes": (5, 9)})
    [line] = read(await containers.container_list(api, ask("GET", "/containers/json", size=1)))
    assert line["Names"] == ["/web", "/proxy/backend"]
    assert (line["Image"], line["Status"], line["SizeRw"], line["SizeRootFs"]) == ("busybox", "Up About a minute", 5, 9)
    none = await containers.container_list(api, ask("GET", "/containers/json", filters='{"status":["exited"]}'))
    assert read(none) == []
    family = await containers.container_list(api, ask("GET", "/containers/json", filters='{"ancestor":["busybox"]}'))
    assert len(read(family)) == 1
    with pytest.raises(InvalidInput, match=r"strconv\.Atoi"):
        await containers.container_list(api, ask("GET", "/containers/json", limit="x"))


async def test_an_image_that_lost_its_name_is_shown_by_its_id() -> None:
    api = make_api()
    api.engine.images.get = lambda ref: Image("sha256:new")
    [line] = read(await containers.container_list(api, ask("GET", "/containers/json")))
    assert line["Image"] == IMAGE.id


async def test_inspect() -> None:
    fields = read(await containers.container_inspect(make_api(), ask("GET", "/containers/web/json")))
    assert (fields["Name"], fields["HostsPath"]) == ("/web", f"/run/{WEB.id}/hosts")
    assert fields["AppArmorProfile"] == "mine"
    graph = {"ID": WEB.id, "UpperDir": f"/{WEB.id}", "MergedDir": f"/run/{WEB.id}/rootfs"}
    assert fields["GraphDriver"]["Data"] == graph
    assert "SizeRw" not in fields
    with pytest.raises(NotFound, match="No such container: nope"):
        await containers.container_inspect(make_api(), ask("GET", "/containers/nope/json"))


@pytest.mark.parametrize(
    ("handler", "path", "query", "call"),
    [
        (containers.container_start, "start", {}, ("start", "web")),
        (containers.container_stop, "stop", {}, ("stop", "web", None, "")),
        (containers.container_stop, "stop", {"t": "5", "signal": "INT"}, ("stop", "web", 5, "INT")),
        (containers.container_restart, "restart", {"t": "-1"}, ("restart", "web", -1, "")),
        (containers.container_kill, "kill", {}, ("kill", "web", "SIGKILL")),
        (containers.container_kill, "kill", {"signal": "HUP"}, ("kill", "web", "HUP")),
        (containers.container_pause, "pause", {}, ("pause", "web")),
        (containers.container_unpause, "unpause", {}, ("unpause", "web")),
        (containers.container_rename, "rename", {"name": "/new"}, ("rename", "web", "new")),
    ],
)
async def test_verbs(handler: Any, path: str, query: dict[str, str], call: tuple[Any, ...]) -> None:
    api = make_api()
    response = await handler(api, ask("POST", f"/containers/web/{path}", **query))
    assert (response.status, response.body) == (204, b"")
    assert api.engine.containers.made == [call]


async def test_the_signal_to_stop_with_is_new() -> None:
    api = make_api()
    await containers.container_stop(api, ask("POST", "/containers/web/stop", version="/v1.41", signal="INT"))
    assert api.engine.containers.made == [("stop", "web", None, "")]


async def test_kill_says_what_it_could_not() -> None:
    api = make_api(containers={"kill": Conflict("container abc is not running")})
    with pytest.raises(Conflict) as error:
        await containers.container_kill(api, ask("POST", "/containers/web/kill"))
    assert error.value.message == "cannot kill container: web: container abc is not running"


async def test_start_takes_no_body() -> None:
    with pytest.raises(InvalidInput, match="starting container with non-empty request body"):
        await containers.container_start(make_api(), ask("POST", "/containers/web/start", {"HostConfig": {}}))


async def test_names_for_rename() -> None:
    with pytest.raises(InvalidInput, match="Neither old nor new names may be empty"):
        await containers.container_rename(make_api(), ask("POST", "/containers/web/rename"))
    with pytest.raises(InvalidInput, match="Invalid container name"):
        await containers.container_rename(make_api(), ask("POST", "/containers/web/rename", name="a/b"))


async def test_update() -> None:
    api = make_api(containers={"update": ["w"]})
    request = ask("POST", "/containers/web/update", {"CpuShares": 5, "RestartPolicy": {"Name": "always"}})
    assert read(await containers.container_update(api, request)) == {"Warnings": ["w"]}
    [(verb, id, fields, restart)] = api.engine.containers.made
    assert (verb, id, fields, restart.name) == ("update", WEB.id, {"cpu_shares": 5}, "always")
    with pytest.raises(Conflict, match="Memory limit should be smaller than already set memoryswap limit"):
        await containers.container_update(api, ask("POST", "/containers/web/update", {"Memory": 1 << 30}))


async def test_remove_changes_export() -> None:
    api = make_api(containers={"changes": [Change("/a", "added"), Change("/b", "deleted")]})
    await containers.container_remove(api, ask("DELETE", "/containers/web", v=1, force="true"))
    assert api.engine.containers.made == [("remove", "web", {"force": True, "volumes": True})]
    changes = await containers.container_changes(api, ask("GET", "/containers/web/changes"))
    assert read(changes) == [{"Path": "/a", "Kind": 1}, {"Path": "/b", "Kind": 2}]
    assert await gather(await containers.container_export(api, ask("GET", "/containers/web/export"))) == b"tarball"
    with pytest.raises(NotFound):
        await containers.container_export(api, ask("GET", "/containers/nope/export"))


async def test_commit() -> None:
    api = make_api(containers={"commit": "sha256:new"})
    request = ask(
        "POST", "/commit", container="web", repo="me/app", tag="2", pause="0", changes=["ENV B=2"], author="me"
    )
    response = await commit.container_commit(api, request)
    assert (response.status, read(response)) == (201, {"Id": "sha256:new"})
    [(_, id, asked)] = api.engine.containers.made
    assert (id, asked.ref, asked.pause, asked.author) == (WEB.id, "me/app:2", False, "me")
    assert asked.config.env == ["A=1", "B=2"]


@pytest.mark.parametrize(("mtime", "told"), [(SECOND, "1970-01-01T00:00:01Z"), (0, "1970-01-01T00:00:00Z")])
async def test_archives(mtime: int, told: str) -> None:
    stat = SimpleNamespace(name="x", size=3, mode=0o644, mtime=mtime, link_target="")
    api = make_api(containers={"archive_stat": stat, "archive_get": (stat, pieces(b"t", b"ar"))})
    head = await archive.archive_stat(api, ask("HEAD", "/containers/web/archive", path="/x"))
    shown = json.loads(base64.b64decode(head.headers["X-Docker-Container-Path-Stat"]))
    assert shown == {"name": "x", "size": 3, "mode": 420, "mtime": told, "linkTarget": ""}
    got = await archive.archive_get(api, ask("GET", "/containers/web/archive", path="/x"))
    assert (await gather(got), got.headers["Content-Type"]) == (b"tar", "application/x-tar")
    await archive.archive_put(api, ask("PUT", "/containers/web/archive", path="/x", copyUIDGID="1"))
    verb, ref, path, _, options = api.engine.containers.made[-1]
    assert (verb, ref, path, options["copy_uid_gid"]) == ("archive_put", "web", "/x", True)
    with pytest.raises(InvalidInput, match="path cannot be empty"):
        await archive.archive_stat(api, ask("HEAD", "/containers/web/archive"))


async def test_an_image_of_another_platform_is_none() -> None:
    request = ask("POST", "/containers/create", {"Image": "busybox"}, platform="linux/arm64")
    with pytest.raises(NotFound, match=r"its platform \(linux/amd64\) does not match the specified platform"):
        await containers.container_create(make_api(), request)


class TestImages:
    async def test_list_and_inspect(self) -> None:
        api = make_api()
        [line] = read(await images.image_list(api, ask("GET", "/images/json")))
        assert (line["RepoTags"], line["Containers"]) == (["busybox:latest"], 1)
        fields = read(await images.image_inspect(api, ask("GET", "/images/busybox/json")))
        assert fields["Id"] == IMAGE.id
        assert len(read(await images.image_history(api, ask("GET", "/images/busybox/history")))) == 1

    async def test_names_have_slashes(self) -> None:
        with pytest.raises(NotFound, match=r"No such image: quay\.io/a/b"):
            await images.image_inspect(make_api(), ask("GET", "/images/quay.io/a/b/json"))

    async def test_tag(self) -> None:
        api = make_api(images={"tag": "docker.io/me/app:2"})
        response = await images.image_tag(api, ask("POST", "/images/busybox/tag", repo="me/app", tag="2"))
        assert (response.status, api.engine.images.made) == (201, [("tag", IMAGE.id, "me/app:2")])
        assert api.engine.events.seen == [("image", "tag", IMAGE.id, {"name": "me/app:2"})]

    async def test_remove(self) -> None:
        steps = [
            SimpleNamespace(untagged="docker.io/library/busybox:latest", deleted=""),
            SimpleNamespace(untagged="", deleted=IMAGE.id),
        ]
        api = make_api(images={"remove": steps})
        response = await images.image_remove(api, ask("DELETE", "/images/busybox", force=1))
        assert read(response) == [{"Untagged": "busybox:latest"}, {"Deleted": IMAGE.id}]
        assert [event[1:] for event in api.engine.events.seen] == [
            ("untag", IMAGE.id, {"name": IMAGE.id}),
            ("delete", IMAGE.id, {"name": IMAGE.id}),
        ]
        assert [(user.id, user.running) for user in images.users_of(api.engine, IMAGE.id)] == [(WEB.id, True)]

    async def test_import(self) -> None:
        api = make_api(images={"import_rootfs": IMAGE})
        request = ask("POST", "/images/create", fromSrc="-", repo="x", tag="1", changes='CMD ["a"]', message="m")
        response = await creating.image_create(api, request)
        assert read(response) == {"status": IMAGE.id}
        [(_, _, options)] = api.engine.images.made
        assert (options["ref"], options["message"], options["config"]) == ("x:1", "m", ImageConfig(command=["a"]))
        assert [event[1] for event in api.engine.events.seen] == ["tag", "import"]

    async def test_import_from_elsewhere(self) -> None:
        async def import_rootfs(chunks: AsyncIterator[bytes], **options: Any) -> Image:
            assert (b"".join([c async for c in chunks]), options["message"]) == (b"tar", "Imported from a/b")
            return IMAGE

        api = make_api()
        api.engine.images.import_rootfs = import_rootfs
        api.engine.transfers = SimpleNamespace(download=lambda source: (f"http://{source}", pieces(b"t", b"ar")))
        request = ask("POST", "/images/create", fromSrc="a/b", repo="x", tag="1")
        answer = await gather(await creating.image_create(api, request))
        assert [json.loads(line) for line in answer.splitlines()] == [
            {"status": "Downloading from http://a/b"},
            {"status": IMAGE.id},
        ]

        async def nothing() -> AsyncIterator[bytes]:
            raise NotFound("failed to GET http://a/b with status 404 Not Found: no")
            yield b""

        api.engine.transfers = SimpleNamespace(download=lambda source: (f"http://{source}", nothing()))
        with pytest.raises(NotFound):
            await creating.image_create(api, ask("POST", "/images/create", fromSrc="a/b"))

    async def test_one_of_another_platform_is_none(self) -> None:
        api, arm = make_api(), json.dumps({"os": "linux", "architecture": "arm64"})
        for handler, method, path, query in (
            (images.image_inspect, "GET", "/images/busybox/json", {"platform": arm}),
            (images.image_history, "GET", "/images/busybox/history", {"platform": arm}),
            (images.image_save, "GET", "/images/busybox/get", {"platform": arm}),
            (images.image_remove, "DELETE", "/images/busybox", {"platforms": arm}),
        ):
            with pytest.raises(NotFound, match=r"its platform \(linux/amd64\) does not match .* \(linux/arm64\)"):
                await handler(api, ask(method, path, **query))
        assert api.engine.images.made == []
        old = ask("GET", "/images/busybox/json", version="/v1.48", platform=arm)
        fields = read(await images.image_inspect(api, old))
        assert fields["Id"] == IMAGE.id  # a parameter that this version does not know

    async def test_load(self) -> None:
        api = make_api()
        name = IMAGE.tags[0]

        async def load(chunks: AsyncIterator[bytes], platform: str) -> AsyncIterator[Any]:
            assert (b"".join([c async for c in chunks]), platform) == (b'"tar"', "linux/arm64")
            yield SimpleNamespace(id="sha256:1", name=name, replaced="sha256:0")
            yield SimpleNamespace(id="sha256:2", name="", replaced="")
            raise InvalidInput("unexpected EOF")

        api.engine.images.load = load
        platform = json.dumps({"os": "linux", "architecture": "arm64"})
        answer = await gather(await images.image_load(api, ask("POST", "/images/load", "tar", platform=platform)))
        assert [json.loads(line) for line in answer.splitlines()] == [
            {
                "stream": "The image busybox:latest already exists, "
                "renaming the old one with ID sha256:0 to empty string\n"
            },
            {"stream": "Loaded image: busybox:latest\n"},
            {"stream": "Loaded image ID: sha256:2\n"},
            {"errorDetail": {"message": "unexpected EOF"}, "error": "unexpected EOF"},
        ]
        with pytest.raises(InvalidInput, match="both OS and Architecture must be provided"):
            await images.image_load(api, ask("POST", "/images/load", "tar", platform='{"os": "linux"}'))

    async def test_save(self) -> None:
        api = make_api()
        assert await gather(await images.image_save(api, ask("GET", "/images/busybox/get"))) == b"saved"
        assert await gather(await images.image_save(api, ask("GET", "/images/get", names=["busybox"]))) == b"saved"
        assert api.engine.images.made == [("save", ["busybox"]), ("save", ["busybox"])]
        with pytest.raises(NotFound):
            await images.image_save(api, ask("GET", "/images/get", names=["busybox", "nope"]))


class TestVolumes:
    async def test_list(self) -> None:
        api = make_api()

        async def named(**filters: list[str]) -> list[str]:
            answer = read(await volumes.volume_list(api, ask("GET", "/volumes", filters=json.dumps(filters))))
            return [volume["Name"] for volume in answer["Volumes"]]

        assert await named() == ["data", "idle"]
        assert await named(dangling=["true"]) == ["idle"]
        assert await named(dangling=["0"]) == ["data"]
        assert await named(label=["k"]) == ["idle"]
        assert await named(name=["^da"]) == ["data"]
        assert await named(driver=["nfs"]) == []
        api.engine.volumes.list = list  # there is none
        with pytest.raises(InvalidInput, match="invalid filter 'dangling="):
            await named(dangling=["perhaps"])

    async def test_create(self) -> None:
        api = make_api(volumes={"create": Volume("v", created=SECOND + 5, mountpoint="/v/_data")})
        response = await volumes.volume_create(api, ask("POST", "/volumes/create", {"Name": "v", "Labels": {"a": "b"}}))
        assert (response.status, read(response)) == (
            201,
            {
                "CreatedAt": "1970-01-01T00:00:01Z",
                "Driver": "local",
                "Labels": None,
                "Mountpoint": "/v/_data",
                "Name": "v",
                "Options": None,
                "Scope": "local",
            },
        )
        assert api.engine.events.seen == [("volume", "create", "v", {"driver": "local"})]
        await volumes.volume_create(api, ask("POST", "/volumes/create", {"Driver": "nfs"}))
        assert api.engine.volumes.made[-1][-1]["driver"] == "nfs"  # which refuses it by name
        with pytest.raises(Unsupported, match="cluster volumes are not offered"):
            await volumes.volume_create(api, ask("POST", "/volumes/create", {"ClusterVolumeSpec": {}}))

    async def test_remove(self) -> None:
        api = make_api()
        await volumes.volume_remove(api, ask("DELETE", "/volumes/data", force=1))
        [(verb, name, options)] = api.engine.volumes.made
        assert (verb, name, options["force"], options["users"]("data")) == ("remove", "data", True, [WEB.id])


class TestNetworks:
    async def test_list_and_inspect(self) -> None:
        api = make_api()
        listed = read(await networks.network_list(api, ask("GET", "/networks")))
        assert [(n["Name"], n["Containers"]) for n in listed] == [("bridge", {}), ("host", {}), ("shop", {})]
        fields = read(await networks.network_inspect(api, ask("GET", "/networks/bbbb")))
        assert fields["IPAM"]["Config"] == [{"Subnet": "10.88.0.0/16", "Gateway": "10.88.0.1"}]
        assert fields["Containers"][WEB.id]["IPv4Address"] == "10.88.0.2/16"
        assert fields["Options"]["com.docker.network.bridge.name"] == "corral0"
        for path in ("/networks/blue", "/networks/"):
            with pytest.raises(NotFound, match="not found"):
                await networks.network_inspect(api, ask("GET", path))
        with pytest.raises(NotFound, match="network shop not found"):
            await networks.network_inspect(api, ask("GET", "/networks/shop", scope="swarm"))

    @pytest.mark.parametrize(
        ("filters", "names"),
        [
            ({"name": ["bri"]}, ["bridge"]),
            ({"type": ["custom"]}, ["shop"]),
            ({"type": ["builtin"]}, ["bridge", "host"]),
            ({"driver": ["host"]}, ["host"]),
            ({"label": ["tier=front"]}, ["shop"]),
            ({"dangling": ["true"]}, ["shop"]),
            ({"dangling": ["0"]}, ["bridge", "host"]),
            ({"id": ["dddd"]}, ["shop"]),
            ({"scope": ["swarm"]}, []),
        ],
    )
    async def test_filters(self, filters: dict[str, list[str]], names: list[str]) -> None:
        answer = await networks.network_list(make_api(), ask("GET", "/networks", filters=json.dumps(filters)))
        assert [network["Name"] for network in read(answer)] == names

    @pytest.mark.parametrize("filters", [{"type": ["x"]}, {"dangling": ["x"]}, {"dangling": ["1", "0"]}, {"x": ["y"]}])
    async def test_filters_that_make_no_sense(self, filters: dict[str, list[str]]) -> None:
        with pytest.raises(InvalidInput):
            await networks.network_list(make_api(), ask("GET", "/networks", filters=json.dumps(filters)))

    async def test_prune(self) -> None:
        api = make_api(networks={"prune": ["shop"]})
        request = ask("POST", "/networks/prune", filters=json.dumps({"until": ["10s"], "label": ["tier"]}))
        assert read(await networks.network_prune(api, request)) == {"NetworksDeleted": ["shop"]}
        [(_, select)] = api.engine.networks.made
        assert not select(SHOP.network)  # it is younger
        assert api.engine.events.seen == [("network", "prune", "", {"reclaimed": "0"})]
        assert read(await networks.network_prune(make_api(networks={"prune": []}), ask("POST", "/networks/prune"))) == {
            "NetworksDeleted": None
        }


class TestPrune:
    async def test_containers(self) -> None:
        api = make_api(containers={"prune": (["x"], 7)})
        response = await prune.container_prune(api, ask("POST", "/containers/prune", filters='{"until":["10s"]}'))
        assert read(response) == {"ContainersDeleted": ["x"], "SpaceReclaimed": 7}
        assert api.engine.events.seen == [("container", "prune", "", {"reclaimed": "7"})]

    async def test_volumes(self) -> None:
        api = make_api(volumes={"prune": (["idle"], 5)})
        response = await prune.volume_prune(api, ask("POST", "/volumes/prune"))
        assert read(response) == {"VolumesDeleted": ["idle"], "SpaceReclaimed": 5}
        [(_, select, used)] = api.engine.volumes.made
        assert (used("data"), used("idle")) == ([WEB.id], [])
        assert select(Volume("x", anonymous=True)) and not select(Volume("x"))
        with pytest.raises(InvalidInput, match="invalid filter 'all'"):
            await prune.volume_prune(api, ask("POST", "/volumes/prune", filters='{"all":["perhaps"]}'))


async def test_disk_usage() -> None:
    api = make_api(containers={"sizes": (1, 2)}, volumes={"size": 3}, images={"broken_pulls": 5})
    answer = read(await df.system_df(api, ask("GET", "/system/df")))
    assert [line["UsageData"] for line in answer["Volumes"]] == [{"RefCount": 1, "Size": 3}, {"RefCount": 0, "Size": 3}]
    assert (len(answer["Images"]), len(answer["Containers"]), answer["BuildCache"]) == (1, 1, [])
    assert answer["LayersSize"] == layers_size([IMAGE]) + 5
    only = read(await df.system_df(api, ask("GET", "/system/df", type="image")))
    assert (only["Containers"], only["Volumes"], only["BuildCache"]) == (None, None, None)
    with pytest.raises(InvalidInput, match="unknown object type: x"):
        await df.system_df(api, ask("GET", "/system/df", type="x"))
