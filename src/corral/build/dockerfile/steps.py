"""Steps: everything a build does, known before its first process runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import field
from msgspec.structs import replace

from corral.build.dockerfile.evaluate import Base, Begun, begin, evaluate, from_number
from corral.build.dockerfile.graph import reachable
from corral.build.dockerfile.lint import violation, warn
from corral.build.dockerfile.origins import SCRATCH, stage_number
from corral.build.dockerfile.plan import Plan
from corral.build.dockerfile.stages import Stage
from corral.build.dockerfile.texts import quote
from corral.build.dockerfile.turn import StageState
from corral.build.ops import Step, Warning
from corral.build.request import BuildFailed
from corral.model.container import Struct
from corral.model.image import ImageConfig


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
