"""`build`: an image of a Dockerfile. The description and the context go to the daemon, its events are shown."""

from __future__ import annotations

import json
import os
import sys
import time

from corral.cli import build_ask, build_words, context, terminal
from corral.cli.build_cache import CacheSink, packed, split
from corral.cli.build_options import OPTIONS
from corral.cli.build_output import FolderSink, TarSink
from corral.cli.fail import Failure
from corral.cli.http import checked
from corral.cli.options import Parsed, Verb
from corral.cli.progress.feed import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from corral.cli.build_output import Sink
    from corral.cli.progress.feed import Display
    from corral.cli.session import Session

    Json = dict[str, Any]

LOADING = {"vertex": -1, "name": "[internal] load build context"}


def build(session: Session, options: Parsed) -> int:
    source = context.find(options.args[0], options.text("file"))
    asked = build_ask.plan_request(options, source) | {"credentials": build_ask.credentials(session.warn)}
    outputs = build_ask.plan_outputs(options)
    asked["outputs"] = build_ask.for_the_daemon(outputs)
    asked["contexts"], folders = named_contexts(options.list("build-context"))
    asked["cache_from"], needed = split(asked.get("cache_from", []), session.warn)
    local = {"": source} if source.folder or source.stream else {}
    display = choose(options)
    sink = open_sink(outputs, asked.get("cache_to", []))
    head = {"request": asked, "local": [*local, *folders], "remote": source.remote, "caches": list(needed)}
    try:
        streams = [sent(source, display)] if local else []
        streams += [context.packed(folder, []) for folder in folders.values()]
        streams += [packed(asked["cache_from"][number]["ref"], names) for number, names in needed.items()]
        reply = checked(session.client.send("POST", "/corral/build", body=framed(head, streams)))
        try:
            result = follow(events(reply, display), display, sink)
        finally:
            reply.link.close()  # a build whose client has gone is cancelled
    except BaseException as error:
        display.end(time.monotonic())
        sink.drop()
        if isinstance(error, KeyboardInterrupt):
            session.warn("ERROR: failed to build: failed to solve: Canceled: context canceled")
        raise
    display.end(time.monotonic())
    return finish(session, options, outputs, display, sink, result)


def named_contexts(words: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """(those that the daemon finds itself, directories that are sent)"""
    found = dict(build_words.context(word) for word in words)
    remote = {
        name: where for name, where in found.items() if build_words.is_url(where) or where.startswith("docker-image://")
    }
    folders = {name: where for name, where in found.items() if name not in remote}
    for name, where in folders.items():
        if not os.path.isdir(where):
            raise Failure(f'unable to prepare context {name}: path "{where}" not found', 1)
    return remote, folders


def choose(options: Parsed) -> Display:
    """How the build is shown; always on stderr, so that stdout is free for results."""
    from corral.cli.progress import live, plain, quiet, raw

    how = options.text("progress") or os.environ.get("BUILDKIT_PROGRESS", "") or "auto"
    if how not in ("auto", "plain", "tty", "quiet", "rawjson"):
        raise Failure(f"invalid progress mode {how}: auto, plain, tty, quiet and rawjson are known", 125)

    def write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()

    on_terminal = terminal.is_terminal(2)
    if options.on("quiet") or build_ask.wants_check(options) or how == "quiet":
        return quiet.Quiet()
    if how == "rawjson":
        return raw.Raw(write, time.time() - time.monotonic())
    if how == "tty" and not on_terminal:
        raise Failure("failed to get console: stderr is not a terminal; use --progress=plain", 1)
    if how == "plain" or not on_terminal:
        return plain.Plain(write)
    return live.Live(write, lambda: terminal.size(2), time.monotonic())


class Sinks:
    """Where what is given out goes: the output's tar, if there is one, and local caches, by their numbers."""

    def __init__(self, output: Sink | None, caches: dict[int, CacheSink]) -> None:
        self.output, self.caches = output, caches

    def take(self, event: Json) -> None:
        if event["type"] == "CacheGiven":
            self.caches[event["store"]].take(event["data"])
        elif self.output is not None:
            self.output.take(event["data"])

    def close(self) -> None:
        for sink in (*self.caches.values(), *([self.output] if self.output is not None else [])):
            sink.close()

    def drop(self) -> None:
        for sink in (*self.caches.values(), *([self.output] if self.output is not None else [])):
            sink.drop()


def open_sink(outputs: list[Json], cache_to: list[Json]) -> Sinks:
    caches = {number: CacheSink(store) for number, store in enumerate(cache_to) if store["kind"] == "local"}
    return Sinks(output_sink(outputs), caches)


def output_sink(outputs: list[Json]) -> Sink | None:
    for one in outputs:
        if one.get("tar"):
            if one["dest"] == "-" and terminal.is_terminal(1):
                raise Failure("refusing to write a tar to the terminal: redirect stdout, or say --output dest=FILE", 1)
            return TarSink(one["dest"])
        if one["dest"]:
            return FolderSink(one["dest"])
    return None


def sent(source: context.Source, display: Display) -> Iterator[bytes]:
    """The context's tar; how much of it went out is shown."""
    display.take({"type": "Started"} | LOADING, time.monotonic())
    total = 0
    for data in source.stream or context.packed(source.folder, source.ignore):
        yield data
        total += len(data)
        moved = {"type": "Moved", "vertex": -1, "id": "context:", "status": "transferring", "current": total}
        display.take(moved, time.monotonic())
    display.take(moved | {"total": total}, time.monotonic())
    display.take({"type": "Finished", "vertex": -1}, time.monotonic())


def framed(head: Json, streams: list[Iterator[bytes]]) -> Iterator[bytes]:
    """The body: each part is pieces with their lengths before them, and a length of 0 at its end."""
    for stream in [iter([json.dumps(head).encode()]), *streams]:
        for data in stream:
            if data:
                yield len(data).to_bytes(4, "big") + data
        yield bytes(4)


def follow(incoming: Iterator[Json], display: Display, sink: Sinks) -> Json:
    """Shows every event; the last one: Built, or Failed."""
    for event in incoming:
        if event["type"] in ("Given", "CacheGiven"):
            sink.take(event)
        elif event["type"] in ("Built", "Failed"):
            return event
        else:
            display.take(event, time.monotonic())
    return {"type": "Built", "image": ""}  # only checked


def finish(session: Session, options: Parsed, outputs: list[Json], display: Display, sink: Sinks, result: Json) -> int:
    warnings = display.watch.warnings
    if result["type"] == "Failed":
        sink.drop()
        from corral.cli.progress.ending import failure_report

        warn_briefly(session, options, warnings)
        report = failure_report(display.watch.failed, result["message"], result.get("excerpt", ""))
        session.warn(report)
        return 1
    if build_ask.wants_check(options):
        from corral.cli.progress.ending import check_report

        session.say(check_report(warnings))
        return int(bool(warnings))
    sink.close()
    write_results(options, result)
    if options.on("quiet"):
        session.say(result["image"] or result.get("digest", ""))
    warn_briefly(session, options, warnings)
    if any(build_ask.wants_push(one) for one in outputs):
        push(session, result, quiet=options.on("quiet"))
    return 0


def warn_briefly(session: Session, options: Parsed, warnings: list[Json]) -> None:
    """Said of a build that failed too: its warnings may be why."""
    if warnings and not options.on("quiet"):
        from corral.cli.progress.ending import brief_warnings

        session.warn(brief_warnings(warnings, session.instance.command("build --check")))


def write_results(options: Parsed, result: Json) -> None:
    """--iidfile and --metadata-file."""
    image, names = result["image"], result.get("names", [])
    about = {"containerimage.config.digest": image} if image else {}
    about |= {"containerimage.digest": result["digest"]} if result.get("digest") else {}
    about |= {"image.name": ",".join(names)} if names else {}
    for path, content in (
        (options.text("iidfile"), image),
        (options.text("metadata-file"), json.dumps(about, indent=2) + "\n"),
    ):
        if path:
            try:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(content)
            except OSError as error:
                raise Failure(f"write {path}: {(error.strerror or '').lower()}", 1) from None


def push(session: Session, result: Json, *, quiet: bool) -> None:
    """The image under each of its names to the registry that the name says."""
    from corral.cli.verbs.registries import push_image

    if not result.get("names"):
        raise Failure("tag is needed when pushing to registry", 1)
    for name in result["names"]:
        push_image(session, name, quiet=quiet, fd=2)


VERBS = {"build": Verb(build, "build [OPTIONS] PATH|URL|-", OPTIONS, least=1, most=1, completes="files")}
