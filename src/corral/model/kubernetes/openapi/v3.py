"""OpenAPI v3: one document for each version of each group, and an index of them with their hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from corral.model.kubernetes.openapi.definitions import Definitions, Describe, Schemas, undescribed, versions_of
from corral.model.kubernetes.openapi.operations import PRODUCED, Operation, Parameter, Path, plan_paths, root
from corral.model.kubernetes.resources import Resource
from corral.model.kubernetes.schema.stable import builtin

_SECURITY = {"BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"}}


def index(resources: Iterable[Resource], schemas: Schemas, release: str, *, described: bool = False) -> dict[str, Any]:
    """Pure: /openapi/v3. Clients fetch a document anew when its hash has changed."""
    found = tuple(resources)
    paths = {}
    for group, version in versions_of(found):
        path = root(group, version)
        digest = fingerprint(found, group, version, schemas, release, described=described)
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}


def fingerprint(
    resources: Iterable[Resource], group: str, version: str, schemas: Schemas, release: str, *, described: bool = False
) -> str:
    """Pure: tells one edition of a document from another, without making either. `release` is the server's version."""
    found = [one for one in resources if (one.group, one.version) == (group, version)]
    raws = [schema.raw if (schema := schemas(one.gvk)) else None for one in found]
    text = msgspec.json.encode([release, described, [repr(one) for one in found], raws])
    return hashlib.sha512(text).hexdigest().upper()


def document(
    resources: Iterable[Resource],
    group: str,
    version: str,
    schemas: Schemas,
    release: str,
    describe: Describe = undescribed,
) -> dict[str, Any] | None:
    """Pure: /openapi/v3/apis/GROUP/VERSION; None if there is no such version."""
    every = tuple(resources)
    found = [one for one in every if (one.group, one.version) == (group, version)]
    if not found:
        return None
    definitions = Definitions(
        "#/components/schemas/", v3=True, schemas=schemas, versions=versions_of(every), describe=describe
    )
    strategic = builtin().schema(found[0].gvk) is not None
    paths = {path.path: _path(path, definitions) for path in plan_paths(found, strategic=strategic)}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": release},
        "paths": paths,
        "components": {"schemas": dict(sorted(definitions.made.items())), "securitySchemes": _SECURITY},
        "security": [{"BearerToken": []}],
    }


def _path(path: Path, definitions: Definitions) -> dict[str, Any]:
    found: dict[str, Any] = {one.method: _operation(one, definitions) for one in path.operations}
    return {**found, "parameters": [_parameter(one) for one in path.parameters]}


def _operation(one: Operation, definitions: Definitions) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": one.id, "responses": _responses(one, definitions)}
    if one.parameters:
        found["parameters"] = [_parameter(each) for each in one.parameters]
    if one.body:
        content = {media: {"schema": definitions.mention(one.body)} for media in one.media_types}
        found["requestBody"] = {"content": content, **({"required": True} if one.method != "delete" else {})}
    found["x-kubernetes-action"] = one.action
    found["x-kubernetes-group-version-kind"] = one.gvk._asdict()
    return found


def _responses(one: Operation, definitions: Definitions) -> dict[str, Any]:
    schema = definitions.mention(one.answer) if one.answer else {"type": "string"}
    content = {media: {"schema": schema} for media in (PRODUCED if one.answer else ("*/*",))}
    texts = {200: "OK", 201: "Created", 202: "Accepted"}
    found: dict[str, Any] = {str(code): {"description": texts[code], "content": content} for code in one.codes}
    return {**found, "401": {"description": "Unauthorized"}}


def _parameter(one: Parameter) -> dict[str, Any]:
    found = {"name": one.name, "in": one.where, "schema": {"type": one.type, "uniqueItems": True}}
    return {**found, "required": True} if one.where == "path" else found
