"""Turn: what one instruction makes of a stage's state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import field
from msgspec.structs import replace

from corral.build.dockerfile.arguments import NOT_IN_ENVIRONMENT
from corral.build.dockerfile.instructions import Instruction
from corral.build.dockerfile.lint import Check, for_comments, warn
from corral.build.dockerfile.plan import Plan
from corral.build.dockerfile.shell import Expansion, Rules, expand
from corral.build.dockerfile.suggest import did_you_mean
from corral.build.dockerfile.texts import quote
from corral.build.ops import CopyOp, Op, Span, Step, Warning, WorkdirOp
from corral.build.request import BuildFailed
from corral.model.container import Struct
from corral.model.image import ImageConfig


class StageState(Struct):
    """A stage so far. Each instruction gives a new one; none is ever changed.

    `environment` is what RUN sees and variables are filled in from: ENV and ARG, the last word counts. `arguments`
    are the ARGs of this stage and of those below it. `index` of `total` counted steps are done; `cmd`, `entrypoint`
    and `health` say where this stage has one, `workdir` whether it set its directory.
    """

    number: int = 0
    shown: str = ""
    config: ImageConfig = field(default_factory=ImageConfig)
    author: str = ""
    environment: dict[str, str] = {}
    arguments: dict[str, str | None] = {}
    index: int = 0
    total: int = 0
    workdir: bool = False
    cmd: Span | None = None
    entrypoint: Span | None = None
    health: Span | None = None


class Evaluated(Struct):
    step: Step
    state: StageState
    warnings: list[Warning] = []


class Turn:
    """One instruction at work: fills in variables, and collects what it changes and what lint says."""

    def __init__(self, plan: Plan, state: StageState, instruction: Instruction) -> None:
        self.plan, self.state, self.instruction = plan, state, instruction
        self.check: Check = for_comments(plan.check, instruction.comments)
        self.warnings: list[Warning] = []

    @property
    def config(self) -> ImageConfig:
        return self.state.config

    def expand(self, text: str) -> str:
        return self._noted(expand(text, self.state.environment, self.plan.rules))

    def expand_content(self, text: str) -> str:
        """Variables in a here-document: quotes are letters there, and it is always the backslash that escapes."""
        return self._noted(expand(text, self.state.environment, Rules(no_quotes=True)))

    def _noted(self, found: Expansion) -> str:
        for name in sorted(found.missing - self.state.arguments.keys() - NOT_IN_ENVIRONMENT):
            self.warn("UndefinedVar", name, did_you_mean(name, self.state.environment).replace("mean ", "mean $"))
        return found.text

    def warn(self, rule: str, *values: str, span: Span | None = None) -> None:
        self.warnings += warn(self.check, rule, span or self.instruction.span, *values)

    def change(self, **config: Any) -> None:
        self.state = replace(self.state, config=replace(self.state.config, **config))

    def note(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)

    def done(self, created_by: str, op: Op | None = None, shown: str = "") -> Evaluated:
        """`shown` is the instruction as people read it, if other than it was written."""
        number = ""
        if op:
            check_texts(op)
            self.note(index=self.state.index + 1)
            number = numbered(self.state.shown, self.state.index, self.state.total)
        text = upper_name(shown or self.instruction.text)
        text = f"ONBUILD {text}" if self.instruction.trigger else text
        step = Step(text, created_by, self.instruction.span, self.state.config, op, self.state.author, number)
        return Evaluated(step, self.state, self.warnings)

    def shown(self) -> str:
        """The instruction with its variables filled in; as it was written where they can't be."""
        return visible(self.instruction.text, self.state.environment, self.plan.rules)


def check_texts(op: Op) -> None:
    """BuildFailed for a path or an argument with a NUL byte: programs would see it end there, without a word.

    >>> check_texts(WorkdirOp("/a\\0b"))
    Traceback (most recent call last):
    corral.build.request.BuildFailed: "/a\\x00b": invalid argument: a NUL byte is in it
    """
    for text in _texts(op):
        if "\0" in text:
            raise BuildFailed(f"{quote(text)}: invalid argument: a NUL byte is in it")


def _texts(op: Op) -> list[str]:
    if isinstance(op, WorkdirOp):
        return [op.path]
    names = [file.name for file in op.files]
    if isinstance(op, CopyOp):
        return [*op.sources, op.target, *op.exclude, *names]
    places = [text for mount in op.mounts for text in (mount.target, mount.source)]
    return [*op.argv, *op.environment, op.workdir, *places, *names]


def visible(text: str, values: dict[str, str], rules: Rules) -> str:
    try:
        return expand(text, values, rules).text
    except BuildFailed:
        return text


def numbered(name: str, index: int, total: int) -> str:
    """
    >>> numbered("build", 2, 12), numbered("", 1, 3)
    ('build  2/12', '1/3')
    """
    return (f"{name} " if name else "") + f"{index:{len(str(total))}d}/{total}"


def upper_name(text: str) -> str:
    """
    >>> upper_name("run make")
    'RUN make'
    """
    name, blank, rest = text.partition(" ")
    return name.upper() + blank + rest


def environment_list(values: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in values.items()]


def set_variable(environment: Sequence[str], name: str, value: str) -> list[str]:
    """The first of this name gets the value, at its place.

    >>> set_variable(["A=1", "B=2"], "A", "3"), set_variable(["A=1"], "C", "4")
    (['A=3', 'B=2'], ['A=1', 'C=4'])
    """
    for place, entry in enumerate(environment):
        if entry.partition("=")[0] == name:
            return [*environment[:place], f"{name}={value}", *environment[place + 1 :]]
    return [*environment, f"{name}={value}"]
