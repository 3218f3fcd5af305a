"""Plan: which stages a Dockerfile has, what each stands on, and which of them the target needs. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from corral.build.dockerfile.arguments import global_arguments, predefined, proxy_environment, unconsumed
from corral.build.dockerfile.directives import check_syntax
from corral.build.dockerfile.graph import find_cycle, reachable
from corral.build.dockerfile.instructions import Arg
from corral.build.dockerfile.lint import Check, plan_check
from corral.build.dockerfile.lint_from import lint_bases, lint_from
from corral.build.dockerfile.lint_source import lint_source
from corral.build.dockerfile.origins import Names
from corral.build.dockerfile.parse import Parsed
from corral.build.dockerfile.shell import Rules
from corral.build.dockerfile.stages import Stage, link_stage, make_stage, split_stages
from corral.build.dockerfile.targets import check_platform, target_platform, target_stage
from corral.build.ops import Step, Warning
from corral.build.request import BuildFailed, BuildRequest
from corral.images.platforms import Platform, split_platform
from corral.kit.ignore import Ignore
from corral.model.container import Struct
from corral.model.image import ImageConfig

_SECONDS = re.compile(r"-?[0-9]{1,18}", re.ASCII)


class Plan(Struct):
    """`needed` are the numbers of the stages that the target needs, itself too, in the order they are made.

    `arguments` are those of the global scope, `heads` its instructions as steps; `given` the request's. `proxies` are
    environment that only processes see. `epoch` is SOURCE_DATE_EPOCH in seconds. `ignore` is .dockerignore, as far as
    lint is to know it.
    """

    rules: Rules
    check: Check
    platform: Platform
    given: dict[str, str]
    names: Names
    arguments: dict[str, str] = {}
    heads: list[Step] = []
    stages: list[Stage] = []
    target: int = 0
    needed: list[int] = []
    proxies: list[str] = []
    epoch: int | None = None
    warnings: list[Warning] = []
    ignore: Ignore | None = None
    labels: dict[str, str] = {}

    @property
    def images(self) -> list[str]:
        """Origins outside this Dockerfile that the needed stages stand on or copy from; each once."""
        found = [o for n in self.needed for o in (self.stages[n].base, *self.stages[n].origins)]
        return [o for o in dict.fromkeys(found) if o.startswith(("image:", "context:"))]

    @property
    def unconsumed(self) -> list[str]:
        """Build arguments that nothing asks for."""
        instructions = (i for stage in self.stages for i in stage.instructions if isinstance(i, Arg))
        return unconsumed(self.given, {*self.arguments, *(name for i in instructions for name, _ in i.names)})


def plan_stages(
    parsed: Parsed, request: BuildRequest, own: str, *, every: bool = False, ignore: Sequence[str] = ()
) -> Plan:
    """`own` is this machine's platform. `every`: all stages are needed, as for a check. `ignore` are the patterns of
    .dockerignore, for lint to tell of copies that find nothing. Errors have BuildKit's words.

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
    if "BUILDKIT_SYNTAX" in given:
        check_syntax(given["BUILDKIT_SYNTAX"])
    else:
        check_syntax(parsed.directives.syntax, parsed.directives.syntax_line)
    platform = target_platform(request.platform, own)
    plan = Plan(
        rules=Rules(escape=parsed.directives.escape),
        check=plan_check(parsed.directives.check, given),
        platform=platform,
        given=given,
        names=Names(contexts=request.contexts, platform=str(platform)),
        proxies=proxy_environment(given),
        ignore=Ignore(ignore) if ignore else None,
        labels=request.labels,
    )
    try:
        _fill(plan, parsed, request, split_platform(own), every)
    except BuildFailed as error:
        error.warnings = plan.warnings
        raise
    return plan


def _fill(plan: Plan, parsed: Parsed, request: BuildRequest, own: Platform, every: bool) -> None:
    plan.warnings += lint_source(parsed, plan.check)
    parts = split_stages(parsed.instructions)
    start = predefined(own, plan.platform, request.target or parts.heads[-1].stage)
    start |= {name: plan.given[name] for name in start if name in plan.given}
    plan.warnings += lint_bases(parts.heads, parts.arguments, start, plan.rules, plan.check)
    plan.arguments = global_arguments(parts.arguments, start, plan.given, plan.rules)
    plan.epoch = plan_epoch(request.source_date_epoch, plan.given, plan.arguments)
    plan.heads = [head_step(instruction) for instruction in parts.arguments]
    declared = [name for instruction in parts.arguments for name, _ in instruction.names]
    for number, (head, body) in enumerate(parts.stages):
        plan.warnings += lint_from(head, plan.arguments, declared, plan.rules, plan.check)
        plan.stages.append(make_stage(number, head, body, plan.names, plan.arguments, plan.rules))
        if head.stage:
            plan.names.stages[head.stage] = number
    plan.names.count = len(plan.stages)
    plan.target = target_stage(request.target, plan.names.stages, [stage.shown for stage in plan.stages])
    for stage in plan.stages:
        link_stage(stage, plan.stages, plan.names, plan.rules)
    _check_cycles(plan.stages)
    everything = list(range(len(plan.stages)))
    plan.needed = everything if every else reachable(plan.target, [stage.needs for stage in plan.stages])
    for number in plan.needed:
        if wanted := plan.stages[number].platform:
            check_platform(wanted, plan.platform, plan.stages[number].span)


def head_step(argument: Arg) -> Step:
    """An ARG of the global scope, as something to show."""
    words = [name if value is None else f"{name}={value}" for name, value in argument.names]
    return Step(f"ARG {' '.join(words)}", "", argument.span, ImageConfig())


def _check_cycles(stages: Sequence[Stage]) -> None:
    start = find_cycle([stage.copies_from for stage in stages])
    if start is not None:
        stage = stages[start]
        raise BuildFailed(f"circular dependency detected on stage: {stage.shown}", span=stage.span)


def plan_epoch(asked: int | None, given: Mapping[str, str], arguments: Mapping[str, str]) -> int | None:
    """The time that files and images get, in seconds; None is the present.

    >>> plan_epoch(None, {"SOURCE_DATE_EPOCH": "0"}, {}), plan_epoch(None, {}, {})
    (0, None)
    """
    text = given.get("SOURCE_DATE_EPOCH", arguments.get("SOURCE_DATE_EPOCH", ""))
    if asked is not None or not text:
        return asked
    if not _SECONDS.fullmatch(text):
        raise BuildFailed(f"invalid SOURCE_DATE_EPOCH: {text}: only a number of seconds is supported")
    return int(text)
