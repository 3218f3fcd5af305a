"""Which shape an answer gets: what the client accepts, put against what the resource has."""

from __future__ import annotations

from functools import lru_cache

from corral.cluster.apiserver.encoding.accept import PARTIAL, PARTIAL_LIST, TABLE, Accepted
from corral.cluster.apiserver.encoding.shapes import Convert, Partial, Shape, Table, columns_of, utc_now
from corral.cluster.apiserver.registry import Served
from corral.http.query import Query
from corral.model.kubernetes.status import bad_request, not_acceptable

_INCLUDES = ("", "Metadata", "None", "Object")


def shape_of(served: Served, accepted: Accepted, query: Query, *, is_list: bool) -> Shape:
    """400 for a table that cannot be made as asked; 406 for the wrong word for lists."""
    if accepted.kind == TABLE:
        include = query.get("includeObject")
        if include not in _INCLUDES:
            text = f"includeObject: Invalid value: \"{include}\": must be 'Metadata', 'Object', 'None', or empty"
            raise bad_request(f"Unable to convert to Table as requested: {text}")
        return Table(
            columns_of(served.kind.columns, served.custom),
            include or "Metadata",
            accepted.version,
            served.plain,
            utc_now,
            served.from_stored if served.custom else None,
            _partial(served, accepted.version),
        )
    if accepted.kind in (PARTIAL, PARTIAL_LIST):
        if is_list and accepted.kind == PARTIAL:
            name = served.resource.list_kind
            raise not_acceptable(f"you requested PartialObjectMetadata, but the requested object is a list ({name})")
        if not is_list and accepted.kind == PARTIAL_LIST:
            name = served.resource.kind
            text = f"you requested PartialObjectMetadataList, but the requested object is not a list ({name})"
            raise not_acceptable(text)
        return _partial(served, accepted.version)
    return served.plain


def _partial(served: Served, version: str) -> Partial:
    asked = served.warm is not None and served.resource.api_version != served.stored.api_version
    return _partial_of(version, served.from_stored if asked else None)


@lru_cache(maxsize=64)
def _partial_of(version: str, convert: Convert | None) -> Partial:
    """One for all who ask, so that equal watches share their bytes."""
    return Partial(version, convert)
