"""Words: how an instruction's text is cut up before variables are filled in: flags, quotes, JSON lists. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from corral.build.dockerfile.texts import quote
from corral.build.request import BuildFailed

BLANKS = re.compile(r"[\t\v\f\r ]+")


class Command(NamedTuple):
    name: str
    flags: list[str]
    rest: str


def split_command(text: str, escape: str) -> Command:
    """
    >>> split_command("COPY --from=a  --link b c ", "\\\\")
    Command(name='COPY', flags=['--from=a', '--link'], rest='b c')
    """
    parts = BLANKS.split(text.strip(), maxsplit=1)
    if len(parts) == 1:
        return Command(parts[0], [], "")
    if not parts[1].startswith("--"):
        return Command(parts[0], [], parts[1].strip())
    flags, rest = _flags(parts[1], escape)
    return Command(parts[0], flags, rest.strip())


def _flags(text: str, escape: str) -> tuple[list[str], str]:
    """The words that begin with "--", their quotes and escapes resolved, up to the first that does not, or "--"."""
    flags: list[str] = []
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if not text.startswith("--", at):
            return flags, text[at:]
        word, at = _cut(text, at, escape, raw=False)
        if word == "--":
            return flags, text[at:]
        flags.append(word)


# Letters that mean nothing but themselves: outside quotes, and inside.
_PLAIN = re.compile(r"[^\s'\"\\`]+")
_QUOTED = re.compile(r"[^'\"\\`]+")


def _cut(text: str, at: int, escape: str, *, raw: bool) -> tuple[str, int]:
    """The word at a place, and where it ends. `raw`: with its quotes and escapes still in it; an escape then means
    nothing between single quotes, and is dropped where nothing is behind it."""
    out: list[str] = []
    mark = ""
    while at < len(text):
        if run := (_QUOTED if mark else _PLAIN).match(text, at):
            out.append(run[0])
            at = run.end()
            continue
        letter = text[at]
        if not mark and letter.isspace():
            break
        if letter == escape and not (raw and mark == "'"):
            behind = text[at + 1 : at + 2]
            out.append(escape + behind if raw and behind else behind)
            at += 2
            continue
        quoting = letter == mark or (not mark and letter in "'\"")
        if quoting:
            mark = "" if mark else letter
        if raw or not quoting:
            out.append(letter)
        at += 1
    return "".join(out), min(at, len(text))


def split_words(text: str, escape: str) -> list[str]:
    """Words with their quotes and escapes still in them.

    >>> split_words('a="b c" d=\\\\ e', "\\\\")
    ['a="b c"', 'd=\\\\ e']
    """
    if not ('"' in text or "'" in text or escape in text):
        return text.split()
    words: list[str] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
        else:
            word, at = _cut(text, at, escape, raw=True)
            words += [word] if word else []
    return words


class Pair(NamedTuple):
    """`legacy`: written without "="."""

    key: str
    value: str
    legacy: bool = False


def split_pairs(text: str, name: str, escape: str) -> list[Pair]:
    """ENV's and LABEL's names and values.

    >>> split_pairs("a=1 b='x y'", "ENV", "\\\\"), split_pairs("a b  c", "ENV", "\\\\")
    ([Pair(key='a', value='1', legacy=False), Pair(key='b', value="'x y'", legacy=False)], \
[Pair(key='a', value='b  c', legacy=True)])
    """
    words = split_words(text, escape)
    if words and "=" not in words[0]:
        parts = BLANKS.split(text, maxsplit=1)
        if len(parts) < 2:
            raise BuildFailed(f"{name} must have two arguments")
        return [Pair(parts[0], parts[1], legacy=True)]
    return [_pair(word) for word in words]


def _pair(word: str) -> Pair:
    key, equals, value = word.partition("=")
    if not equals:
        raise BuildFailed(f"Syntax error - can't find = in {quote(word)}. Must be of the form: name=value")
    return Pair(key, value)


def parse_json(text: str) -> list[str] | None:
    """The words of a JSON list; None if it is none. BuildFailed for a list of anything but words.

    >>> parse_json('["a", "b c"]'), parse_json("[ -f x ]")
    (['a', 'b c'], None)
    """
    if not text.startswith("["):
        return None
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    if not all(isinstance(word, str) for word in found):
        raise BuildFailed("when using JSON array syntax, arrays must be comprised of strings only")
    return list(found)
