"""Cacheconfig: a cache's configuration in BuildKit's form, `application/vnd.buildkit.cacheconfig.v0`. Pure.

::

    {"layers":  [{"blob": DIGEST, "parent": -1, "annotations": {"mediaType": …, "diffID": …, "size": …, …}}, …],
     "records": [{"digest": "sha256:KEY", "layers": [{"layer": NUMBER, "createdAt": …}], "description": …}, …],
     "corral.build.cache": 1, "corral.build.seen": {KEY: DIGEST, …}}

The form is BuildKit's, the keys are ours: BuildKit's are digests over its own graph of operations, which a different
builder cannot compute, so either finds in a cache of the other's nothing that it could use. The last fields, which
BuildKit passes over, say whose keys they are, and of which version, and what was read of stages (see `foresight`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from corral.build.cache import KEY_FORMAT
from corral.build.exchange import Document, Entry, LayerOf
from corral.errors import InvalidInput

OWN, SEEN = "corral.build.cache", "corral.build.seen"
_SECOND = 10**9


def write(document: Document) -> bytes:
    """
    >>> layer = LayerOf("sha256:d", "sha256:b", 3, "application/vnd.oci.image.layer.v1.tar")
    >>> text = write(Document(layers=[layer], records=[Entry("k", 0, 1_500_000_000, "RUN a")]))
    >>> read(text) == Document(layers=[layer], records=[Entry("k", 0, 1_500_000_000, "RUN a")])
    True
    """
    made = {record.layer: record.created for record in document.records}
    layers = [_layer(layer, made.get(number, 0)) for number, layer in enumerate(document.layers)]
    records = [
        {
            "digest": f"sha256:{record.key}",
            "layers": [{"layer": record.layer, "createdAt": _moment(record.created)}],
            "description": record.description,
        }
        for record in document.records
    ]
    return msgspec.json.encode({"layers": layers, "records": records, OWN: document.version, SEEN: document.seen})


def _layer(layer: LayerOf, created: int) -> dict[str, Any]:
    about = {
        "mediaType": layer.mediaType,
        "diffID": layer.diff,
        "size": layer.size,
        "createdAt": _moment(created),
    }
    return {"blob": layer.digest, "parent": -1, "annotations": about}


def read(config: bytes) -> Document:
    """What `write` made. InvalidInput where it is of no use here, and why.

    >>> read(b'{"layers":[],"records":[{"digest":"sha256:0"}]}')
    Traceback (most recent call last):
    corral.errors.InvalidInput: it was written by BuildKit, whose cache keys are digests of its own build graph: \
Corral cannot compute them, so no step would ever be found; write one with corral build --cache-to
    """
    try:
        found: Any = msgspec.json.decode(config)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInput(f"its configuration cannot be read: {error}") from None
    if not isinstance(found, dict) or OWN not in found:
        raise InvalidInput(
            "it was written by BuildKit, whose cache keys are digests of its own build graph: Corral cannot compute "
            "them, so no step would ever be found; write one with corral build --cache-to"
        )
    if found[OWN] != KEY_FORMAT:
        raise InvalidInput(f"its keys are of version {found[OWN]}, and this Corral's of version {KEY_FORMAT}")
    try:
        return Document(
            layers=[_read_layer(one) for one in found["layers"]],
            records=[entry for one in found["records"] for entry in _read_record(one)],
            seen=msgspec.convert(found.get(SEEN, {}), dict[str, str]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, msgspec.ValidationError) as error:
        raise InvalidInput(f"its configuration is damaged: {error}") from None


def _read_layer(one: Any) -> LayerOf:
    about = one["annotations"]
    fields = {"diff": about["diffID"], "digest": one["blob"], "size": about["size"], "mediaType": about["mediaType"]}
    return msgspec.convert(fields, LayerOf)


def _read_record(one: Any) -> list[Entry]:
    key, text = one["digest"].removeprefix("sha256:"), one.get("description", "")
    return [
        msgspec.convert(
            {"key": key, "layer": result["layer"], "created": _nanoseconds(result["createdAt"]), "description": text},
            Entry,
        )
        for result in one["layers"]
    ]


def _moment(nanoseconds: int) -> str:
    """As Go writes times.

    >>> _moment(1_500_000_000), _moment(0)
    ('1970-01-01T00:00:01.500000000Z', '1970-01-01T00:00:00.000000000Z')
    """
    seconds, rest = divmod(nanoseconds, _SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _nanoseconds(text: str) -> int:
    """
    >>> _nanoseconds("1970-01-01T00:00:01.500000007Z")
    1500000007
    """
    whole, _, rest = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    return seconds * _SECOND + int(f"{rest:0<9}"[:9])
