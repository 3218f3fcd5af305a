"""Names: the grammar of repositories, tags and digests. Pure."""

from __future__ import annotations

import re
from typing import Final

from corral.errors import InvalidInput
from corral.images.references import check_digest
from corral.registry.faults import Fault

LONGEST: Final = 255  # characters of a repository's name
ALGORITHMS: Final = ("sha256", "sha512")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")


def is_name(name: str) -> bool:
    """Pure: whether a repository may be called that.

    >>> is_name("a/b"), is_name("a//b")
    (True, False)
    """
    return len(name) <= LONGEST and _NAME.fullmatch(name) is not None


def check_name(name: str) -> str:
    """The name of a repository itself. NAME_INVALID.

    >>> check_name("team/app_1--x")
    'team/app_1--x'
    >>> check_name("Team/app")
    Traceback (most recent call last):
    corral.registry.faults.Fault: invalid repository name: 'Team/app'
    """
    if not _NAME.fullmatch(name):
        raise Fault("NAME_INVALID", f"invalid repository name: {name!r}", {"name": name})
    if len(name) > LONGEST:
        raise Fault("NAME_INVALID", f"repository name must not be more than {LONGEST} characters", {"name": name})
    return name


def is_tag(text: str) -> bool:
    """Pure.

    >>> is_tag("v1.0"), is_tag(".x"), is_tag("a" * 129), is_tag("sha256:0")
    (True, False, False, False)
    """
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Whether it is a digest of an algorithm that is offered."""
    try:
        return check_digest(text).partition(":")[0] in ALGORITHMS
    except InvalidInput:
        return False


def need_digest(text: str) -> str:
    """The digest itself. DIGEST_INVALID if it is none, or of an algorithm that is not offered."""
    if not is_digest(text):
        raise Fault("DIGEST_INVALID", f"invalid digest {text!r}: needed is sha256:… or sha512:…", {"digest": text})
    return text
