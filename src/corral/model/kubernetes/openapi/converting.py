"""An OpenAPI v2 document as one of v3, for servers that have no other. Pure. Follows kube-openapi's openapiconv."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from corral.model.kubernetes.openapi.merging import reached

Object = dict[str, Any]
_OLD, _NEW = "#/definitions/", "#/components/schemas/"
_PLAIN: Final = ("name", "in", "description", "required")
_JSON: Final = ("application/json",)


def to_v3(document: Object, prefix: str) -> Object:
    """The paths below `prefix`, and the definitions that they need.

    >>> answer = {"description": "OK", "schema": {"$ref": "#/definitions/Cow"}}
    >>> paths = {"/apis/a/v1/cows": {"get": {"responses": {"200": answer}}}, "/else": {}}
    >>> made = to_v3({"paths": paths, "definitions": {"Cow": {"type": "object"}, "Ox": {}}}, "/apis/a/v1/")
    >>> made["components"], list(made["paths"])
    ({'schemas': {'Cow': {'type': 'object'}}}, ['/apis/a/v1/cows'])
    >>> made["paths"]["/apis/a/v1/cows"]["get"]["responses"]["200"]["content"]
    {'application/json': {'schema': {'$ref': '#/components/schemas/Cow'}}}
    """
    paths = {path: one for path, one in (document.get("paths") or {}).items() if f"{path}/".startswith(prefix)}
    schemas = reached(paths, document.get("definitions") or {})
    made = {
        "openapi": "3.0.0",
        "info": document.get("info") or {"title": "", "version": ""},
        "paths": {path: _path(one, document) for path, one in paths.items()},
        "components": {"schemas": schemas},
    }
    found: Object = json.loads(json.dumps(made).replace(f'"$ref": "{_OLD}', f'"$ref": "{_NEW}'))
    return found


def _path(item: Object, document: Object) -> Object:
    found: Object = {}
    for key, one in item.items():
        if key == "parameters":
            found[key] = [_parameter(each) for each in one]
        else:
            found[key] = _operation(one, document) if isinstance(one, dict) and "responses" in one else one
    return found


def _operation(operation: Object, document: Object) -> Object:
    dropped = ("consumes", "produces", "schemes", "parameters", "responses")
    found = {key: one for key, one in operation.items() if key not in dropped}
    given = operation.get("parameters") or []
    if others := [_parameter(one) for one in given if one.get("in") != "body"]:
        found["parameters"] = others
    takes = operation.get("consumes") or document.get("consumes") or _JSON
    for one in given:
        if one.get("in") == "body":
            found["requestBody"] = {"content": _content(one.get("schema") or {}, takes)}
    gives = operation.get("produces") or document.get("produces") or _JSON
    found["responses"] = {code: _response(one, gives) for code, one in operation["responses"].items()}
    return found


def _content(schema: Object, media: Iterable[str]) -> Object:
    return {one: {"schema": schema} for one in media}


def _response(response: Object, media: Iterable[str]) -> Object:
    found = {key: one for key, one in response.items() if key in ("description", "headers")}
    return {**found, "content": _content(response["schema"], media)} if response.get("schema") else found


def _parameter(parameter: Object) -> Object:
    """
    >>> _parameter({"name": "n", "in": "query", "type": "integer", "uniqueItems": True})
    {'name': 'n', 'in': 'query', 'schema': {'type': 'integer', 'uniqueItems': True}}
    """
    if "$ref" in parameter:
        return parameter
    found = {key: one for key, one in parameter.items() if key in _PLAIN}
    return {**found, "schema": {key: one for key, one in parameter.items() if key not in _PLAIN}}
