"""What the library does not have, said by what it has. Pure.

Some functions of upstream's cannot be declared to the library: a name that it has already takes no further overloads
(`indexOf` of lists), functions of ours give no optional values (`format`) and no times (`sum`, `min` and `max` give
them as text, in a list of one), and loops that make maps do not run in it.
"""

from __future__ import annotations

import re
from typing import Final

TEXT: Final = re.compile(r"[rRbB]{0,2}(\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*')", re.S)
VARIABLE: Final = re.compile(r"(?<![\w.])variables\.([A-Za-z_]\w*)")
# A text, or (group 2) a variable of a policy that is outside of texts.
MENTION: Final = re.compile(f"{TEXT.pattern}|{VARIABLE.pattern}", re.S)
_CALL: Final = re.compile(
    r"\.\s*(indexOf|lastIndexOf|validate|transformMap|transformMapEntry|sum|min|max)\s*\(|\b(format\s*\.\s*named|string)\s*\("
)
_THINGS: Final = re.compile(r"\b(?:ip|cidr|quantity|semver|image|url)\s*\(")
_RENAMED: Final = {"indexOf": "kubernetesIndexOf", "lastIndexOf": "kubernetesLastIndexOf"}
_FOLDS: Final = {"sum": "kubernetesSum", "min": "kubernetesMin", "max": "kubernetesMax"}
_TIMES: Final = (
    ".map(kubernetesOne, type(kubernetesOne) != map ? dyn(kubernetesOne) : 'duration' in kubernetesOne ? "
    "dyn(duration(kubernetesOne['duration'])) : dyn(timestamp(kubernetesOne['timestamp'])))[0]"
)


def rewrite(expression: str) -> str:
    """
    >>> rewrite("self.l.indexOf(2) == 'a.indexOf('.size()")
    "self.l.kubernetesIndexOf(2) == 'a.indexOf('.size()"
    >>> rewrite("!format.named(f).value().validate(self.x).hasValue()")
    '!format.named(f)[?0].value().validate(self.x)[?0].hasValue()'
    >>> rewrite("m.transformMap(k, v, v > 1, [v, 1])")
    'm.transformList(k, v, v > 1, [dyn(k), dyn([v, 1])]).kubernetesPairs()'
    """
    return _Rewriter(expression).all() if _CALL.search(expression) else expression


class _Rewriter:
    """One pass over an expression; the arguments of what is rewritten are expressions themselves."""

    def __init__(self, text: str) -> None:
        self._text, self._things = text, bool(_THINGS.search(text))

    def all(self) -> str:
        out, at, text = [], 0, self._text
        while at < len(text):
            if quoted := TEXT.match(text, at):
                out.append(quoted[0])
                at = quoted.end()
            elif (found := _CALL.match(text, at)) and (end := closing(text, found.end())) > 0:
                arguments = [rewrite(one) for one in split(text[found.end() : end])]
                out.append(self._call(found[0], re.sub(r"\s", "", found[1] or found[2]), arguments))
                at = end + 1
            else:
                out.append(text[at])
                at += 1
        return "".join(out)

    def _call(self, head: str, name: str, arguments: list[str]) -> str:
        given = ",".join(arguments)
        if name in _RENAMED:
            return f".{_RENAMED[name]}({given})"
        if name in _FOLDS:
            return f".{_FOLDS[name]}(){_TIMES}" if not given.strip() else f"{head}{given})"
        if name in ("validate", "format.named"):
            return f"{head}{given})[?0]"
        if name == "string":
            return f"{head}kubernetesText({given}))" if self._things and len(arguments) == 1 else f"{head}{given})"
        if len(arguments) not in (3, 4):
            return f"{head}{given})"
        *first, last = arguments
        if name == "transformMapEntry":
            return f".transformList({','.join(first)},{last}).kubernetesEntries()"
        return f".transformList({','.join(first)}, [dyn({first[0].strip()}), dyn({last.strip()})]).kubernetesPairs()"


def closing(text: str, at: int) -> int:
    """Where the bracket that is open at `at` is closed; -1: nowhere.

    >>> closing("f(a[1], ')')", 2)
    11
    """
    depth = 0
    while at < len(text):
        if quoted := TEXT.match(text, at):
            at = quoted.end()
            continue
        if text[at] in "([{":
            depth += 1
        elif text[at] in ")]}":
            if not depth:
                return at
            depth -= 1
        at += 1
    return -1


def split(text: str) -> list[str]:
    """The arguments of a call, spaces and all.

    >>> split("a, [b, c], 'd,e'"), split("")
    (['a', ' [b, c]', " 'd,e'"], [''])
    """
    found, begin, at = [], 0, 0
    while at < len(text):
        if quoted := TEXT.match(text, at):
            at = quoted.end()
        elif text[at] in "([{" and (end := closing(text, at + 1)) > 0:
            at = end + 1
        else:
            if text[at] == ",":
                found.append(text[begin:at])
                begin = at + 1
            at += 1
    return [*found, text[begin:]]
