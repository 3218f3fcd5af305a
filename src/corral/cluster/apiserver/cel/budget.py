"""May rules cost what they may cost at the most? Each alone, and all of one schema together. Pure.

Follows k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from corral.cluster.apiserver.cel.schemas import Raw
from corral.model.kubernetes import problems as p
from corral.model.kubernetes.problems import Problem

EACH: Final = 10_000_000
TOGETHER: Final = 100_000_000
_SHOWN: Final = 4  # of the dearest rules
_ADVICE: Final = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared)"
)


class Budget:
    """Of one schema."""

    def __init__(self) -> None:
        self._total, self._dear = 0, list[tuple[int, str]]()

    def spend(self, cost: int, path: str, what: str = "rule") -> Iterator[Problem]:
        """
        >>> [str(one).partition(" (")[0] for one in Budget().spend(12_000_000, "a.rule")]
        ['a.rule: Forbidden: estimated rule cost exceeds budget by factor of 1.200000x']
        """
        self._total += cost
        if cost >= TOGETHER // 100:
            self._dear.append((cost, path))
        if cost > EACH:
            yield p.forbidden(path, _exceeds(f"estimated {what} cost", cost / EACH))

    def problems(self, path: str) -> Iterator[Problem]:
        """Of all rules together; `path`: of the schema."""
        if self._total <= TOGETHER:
            return
        for _, dear in sorted(self._dear, key=lambda one: -one[0])[:_SHOWN]:
            yield p.forbidden(
                dear, "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
            )
        what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
        yield p.forbidden(path, _exceeds(what, self._total / TOGETHER))


def below(count: int | None, raw: Raw) -> int | None:
    """How often there can be what is below a schema, of which there can be `count`; None: that has no limit.

    >>> below(2, {"type": "array", "maxItems": 5}), below(2, {"type": "object"}), below(2, {"type": "array"})
    (10, 2, None)
    """
    if raw.get("type") == "array":
        most = raw.get("maxItems")
    elif raw.get("type") == "object" and raw.get("additionalProperties") is not None:
        most = raw.get("maxProperties")
    else:
        most = 1
    return None if count is None or most is None else count * max(most, 0)


def _exceeds(what: str, factor: float) -> str:
    shown = "more than 100x" if factor > 100 else f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    return f"{what} exceeds budget by factor of {shown} {_ADVICE}"
