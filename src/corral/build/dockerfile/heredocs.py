"""Here-documents: `<<EOF`, `<<-EOF`, `<<"EOF"`, with a digit before them for the shell. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from corral.build.dockerfile.shell import Rules, split
from corral.build.request import BuildFailed
from corral.kit.paths import join

_WORD = re.compile(r"([0-9]*)<<(-?)\s*([^<]*)", re.ASCII)
_LEADING_TABS = re.compile(r"^\t+", re.MULTILINE)
_KEEP = Rules(keep_unset=True)


class Heredoc(NamedTuple):
    """`expand`: variables in it are filled in, for no part of its name was quoted. `chomp`: without leading tabs."""

    name: str
    expand: bool = True
    chomp: bool = False
    content: str = ""

    @property
    def text(self) -> str:
        """The content that is meant.

        >>> Heredoc("EOF", chomp=True, content="\\ta\\n\\t\\tb\\n").text
        'a\\nb\\n'
        """
        return _LEADING_TABS.sub("", self.content) if self.chomp else self.content


def parse_heredoc(word: str) -> Heredoc | None:
    """
    >>> parse_heredoc("<<-'EOF'"), parse_heredoc("a<<b"), parse_heredoc("2<<E")
    (Heredoc(name='EOF', expand=False, chomp=True, content=''), None, Heredoc(name='E', expand=True, chomp=False, \
content=''))
    """
    found = _WORD.fullmatch(word)
    if not found or not found[3]:
        return None
    words, raw = split(found[3], {}, _KEEP), split(found[3], {}, _KEEP._replace(raw_quotes=True))
    if len(words) != 1 or len(raw) != 1:
        return None
    return Heredoc(words[0], _quotes(words[0]) == _quotes(raw[0]), found[2] == "-")


def _quotes(word: str) -> int:
    return word.count("'") + word.count('"')


def file_name(name: str) -> str:
    """What the file is called that a here-document becomes. It is written into an empty directory, which no name
    leads out of. BuildFailed, in BuildKit's words, where such a directory can have no such file.

    >>> file_name("../e"), file_name("a/../b/")
    ('e', 'b')
    >>> file_name("a/b")
    Traceback (most recent call last):
    corral.build.request.BuildFailed: open /a/b: no such file or directory
    """
    path = join("/", name)
    if path == "/":
        raise BuildFailed("open /: is a directory")
    if "/" in path[1:]:
        raise BuildFailed(f"open {path}: no such file or directory")
    return path[1:]


def find_heredocs(line: str) -> list[Heredoc]:
    """Those an instruction opens, in order.

    >>> [heredoc.name for heredoc in find_heredocs('COPY <<a.txt <<"b.txt" /x "<<c"')]
    ['a.txt', 'b.txt']
    """
    try:
        words = split(line, {}, Rules(raw_quotes=True, raw_escapes=True, keep_unset=True))
    except BuildFailed:  # the shell may understand what we do not
        return []
    return [found for word in words if (found := parse_heredoc(word))]
