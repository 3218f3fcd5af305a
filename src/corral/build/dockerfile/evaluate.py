"""Evaluate: instructions, one after the other, become steps: every variable filled in, and what stands in the image
afterwards. Pure.

::

    plan = plan_stages(parse(text), request, own)      # which stages; plan.images must be looked up
    state = begin(plan, stage, base)                   # the base's configuration, and its ONBUILD triggers
    for instruction in state.instructions: …           # evaluate(plan, state, instruction) -> step, new state

`evaluate_plan` does all of it, for everything can be known before the first process runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import field
from msgspec.structs import replace

from corral.build.dockerfile import instructions as kinds
from corral.build.dockerfile import metadata
from corral.build.dockerfile.copy import copy
from corral.build.dockerfile.expose import expose
from corral.build.dockerfile.graph import reachable
from corral.build.dockerfile.instructions import Instruction
from corral.build.dockerfile.lint import violation, warn
from corral.build.dockerfile.origins import SCRATCH, stage_number
from corral.build.dockerfile.parse import parse_trigger
from corral.build.dockerfile.plan import Plan
from corral.build.dockerfile.run import run
from corral.build.dockerfile.stages import Stage, count_steps, fetches_base, instruction_origins
from corral.build.dockerfile.texts import quote
from corral.build.dockerfile.turn import Evaluated, StageState, Turn, numbered
from corral.build.ops import Step, Warning
from corral.build.request import BuildFailed
from corral.images.platforms import Platform
from corral.model.container import Struct
from corral.model.image import ImageConfig

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Base(Struct):
    """What a stage stands on, where that is no other stage. None is nothing: scratch, or a directory of files."""

    config: ImageConfig | None = None
    author: str = ""
    platform: Platform | None = None


class Begun(Struct):
    """`origins` are what the base's triggers copy from, and the plan did not know of."""

    state: StageState
    instructions: list[Instruction]
    origins: list[str] = []


def begin(plan: Plan, stage: Stage, base: Base | StageState) -> Begun:
    """A stage before its first instruction.

    A stage on another inherits its arguments; ENV of the base beats them. An image's ONBUILD triggers come first.
    """
    config = base.config or ImageConfig(workdir="/")
    triggers = []
    if isinstance(base, Base):
        triggers = [parse_trigger(text, stage.span) for text in config.on_build if not stage.replaced]
    environment = {} if isinstance(base, Base) else dict(base.environment)
    if not any(entry.startswith("PATH=") for entry in config.env):
        config = replace(config, env=[*config.env, f"PATH={DEFAULT_PATH}"])
    for entry in config.env:
        name, _, value = entry.partition("=")
        environment[name] = value
    origins = [origin for trigger in triggers for origin in instruction_origins(trigger, plan.names, plan.rules)]
    state = StageState(
        number=stage.number,
        shown=stage.shown,
        config=replace(config, on_build=[]),
        author=base.author,
        environment=environment,
        arguments={} if isinstance(base, Base) else base.arguments,
        index=int(fetches_base(stage)),
        total=stage.total + count_steps(triggers),
        workdir=False if isinstance(base, Base) else base.workdir,
    )
    return Begun(state, [*triggers, *stage.instructions], origins)


def from_number(state: StageState) -> str:
    """The number of the step that fetches a stage's image."""
    return numbered(state.shown, 1, state.total)


_DISPATCH: dict[type[Instruction], Callable[[Turn, Any], Evaluated]] = {
    kinds.Arg: metadata.arg,
    kinds.Env: metadata.env,
    kinds.Label: metadata.label,
    kinds.Run: run,
    kinds.Cmd: metadata.cmd,
    kinds.Entrypoint: metadata.entrypoint,
    kinds.Copy: copy,
    kinds.Workdir: metadata.workdir,
    kinds.User: metadata.user,
    kinds.Expose: expose,
    kinds.Volume: metadata.volume,
    kinds.StopSignal: metadata.stop_signal,
    kinds.Healthcheck: metadata.healthcheck,
    kinds.Shell: metadata.shell,
    kinds.OnBuild: metadata.on_build,
    kinds.Maintainer: metadata.maintainer,
}


def evaluate(plan: Plan, state: StageState, instruction: Instruction) -> Evaluated:
    """One step, the state after it, and what lint says. BuildFailed in BuildKit's words."""
    try:
        return _DISPATCH[type(instruction)](Turn(plan, state, instruction), instruction)
    except BuildFailed as error:
        error.span = error.span or instruction.span
        raise


class StageSteps(Struct):
    """A stage with all its steps. `state` is the one after the last. `number` is that of fetching its base, or ""."""

    stage: Stage
    steps: list[Step]
    state: StageState
    number: str = ""


class Build(Struct):
    """Everything a build does. `missing` are images whose configuration must be looked up first: then ask again.

    `stages` are by number, each after all it needs. `images` is what they stand on and copy from. `config` is the
    target's, with the labels that were asked for beside the Dockerfile's.
    """

    stages: dict[int, StageSteps] = {}
    warnings: list[Warning] = []
    missing: list[str] = []
    images: list[str] = []
    config: ImageConfig = field(default_factory=ImageConfig)


def evaluate_plan(plan: Plan, bases: Mapping[str, Base]) -> Build:
    """`bases` are the images that stages stand on, by origin; named contexts that are directories need none.

    >>> from corral.build.dockerfile.parse import parse
    >>> from corral.build.dockerfile.plan import plan_stages
    >>> from corral.build.request import BuildRequest
    >>> plan = plan_stages(parse("FROM a AS b\\nENV x=1\\nRUN echo $x\\n"), BuildRequest(), "linux/amd64")
    >>> evaluate_plan(plan, {}).missing
    ['image:docker.io/library/a:latest']
    >>> build = evaluate_plan(plan, {"image:docker.io/library/a:latest": Base(ImageConfig())})
    >>> [(step.number, step.created_by) for step in build.stages[0].steps]
    [('', 'ENV x=1'), ('2/2', 'RUN /bin/sh -c echo $x # buildkit')]
    """
    found = Build(warnings=list(plan.warnings), images=plan.images)
    try:
        _all_stages(plan, bases, found)
        if plan.target in found.stages:
            config = found.stages[plan.target].state.config
            found.config = replace(config, labels=config.labels | plan.labels)
        error = None if found.missing else violation(plan.check, found.warnings)
        if error:
            raise error
    except BuildFailed as error:
        error.warnings = found.warnings
        raise
    return found


def _all_stages(plan: Plan, bases: Mapping[str, Base], found: Build) -> None:
    todo = list(plan.needed)
    while todo:
        stage = plan.stages[todo.pop(0)]
        base = _base(stage, bases, found)
        if base is None:
            continue
        found.warnings += _lint_platform(plan, stage, base)
        begun = begin(plan, stage, base)
        found.stages[stage.number] = _all_steps(plan, stage, begun, found.warnings)
        for origin in begun.origins:
            _need(plan, origin, found, todo)
    found.stages = dict(sorted(found.stages.items()))


def _lint_platform(plan: Plan, stage: Stage, base: Base | StageState) -> list[Warning]:
    has = base.platform if isinstance(base, Base) else None
    wanted = stage.platform or plan.platform
    if has is None or has[:2] == wanted[:2]:
        return []
    name = stage.base.removeprefix("image:")
    return warn(plan.check, "InvalidBaseImagePlatform", stage.span, name, quote(str(has)), quote(str(wanted)))


def _base(stage: Stage, bases: Mapping[str, Base], found: Build) -> Base | StageState | None:
    """None, and noted as missing, if it is not known yet."""
    number = stage_number(stage.base)
    if number is not None:
        return found.stages[number].state if number in found.stages else None
    if stage.base.startswith("image:") and stage.base not in bases:
        found.missing = list(dict.fromkeys([*found.missing, stage.base]))
        return None
    return bases.get(stage.base, Base())


def _need(plan: Plan, origin: str, found: Build, todo: list[int]) -> None:
    """A trigger copies from here: an image, or a stage that nothing else needed."""
    number = stage_number(origin)
    if number is None:
        found.images = list(dict.fromkeys([*found.images, origin]))
        return
    for more in reachable(number, [stage.needs for stage in plan.stages]):
        if more not in found.stages and more not in todo:
            todo.append(more)
            for name in (plan.stages[more].base, *plan.stages[more].origins):
                if stage_number(name) is None and name != SCRATCH:
                    _need(plan, name, found, todo)


def _all_steps(plan: Plan, stage: Stage, begun: Begun, warnings: list[Warning]) -> StageSteps:
    state = begun.state
    made: list[Step] = []
    number = from_number(state) if state.index else ""
    for instruction in begun.instructions:
        evaluated = evaluate(plan, state, instruction)
        state = evaluated.state
        made.append(evaluated.step)
        warnings += evaluated.warnings
    return StageSteps(stage, made, state, number)
