"""What the verbs of several kinds of things have in common."""

from __future__ import annotations

import json

from corral.cli.fail import ApiError, Failure
from corral.cli.http import quote
from corral.cli.render import fill

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from corral.cli.options import Parsed
    from corral.cli.session import Session


def pairs(words: Sequence[str]) -> dict[str, str]:
    """KEY=VALUE words; a key alone has an empty value. Pure.

    >>> pairs(["a=b=c", "d"])
    {'a': 'b=c', 'd': ''}
    """
    return {key: value for key, _, value in (word.partition("=") for word in words)}


def label_pairs(words: Sequence[str]) -> dict[str, str]:
    """`--label KEY[=VALUE]`. Pure. Failure.

    >>> label_pairs(["a=1", "b"])
    {'a': '1', 'b': ''}
    """
    for word in words:
        key = word.partition("=")[0].strip()
        if not key:
            raise Failure(f"invalid label '{word}': empty name", 125)
        if any(map(str.isspace, key)):
            raise Failure(f"label '{key}' contains whitespaces", 125)
    return pairs(words)


def labels(thing: dict[str, Any]) -> str:
    """Those of anything that the API lists, in one word. Pure.

    >>> labels({"Labels": {"b": "2", "a": "1"}}), labels({"Labels": None})
    ('a=1,b=2', '')
    """
    return ",".join(f"{key}={value}" for key, value in sorted((thing["Labels"] or {}).items()))


def inspect(session: Session, options: Parsed, kind: str) -> int:
    """All that the API knows of those named, of one `kind` ("volume"): as JSON or by a template."""
    found, code = [], 0
    for name in options.args:
        try:
            found.append(session.client.call("GET", f"/{kind}s/{quote(name)}"))
        except ApiError as error:
            session.warn(error.message)
            code = 1
    how = options.text("format")
    if not how or how == "json":
        session.say(json.dumps(found, indent=None if how else 4, ensure_ascii=False))
        return code
    for thing in found:
        session.say(fill(how, thing, session.docker(f"{kind} inspect --format …")))
    return code
