"""The OpenAPI v2 document in protobuf (com.github.proto-openapi.spec.v2), which Go clients ask for and nothing else.

Field numbers follow google/gnostic-models, openapiv2/OpenAPIv2.proto. Encodes what our own documents have; a word
that is not in these tables would be lost, so it ends in a KeyError.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

CONTENT_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
# Clients ask by an older name, which is no proper media type: answers must not have it.
ASKED = (CONTENT_TYPE, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")


def encode(document: Mapping[str, Any]) -> bytes:
    """Pure: the document in protobuf.

    >>> encode({"swagger": "2.0"})
    b'\\n\\x032.0'
    """
    return _message(document, _DOCUMENT)


Encoder = Callable[[Any], bytes]
Fields = Mapping[str, tuple[int, Encoder]]


def _message(value: Mapping[str, Any], fields: Fields, extensions: int = 0) -> bytes:
    """The known fields of an object; what begins with x- goes to the field `extensions`."""
    made = bytearray()
    for key, one in value.items():
        if key.startswith("x-") and extensions:
            made += _long(extensions, _named(key, _any(one)))
        else:
            number, encoder = fields[key]
            for each in one if isinstance(one, list) and encoder is not _types and encoder is not _any else [one]:
                made += _tagged(number, encoder(each), encoder)
    return bytes(made)


def _tagged(number: int, encoded: bytes, encoder: Encoder) -> bytes:
    if encoder is _bool or encoder is _int:
        return _varint(number << 3) + encoded
    if encoder is _double:
        return _varint(number << 3 | 1) + encoded
    return _long(number, encoded)


def _long(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    made = bytearray()
    number &= 2**64 - 1
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


def _text(value: Any) -> bytes:
    return str(value).encode()


def _bool(value: Any) -> bytes:
    return _varint(int(bool(value)))


def _int(value: Any) -> bytes:
    return _varint(int(value))


def _double(value: Any) -> bytes:
    return struct.pack("<d", value)


def _any(value: Any) -> bytes:
    """Any JSON, as the YAML that gnostic keeps it in."""
    return _long(2, json.dumps(value).encode())


def _choice(value: Any) -> bytes:
    """One of the values of an enum."""
    return _any(value)


def _named(name: str, encoded: bytes) -> bytes:
    return _long(1, name.encode()) + _long(2, encoded)


def _map(encoder: Encoder, number: int = 1) -> Encoder:
    """An object whose keys are names: a list of pairs."""

    def encoded(value: Mapping[str, Any]) -> bytes:
        return b"".join(_long(number, _named(key, encoder(one))) for key, one in value.items())

    return encoded


def _types(value: Any) -> bytes:
    listed: Iterable[Any] = value if isinstance(value, list) else [value]
    return b"".join(_long(1, _text(one)) for one in listed)


def _schema(value: Mapping[str, Any]) -> bytes:
    return _message(value, _SCHEMA, 31)


def _more(value: Any) -> bytes:
    """`additionalProperties`: a schema, or whether there may be any."""
    return _varint(2 << 3) + _bool(value) if isinstance(value, bool) else _long(1, _schema(value))


def _info(value: Mapping[str, Any]) -> bytes:
    return _message(value, _INFO)


def _path(value: Mapping[str, Any]) -> bytes:
    return _message(value, _PATH)


def _operation(value: Mapping[str, Any]) -> bytes:
    return _message(value, _OPERATION, 13)


def _parameter(value: Mapping[str, Any]) -> bytes:
    """ParametersItem > Parameter > BodyParameter, or NonBodyParameter > of the query or the path."""
    if value["in"] == "body":
        return _long(1, _long(1, _message(value, _BODY)))
    number, fields = (3, _QUERY) if value["in"] == "query" else (4, _IN_PATH)
    return _long(1, _long(2, _long(number, _message(value, fields))))


def _response(value: Mapping[str, Any]) -> bytes:
    return _long(1, _message(value, _RESPONSE))


def _security(value: Mapping[str, Any]) -> bytes:
    return _long(2, _message(value, _API_KEY))


def _in_item(value: Mapping[str, Any]) -> bytes:
    return _long(1, _schema(value))


_INFO: Fields = {"title": (1, _text), "version": (2, _text)}
_SCHEMA: Fields = {
    "$ref": (1, _text),
    "format": (2, _text),
    "title": (3, _text),
    "description": (4, _text),
    "default": (5, _any),
    "multipleOf": (6, _double),
    "maximum": (7, _double),
    "exclusiveMaximum": (8, _bool),
    "minimum": (9, _double),
    "exclusiveMinimum": (10, _bool),
    "maxLength": (11, _int),
    "minLength": (12, _int),
    "pattern": (13, _text),
    "maxItems": (14, _int),
    "minItems": (15, _int),
    "uniqueItems": (16, _bool),
    "maxProperties": (17, _int),
    "minProperties": (18, _int),
    "required": (19, _text),
    "enum": (20, _choice),
    "additionalProperties": (21, _more),
    "type": (22, _types),
    "items": (23, _in_item),
    "properties": (25, _map(_schema)),
    "externalDocs": (29, lambda value: _message(value, {"description": (1, _text), "url": (2, _text)})),
    "example": (30, _any),
}
_BODY: Fields = {"name": (2, _text), "in": (3, _text), "required": (4, _bool), "schema": (5, _schema)}
_IN_PATH: Fields = {
    "required": (1, _bool),
    "in": (2, _text),
    "name": (4, _text),
    "type": (5, _text),
    "uniqueItems": (19, _bool),
}
_QUERY: Fields = {"in": (2, _text), "name": (4, _text), "type": (6, _text), "uniqueItems": (20, _bool)}
_RESPONSE: Fields = {"description": (1, _text), "schema": (2, _in_item)}
_API_KEY: Fields = {"type": (1, _text), "name": (2, _text), "in": (3, _text)}
_OPERATION: Fields = {
    "operationId": (5, _text),
    "produces": (6, _text),
    "consumes": (7, _text),
    "parameters": (8, _parameter),
    "responses": (9, _map(_response)),
    "schemes": (10, _text),
}
_PATH: Fields = {
    "get": (2, _operation),
    "put": (3, _operation),
    "post": (4, _operation),
    "delete": (5, _operation),
    "patch": (8, _operation),
    "parameters": (9, _parameter),
}
_DOCUMENT: Fields = {
    "swagger": (1, _text),
    "info": (2, _info),
    "paths": (8, _map(_path, 2)),
    "definitions": (9, _map(_schema)),
    "security": (12, _map(lambda value: b"".join(_long(1, _text(one)) for one in value))),
    "securityDefinitions": (13, _map(_security)),
}
