"""The handlers of images: what of a request reaches the engine, and what of its answer reaches the client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from corral.api.docker import containers, creating, images
from corral.errors import InvalidInput, NotFound
from corral.model.image import Image, ImageConfig
from tests.unit.api.docker.fakes import IMAGE, WEB, ask, gather, make_api, pieces, read


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
