"""Lexer: reads a word letter by letter: variables, quotes, backslashes. `shell` is its face. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from corral.build.dockerfile import glob
from corral.build.dockerfile.texts import quote
from corral.build.request import BuildFailed

_SPECIAL_NAMES = "@*#?-$!"
_DEEPEST = 100
LONGEST = 1 << 20  # letters that variables may add to a word: the kernel gives a process no variable of an eighth of it
_END = ""  # what stands behind the last letter
_FORBIDDEN = {True: "is not allowed to be unset", False: "is not allowed to be empty"}
# Letters that are nothing but themselves, wherever they stand.
_RUN = re.compile(r"[^$<'\"\\`/}]+")
_BLANKS = re.compile(r"(\s+)")


class Rules(NamedTuple):
    """How a lexer differs from the usual: it keeps quotes, keeps backslashes, takes quotes for letters, leaves what
    is unset as it stands."""

    escape: str = "\\"
    raw_quotes: bool = False
    raw_escapes: bool = False
    no_quotes: bool = False
    keep_unset: bool = False


class _Words:
    """Letters as they come, cut at blanks; only where words are wanted."""

    def __init__(self, wanted: bool) -> None:
        self.found: list[str] = []
        self._letters: list[str] = []
        self._wanted = wanted

    def add(self, text: str) -> None:
        if not self._wanted:
            return
        for piece in _BLANKS.split(text):
            if piece.isspace():
                self.end()
            elif piece:
                self._letters.append(piece)

    def add_raw(self, text: str) -> None:
        if text and self._wanted:
            self._letters.append(text)

    def end(self) -> list[str]:
        if self._letters:
            self.found.append("".join(self._letters))
            self._letters.clear()
        return self.found


class Lexer:
    """One word, or many, read once. `used` and `missing` are the names it met."""

    def __init__(self, text: str, values: Mapping[str, str], rules: Rules, words: bool) -> None:
        self._text, self._values, self._rules, self._words = text, values, rules, words
        self._raw_escapes = rules.raw_escapes
        self._at = self._depth = 0
        self._room = LONGEST
        self.used: set[str] = set()
        self.missing: set[str] = set()

    def run(self) -> tuple[str, list[str]]:
        try:
            return self._until(_END, self._raw_escapes)
        except _SyntaxError as error:
            raise BuildFailed(f"failed to process {quote(self._text)}: {error}") from None

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else _END

    def _next(self) -> str:
        letter = self._peek()
        self._at += 1
        return letter

    def _until(self, stop: str, raw_escapes: bool) -> tuple[str, list[str]]:
        """Up to the letter `stop`, which is taken too."""
        before, self._raw_escapes = self._raw_escapes, raw_escapes
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _SyntaxError("variables are nested too deep")
        try:
            return self._letters(stop)
        finally:
            self._raw_escapes = before
            self._depth -= 1

    def _letters(self, stop: str) -> tuple[str, list[str]]:
        out: list[str] = []
        words = _Words(self._words)
        while (letter := self._peek()) != _END:
            if letter == stop:
                self._at += 1
                return "".join(out), words.end()
            if letter == "$":
                piece = self._filled(self._dollar())
                words.add(piece)
            elif letter == "<":
                piece = self._less()
                words.add_raw(piece)
            elif letter in "'\"" and not self._rules.no_quotes:
                piece = self._single() if letter == "'" else self._double()
                words.add_raw(piece)
            else:
                piece = self._plain(words)
            out.append(piece)
        if stop:
            raise _SyntaxError(f"unexpected end of statement while looking for matching {stop}")
        return "".join(out), words.end()

    def _plain(self, words: _Words) -> str:
        """A letter that is only itself, and those that follow it; or an escaped one."""
        if run := _RUN.match(self._text, self._at):
            self._at = run.end()
            words.add(run[0])
            return run[0]
        letter = self._next()
        if letter != self._rules.escape:
            words.add(letter)
            return letter
        piece = (letter if self._raw_escapes else "") + self._next()
        words.add_raw(piece)
        return piece

    def _less(self) -> str:
        """`<<` and the blanks behind it stay one word: it may begin a here-document."""
        self._at += 1
        if self._peek() != "<":
            return "<"
        start = self._at - 1
        self._at += 1
        while self._peek() in ("\t", "\r", " "):
            self._at += 1
        return self._text[start : self._at]

    def _single(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise _SyntaxError("unexpected end of statement while looking for matching single-quote")
        start, self._at = self._at, end + 1
        return self._text[start : end + 1] if self._rules.raw_quotes else self._text[start + 1 : end]

    def _double(self) -> str:
        mark = '"' if self._rules.raw_quotes else ""
        out = [mark]
        self._at += 1
        while (letter := self._peek()) != '"':
            if letter == _END:
                raise _SyntaxError("unexpected end of statement while looking for matching double-quote")
            out.append(self._filled(self._dollar()) if letter == "$" else self._double_letter())
        self._at += 1
        return "".join(out) + mark

    def _double_letter(self) -> str:
        letter = self._next()
        if letter != self._rules.escape:
            return letter
        kept = letter if self._raw_escapes else ""
        following = self._peek()
        if following == _END:
            return kept
        if following in ('"', "$", self._rules.escape):
            letter = self._next()
        return kept + letter

    def _dollar(self) -> str:
        self._at += 1
        if self._peek() == "{":
            self._at += 1
            return self._braces()
        name = self._name()
        if not name:
            return "$"
        value = self._get(name)
        return f"${name}" if value is None and self._rules.keep_unset else value or ""

    def _filled(self, piece: str) -> str:
        """What stands for a variable. A few lines that double each other's length would else fill the memory."""
        self._room -= len(piece)
        if self._room < 0:
            raise _SyntaxError(f"its variables come to more than {LONGEST} letters")
        return piece

    def _braces(self) -> str:
        if self._peek() == _END:
            raise _SyntaxError("syntax error: missing '}'")
        if self._peek() in "{}:":
            raise _SyntaxError("syntax error: bad substitution")
        name = self._name()
        operator = self._next()
        if operator == "}":
            value = self._get(name)
            return f"${{{name}}}" if value is None and self._rules.keep_unset else value or ""
        if operator == "/":
            return self._replaced(name)
        if operator == ":":
            operator += self._next()
        if operator not in ("+", "-", "?", "#", "%", ":+", ":-", ":?"):
            raise _SyntaxError(f"unsupported modifier ({operator}) in substitution")
        word = self._word("}", operator in "#%")
        value = self._get(name)
        if value is None and self._rules.keep_unset:
            return f"${{{name}{operator}{word}}}"
        return _modified(name, operator, word, value)

    def _word(self, stop: str, raw: bool) -> str:
        try:
            return self._until(stop, raw)[0]
        except _SyntaxError:
            if self._peek() == _END:
                where = " in ${}" if stop == "/" else ""
                raise _SyntaxError(f"syntax error: missing '{stop}'{where}") from None
            raise

    def _replaced(self, name: str) -> str:
        everywhere = self._peek() == "/"
        self._at += everywhere
        pattern, new = self._word("/", True), self._word("}", True)
        value = self._get(name)
        if value is None and self._rules.keep_unset:
            return f"${{{name}/{pattern}/{new}}}"
        try:
            return glob.substitute(value or "", pattern, new, everywhere, LONGEST)
        except glob.BadPattern as error:
            raise _SyntaxError(f"invalid pattern ({pattern}) in substitution: {error}") from None

    def _name(self) -> str:
        """Letters, digits and "_"; digits alone; or one special sign."""
        start = self._at
        first = self._peek()
        if first and first in _SPECIAL_NAMES:
            self._at += 1
            return first
        only_digits = first.isdigit()
        while (letter := self._peek()) and (
            letter.isdigit() if only_digits else letter == "_" or letter.isalpha() or letter.isdigit()
        ):
            self._at += 1
        return self._text[start : self._at]

    def _get(self, name: str) -> str | None:
        value = self._values.get(name)
        (self.missing if value is None else self.used).add(name)
        return value


class _SyntaxError(Exception):
    pass


def _modified(name: str, operator: str, word: str, value: str | None) -> str:
    """Pure.

    >>> _modified("v", ":-", "w", ""), _modified("v", "-", "w", ""), _modified("v", "+", "w", "1")
    ('w', '', 'w')
    """
    there = bool(value) if operator.startswith(":") else value is not None
    kind = operator[-1]
    if kind == "-":
        return value or "" if there else word
    if kind == "+":
        return word if there else ""
    if kind == "?":
        if there:
            return value or ""
        raise _SyntaxError(f"{name}: {word or _FORBIDDEN[value is None]}")
    longest = word.startswith(kind)
    pattern = word.removeprefix(kind)
    try:
        return (glob.trim_prefix if kind == "#" else glob.trim_suffix)(value or "", pattern, longest)
    except glob.BadPattern as error:
        raise _SyntaxError(f"invalid pattern ({pattern}) in substitution: {error}") from None
