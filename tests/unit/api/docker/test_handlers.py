"""The handlers: what of a request reaches the engine, and what of the engine's answer reaches the client."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest

from corral.api.docker import archive, commit, containers
from corral.errors import Conflict, InvalidInput, NotFound
from corral.kit.clock import SECOND
from corral.model.image import Change, Image
from tests.unit.api.docker.fakes import IMAGE, WEB, ask, gather, make_api, pieces, read


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


async def test_archives() -> None:
    stat = SimpleNamespace(name="x", size=3, mode=0o644, mtime=SECOND, link_target="")
    api = make_api(containers={"archive_stat": stat, "archive_get": (stat, pieces(b"t", b"ar"))})
    head = await archive.archive_stat(api, ask("HEAD", "/containers/web/archive", path="/x"))
    shown = json.loads(base64.b64decode(head.headers["X-Docker-Container-Path-Stat"]))
    assert shown == {"name": "x", "size": 3, "mode": 420, "mtime": "1970-01-01T00:00:01Z", "linkTarget": ""}
    got = await archive.archive_get(api, ask("GET", "/containers/web/archive", path="/x"))
    assert (await gather(got), got.headers["Content-Type"]) == (b"tar", "application/x-tar")
    await archive.archive_put(api, ask("PUT", "/containers/web/archive", path="/x", copyUIDGID="1"))
    verb, ref, path, _, options = api.engine.containers.made[-1]
    assert (verb, ref, path, options["copy_uid_gid"]) == ("archive_put", "web", "/x", True)
    with pytest.raises(InvalidInput, match="path cannot be empty"):
        await archive.archive_stat(api, ask("HEAD", "/containers/web/archive"))
