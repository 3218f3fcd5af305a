"""The data file: names, types and numbers of all stable kinds, cut into blocks that are read when they are asked for.

Checks, patches, OpenAPI documents and protobuf bodies all read these lines. 110 KB of text cost 1 ms at start; classes
for each kind, or upstream's own OpenAPI document (4 MB), would cost seconds and tens of megabytes.

Blocks are separated by an empty line; the first word of a block says what it is:

    resource GROUP VERSION PLURAL KIND SCOPE VERBS [short=…] [categories=…]
    SUBRESOURCE GROUP VERSION KIND VERBS                                        (any number of lines)

    kinds
    GROUP VERSION KIND TYPE

    type NAME [atomic]
    FIELD[!][?|+|^] NUMBER TYPE [set] [map=KEYS] [atomic] [patch=…] [merge=…] [default=JSON]

The group "core" is written for "". `!` marks a required field. What Go writes of a field that is zero or empty: with
`?` nothing, with `+` its zero value, with `^` null; without a mark, that depends. NUMBER is the field's in protobuf:
0 has none, 2.5 is field 5 of the message in field 2. TYPE is a scalar in lower case or a type's name (of the same
package, if it has no dot); `[]T` is a list, `{}T` a map by text, `*T` a list that protobuf wraps in a message.
tools/kubernetes_data.py writes the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from corral.model.kubernetes.resources import GroupVersionKind, Resource, Subresource

FILE = Path(__file__).with_name("kubernetes.txt")
METRICS_FILE = Path(__file__).with_name("metrics.txt")  # kinds of metrics.k8s.io, which upstream serves from elsewhere
_LONG = {
    "meta": "io.k8s.apimachinery.pkg.apis.",
    "apiextensions": "io.k8s.apiextensions-apiserver.pkg.apis.",
    "apiregistration": "io.k8s.kube-aggregator.pkg.apis.",
    "metrics": "io.k8s.metrics.pkg.apis.",
}


class Field(NamedTuple):
    """One line of a type. `path` leads to it in protobuf; `options` without a value have "".

    `unset`: what Go writes of it when nobody set it: "zero", "null", or "", nothing.
    """

    name: str
    required: bool
    omit_empty: bool
    path: tuple[int, ...]
    type: str
    options: Mapping[str, str]
    unset: str = ""


@dataclass(frozen=True, slots=True)
class Data:
    """The file, cut up. `types` has the lines of each type by its short name, `kinds` the type of each kind."""

    resources: tuple[Resource, ...]
    kinds: Mapping[GroupVersionKind, str]
    types: Mapping[str, str]

    def fields(self, name: str) -> Iterator[Field]:
        """Raises KeyError for a type that is not there."""
        package = name.rpartition(".")[0]
        return (_parse_field(line, package) for line in self.types[name].split("\n")[1:])


@cache
def load() -> Data:
    """The files, read once."""
    return parse(f"{FILE.read_text()}\n\n{METRICS_FILE.read_text()}")


def parse(text: str) -> Data:
    """Pure: what a data file says.

    >>> text = "resource core v1 pods Pod Namespaced get short=po\\nlog core v1 Pod get\\n\\n"
    >>> found = parse(text + "kinds\\ncore v1 Pod core.v1.Pod\\n\\ntype core.v1.Pod\\nspec! 2.1 []PodSpec set")
    >>> found.resources[0].short_names, found.resources[0].subresources[0].name, list(found.kinds.values())
    (('po',), 'log', ['core.v1.Pod'])
    >>> spec, = found.fields("core.v1.Pod")
    >>> spec.name, spec.required, spec.omit_empty, spec.path, spec.type, spec.options, spec.unset
    ('spec', True, False, (2, 1), '[]core.v1.PodSpec', {'set': ''}, '')
    """
    resources: list[Resource] = []
    kinds: dict[GroupVersionKind, str] = {}
    types: dict[str, str] = {}
    for block in re.split(r"\n\n+", text.strip()):
        if block.startswith("type "):
            types[block.partition("\n")[0].split()[1]] = block
        elif block.startswith("resource "):
            resources.append(_parse_resource(block))
        else:
            kinds |= dict(map(_parse_kind, block.split("\n")[1:]))
    return Data(tuple(resources), kinds, types)


def long_name(name: str) -> str:
    """Pure: the name that OpenAPI documents have for a type.

    >>> long_name("core.v1.Pod"), long_name("apimachinery.version.Info")
    ('io.k8s.api.core.v1.Pod', 'io.k8s.apimachinery.pkg.version.Info')
    """
    package = name.partition(".")[0]
    if package == "apimachinery":
        return "io.k8s.apimachinery.pkg." + name.partition(".")[2]
    return _LONG.get(package, "io.k8s.api.") + name


def short_name(name: str) -> str:
    """Pure: the way back.

    >>> short_name("io.k8s.api.core.v1.Pod"), short_name("io.k8s.apimachinery.pkg.version.Info")
    ('core.v1.Pod', 'apimachinery.version.Info')
    """
    for package, prefix in _LONG.items():
        if name.startswith(f"{prefix}{package}."):
            return name.removeprefix(prefix)
    other = "io.k8s.apimachinery.pkg."
    return f"apimachinery.{name.removeprefix(other)}" if name.startswith(other) else name.removeprefix("io.k8s.api.")


def element(kind: str) -> tuple[str, str]:
    """Pure: a type, taken apart into what it is of what.

    >>> element("[]string"), element("{}*string"), element("core.v1.Pod")
    (('[]', 'string'), ('{}', '*string'), ('', 'core.v1.Pod'))
    """
    for prefix in ("[]", "{}", "*"):
        if kind.startswith(prefix):
            return prefix, kind[len(prefix) :]
    return "", kind


def _parse_field(line: str, package: str) -> Field:
    marked, number, kind, *words = line.split(" ")
    options = {key: value for key, _, value in (word.partition("=") for word in words)}
    path = tuple(map(int, number.split(".")))
    name = marked.rstrip("!?+^")
    unset = {"+": "zero", "^": "null"}.get(marked[-1], "")
    return Field(name, "!" in marked, "?" in marked, path, _qualified(kind, package), options, unset)


def _qualified(kind: str, package: str) -> str:
    bare = kind.lstrip("[]{}*")
    local = bare[0].isupper()
    return f"{kind[: len(kind) - len(bare)]}{package}.{bare}" if local else kind


def _parse_kind(line: str) -> tuple[GroupVersionKind, str]:
    group, version, kind, name = line.split(" ")
    return _gvk(group, version, kind), name


def _gvk(group: str, version: str, kind: str) -> GroupVersionKind:
    return GroupVersionKind("" if group == "core" else group, version, kind)


def _parse_resource(block: str) -> Resource:
    first, *rest = block.split("\n")
    _, group, version, plural, kind, scope, verbs, *words = first.split(" ")
    named = dict(word.split("=") for word in words)
    return Resource(
        group=_gvk(group, version, kind).group,
        version=version,
        plural=plural,
        singular=kind.lower(),
        kind=kind,
        list_kind=f"{kind}List",
        namespaced=scope == "Namespaced",
        verbs=tuple(verbs.split(",")),
        short_names=tuple(named["short"].split(",")) if "short" in named else (),
        categories=tuple(named["categories"].split(",")) if "categories" in named else (),
        subresources=tuple(map(_parse_subresource, rest)),
    )


def _parse_subresource(line: str) -> Subresource:
    name, group, version, kind, verbs = line.split(" ")
    return Subresource(name, _gvk(group, version, kind), tuple(verbs.split(",")))
