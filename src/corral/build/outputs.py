"""Outputs: what is made of a build's result: an image of the store, or a tar that is given out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from corral.build.events import Telling
from corral.build.exchange import Entry, write_inline
from corral.build.request import BuildRequest, Built, Given, Output
from corral.build.result import plan_squashed
from corral.build.works import Works
from corral.errors import InvalidInput, Unsupported
from corral.images import config as configs
from corral.images import digests, growth
from corral.images.draft import Draft
from corral.images.library import top
from corral.images.references import parse_tag
from corral.images.save import Chosen, save
from corral.linux.archive import pack
from corral.linux.streams import produce
from corral.model.container import Struct
from corral.model.image import Image

_OPTIONS = {
    "image": {"name", "rewrite-timestamp"},
    "files": {"dest", "rewrite-timestamp"},
    "oci": {"name", "dest", "rewrite-timestamp"},
    "docker": {"name", "dest", "rewrite-timestamp"},
    "none": set[str](),
}


def check_outputs(request: BuildRequest) -> None:
    """Pure: Unsupported for what is not offered, by its name.

    >>> check_outputs(BuildRequest(outputs=[Output("image", {"name": "a"}), Output("files")]))
    >>> check_outputs(BuildRequest(outputs=[Output("image", {"compression": "zstd"})]))
    Traceback (most recent call last):
    corral.errors.Unsupported: output type=image: the option compression is not supported
    >>> check_outputs(BuildRequest(outputs=[Output("oci"), Output("files")]))
    Traceback (most recent call last):
    corral.errors.Unsupported: only one output can be given out: type=oci, type=files; build once for each
    """
    outputs = request.outputs or [Output("image")]
    for output in outputs:
        _check_output(output, request)
    given = [f"type={output.kind}" for output in outputs if output.kind in ("files", "oci", "docker")]
    if len(given) > 1:
        raise Unsupported(f"only one output can be given out: {', '.join(given)}; build once for each")


def _check_output(output: Output, request: BuildRequest) -> None:
    for name in output.options:
        if name not in _OPTIONS[output.kind]:
            raise Unsupported(f"output type={output.kind}: the option {name} is not supported")
    if request.squash and output.kind != "image":
        raise Unsupported(f"--squash is for images of the store, not for output type={output.kind}")
    if request.annotations:
        raise Unsupported(
            "annotations are not supported: the image store keeps configurations, not manifests; use --label"
        )


def check_times(output: Output, epoch: int | None) -> None:
    """Pure. Under SOURCE_DATE_EPOCH the times of files are always clamped, so that the same build is the same image:
    `rewrite-timestamp` may ask for that. InvalidInput, Unsupported where it asks for something else.

    >>> check_times(Output("image", {"rewrite-timestamp": "true"}), 0)
    >>> check_times(Output("image", {"rewrite-timestamp": "false"}), 0)
    Traceback (most recent call last):
    corral.errors.Unsupported: rewrite-timestamp=false is not supported with SOURCE_DATE_EPOCH: files' times are \
always clamped to it; leave one of them out
    """
    asked = output.options.get("rewrite-timestamp", "")
    if asked.lower() not in ("", "1", "t", "true", "0", "f", "false"):
        raise InvalidInput(f"output type={output.kind}: rewrite-timestamp={asked} is neither true nor false")
    if asked.lower() in ("0", "f", "false") and epoch is not None:
        raise Unsupported(
            "rewrite-timestamp=false is not supported with SOURCE_DATE_EPOCH: files' times are always clamped to it; "
            "leave one of them out"
        )


def plan_names(request: BuildRequest, output: Output) -> list[str]:
    """Pure: the full names of the image: the request's tags and the output's own. InvalidInput.

    >>> plan_names(BuildRequest(tags=["a"]), Output("image", {"name": "b:1,a"}))
    ['docker.io/library/a:latest', 'docker.io/library/b:1']
    """
    asked = [*request.tags, *(name for name in output.options.get("name", "").split(",") if name)]
    return list(dict.fromkeys(str(parse_tag(name)) for name in asked))


class Result(Struct):
    """What was built: an image that has no id yet, the top of its layers, and what they are for, where the image is to
    say so itself."""

    image: Image
    chain: str
    base: Image | None = None
    cache: list[Entry] | None = None
    seen: dict[str, str] = {}

    def config(self) -> bytes:
        data = configs.build(self.image)
        return data if self.cache is None else write_inline(data, self.cache, self.seen)


async def give(works: Works, request: BuildRequest, output: Output, result: Result, telling: Telling) -> Built | None:
    """Carries out one output; what it made, None where that is no image of the store."""
    if output.kind == "none":
        return None
    if output.kind == "image":
        return await _record(works, request, output, result, telling)
    if output.kind == "files":
        with telling.vertex("exporting to client tarball"):
            async with works.sandboxes.show(works.images.layers.dirs(result.chain)) as root:
                await _stream(lambda write: pack(write, root), telling)
        return None
    names = plan_names(request, output)
    with telling.vertex(f"exporting to {output.kind} image format"):
        data = result.config()
        chosen = Chosen(configs.parse(data), data, names)
        await _stream(lambda write: save(write, [chosen], works.images.layers), telling)
        return Built("", names, chosen.image.id)


async def _record(works: Works, request: BuildRequest, output: Output, result: Result, telling: Telling) -> Built:
    with telling.vertex("exporting to image") as vertex:
        names = plan_names(request, output)
        async with works.images.draft() as draft:
            if request.squash:
                data = await _squash(works, result, draft)
            else:
                draft.hold_all(result.chain)
                data = result.config()
            made = await draft.record(data, names)
        vertex.image = made.id
        return Built(made.id, names, made.id)


async def _squash(works: Works, result: Result, draft: Draft) -> bytes:
    """All layers on the base's as one; the configuration of the image that has it."""
    if result.base is not None:
        draft.hold_all(top(result.base))
    diff = await growth.merge(works.images, result.chain, draft)
    return configs.build(plan_squashed(result.image, digests.of(result.config()), result.base, diff))


async def _stream(work: Callable[[Callable[[bytes], None]], None], telling: Telling) -> None:
    chunks: AsyncGenerator[bytes, None] = produce(work, name="build output")
    async with aclosing(chunks):
        async for chunk in chunks:
            telling.say(Given(chunk))
            await telling.room()
