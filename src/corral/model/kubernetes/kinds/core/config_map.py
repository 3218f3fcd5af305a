"""ConfigMap and Secret: keys, sizes, types, and what can't change any more. Pure."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import AGE, at, column, count
from corral.model.kubernetes.kinds.checks import Problems, each, immutable, listed
from corral.model.kubernetes.kinds.fields import annotations_of, fill_empty, flag, pairs, part, same, text
from corral.model.kubernetes.problems import WHOLE, forbidden, invalid, required, too_long
from corral.model.kubernetes.schema.document import decode_json
from corral.model.kubernetes.schema.gotypes import value_name
from corral.model.kubernetes.status import StatusError

LIMIT = 1024 * 1024
TOKEN, DOCKERCFG = "kubernetes.io/service-account-token", "kubernetes.io/dockercfg"
DOCKER_JSON, BASIC, SSH = "kubernetes.io/dockerconfigjson", "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth"
TLS, OPAQUE = "kubernetes.io/tls", "Opaque"
ACCOUNT = "kubernetes.io/service-account.name"
_FIXED = "field is immutable when `immutable` is set"


def _size(value: Any) -> int:
    """Of text in base64, that of what it stands for."""
    return len(value) * 3 // 4 - value.count("=") if isinstance(value, str) else 0


def _keys(obj: Object, field: str) -> Problems:
    for key, _ in pairs(obj, field):
        yield from each(f"{field}[{key}]", key, names.config_key(key))


def _config_map(obj: Object) -> Problems:
    """
    >>> [str(one) for one in _config_map({"data": {"a": "1"}, "binaryData": {"a": "MQ=="}})]
    ['data[a]: Invalid value: "a": duplicate of key present in binaryData']
    """
    yield from _keys(obj, "data")
    for key, _ in pairs(obj, "data"):
        if key in part(obj, "binaryData"):
            yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    yield from _keys(obj, "binaryData")
    size = sum(len(value.encode()) for _, value in pairs(obj, "data") if isinstance(value, str))
    if size + sum(_size(value) for _, value in pairs(obj, "binaryData")) > LIMIT:
        yield too_long(WHOLE, LIMIT)


def _fixed(new: Object, old: Object, *fields: str) -> Problems:
    if not flag(old, "immutable"):
        return
    if not flag(new, "immutable"):
        yield forbidden("immutable", _FIXED)
    for field in fields:
        if not same(new.get(field), old.get(field)):
            yield forbidden(field, _FIXED)


def _config_map_update(new: Object, old: Object) -> Problems:
    return _fixed(new, old, "data", "binaryData")


CONFIG_MAP = Kind(
    validate=listed(_config_map),
    validate_update=listed(_config_map_update),
    has_generation=False,
    columns=(column("Data", lambda obj: count(obj.get("data")) + count(obj.get("binaryData"))), AGE),
)


def _default_secret(obj: Object) -> None:
    """In place: the type; and stringData, which is only written, goes where it is read."""
    fill_empty(obj, "type", OPAQUE)
    plain = obj.get("stringData")
    if isinstance(plain, dict):
        data = obj["data"] = obj["data"] if isinstance(obj.get("data"), dict) else {}
        for key, value in plain.items():
            data[key] = base64.b64encode(str(value).encode()).decode()
        del obj["stringData"]


def _secret(obj: Object) -> Problems:
    yield from _keys(obj, "data")
    if sum(_size(value) for _, value in pairs(obj, "data")) > LIMIT:
        yield too_long("data", LIMIT)
    kind, data = text(obj, "type"), part(obj, "data")
    if kind == TOKEN and not text(annotations_of(obj), ACCOUNT):
        yield required(f"metadata.annotations[{ACCOUNT}]")
    if kind in (DOCKERCFG, DOCKER_JSON):
        yield from _docker(data, ".dockercfg" if kind == DOCKERCFG else ".dockerconfigjson")
    needed = {TLS: ("tls.crt", "tls.key"), SSH: ("ssh-privatekey",), BASIC: ("username", "password")}.get(kind, ())
    if kind == BASIC and any(key in data for key in needed):
        return
    for key in needed:
        if key not in data or (kind == SSH and not data[key]):
            yield required(f"data[{key}]")


def _docker(data: Object, key: str) -> Problems:
    if key not in data:
        yield required(f"data[{key}]")
        return
    try:
        found = decode_json(base64.b64decode(str(data[key]))).object
    except (StatusError, binascii.Error) as error:
        cause = str(error).removeprefix("json parse error: ")
    else:
        if found is None or isinstance(found, dict):
            return
        cause = f"json: cannot unmarshal {value_name(found)} into Go value of type map[string]interface {{}}"
    yield invalid(f"data[{key}]", "<secret contents redacted>", cause)


def _secret_update(new: Object, old: Object) -> Problems:
    yield from immutable(new, old, "", "type")
    yield from _fixed(new, old, "data")


def _keep_type(new: Object, old: Object) -> None:
    """In place: an update without a type keeps it."""
    if not new.get("type"):
        new["type"] = old.get("type")


SECRET = Kind(
    default=_default_secret,
    prepare_update=_keep_type,
    validate=listed(_secret),
    validate_update=listed(_secret_update),
    has_generation=False,
    columns=(column("Type", at("type")), column("Data", lambda obj: count(obj.get("data"))), AGE),
    fields={"type": lambda obj: text(obj, "type")},
)
