"""Command lines: the options of a verb as a table, and a parser that reads only that table.

Understood as Docker's clients do: `--name value`, `--name=value`, `-n value`, `-nvalue`, `-it`, `--flag=false`,
`--` ends the options, and verbs that run a program stop at the first word that is no option.
"""

from __future__ import annotations

from corral.cli.fail import Misuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from corral.cli.session import Session

TRUE = ("true", "1", "t", "T", "TRUE", "True")
FALSE = ("false", "0", "f", "F", "FALSE", "False")


class Option:
    """`names` is "-e --env"; the last one, without dashes, is the key. `value` is "" for a flag.

    `optional` gives the value of a bare `--name` for options whose value may be left out.
    """

    __slots__ = ("help", "key", "many", "names", "optional", "value")

    def __init__(self, names: str, value: str, help: str, *, many: bool = False, optional: str | None = None) -> None:
        self.names = names.split()
        self.key = self.names[-1].lstrip("-")
        self.value = value
        self.help = help
        self.many = many
        self.optional = optional


def flag(names: str, help: str) -> Option:
    return Option(names, "", help)


def text(names: str, value: str, help: str) -> Option:
    return Option(names, value, help)


def many(names: str, value: str, help: str) -> Option:
    return Option(names, value, help, many=True)


class Parsed:
    """What the command line said. Absent options are False, "" and []."""

    def __init__(self) -> None:
        self.values: dict[str, list[str]] = {}
        self.args: list[str] = []

    def has(self, key: str) -> bool:
        return key in self.values

    def on(self, key: str, default: bool = False) -> bool:
        found = self.values.get(key)
        return default if not found else found[-1] in TRUE

    def text(self, key: str, default: str = "") -> str:
        found = self.values.get(key)
        return found[-1] if found else default

    def list(self, key: str) -> list[str]:
        return self.values.get(key, [])

    def number(self, key: str, default: int = 0) -> int:
        word = self.text(key)
        if not word:
            return default
        try:
            return int(word, 0)
        except ValueError:
            raise Misuse(f'invalid argument "{word}" for "--{key}" flag: not a number') from None


class Verb:
    """One verb: how it is called, what it takes, and the function that does it (it returns the exit code)."""

    def __init__(
        self,
        run: Callable[[Session, Parsed], int],
        usage: str,
        options: Sequence[Option] = (),
        *,
        least: int = 0,
        most: int = -1,
        program: bool = False,
        whole: bool = False,
        completes: str = "",
    ) -> None:
        self.run = run
        self.usage = usage
        self.options = options
        self.least = least
        self.most = most
        self.program = program
        self.whole = whole  # all its words, options too, are another command's
        self.completes = completes  # its arguments: "containers", "running", "images", "volumes", "networks" or ""


ROOT = text("--root", "DIR", "the instance whose state is in DIR (also: CORRAL_ROOT)")
HELP = flag("-h --help", "show this")


def parse(verb: Verb, words: Sequence[str]) -> Parsed:
    """Pure. Raises Misuse for an unknown option, a missing value, or too few or many arguments.

    >>> v = Verb(lambda s, p: 0, "x", [flag("-i --interactive", ""), flag("-t --tty", ""), many("-e --env", "K=V", "")])
    >>> p = parse(v, ["-it", "-eA=1", "--env=B=2", "box", "--", "-x"])
    >>> p.on("tty"), p.list("env"), p.args
    (True, ['A=1', 'B=2'], ['box', '-x'])
    """
    known = {name: option for option in (ROOT, HELP, *verb.options) for name in option.names}  # run has a -h of its own
    parsed = Parsed()
    if verb.whole:
        parsed.args = list(words)
        return parsed
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            parsed.args += queue
            break
        if word.startswith("--"):
            _long(known, word, queue, parsed)
        elif word.startswith("-") and word != "-":
            _short(known, word, queue, parsed)
        else:
            parsed.args.append(word)
            if verb.program:
                parsed.args += queue
                break
    if not parsed.on("help"):
        check_count(verb, parsed.args)
    return parsed


def _long(known: dict[str, Option], word: str, queue: list[str], parsed: Parsed) -> None:
    name, equals, value = word.partition("=")
    option = known.get(name)
    if option is None:
        raise Misuse(f"unknown flag: {name}{_nearest(name, known)}")
    if not option.value:
        value = value if equals else "true"
        if value not in TRUE and value not in FALSE:
            raise Misuse(f'invalid argument "{value}" for "{name}" flag: neither true nor false')
    elif not equals:
        if option.optional is not None:
            value = option.optional
        elif queue:
            value = queue.pop(0)
        else:
            raise Misuse(f"flag needs an argument: {name}")
    parsed.values.setdefault(option.key, []).append(value)


def _short(known: dict[str, Option], word: str, queue: list[str], parsed: Parsed) -> None:
    """`-it` is `-i -t`; the first letter that takes a value takes the rest of the word, or the next one."""
    letters = word[1:]
    while letters:
        option = known.get(f"-{letters[0]}")
        if option is None:
            raise Misuse(f"unknown shorthand flag: '{letters[0]}' in {word}")
        letters = letters[1:]
        if not option.value:
            parsed.values.setdefault(option.key, []).append("true")
            continue
        value = letters.removeprefix("=")
        if not letters:
            if not queue:
                raise Misuse(f"flag needs an argument: {word}")
            value = queue.pop(0)
        parsed.values.setdefault(option.key, []).append(value)
        return


def _nearest(name: str, known: dict[str, Option]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, 1, 0.75)
    return f" (did you mean {close[0]}?)" if close else ""


def check_count(verb: Verb, args: Sequence[str]) -> None:
    name = f'"corral {" ".join(word for word in verb.usage.split()[:2] if word.islower())}"'
    if verb.least == verb.most and len(args) != verb.least:
        raise Misuse(f"{name} requires exactly {verb.least} argument{'s' * (verb.least != 1)}.", 1)
    if len(args) < verb.least:
        raise Misuse(f"{name} requires at least {verb.least} argument{'s' * (verb.least != 1)}.", 1)
    if 0 <= verb.most < len(args):
        raise Misuse(
            f"{name} accepts at most {verb.most} argument{'s' * (verb.most != 1)}: {args[verb.most]!r} is one more.", 1
        )


def help_text(verb: Verb, summary: str) -> str:
    """Pure: the usage, the summary and the options in two columns."""
    rows = []
    own = {name for option in verb.options for name in option.names}
    for option in (*verb.options, ROOT, HELP):
        shown = option.names if option in verb.options else [name for name in option.names if name not in own]
        names = ", ".join(shown)
        names = names if shown[0][:2] != "--" else f"    {names}"
        rows.append((f"  {names} {option.value}".rstrip(), option.help))
    width = min(34, max(len(left) for left, _ in rows)) + 2
    lines = [f"{left:<{width}}{right}" if len(left) < width else f"{left}  {right}" for left, right in rows]
    return f"Usage: corral {verb.usage}\n\n{summary}\n\nOptions:\n" + "\n".join(lines)
