"""Content negotiation: which form of an object the client takes.

Follows k8s.io/apiserver/pkg/endpoints/handlers/negotiation: the clause of the highest quality that can be served wins.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from corral.model.kubernetes.status import not_acceptable

JSON: Final = "application/json"
YAML: Final = "application/yaml"
PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
OFFERED: Final = (JSON, YAML)
TABLE: Final = "Table"
PARTIAL: Final = "PartialObjectMetadata"
PARTIAL_LIST: Final = "PartialObjectMetadataList"
_TRANSFORMS: Final = (TABLE, PARTIAL, PARTIAL_LIST)


class Accepted(NamedTuple):
    """`media` is JSON or YAML; `kind` (with `group`, `version`) what the object is to be turned into, if anything."""

    media: str = JSON
    kind: str = ""
    group: str = ""
    version: str = ""
    pretty: bool = False

    @property
    def content_type(self) -> str:
        return self.media


class Clause(NamedTuple):
    media: str
    parameters: dict[str, str]
    quality: float


def parse_accept(header: str) -> list[Clause]:
    """Pure: the clauses of an Accept header, the most wanted first.

    >>> [(one.media, one.quality) for one in parse_accept("text/html;q=0.3, application/json;as=Table;v=v1")]
    [('application/json', 1.0), ('text/html', 0.3)]
    """
    found = []
    for text in header.split(","):
        media, *rest = (part.strip() for part in text.split(";"))
        if not media:
            continue
        parameters = {
            name.strip().lower(): value.strip().strip('"') for name, _, value in (r.partition("=") for r in rest)
        }
        found.append(Clause(media.lower(), parameters, _quality(parameters.pop("q", ""))))
    return sorted(found, key=lambda one: (-one.quality, one.media.count("*")))


def _quality(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 1.0


def _is_transform(group: str, version: str, kind: str) -> bool:
    return kind in _TRANSFORMS and group == "meta.k8s.io" and version in ("v1", "v1beta1")


def _is_plain(group: str, version: str, kind: str) -> bool:
    return False


@lru_cache(maxsize=512)
def negotiate(header: str, transforms: bool = True) -> Accepted:
    """Pure: what to answer with. 406 when nothing that is offered is accepted.

    >>> negotiate("application/json;as=Table;v=v1;g=meta.k8s.io,application/json").kind
    'Table'
    >>> negotiate("application/vnd.kubernetes.protobuf,application/json").media, negotiate("*/*").media
    ('application/json', 'application/json')
    >>> negotiate("application/vnd.kubernetes.protobuf")
    Traceback (most recent call last):
    corral.model.kubernetes.status.StatusError: only the following media types are accepted: \
application/json, application/yaml
    """
    return choose(header, _is_transform if transforms else _is_plain)


def choose(header: str, takes: Callable[[str, str, str], bool]) -> Accepted:
    """Pure: the same, with `takes(group, version, kind)` saying which other forms there are."""
    if not header:
        return Accepted()
    for clause in parse_accept(header):
        media = _offered(clause.media)
        parameters = clause.parameters
        kind, group, version = (parameters.get(name, "") for name in ("as", "g", "v"))
        if not media or ((kind or group or version) and not takes(group, version, kind)):
            continue
        if parameters.get("stream", "watch") not in ("", "watch") or parameters.get("sv"):
            continue
        return Accepted(media, kind, group, version, parameters.get("pretty") == "1")
    raise not_acceptable(f"only the following media types are accepted: {', '.join(OFFERED)}")


def _offered(media: str) -> str:
    """Pure: the media type that a clause's pattern stands for; "" if none is offered."""
    if media in OFFERED:
        return media
    return JSON if media in ("*/*", "application/*") else ""
