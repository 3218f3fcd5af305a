"""Reads what Kubernetes publishes about its types: .proto files, Go sources, a package of resources."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

PACKAGES = (
    ("io.k8s.api.", ""),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.", "meta.v1."),
    ("io.k8s.apiextensions-apiserver.pkg.apis.", ""),
    ("io.k8s.kube-aggregator.pkg.apis.", ""),
    ("io.k8s.apimachinery.pkg.", "apimachinery."),
)
VERSIONS = ("v2", "v1")
CONSTANTS = {"AzureDataDiskCachingReadWrite": '"ReadWrite"', "AzureSharedBlobDisk": '"Shared"'}
SCALARS = {"int32", "int64", "double", "string", "bytes", "bool"}


class Field(NamedTuple):
    number: int
    type: str  # as in the .proto file, with "[]" or "{}" before it
    default: str


def short(name: str) -> str:
    for long, prefix in PACKAGES:
        if name.startswith(long):
            return prefix + name[len(long) :]
    raise SystemExit(f"no prefix for {name}")


# ------------------------------------------------------------------------------------------------- protobuf numbers


def read_protos(roots: list[Path]) -> dict[str, dict[str, Field]]:
    """All messages: short name -> field name -> Field."""
    found: dict[str, dict[str, Field]] = {}
    for root in roots:
        for path in sorted(root.rglob("generated.proto")):
            read_proto(path.read_text(), found)
    return found


def read_proto(text: str, into: dict[str, dict[str, Field]]) -> None:
    package = re.search(r"^package ([\w.]+);", text, re.M)
    assert package
    fields: dict[str, Field] = {}
    default = ""
    for line in text.splitlines():
        if message := re.match(r"message (\w+) \{", line):
            fields = into[proto_name(package[1], message[1])] = {}
        elif marked := re.match(r"\s*// \+default=(.*)", line):
            constant = re.match(r"ref\((\w+)\)", marked[1])
            default = CONSTANTS[constant[1]] if constant else json.dumps(json.loads(marked[1]), separators=(",", ":"))
        elif found := re.match(r"\s+(optional|repeated|map)\s*(?:<string, )?([\w.]+)>? (\w+) = (\d+);", line):
            prefix = {"optional": "", "repeated": "[]", "map": "{}"}[found[1]]
            fields[found[3]] = Field(int(found[4]), prefix + proto_name(package[1], found[2]), default)
            default = ""
        elif re.match(r"\s+\S.* = \d+;", line) and not line.strip().startswith("//"):
            raise SystemExit(f"cannot read: {line}")


def proto_name(package: str, name: str) -> str:
    if name in SCALARS:
        return name
    full = name.lstrip(".") if name.startswith(".") else f"{package}.{name}"
    return full_name(full)


def full_name(full: str) -> str:
    for path in ("k8s.io.apiextensions_apiserver.", "k8s.io.kube_aggregator.", "k8s.io."):
        if full.startswith(path):
            full = "io.k8s." + path.removeprefix("k8s.io.").replace("_", "-") + full[len(path) :]
            return short(full)
    raise SystemExit(f"no package for {full}")


# ------------------------------------------------------------------------------------------------ what is left out


class GoField(NamedTuple):
    """How Go writes a field: `omit` is omitempty, omitzero, both, or ""."""

    omit: str
    pointer: bool


def read_go(roots: list[Path]) -> dict[str, dict[str, GoField]]:
    """Short name of a type -> its fields, those of the types that it is made of too."""
    found: dict[str, dict[str, GoField]] = {}
    inlined: dict[str, list[str]] = {}
    for root in roots:
        for path in sorted(root.rglob("types*.go")):
            read_go_file(path.read_text(), ".".join(path.parent.parts[-2:]), found, inlined)
    for _ in range(3):  # a type that is part of a type that is part of a type
        for name, others in inlined.items():
            for other in others:
                found[name] = {**found.get(other, {}), **found[name]}
    return found


def read_go_file(text: str, package: str, found: dict[str, dict[str, GoField]], inlined: dict[str, list[str]]) -> None:
    name = ""
    for line in text.splitlines():
        if struct := re.match(r"type (\w+) struct \{", line):
            name = f"{package}.{struct[1]}"
            found[name] = {}
        elif inline := re.match(r'\s+(\w+) `json:"(?:,inline)?"', line):
            if inline[1] != "TypeMeta":
                inlined.setdefault(name, []).append(f"{package}.{inline[1]}")
        elif field := re.match(r'\s+(?:\w+\s+)?([^\s`/]\S*)\s+`json:"([\w$-]+)((?:,\w+)*)"', line):
            found[name][field[2]] = GoField(field[3].strip(","), field[1].startswith("*"))


# ----------------------------------------------------------------------------------------------------- the resources

VERBS = {"post": "create", "put": "update", "delete": "delete", "get": "get", "patch": "patch"}
VERBS |= {verb: verb for verb in ("deletecollection", "list", "watch")}


def read_resources(folder: Path, openapi: dict[str, Any]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Every stable resource: (group, version, plural) -> its kind, scope, verbs and subresources."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for path in sorted(folder.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and (info := next(filter(None, map(api_info, node.body)), None)):
                add_resource(found, ast.unparse(node.bases[0]), info)
    for path_text, item in openapi["paths"].items():
        for method, operation in item.items():
            if isinstance(operation, dict) and operation.get("x-kubernetes-action") == "connect":
                add_connect(found, path_text, method, operation["x-kubernetes-group-version-kind"])
    return found


def api_info(node: ast.stmt) -> dict[str, Any] | None:
    if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
        return None
    words = {one.arg: one.value for one in node.value.keywords}
    gvks = {
        key: tuple(ast.literal_eval(arg) for arg in call.args)
        for key, call in words.items()
        if isinstance(call, ast.Call)
    }
    return {key: gvks.get(key) or ast.literal_eval(value) for key, value in words.items() if key}


def add_resource(found: dict[tuple[str, str, str], dict[str, Any]], base: str, info: dict[str, Any]) -> None:
    owner = info.get("parent", info["resource"])
    if owner[1] not in VERSIONS:
        return
    one = found.setdefault((owner[0], owner[1], info["plural"]), {"subresources": {}})
    verbs = {VERBS[verb] for verb in info["verbs"] if verb in VERBS}
    if "action" in info:
        one["subresources"][info["action"]] = (info["resource"], verbs)
        return
    unwatched = {"watch"} if info["plural"] == "componentstatuses" else set()
    one |= {"kind": owner[2], "namespaced": "Namespaced" in base, "verbs": verbs - unwatched}


def add_connect(found: dict[tuple[str, str, str], dict[str, Any]], path: str, method: str, gvk: dict[str, str]) -> None:
    parts = path.split("/")
    name = parts.index("{name}")
    kind = (gvk["group"], gvk["version"], gvk["kind"])
    subresources = found["", "v1", parts[name - 1]]["subresources"]
    subresources.setdefault(parts[name + 1], (kind, set()))[1].update({VERBS[method]} if method in VERBS else ())
