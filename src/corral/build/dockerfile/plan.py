"""Plan: which stages a Dockerfile has, what each stands on, and which of them the target needs. Pure."""

from __future__ import annotations

from corral.build.dockerfile.arguments import global_arguments, predefined, proxy_environment
from corral.build.dockerfile.directives import check_syntax
from corral.build.dockerfile.graph import find_cycle, reachable
from corral.build.dockerfile.instructions import Arg, Copy, From, Instruction, OnBuild, Run, Workdir
from corral.build.dockerfile.lint import Check, parse_check
from corral.build.dockerfile.lint_from import lint_bases, lint_from
from corral.build.dockerfile.lint_source import lint_source
from corral.build.dockerfile.mounts import check_mount
from corral.build.dockerfile.origins import Names, base_origin, context_of, copy_origin, mount_origin, stage_number
from corral.build.dockerfile.parse import Parsed, parse_trigger
from corral.build.dockerfile.shell import Rules, expand
from corral.build.dockerfile.suggest import did_you_mean
from corral.build.dockerfile.texts import quote
from corral.build.ops import Span, Warning
from corral.build.request import BuildFailed, BuildRequest
from corral.errors import InvalidInput
from corral.images.platforms import Platform, rank, split_platform
from corral.model.container import Struct

_ONLY = "this builder makes images for {} only"


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
    total: int = 0
    replaced: bool = False
    platform: Platform | None = None


class Plan(Struct):
    """`needed` are the numbers of the stages that the target needs, itself too, in the order they are made.

    `arguments` are those of the global scope; `given` the request's. `proxies` are environment that only processes
    see. `epoch` is SOURCE_DATE_EPOCH in seconds.
    """

    stages: list[Stage]
    target: int
    needed: list[int]
    names: Names
    arguments: dict[str, str]
    given: dict[str, str]
    rules: Rules
    check: Check
    platform: Platform
    proxies: list[str] = []
    epoch: int | None = None
    warnings: list[Warning] = []

    @property
    def images(self) -> list[str]:
        """Origins outside this Dockerfile that the needed stages stand on or copy from; each once."""
        found = [o for n in self.needed for o in (self.stages[n].base, *self.stages[n].origins)]
        return [o for o in dict.fromkeys(found) if o.startswith(("image:", "context:"))]


def plan_stages(parsed: Parsed, request: BuildRequest, own: str, *, every: bool = False) -> Plan:
    """`own` is this machine's platform. `every`: all stages are needed, as for a check. Errors have BuildKit's words.

    >>> from corral.build.dockerfile.parse import parse
    >>> text = "FROM go AS build\\nFROM busybox AS test\\nFROM scratch\\nCOPY --from=build /a /\\n"
    >>> plan = plan_stages(parse(text), BuildRequest(), "linux/amd64")
    >>> plan.target, plan.needed, plan.images
    (2, [0, 2], ['image:docker.io/library/go:latest'])
    >>> plan_stages(parse(text), BuildRequest(target="biuld"), "linux/amd64")
    Traceback (most recent call last):
    corral.build.request.BuildFailed: target stage "biuld" could not be found (did you mean build?)
    """
    given = {name: value for name, value in request.build_args.items() if value is not None}
    check_syntax(given.get("BUILDKIT_SYNTAX", "") or parsed.directives.syntax)
    check = parse_check(parsed.directives.check)
    heads, first = _heads(parsed)
    warnings = lint_source(parsed, check)
    rules = Rules(escape=parsed.directives.escape)
    platform = _wanted(request.platform, own)
    globals_ = [i for i in parsed.instructions[:first] if isinstance(i, Arg)]
    start = predefined(split_platform(own), platform, request.target or heads[-1].stage)
    start |= {name: given[name] for name in start if name in given}
    warnings += lint_bases(heads, globals_, start, rules, check)
    arguments = global_arguments(globals_, start, given, rules)
    names = Names(contexts=request.contexts, platform=str(platform))
    declared = [name for i in globals_ for name, _ in i.names]
    stages: list[Stage] = []
    for number, (head, body) in enumerate(_bodies(parsed.instructions[first:])):
        warnings += lint_from(head, arguments, declared, rules, check)
        stages.append(_stage(number, head, body, names, arguments, rules))
        if head.stage:
            names.stages[head.stage] = number
    names.count = len(stages)
    target = _target(request.target, names, stages)
    links = [_link(stage, stages, names, rules) for stage in stages]
    cycle = find_cycle(links)
    if cycle is not None:
        raise BuildFailed(f"circular dependency detected on stage: {stages[cycle].shown}", span=stages[cycle].span)
    if len(stages) == 1 and not _has_others(stages[0]):
        stages[0].shown = ""
    needed = list(range(len(stages))) if every else reachable(target, [_all_links(s, links) for s in stages])
    for number in needed:
        _check_platform(stages[number], platform)
    return Plan(
        stages, target, needed, names, arguments, given, rules, check, platform, proxy_environment(given),
        _epoch(given, arguments), warnings,
    )  # fmt: skip


def _heads(parsed: Parsed) -> tuple[list[From], int]:
    """Every FROM, and where the first stands."""
    places = [n for n, i in enumerate(parsed.instructions) if isinstance(i, From)]
    first = places[0] if places else len(parsed.instructions)
    for instruction in parsed.instructions[:first]:
        if not isinstance(instruction, Arg):
            raise BuildFailed("no build stage in current context", span=instruction.span)
    if not places:
        raise BuildFailed("dockerfile contains no stages to build")
    return [i for i in parsed.instructions if isinstance(i, From)], first


def _bodies(instructions: list[Instruction]) -> list[tuple[From, list[Instruction]]]:
    found: list[tuple[From, list[Instruction]]] = []
    for instruction in instructions:
        if isinstance(instruction, From):
            found.append((instruction, []))
        else:
            found[-1][1].append(instruction)
    return found


def _wanted(text: str, own: str) -> Platform:
    """The platform to build for. Programs of another are not run here.

    >>> str(_wanted("", "linux/amd64"))
    'linux/amd64'
    """
    try:
        wanted, here = split_platform(text or own), split_platform(own)
    except InvalidInput as error:
        raise BuildFailed(f"failed to parse platform {text}: {error.message}") from None
    if rank(wanted, here) != 0:
        raise BuildFailed(f"platform {wanted} is not supported: {_ONLY.format(here)}")
    return wanted


def _stage(
    number: int, head: From, body: list[Instruction], names: Names, arguments: dict[str, str], rules: Rules
) -> Stage:
    stage = Stage(number, head.stage, "", head.text, head.span, shown=head.stage or f"stage-{number}")
    try:
        base = expand(head.base, arguments, rules).text
        if not base:
            raise BuildFailed(f"base name ({head.base}) should not be blank")
        if head.platform:
            stage.platform = _platform(head.platform, arguments, rules)
        replacement = context_of(names, head.stage) if head.stage else None
        stage.base = replacement or base_origin(names, base)
    except BuildFailed as error:
        error.span = error.span or head.span
        raise
    stage.replaced = replacement is not None
    stage.instructions = [] if stage.replaced else body
    return stage


def _platform(text: str, arguments: dict[str, str], rules: Rules) -> Platform:
    try:
        found = expand(text, arguments, rules)
    except BuildFailed as error:
        raise BuildFailed(f"failed to process arguments for platform : {error.message}") from None
    hint = next((h for name in sorted(found.missing) if (h := did_you_mean(name, arguments))), "")
    if not found.text:
        raise BuildFailed(f"empty platform value from expression {text}{hint}")
    try:
        return split_platform(found.text)
    except InvalidInput as error:
        raise BuildFailed(f"failed to parse platform {text}: {error.message}{hint}") from None


def _check_platform(stage: Stage, own: Platform) -> None:
    """Only stages that are made count."""
    if stage.platform and rank(stage.platform, own) != 0:
        raise BuildFailed(f"platform {stage.platform} is not supported: {_ONLY.format(own)}", span=stage.span)


def _target(name: str, names: Names, stages: list[Stage]) -> int:
    """By name, or by number."""
    if not name:
        return len(stages) - 1
    if name.lower() in names.stages:
        return names.stages[name.lower()]
    if name.isascii() and name.isdigit() and len(name) < 9 and int(name) < len(stages):
        return int(name)
    hint = did_you_mean(name, [stage.shown for stage in stages])
    raise BuildFailed(f"target stage {quote(name)} could not be found{hint}")


def _link(stage: Stage, stages: list[Stage], names: Names, rules: Rules) -> list[int]:
    """Fills in what the stage takes along and copies from; gives the numbers of stages it copies from."""
    below = stage_number(stage.base)
    if below is not None and not stage.replaced:
        waiting = [i.expression for i in stages[below].instructions if isinstance(i, OnBuild)]
        stage.instructions = [*(parse_trigger(text, stage.span) for text in waiting), *stage.instructions]
    for instruction in stage.instructions:
        stage.origins += instruction_origins(instruction, names, rules)
    stage.total = steps(stage.instructions) + stage.base.startswith(("image:", "context:"))
    return [number for origin in stage.origins if (number := stage_number(origin)) is not None]


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


def steps(instructions: list[Instruction]) -> int:
    """How many of them are counted: those that may change files."""
    return sum(isinstance(i, Copy | Run | Workdir) for i in instructions)


def _has_others(stage: Stage) -> bool:
    """Does it mount or copy from anywhere? Then BuildKit shows even an only stage with its name."""
    return bool(stage.origins) or any(isinstance(i, Run) and i.mounts for i in stage.instructions)


def _all_links(stage: Stage, links: list[list[int]]) -> list[int]:
    below = stage_number(stage.base)
    return links[stage.number] if below is None else [below, *links[stage.number]]


def _epoch(given: dict[str, str], arguments: dict[str, str]) -> int | None:
    text = given.get("SOURCE_DATE_EPOCH", arguments.get("SOURCE_DATE_EPOCH", ""))
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise BuildFailed(f"SOURCE_DATE_EPOCH {quote(text)} is not supported: it must be a number of seconds") from None
