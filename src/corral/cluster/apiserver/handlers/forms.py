"""Which shape an answer gets: what the client accepts, put against what the resource has."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from corral.cluster.apiserver.encoding.accept import PARTIAL, PARTIAL_LIST, TABLE, Accepted
from corral.cluster.apiserver.encoding.shapes import Convert, Partial, Plain, Shape, Table, columns_of, utc_now
from corral.cluster.apiserver.registry import Served
from corral.http.query import Query
from corral.model.kubernetes.kinds.cells import AGE, at, column
from corral.model.kubernetes.status import bad_request, not_acceptable

_INCLUDES = ("", "Metadata", "None", "Object")
_SCALE: Final = Plain("autoscaling/v1", "Scale", "ScaleList", None, bare=True)
_SCALE_COLUMNS: Final = columns_of((
    column("Desired", at("spec", "replicas", default=0), "integer"),
    column("Available", at("status", "replicas", default=0), "integer"),
    AGE,
))  # fmt: skip


def shape_of(served: Served, accepted: Accepted, query: Query, *, is_list: bool) -> Shape:
    """400 for a table that cannot be made as asked; 406 for the wrong word for lists."""
    if accepted.kind == TABLE:
        return Table(
            columns_of(served.kind.columns, served.custom),
            _included(query),
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


def shape_of_scale(accepted: Accepted, query: Query) -> Shape:
    """Of a Scale, whatever it scales. 400 and 406 as above."""
    if accepted.kind == TABLE:
        return Table(_SCALE_COLUMNS, _included(query), accepted.version, _SCALE, utc_now)
    if accepted.kind == PARTIAL_LIST:
        raise not_acceptable("you requested PartialObjectMetadataList, but the requested object is not a list (Scale)")
    return _partial_of(accepted.version, None) if accepted.kind == PARTIAL else _SCALE


def _included(query: Query) -> str:
    """What goes with each row of a table. 400."""
    include = query.get("includeObject")
    if include not in _INCLUDES:
        text = f"includeObject: Invalid value: \"{include}\": must be 'Metadata', 'Object', 'None', or empty"
        raise bad_request(f"Unable to convert to Table as requested: {text}")
    return include or "Metadata"


def _partial(served: Served, version: str) -> Partial:
    asked = served.warm is not None and served.resource.api_version != served.stored.api_version
    return _partial_of(version, served.from_stored if asked else None)


@lru_cache(maxsize=64)
def _partial_of(version: str, convert: Convert | None) -> Partial:
    """One for all who ask, so that equal watches share their bytes."""
    return Partial(version, convert)
