"""Variables, quotes and escapes, as BuildKit's lexer reads them."""

from __future__ import annotations

import pytest

from corral.build.dockerfile.shell import Rules, expand, split
from corral.build.request import BuildFailed

VALUES = {"HOME": "/root", "EMPTY": "", "FILE": "app.tar.gz", "PATHS": "/a/b/c", "TWO": "x  y"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$HOME/$MISSING.", "/root/."),
        ("${HOME}s", "/roots"),
        ("$1x $@", "x "),
        ("$.", "$."),
        ("cost $", "cost $"),
        ("\\$HOME", "$HOME"),
        ("\\\\$HOME", "\\/root"),
        ("'$HOME'", "$HOME"),
        ('"$HOME \\"q\\" \\n"', '/root "q" \\n'),
        ("a\\ b\\", "a b"),
        ("${MISSING:-d}${MISSING-d}${EMPTY:-d}${EMPTY-d}", "ddd"),
        ("${HOME:+set}${EMPTY:+set}${EMPTY+set}${MISSING+set}", "setset"),
        ("${MISSING:-${EMPTY:-$HOME}}", "/root"),
        ("${HOME:?needed}", "/root"),
        ("${FILE%.*} ${FILE%%.*} ${FILE#*.} ${FILE##*.}", "app.tar app tar.gz gz"),
        ("${PATHS/\\//-} ${PATHS//\\//-}", "-a/b/c -a-b-c"),
        ("${FILE/t?r/zip}", "app.zip.gz"),
        ("${MISSING#x}", ""),
    ],
)
def test_expand(text: str, expected: str) -> None:
    assert expand(text, VALUES).text == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${", "failed to process \"${\": syntax error: missing '}'"),
        ("${}", 'failed to process "${}": syntax error: bad substitution'),
        ("${a:-b", "failed to process \"${a:-b\": syntax error: missing '}'"),
        ("${HOME^}", 'failed to process "${HOME^}": unsupported modifier (^) in substitution'),
        ("${MISSING?}", 'failed to process "${MISSING?}": MISSING: is not allowed to be unset'),
        ("${EMPTY:?}", 'failed to process "${EMPTY:?}": EMPTY: is not allowed to be empty'),
        ("${MISSING:?set it}", 'failed to process "${MISSING:?set it}": MISSING: set it'),
        ("${FILE/x}", "failed to process \"${FILE/x}\": syntax error: missing '/' in ${}"),
        ("${FILE#a\\b}", 'failed to process "${FILE#a\\\\b}": invalid pattern (a\\b) in substitution: invalid escape '
         "'\\b'"),
        ("'a", "failed to process \"'a\": unexpected end of statement while looking for matching single-quote"),
        ('"a', 'failed to process "\\"a": unexpected end of statement while looking for matching double-quote'),
    ],
)  # fmt: skip
def test_errors(text: str, message: str) -> None:
    with pytest.raises(BuildFailed) as caught:
        expand(text, VALUES)
    assert caught.value.message == message


def test_nesting_has_an_end() -> None:
    with pytest.raises(BuildFailed, match="nested too deep"):
        expand("${a:-" * 500 + "}" * 500, {})


def test_what_is_missing_is_told() -> None:
    found = expand("$HOME ${A:-$B} $A", VALUES)
    assert (found.used, found.missing) == ({"HOME"}, {"A", "B"})


def test_rules() -> None:
    assert expand("`$HOME \\a", VALUES, Rules(escape="`")).text == "$HOME \\a"
    assert expand("\"$HOME\" '$HOME'", VALUES, Rules(no_quotes=True)).text == "\"/root\" '/root'"
    assert expand("$HOME '$A' ${A:-b} $A", VALUES, Rules(raw_quotes=True, keep_unset=True)).text == (
        "/root '$A' ${A:-b} $A"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a  b", ["a", "b"]),
        ("$TWO", ["x", "y"]),
        ('"$TWO" z', ["x  y", "z"]),
        ("a\\ b", ["a b"]),
        ("<<  EOF x", ["<<  EOF", "x"]),
        ("", []),
        ('""', []),
    ],
)
def test_split(text: str, expected: list[str]) -> None:
    assert split(text, VALUES) == expected
