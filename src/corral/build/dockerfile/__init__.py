"""The Dockerfile frontend: text -> instructions -> stages -> steps, as BuildKit's docker/dockerfile:1 defines it.

::

    directives, lines, heredocs    the text cut into instructions
    words, flags, drafts           an instruction cut into words
    parse, parsers, instructions   what the words say; mounts, healthcheck for flags with a language of their own
    shell, lexer, glob             variables
    arguments, origins, targets    names: of ARGs, of what is copied from, of what is built
    stages, graph, plan            stages: what each stands on, which are needed
    turn, evaluate, steps          what each makes of its stage: metadata, run, copy, expose
    lint, rules, lint_…            warnings

All of it is pure: no file is read, no image looked up. The way through::

    plan = plan_stages(parse(text), request, own)      # which stages; the images they stand on are plan.images
    build = evaluate_plan(plan, bases)                 # every step of every stage, before the first process runs
"""

from corral.build.dockerfile.evaluate import Base
from corral.build.dockerfile.parse import Parsed, parse
from corral.build.dockerfile.plan import Plan, plan_stages
from corral.build.dockerfile.stages import Stage
from corral.build.dockerfile.steps import Build, StageSteps, evaluate_plan

__all__ = ["Base", "Build", "Parsed", "Plan", "Stage", "StageSteps", "evaluate_plan", "parse", "plan_stages"]
