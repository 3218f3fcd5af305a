"""Lines: a Dockerfile's text cut into instructions: comments left out, continued lines joined, here-documents taken
along. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from corral.build.dockerfile.heredocs import Heredoc, find_heredocs
from corral.build.ops import Span
from corral.build.request import BuildFailed

_LONGEST = 65535


class Line(NamedTuple):
    """One instruction. `text` is one line, its leading blanks gone; `comments` stood above it."""

    text: str
    span: Span
    comments: list[str]
    heredocs: list[Heredoc]


class Lines(NamedTuple):
    found: list[Line]
    empty_continuations: list[int]  # last lines of instructions that have blank lines inside


_CONTINUED = {mark: re.compile(rf"(?:(?<!{re.escape(mark)})){re.escape(mark)}[ \t]*$") for mark in "\\`"}
_MAY_HAVE_HEREDOC = re.compile(r"(?i)(?:onbuild\s+)?(?:run|copy|add)\s")


def split_lines(text: str) -> list[str]:
    """Lines without their ends; a byte order mark is dropped. "\\r\\n" ends lines too, but is kept for here-documents.

    >>> split_lines("\\ufeffFROM a\\r\\nRUN b\\n")
    ['FROM a\\r', 'RUN b']
    """
    lines = text.removeprefix("\ufeff").split("\n")
    return lines[:-1] if lines and not lines[-1] else lines


def join_lines(lines: list[str], escape: str, directives: int) -> Lines:
    """
    >>> [line.text for line in join_lines(["RUN a \\\\", "# why", "  b", "", "RUN c"], "\\\\", 0).found]
    ['RUN a   b', 'RUN c']
    """
    return _Joiner(lines, escape, directives).run()


class _Joiner:
    def __init__(self, lines: list[str], escape: str, directives: int) -> None:
        self._lines, self._at = lines, directives
        self._continued = _CONTINUED[escape]
        self._escape = escape

    def run(self) -> Lines:
        found: list[Line] = []
        empty: list[int] = []
        comments: list[str] = []
        while self._at < len(self._lines):
            line = self._take().strip()
            if line.startswith("#"):
                text = line[1:].strip()
                if text:
                    comments.append(text)
                else:
                    comments = []
            elif line:
                self._at -= 1
                start = self._at + 1
                text, blank = self._whole()
                if blank:
                    empty.append(self._at)
                heredocs = self._heredocs(text, start) if text else []
                found.append(Line(text, Span(start, self._at), comments, heredocs))
                comments = []
        return Lines(found, empty)

    def _take(self) -> str:
        line = self._lines[self._at]
        if len(line) > _LONGEST:
            text = f"dockerfile line greater than max allowed size of {_LONGEST}"
            raise BuildFailed(text, span=Span(self._at + 1, self._at + 1))
        self._at += 1
        return line

    def _whole(self) -> tuple[str, bool]:
        """The instruction that begins here, and whether it has blank lines inside."""
        first = self._take().rstrip("\r").lstrip()
        parts, blank = [first], False
        while (parts[-1].rstrip(" \t").endswith(self._escape)) and (cut := self._continued.search(parts[-1])):
            parts[-1] = parts[-1][: cut.start()]
            following, blank_here = self._following()
            blank |= blank_here
            if following is None:
                break
            parts.append(following)
        return "".join(parts), blank

    def _following(self) -> tuple[str | None, bool]:
        """The next line of an instruction that goes on: comments and blank lines do not count."""
        blank = False
        while self._at < len(self._lines):
            line = self._take().rstrip("\r")
            content = line.lstrip()
            if content and not content.startswith("#"):
                return line, blank
            blank |= not content
        return None, blank

    def _heredocs(self, text: str, start: int) -> list[Heredoc]:
        if "<<" not in text or not _MAY_HAVE_HEREDOC.match(text):
            return []
        return [self._content(heredoc, start) for heredoc in find_heredocs(text)]

    def _content(self, heredoc: Heredoc, start: int) -> Heredoc:
        lines: list[str] = []
        while self._at < len(self._lines):
            line = self._take()
            bare = line.rstrip("\r")
            if (bare.lstrip("\t") if heredoc.chomp else bare) == heredoc.name:
                return heredoc._replace(content="".join(f"{line}\n" for line in lines))
            lines.append(line)
        raise BuildFailed("unterminated heredoc", span=Span(start, self._at))
