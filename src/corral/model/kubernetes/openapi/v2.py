"""OpenAPI v2 (Swagger): one document for everything, which older clients read."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from corral.model.kubernetes.openapi.definitions import Definitions, Describe, Schemas, undescribed, versions_of
from corral.model.kubernetes.openapi.operations import PRODUCED, Operation, Parameter, Path, plan_paths
from corral.model.kubernetes.resources import Resource
from corral.model.kubernetes.schema.stable import builtin

_SECURITY = {"BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"}}


def document(
    resources: Iterable[Resource], schemas: Schemas, release: str, describe: Describe = undescribed
) -> dict[str, Any]:
    """Pure: /openapi/v2. `release` is the server's version."""
    found = tuple(resources)
    definitions = Definitions(
        "#/definitions/", v3=False, schemas=schemas, versions=versions_of(found), describe=describe
    )
    paths: dict[str, Any] = {}
    for strategic, some in groupby(found, lambda one: builtin().schema(one.gvk) is not None):
        paths |= {path.path: _path(path, definitions) for path in plan_paths(some, strategic=strategic)}
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": release},
        "paths": paths,
        "definitions": dict(sorted(definitions.made.items())),
        "securityDefinitions": _SECURITY,
        "security": [{"BearerToken": []}],
    }


def _path(path: Path, definitions: Definitions) -> dict[str, Any]:
    found: dict[str, Any] = {one.method: _operation(one, definitions) for one in path.operations}
    return {**found, "parameters": [_parameter(one) for one in path.parameters]}


def _operation(one: Operation, definitions: Definitions) -> dict[str, Any]:
    parameters = [_parameter(each) for each in one.parameters]
    if one.body:
        required = {"required": True} if one.method != "delete" else {}
        parameters.insert(0, {"name": "body", "in": "body", "schema": definitions.mention(one.body), **required})
    found: dict[str, Any] = {"operationId": one.id, "consumes": list(one.media_types or ("*/*",))}
    found["produces"] = list(PRODUCED if one.answer else ("*/*",))
    if parameters:
        found["parameters"] = parameters
    found["responses"] = _responses(one, definitions)
    found["schemes"] = ["https"]
    found["x-kubernetes-action"] = one.action
    found["x-kubernetes-group-version-kind"] = one.gvk._asdict()
    return found


def _responses(one: Operation, definitions: Definitions) -> dict[str, Any]:
    schema = definitions.mention(one.answer) if one.answer else {"type": "string"}
    texts = {200: "OK", 201: "Created", 202: "Accepted"}
    found: dict[str, Any] = {str(code): {"description": texts[code], "schema": schema} for code in one.codes}
    return {**found, "401": {"description": "Unauthorized"}}


def _parameter(one: Parameter) -> dict[str, Any]:
    found = {"name": one.name, "in": one.where, "type": one.type, "uniqueItems": True}
    return {**found, "required": True} if one.where == "path" else found
