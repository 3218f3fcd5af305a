"""`completion`: scripts for bash, zsh and fish. All three ask `corral __complete`, so there is one list of words."""

from __future__ import annotations

from corral.cli import registry
from corral.cli.fail import Failure, Misuse
from corral.cli.instance import from_environment
from corral.cli.options import HELP, ROOT, Option, Parsed, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from corral.cli.session import Session

SCRIPTS = {
    "bash": """\
_corral() {
    local line=${COMP_LINE:0:COMP_POINT} words last
    read -ra words <<<"$line"
    [[ $line != *' ' ]] || words+=("")
    mapfile -t COMPREPLY < <(corral __complete "${words[@]:1}" 2>/dev/null)
    [ "${#COMPREPLY[@]}" -gt 0 ] || compopt -o default 2>/dev/null
    # bash takes a colon for the end of a word: what is before it stands there already
    last=${words[-1]}
    [[ $COMP_WORDBREAKS != *:* || $last != *:* ]] || COMPREPLY=("${COMPREPLY[@]#"${last%"${last##*:}"}"}")
}
complete -F _corral corral
""",
    "zsh": """\
#compdef corral
_corral() {
    local -a found
    found=("${(@f)$(corral __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "${found[*]}" ]]; then compadd -a found; else _files; fi
}
compdef _corral corral
""",
    "fish": """\
function __corral_complete
    set -l words (commandline -opc) (commandline -ct)
    corral __complete $words[2..-1] 2>/dev/null
end
complete -c corral -a '(__corral_complete)'
""",
}


def completion(session: Session, options: Parsed) -> int:
    shell = options.args[0]
    if shell not in SCRIPTS:
        raise Misuse(f"there is no completion for {shell!r}: {', '.join(SCRIPTS)}", 1)
    session.say(SCRIPTS[shell].rstrip("\n"))
    return 0


def complete(words: list[str], root: str) -> int:
    """Prints what the last of the words may become, one a line."""
    for word in candidates(words or [""], root):
        print(word)
    return 0


def candidates(words: list[str], root: str = "") -> list[str]:
    """The words that fit.

    >>> candidates(["re"])
    ['reset', 'registry', 'restart', 'rename']
    >>> candidates(["ps", "--no"]), candidates(["volume", "in"])
    (['--no-trunc'], ['inspect'])
    """
    *before, last = words
    before, named = without_root(before)
    root = named or root
    if not before:
        first = dict.fromkeys(name.split()[0] for name in registry.ALL)
        return _fitting([*first, "help"] if not last.startswith("-") else ["--root", "--help", "--version"], last)
    name = before[0]
    if name == "help":
        return _fitting(list(registry.ALL), last)
    if verbs := registry.of_noun(name):
        if len(before) == 1:
            return _fitting([verb.split()[1] for verb in verbs], last)
        name = registry.ALIASES.get((name, before[1]), f"{name} {before[1]}")
        before[:2] = [name]
    if name not in registry.ALL:
        return []
    verb = registry.load(name)
    if last.startswith("-"):
        return _fitting([n for option in _options(name, verb) for n in option.names if n.startswith("--")], last)
    if verb.program and any(not word.startswith("-") for word in before[1:]):
        return []
    return _fitting(_objects(verb.completes, root), last)


def without_root(words: list[str]) -> tuple[list[str], str]:
    """Pure: words without `--root`, and the directory that it names, "" for none.

    >>> without_root(["--root", "/a", "rm"]), without_root(["rm", "--root=/b"]), without_root(["rm", "--root"])
    ((['rm'], '/a'), (['rm'], '/b'), (['rm'], ''))
    """
    left, root, rest = [], "", iter(words)
    for word in rest:
        if word == "--root":
            root = next(rest, "")
        elif word.startswith("--root="):
            root = word.partition("=")[2]
        else:
            left.append(word)
    return left, root


def _options(name: str, verb: Verb) -> list[Option]:
    return [*verb.options, ROOT, HELP]


def _fitting(words: list[str], start: str) -> list[str]:
    return [word for word in words if word.startswith(start)]


def _objects(kind: str, root: str) -> list[str]:
    """Names of what there is; nothing if there is no daemon to ask."""
    from corral.cli.session import Session

    if kind == "shells":
        return list(SCRIPTS)
    client = Session(from_environment(root)).client
    try:
        if kind == "images":
            found = client.call("GET", "/images/json")
            return sorted(tag for image in found for tag in image["RepoTags"] or [] if tag != "<none>:<none>")
        if kind == "volumes":
            return sorted(volume["Name"] for volume in client.call("GET", "/volumes")["Volumes"] or [])
        if kind == "networks":
            return sorted(network["Name"] for network in client.call("GET", "/networks"))
        if kind in ("containers", "running"):
            found = client.call("GET", "/containers/json", {"all": kind == "containers"})
            return sorted(name.lstrip("/") for container in found for name in container["Names"])
    except Failure:
        return []
    return []


VERBS = {"completion": Verb(completion, "completion bash|zsh|fish", least=1, most=1, completes="shells")}
