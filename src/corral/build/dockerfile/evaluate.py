"""Evaluate: instructions, one after the other, become steps: every variable filled in, and what stands in the image
afterwards. Pure.

::

    begun = begin(plan, stage, base)                  the base's configuration, and its ONBUILD triggers
    evaluate(plan, state, instruction)                a step, and the state after it

`steps.evaluate_plan` does it for a whole build.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from corral.build.dockerfile import instructions as kinds
from corral.build.dockerfile import metadata
from corral.build.dockerfile.copy import copy
from corral.build.dockerfile.expose import expose
from corral.build.dockerfile.instructions import Instruction
from corral.build.dockerfile.parse import parse_trigger
from corral.build.dockerfile.plan import Plan
from corral.build.dockerfile.run import run
from corral.build.dockerfile.stages import Stage, count_steps, fetches_base, instruction_origins
from corral.build.dockerfile.turn import Evaluated, StageState, Turn, numbered
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
