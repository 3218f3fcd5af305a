"""The entry of the `corral` command: finds the verb, reads its options, runs it, turns failures into exit codes."""

from __future__ import annotations

import gc
import os
import sys

from corral.cli import registry
from corral.cli.fail import Failure, Misuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


def command() -> NoReturn:
    """The console script: `main` as a process of its own, quick in what a short command mostly does, to begin and to
    end. Nothing is collected while modules are loaded, as all of that stays; and the interpreter is not taken down
    piece by piece before the kernel takes all of it: 4 of 21 ms."""
    gc.disable()
    code = main()
    sys.stderr.flush()
    os._exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of the whole command."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = dispatch(words)
        sys.stdout.flush()
        return code
    except Failure as failure:
        return complain(failure, words)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone: be silent, also when Python closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0


def dispatch(words: list[str]) -> int:
    """Runs one command line. Raises Failure."""
    root, words = global_options(words)
    name, rest = find_verb(words)
    if name == "__complete":
        from corral.cli.verbs.completion import complete

        return complete(rest, root)
    if name in ("", "help"):
        about = find_verb(rest)[0]
        print(describe(about) if about in registry.ALL else overview_of(about) or overview())
        return 0
    if name in registry.ALL:
        from corral.cli.instance import from_environment
        from corral.cli.options import parse
        from corral.cli.session import Session

        verb = registry.load(name)
        parsed = parse(verb, rest)
        if parsed.on("help"):
            print(describe(name))
            return 0
        gc.enable()
        return verb.run(Session(from_environment(parsed.text("root") or root)), parsed)
    if verbs := overview_of(name):
        if not rest or rest[0] in ("-h", "--help"):
            print(verbs)
            return 0
        if name in registry.ELSEWHERE:
            raise unknown(f"{name} {rest[0]}", " ".join(words), root)
        raise Misuse(f"unknown command: corral {name} {rest[0]}\n\n{verbs}", 1)
    raise unknown(name, " ".join(words), root)


def global_options(words: list[str]) -> tuple[str, list[str]]:
    """(the root that was asked for, the words from the verb on). Pure.

    >>> global_options(["--root", "/x", "ps", "-a"]), global_options(["--version"])
    (('/x', ['ps', '-a']), ('', ['version']))
    """
    root = ""
    while words and words[0].startswith("-"):
        word, words = words[0], words[1:]
        if word == "--root" and words:
            root, words = words[0], words[1:]
        elif word.startswith("--root="):
            root = word[7:]
        elif word in ("-v", "--version"):
            return root, ["version", *words]
        elif word in ("-h", "--help"):
            return root, ["help", *words]
        else:
            raise Misuse(f"unknown flag: {word} (before the verb only --root, --version and --help are known)")
    return root, words


def find_verb(words: list[str]) -> tuple[str, list[str]]:
    """(the verb, its words): `container ls` is `ps`. Pure.

    >>> find_verb(["container", "ls", "-q"]), find_verb(["volume", "ls"]), find_verb([])
    (('ps', ['-q']), ('volume ls', []), ('', []))
    """
    if len(words) > 1 and (words[0], words[1]) in registry.ALIASES:
        return registry.ALIASES[words[0], words[1]], words[2:]
    if len(words) > 1 and f"{words[0]} {words[1]}" in registry.ALL:
        return f"{words[0]} {words[1]}", words[2:]
    return (words[0], words[1:]) if words else ("", [])


def unknown(name: str, words: str, root: str) -> Failure:
    """What is no verb here: Docker's own client may have it, or it is a slip of the pen."""
    import difflib

    if name.split()[0] in registry.ELSEWHERE:
        from corral.cli.instance import from_environment

        docker = f"docker -H {from_environment(root).url} {words}"
        return Failure(
            f"corral: '{name}' is not offered by this command; Docker's own speaks to Corral too: {docker}", 1
        )
    close = difflib.get_close_matches(name, registry.ALL, 1)
    hint = f" Did you mean `corral {close[0]}`?" if close else ""
    return Failure(f"corral: '{name}' is not a corral command.{hint}\nAll commands: corral help", 1)


def describe(name: str) -> str:
    from corral.cli.options import help_text

    return help_text(registry.load(name), registry.ALL[name][1])


def overview() -> str:
    """Pure: all verbs in groups."""
    lines = ["Usage: corral [--root DIR] VERB …", "", "Containers on one machine, spoken to as Docker is."]
    for title, verbs in registry.GROUPS.items():
        lines += ["", f"{title}:", *(f"  {name:<20}{summary}" for name, (_, summary) in verbs.items())]
    return "\n".join(
        [*lines, "", "corral VERB --help says more. `docker -H unix://…/docker.sock` speaks to Corral too."]
    )


def overview_of(noun: str) -> str:
    """Pure: the verbs of two words that begin so, "" if there are none."""
    verbs = registry.of_noun(noun)
    lines = [f"Usage: corral {noun} VERB …", "", *(f"  {name:<20}{summary}" for name, summary in verbs.items())]
    return "\n".join([*lines, "", f"corral {noun} VERB --help says more."]) if verbs else ""


def named_verb(words: list[str]) -> str:
    """The verb of a command line that may be wrong, "" if it has none. Pure.

    >>> named_verb(["--root", "/x", "run", "--nope"]), named_verb(["--nope", "run"])
    ('run', '')
    """
    try:
        name = find_verb(global_options(words)[1])[0]
    except Misuse:
        return ""
    return name if name in registry.ALL else ""


def complain(failure: Failure, words: list[str]) -> int:
    """The message on stderr, and the exit code."""
    sys.stdout.flush()
    sys.stderr.write(failure.message.rstrip("\n") + "\n")
    if isinstance(failure, Misuse):
        name = named_verb(words)
        sys.stderr.write(f"\nSee: corral {name + ' ' if name else ''}--help\n")
        if failure.message.startswith("unknown") and name and name not in registry.MANAGE:
            from corral.cli.instance import from_environment

            url = from_environment(global_options(words)[0]).url
            sys.stderr.write(f"Docker's own client speaks to Corral too: docker -H {url} {name} …\n")
    return failure.code
