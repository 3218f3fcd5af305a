"""A text cut into instructions."""

from __future__ import annotations

import pytest

from corral.build.dockerfile.lines import Line, join_lines, split_lines
from corral.build.ops import Span
from corral.build.request import BuildFailed


def lines(text: str, escape: str = "\\") -> list[Line]:
    return join_lines(split_lines(text), escape, 0).found


def texts(text: str, escape: str = "\\") -> list[str]:
    return [line.text for line in lines(text, escape)]


def test_continuation_skips_comments_and_blank_lines() -> None:
    text = "RUN a \\\n  # comment\n\n  b && \\  \n c\nRUN d\n"
    joined = join_lines(split_lines(text), "\\", 0)
    assert [line.text for line in joined.found] == ["RUN a   b &&  c", "RUN d"]
    assert [line.span for line in joined.found] == [Span(1, 5), Span(6, 6)]
    assert joined.empty_continuations == [5]


def test_an_escaped_escape_does_not_continue() -> None:
    assert texts("RUN a\\\\\nRUN b") == ["RUN a\\\\", "RUN b"]


def test_other_escape() -> None:
    assert texts("RUN a `\n b\nRUN c\\\nRUN d", "`") == ["RUN a  b", "RUN c\\", "RUN d"]


def test_continued_to_the_end() -> None:
    assert texts("RUN a \\") == ["RUN a "]


def test_byte_order_mark_and_crlf() -> None:
    assert texts("\ufeffFROM a\r\nRUN b \\\r\n c\r\n") == ["FROM a", "RUN b  c"]


def test_comments_stand_above() -> None:
    (line,) = lines("# old\n#\n# one\n\n  # two\nARG a")
    assert line.comments == ["one", "two"]


def test_heredocs() -> None:
    text = "COPY <<a <<-'b' /x\n1 \\\n# no comment\na\n\t2\n\tb\nRUN c"
    first, second = lines(text)
    assert [(h.name, h.expand, h.text) for h in first.heredocs] == [
        ("a", True, "1 \\\n# no comment\n"),
        ("b", False, "2\n"),
    ]
    assert first.span == Span(1, 6)
    assert second.text == "RUN c"


def test_heredoc_keeps_carriage_returns() -> None:
    (line,) = lines("RUN <<E\r\na\r\nE\r\n")
    assert line.heredocs[0].content == "a\r\n"


@pytest.mark.parametrize(
    "text", ['RUN "<<a"', "CMD <<a", "RUN echo $((1<<2))", 'COPY ["<<a", "/x"]', "RUN '<<a", "RUN cat <<<x"]
)
def test_no_heredoc(text: str) -> None:
    assert lines(text)[0].heredocs == []


def test_unterminated_heredoc() -> None:
    with pytest.raises(BuildFailed) as caught:
        lines("FROM a\nRUN <<E\necho\n")
    assert (caught.value.message, caught.value.span) == ("unterminated heredoc", Span(2, 3))


def test_a_line_too_long() -> None:
    with pytest.raises(BuildFailed, match="greater than max allowed size of 65535"):
        lines("RUN " + "x" * 70000)
