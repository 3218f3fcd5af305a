"""`python -m corral.daemon ROLE --root DIR …`: serve, node, enable, token, registry, teardown, doctor, unit.

`corral` starts these.
"""

from __future__ import annotations

import gc
import os
import sys

from corral.cli.fail import Failure
from corral.cli.instance import Instance
from corral.cli.options import Parsed, Verb, flag, help_text, parse, text
from corral.cli.settings import SETTINGS
from corral.errors import CorralError

ROLE = Verb(
    lambda session, parsed: 0,
    "daemon ROLE [OPTIONS]",
    (
        text("--config", "FILE", "settings"),
        text("--ready-fd", "N", "where to say that we are ready"),
        flag("--reset", "teardown: the state too"),
        flag("--kill", "teardown: without anybody's grace"),
        text("--server", "URL", "node: of which cluster"),
        text("--token", "TOKEN", "node: what vouches for it"),
        text("--ca-hash", "sha256:HEX", "node: what vouches for the server"),
        text("--name", "NAME", "node: what it is called"),
        text("--url", "URL", "token: where other machines reach the API"),
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
    if options.on("help"):
        print(help_text(ROLE, "One part of an instance, in the foreground."))
        return 0
    try:
        code = run(options.args[0], Instance(options.text("root")), options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read what a short role prints has gone, as with `corral down --all | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except (Failure, CorralError) as error:
        print(error.message, file=sys.stderr)
        if options.has("ready-fd"):
            os.write(options.number("ready-fd"), error.message.encode())
        return 1


def run(role: str, instance: Instance, options: Parsed) -> int:
    """One role to its end. Each imports only what it needs. While one that stays is loaded nothing is collected, for
    all of that stays, too: a tenth of the time (`settle` in `serve`)."""
    if role == "unit":
        from corral.daemon.unit import print_unit

        return print_unit(instance)
    from corral.daemon.config import load_settings

    named = options.has("config")
    settings = load_settings(options.text("config") or instance.config, options.values, must_exist=named)
    if role == "token":
        from corral.daemon.token import print_token

        return print_token(instance, options.text("url"))
    if role == "node":
        gc.disable()
        from corral.daemon.node import serve_node
        from corral.daemon.node_join import Join

        server, name, token, hash = (options.text(key) for key in ("server", "name", "token", "ca-hash"))
        asked = Join(server, name, token=token, ca_hash=hash)
        return serve_node(instance, settings, asked, options.number("ready-fd", -1))
    if role == "enable":
        from corral.cli.verbs.daemon import setting_words
        from corral.daemon.node_unit import install

        print(f"systemd keeps it running, and starts it after a reboot: {install(instance, setting_words(options))}")
        return 0
    if role == "doctor":
        from corral.daemon.doctor import doctor

        return doctor(instance, settings)
    if role == "teardown":
        from corral.daemon.teardown import teardown

        return teardown(instance, settings, reset=options.on("reset"), kill=options.on("kill"))
    if role == "registry":
        from corral.daemon.registry_alone import serve_alone

        return serve_alone(instance, settings)
    if role == "serve":
        gc.disable()
        from corral.daemon.serve import serve

        return serve(instance, settings, options.number("ready-fd", -1))
    raise Failure(f"there is no role {role!r}", 125)


sys.exit(main(sys.argv[1:]))
