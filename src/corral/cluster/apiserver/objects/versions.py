"""The other versions of a kind, as server-side apply needs them."""

from __future__ import annotations

from functools import cache

from corral.cluster.apiserver.apply import plan
from corral.cluster.apiserver.apply.views import ALIKE, Alike, View, Views
from corral.cluster.apiserver.registry import Convert, Registry, Served


def views_of(registry: Registry, served: Served, subresource: str) -> Views:
    """Pure. What a conversion cannot do, it raises: StatusError."""

    @cache
    def view(api_version: str) -> View | Alike | None:
        others = registry.equivalents(served)
        other = next((one for one in others if one.resource.api_version == api_version), None)
        if other is None:
            return None
        convert = _conversion(served, other)
        if convert is None:
            return ALIKE
        back = _conversion(other, served) or convert
        return View(plan.of_schema(other.schema), other.unowned(subresource), convert, back)

    return view


def _conversion(one: Served, other: Served) -> Convert | None:
    """None: they name their fields alike. Custom kinds get no defaults by it: nobody has set these."""
    if one.custom:
        bare = one.bare
        return (lambda obj: bare(obj, other.resource.api_version)) if bare is not None else None
    if one.to_stored is None and other.to_stored is None:
        return None
    return lambda obj: other.outgoing(one.incoming(obj))
