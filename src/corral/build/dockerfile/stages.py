"""Stages: a Dockerfile's parts, what each stands on, and what it copies from. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from corral.build.dockerfile.instructions import Arg, Copy, From, Instruction, OnBuild, Run, Workdir
from corral.build.dockerfile.mounts import check_mount
from corral.build.dockerfile.origins import Names, base_origin, context_of, copy_origin, mount_origin, stage_number
from corral.build.dockerfile.parse import parse_trigger
from corral.build.dockerfile.shell import Rules, expand
from corral.build.dockerfile.targets import from_platform
from corral.build.ops import Span
from corral.build.request import BuildFailed
from corral.images.platforms import Platform
from corral.model.container import Struct


class Stage(Struct):
    """`shown` is its name in the progress: "build", "stage-1", "" where there is only one. `base` and `origins` are
    origins (see ops). `replaced`: a named context stands in for it, and its instructions do not count.

    `instructions` begin with the ONBUILD triggers of a base that is a stage; those of an image come with `begin`.
    """

    number: int
    name: str
    base: str
    text: str
    span: Span
    instructions: list[Instruction] = []
    shown: str = ""
    origins: list[str] = []
    total: int = 0  # steps that are counted
    replaced: bool = False
    platform: Platform | None = None

    @property
    def copies_from(self) -> list[int]:
        return [number for origin in self.origins if (number := stage_number(origin)) is not None]

    @property
    def needs(self) -> list[int]:
        """Stages it stands on or copies from."""
        below = stage_number(self.base)
        return self.copies_from if below is None else [below, *self.copies_from]


class Parts(Struct):
    """A file's instructions, sorted: ARGs of the global scope, and every FROM with what follows it."""

    arguments: list[Arg]
    stages: list[tuple[From, list[Instruction]]]

    @property
    def heads(self) -> list[From]:
        return [head for head, _ in self.stages]


def split_stages(instructions: Sequence[Instruction]) -> Parts:
    """BuildFailed if there is no stage, or anything but ARG before the first."""
    found = Parts([], [])
    for instruction in instructions:
        if isinstance(instruction, From):
            found.stages.append((instruction, []))
        elif found.stages:
            found.stages[-1][1].append(instruction)
        elif isinstance(instruction, Arg):
            found.arguments.append(instruction)
        else:
            raise BuildFailed("no build stage in current context", span=instruction.span)
    if not found.stages:
        raise BuildFailed("dockerfile contains no stages to build")
    return found


def make_stage(
    number: int, head: From, body: list[Instruction], names: Names, arguments: Mapping[str, str], rules: Rules
) -> Stage:
    """`names` has the stages before it; a base is one of these, or outside this file."""
    stage = Stage(number, head.stage, "", head.text, head.span, shown=head.stage or f"stage-{number}")
    try:
        base = expand(head.base, arguments, rules).text
        if not base:
            raise BuildFailed(f"base name ({head.base}) should not be blank")
        stage.platform = from_platform(head.platform, arguments, rules) if head.platform else None
        replacement = context_of(names, head.stage) if head.stage else None
        stage.base = replacement or base_origin(names, base)
    except BuildFailed as error:
        error.span = error.span or head.span
        raise
    stage.replaced = replacement is not None
    stage.instructions = [] if stage.replaced else body
    return stage


def link_stage(stage: Stage, stages: Sequence[Stage], names: Names, rules: Rules) -> None:
    """Fills in what needs all stages: triggers that wait in its base, origins, the number of its steps."""
    below = stage_number(stage.base)
    if below is not None and not stage.replaced:
        waiting = [i.expression for i in stages[below].instructions if isinstance(i, OnBuild)]
        stage.instructions = [*(parse_trigger(text, stage.span) for text in waiting), *stage.instructions]
    for instruction in stage.instructions:
        stage.origins += instruction_origins(instruction, names, rules)
    stage.total = count_steps(stage.instructions) + fetches_base(stage)
    alone = len(stages) == 1 and not stage.origins and not any(map(_mounts, stage.instructions))
    if alone:  # a stage that mounts or copies from elsewhere is shown with its name even if it is the only one
        stage.shown = ""


def fetches_base(stage: Stage) -> bool:
    """Is fetching its base a step of its own?"""
    return stage.base.startswith(("image:", "context:")) and not stage.replaced


def _mounts(instruction: Instruction) -> bool:
    return isinstance(instruction, Run) and bool(instruction.mounts)


def instruction_origins(instruction: Instruction, names: Names, rules: Rules) -> list[str]:
    """Origins that an instruction copies from or mounts; the build's own context is none."""
    try:
        if isinstance(instruction, Copy) and instruction.origin:
            return [copy_origin(names, instruction.origin, rules)]
        if isinstance(instruction, Run):
            return [mount_origin(names, name) for m in instruction.mounts if (name := check_mount(m))]
    except BuildFailed as error:
        error.span = error.span or instruction.span
        raise
    return []


def count_steps(instructions: Sequence[Instruction]) -> int:
    """How many of them are counted: those that may change files."""
    return sum(isinstance(i, Copy | Run | Workdir) for i in instructions)
