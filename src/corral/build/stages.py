"""Stages: the Dockerfile as the executor sees it. INTERIM until the frontend is merged: a few instructions only."""

from __future__ import annotations

import os

from msgspec import field
from msgspec.structs import replace

from corral.build.ops import CopyOp, RunOp, Span, Step, Warning, WorkdirOp
from corral.build.request import BuildFailed, BuildRequest, Output
from corral.model.container import Struct
from corral.model.image import ImageConfig

IMAGE = Output("image")


class Stage(Struct):
    number: int
    name: str
    base: str
    base_text: str
    span: Span
    first: int = 0
    platform: str = ""
    lines: list[tuple[int, str]] = []

    @property
    def number_text(self) -> str:
        return f"{self.name} 1/{len(self.lines) + 1}"


class Plan(Struct):
    text: str
    name: str
    stages: list[Stage]
    target: int
    total: int = 0
    warnings: list[Warning] = []


class Evaluated(Struct):
    steps: list[Step]
    config: ImageConfig
    warnings: list[Warning] = field(default_factory=list)


def source_date_epoch(request: BuildRequest) -> int | None:
    value = request.build_args.get("SOURCE_DATE_EPOCH")
    return int(value) if value else request.source_date_epoch


def plan(request: BuildRequest) -> Plan:
    text = request.dockerfile_text
    if text is None:
        with open(os.path.join(request.context, request.dockerfile)) as file:
            text = file.read()
    stages: list[Stage] = []
    names: dict[str, int] = {}
    total = 0
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if words[0] == "FROM":
            base = words[1]
            origin = "" if base == "scratch" else f"stage:{names[base]}" if base in names else f"image:{base}"
            name = words[3] if len(words) > 3 else f"stage-{len(stages)}"
            names[name] = len(stages)
            stages.append(Stage(len(stages), name, origin, base, Span(number, number), total))
        else:
            stages[-1].lines.append((number, line))
        total += 1
    if not stages:
        raise BuildFailed("file with no instructions")
    return Plan(text, request.dockerfile, stages, names.get(request.target, len(stages) - 1), total)


def evaluate(plan: Plan, stage: Stage, config: ImageConfig) -> Evaluated:
    names = {one.name: one.number for one in plan.stages}
    steps: list[Step] = []
    for number, line in stage.lines:
        word, _, rest = line.partition(" ")
        op: RunOp | CopyOp | WorkdirOp | None = None
        if word == "RUN":
            op = RunOp(["/bin/sh", "-c", rest], [*config.env], user=config.user, workdir=config.workdir or "/")
        elif word == "ENV":
            config = replace(config, env=[*config.env, rest])
        elif word == "USER":
            config = replace(config, user=rest)
        elif word == "CMD":
            config = replace(config, command=["/bin/sh", "-c", rest])
        elif word == "WORKDIR":
            config, op = replace(config, workdir=rest), WorkdirOp(rest, config.user)
        elif word == "COPY":
            words, origin = rest.split(), ""
            if words[0].startswith("--from="):
                ref = words.pop(0).removeprefix("--from=")
                origin = f"stage:{names[ref]}" if ref in names else f"image:{ref}"
            op = CopyOp(words[:-1], words[-1], origin)
        else:
            raise BuildFailed(f"unknown instruction: {word}", span=Span(number, number))
        label = f"{stage.name} {len(steps) + 2}/{len(stage.lines) + 1}" if op else ""
        steps.append(Step(line, f"{line} # buildkit", Span(number, number), config, op, number=label))
    return Evaluated(steps, config)


def step_label(plan: Plan, number: int, text: str) -> str:
    return f"Step {number + 1}/{plan.total} : {text}"


def excerpt(plan: Plan, span: Span) -> str:
    lines = plan.text.splitlines()
    shown = [f"{n:4d} | {'>>>' if span.first <= n <= span.last else '   '} {line}" for n, line in enumerate(lines, 1)]
    rule = "-" * 20
    return "\n".join([f"{plan.name}:{span.first}", rule, *shown, rule])


def copy_of_context(name: str, stage: Stage) -> Step:
    op = CopyOp(["/"], "/", f"context:{name}")
    text = f"FROM {name}"
    return Step(text, text, stage.span, ImageConfig(), op)
