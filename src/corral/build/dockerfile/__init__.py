"""The Dockerfile frontend: text -> instructions -> stages -> steps, as BuildKit's docker/dockerfile:1 defines it.

::

    directives, lines, heredocs    the text cut into instructions
    words, flags, drafts           an instruction cut into words
    parse, instructions            what the words say
    shell, glob                    variables
    arguments, origins, targets    names: of ARGs, of what is copied from, of what is built
    stages, graph, plan            stages: what each stands on, which are needed
    turn, evaluate                 steps: metadata, run, copy, expose
    lint, lint_source, lint_from   warnings

All of it is pure: no file is read, no image looked up.
"""

from corral.build.dockerfile.evaluate import Base, Build, StageSteps, evaluate_plan
from corral.build.dockerfile.parse import Parsed, parse
from corral.build.dockerfile.plan import Plan, plan_stages
from corral.build.dockerfile.stages import Stage

__all__ = ["Base", "Build", "Parsed", "Plan", "Stage", "StageSteps", "evaluate_plan", "parse", "plan_stages"]
