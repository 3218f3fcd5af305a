"""Mounts: the values of `RUN --mount`. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from typing import Literal, get_args

from corral.build.dockerfile.suggest import did_you_mean
from corral.build.dockerfile.texts import boolean, quote
from corral.build.request import BuildFailed
from corral.model.container import Struct

Kind = Literal["bind", "cache", "tmpfs", "secret", "ssh"]
Sharing = Literal["shared", "private", "locked"]
_KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
_SHARING: dict[str, Sharing] = {sharing: sharing for sharing in get_args(Sharing)}
_KEYS = (
    "type from source target readonly id sharing required size mode uid gid src dst destination ro rw readwrite env"
).split()
_SAME = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly", "rw": "readwrite"}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kmgtp]?)i?b?", re.IGNORECASE)


class MountFlag(Struct):
    """What one flag says. None is "not said"."""

    kind: Kind = "bind"
    origin: str = ""
    source: str = ""
    target: str = ""
    read_only: bool | None = None
    size: int = 0
    id: str = ""
    sharing: Sharing | None = None
    required: bool = False
    env: str | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


def _fields(text: str) -> list[tuple[str, str, str, str]]:
    """The whole field, its key as it was written, the key that is meant, and "=value" or ""."""
    if not text:
        raise BuildFailed("failed to parse csv mounts: EOF")
    try:
        fields = next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise BuildFailed(f"failed to parse csv mounts: {error}") from None
    found = []
    for field in fields:
        key, equals, value = field.partition("=")
        found.append((field, key.lower(), _SAME.get(key.lower(), key.lower()), equals + value))
    return found


def check_mount(text: str) -> str:
    """What can be known of a mount before variables are: its `from`, which takes none.

    >>> check_mount("type=bind,from=build,target=/src"), check_mount("type=cache,target=$dir")
    ('build', '')
    """
    origin = ""
    for _, key, meant, value in _fields(text):
        if meant == "from" and value:
            origin = value[1:]
            if "$" in origin[:-1]:
                raise BuildFailed(f"'{key}' doesn't support variable expansion, define alias stage instead")
    return origin


def parse_mount(text: str, expand: Callable[[str], str]) -> MountFlag:
    """
    >>> found = parse_mount("type=cache,target=/c,sharing=locked,mode=0700", str)
    >>> found.kind, found.target, found.sharing, found.mode, found.read_only
    ('cache', '/c', 'locked', 448, False)
    >>> parse_mount("type=cash,target=/c", str)
    Traceback (most recent call last):
    corral.build.request.BuildFailed: unsupported mount type "cash" (did you mean cache?)
    """
    found = MountFlag()
    for field, key, meant, value in _fields(text):
        if value:
            _set(found, field, key, meant, expand(value[1:]))
        else:
            _switch(found, field, key, meant)
    _check(found)
    if found.read_only is None:
        found.read_only = found.kind not in ("cache", "tmpfs")
    return found


def _switch(found: MountFlag, field: str, key: str, meant: str) -> None:
    """A key without a value."""
    if meant in ("readonly", "readwrite"):
        found.read_only = meant == "readonly"
    elif meant == "required":
        _only(found, key, "secret", "ssh")
        found.required = True
    else:
        raise BuildFailed(f"invalid field '{field}' must be a key=value pair")


def _set(found: MountFlag, field: str, key: str, meant: str, value: str) -> None:
    if meant == "type":
        if value.lower() not in _KINDS:
            raise BuildFailed(f"unsupported mount type {quote(value)}{did_you_mean(value, _KINDS)}")
        found.kind = _KINDS[value.lower()]
    elif meant in ("source", "target", "id", "env"):
        setattr(found, meant, value)
    elif meant == "from":
        found.origin = value
    elif meant in ("readonly", "readwrite"):
        found.read_only = _boolean(key, value) == (meant == "readonly")
    elif meant == "required":
        _only(found, key, "secret", "ssh")
        found.required = _boolean(key, value)
    elif meant == "size":
        _only(found, key, "tmpfs")
        found.size = parse_size(key, value)
    elif meant == "sharing":
        if value.lower() not in _SHARING:
            raise BuildFailed(f"unsupported sharing value {quote(value)}{did_you_mean(value, _SHARING)}")
        found.sharing = _SHARING[value.lower()]
    elif meant in ("mode", "uid", "gid"):
        setattr(found, meant, _number(meant, value, 8 if meant == "mode" else 10))
    else:
        raise BuildFailed(f"unexpected key '{key}' in '{field}'{did_you_mean(key, _KEYS)}")


def _only(found: MountFlag, key: str, *kinds: str) -> None:
    if found.kind not in kinds:
        raise BuildFailed(f"unexpected key '{key}' for mount type '{found.kind}'")


def _boolean(key: str, value: str) -> bool:
    found = boolean(value)
    if found is None:
        raise BuildFailed(f"invalid value for {key}: {value}")
    return found


def _number(key: str, value: str, base: int) -> int:
    digits = "01234567" if base == 8 else "0123456789"
    if not value or value.strip(digits) or len(value) > 64 or int(value, base) >= 2**32:
        raise BuildFailed(f"invalid value {value} for {key}")
    return int(value, base)


def parse_size(key: str, value: str) -> int:
    """Bytes.

    >>> parse_size("size", "64m"), parse_size("size", "1.5 KiB")
    (67108864, 1536)
    """
    found = _SIZE.fullmatch(value)
    if not found or len(value) > 32:
        raise BuildFailed(f"invalid value for {key}: {value}")
    return int(float(found[1]) * 1024 ** " kmgtp".index(found[2].lower() or " "))


def _check(found: MountFlag) -> None:
    if found.kind not in ("secret", "ssh", "cache"):
        for name in ("mode", "uid", "gid"):
            if getattr(found, name) is not None:
                raise BuildFailed(f"{name} not allowed for {quote(found.kind)} type mounts")
    if found.kind == "secret":
        _check_secret(found)
    if found.sharing and found.kind != "cache":
        raise BuildFailed(f"invalid cache sharing set for {found.kind} mount")


def _check_secret(found: MountFlag) -> None:
    if found.origin:
        raise BuildFailed("secret mount should not have a from")
    if found.sharing:
        raise BuildFailed("secret mount should not define sharing")
    if not (found.source or found.target or found.id):
        raise BuildFailed("invalid secret mount. one of source, target required")
    if found.source and found.id:
        raise BuildFailed("both source and id can't be set")
