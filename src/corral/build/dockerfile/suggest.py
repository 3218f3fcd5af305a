"""Suggest: "did you mean RUN?" after a word that is nearly another. Pure."""

from __future__ import annotations

from collections.abc import Iterable

_FAR = 3  # from this distance on a word is simply another one
_LONGEST = 64


def nearest(word: str, options: Iterable[str], *, any_case: bool = False) -> str:
    """The option that needs the fewest edits, at most two; "" if there is none, or if the word is itself an option.

    >>> nearest("RUNN", ["COPY", "RUN"], any_case=True), nearest("biuld", ["build"]), nearest("run", ["run", "rune"])
    ('RUN', 'build', '')
    """
    best, found = _FAR, ""
    sought = word.lower() if any_case else word
    if len(word) > _LONGEST:
        return ""
    for option in sorted(options):
        candidate = option.lower() if any_case else option
        if candidate == sought:
            return ""
        if abs(len(candidate) - len(sought)) < best and (far := distance(sought, candidate)) < best:
            best, found = far, _like(candidate, word) if any_case else candidate
    return found


def did_you_mean(word: str, options: Iterable[str], *, any_case: bool = False) -> str:
    """What is added to a message: " (did you mean RUN?)" or nothing."""
    found = nearest(word, options, any_case=any_case)
    return f" (did you mean {found}?)" if found else ""


def _like(word: str, example: str) -> str:
    return word.upper() if example == example.upper() and example != example.lower() else word


def distance(a: str, b: str) -> int:
    """How many letters are put in, left out or changed.

    >>> distance("kitten", "sitting"), distance("", "abc")
    (3, 3)
    """
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        above, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (letter != other))
    return row[-1]
