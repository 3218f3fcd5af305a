"""`python -m corral.daemon ROLE --root DIR …`: serve, registry, teardown, doctor, unit. `corral` starts these."""

from __future__ import annotations

import os
import sys

from corral.cli.fail import Failure
from corral.cli.instance import Instance
from corral.cli.options import Parsed, Verb, flag, parse, text
from corral.cli.settings import SETTINGS
from corral.errors import CorralError

ROLE = Verb(
    lambda session, parsed: 0,
    "daemon ROLE [OPTIONS]",
    (
        text("--config", "FILE", "settings"),
        text("--ready-fd", "N", "where to say that we are ready"),
        flag("--reset", "teardown: the state too"),
        *(setting.option() for setting in SETTINGS),
    ),
    least=1,
    most=1,
)


def main(words: list[str]) -> int:
    try:
        options = parse(ROLE, words)
    except Failure as error:
        print(error.message, file=sys.stderr)
        return error.code
    try:
        return run(options.args[0], Instance(options.text("root")), options)
    except (Failure, CorralError) as error:
        print(error.message, file=sys.stderr)
        if options.has("ready-fd"):
            os.write(options.number("ready-fd"), error.message.encode())
        return 1


def run(role: str, instance: Instance, options: Parsed) -> int:
    """One role to its end. Each imports only what it needs."""
    if role == "unit":
        from corral.daemon.unit import print_unit

        return print_unit(instance)
    from corral.daemon.config import load_settings

    named = options.has("config")
    settings = load_settings(options.text("config") or instance.config, options.values, must_exist=named)
    if role == "doctor":
        from corral.daemon.doctor import doctor

        return doctor(instance, settings)
    if role == "teardown":
        from corral.daemon.teardown import teardown

        return teardown(instance, settings, reset=options.on("reset"))
    if role == "registry":
        from corral.daemon.registry_alone import serve_alone

        return serve_alone(instance, settings)
    if role == "serve":
        from corral.daemon.serve import serve

        return serve(instance, settings, options.number("ready-fd", -1))
    raise Failure(f"there is no role {role!r}", 125)


sys.exit(main(sys.argv[1:]))
