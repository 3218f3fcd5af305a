"""Writes src/corral/model/kubernetes/schema/kubernetes.txt: what all stable kinds of Kubernetes look like, as data.

    python tools/kubernetes_data.py --definitions _definitions.json --resources lightkube/resources \
        --openapi openapi-v2.json --proto api --proto apimachinery … > src/corral/model/kubernetes/schema/kubernetes.txt

definitions  the JSON schema of all types, of the newest version (`kubernetes-validate` carries one)
resources    a package of classes, one for each resource (`lightkube-models`): plural, scope, verbs, subresources
openapi      an OpenAPI v2 document of Kubernetes with paths: the subresources that connect (exec, proxy, …)
proto        directories with generated.proto files: the numbers of fields, and their defaults

Only names, types and numbers are taken over. What the lines mean is told by `schema/data.py`, which reads them.
A type that the inputs do not agree on ends the run: better no data than wrong data. A field that is newer than the
.proto files is named on stderr and gets the number 0: it is known in JSON only.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

PACKAGES = (
    ("io.k8s.api.", ""),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.", "meta.v1."),
    ("io.k8s.apiextensions-apiserver.pkg.apis.", ""),
    ("io.k8s.kube-aggregator.pkg.apis.", ""),
    ("io.k8s.apimachinery.pkg.", "apimachinery."),
)
# Types with an encoding of their own: scalars to us.
SPECIAL = {
    "apimachinery.api.resource.Quantity": "quantity",
    "apimachinery.util.intstr.IntOrString": "int-or-string",
    "apimachinery.runtime.RawExtension": "raw-extension",
    "meta.v1.Time": "time",
    "meta.v1.MicroTime": "micro-time",
    "meta.v1.FieldsV1": "fields-v1",
    "apiextensions.v1.JSON": "json",
    "apiextensions.v1.JSONSchemaPropsOrArray": "schema-or-array",
    "apiextensions.v1.JSONSchemaPropsOrBool": "schema-or-bool",
    "apiextensions.v1.JSONSchemaPropsOrStringArray": "schema-or-strings",
}
SHORT = {
    "": "componentstatuses=cs configmaps=cm endpoints=ep events=ev limitranges=limits namespaces=ns nodes=no pods=po "
    "persistentvolumeclaims=pvc persistentvolumes=pv replicationcontrollers=rc resourcequotas=quota "
    "serviceaccounts=sa services=svc",
    "apps": "deployments=deploy daemonsets=ds replicasets=rs statefulsets=sts",
    "batch": "cronjobs=cj",
    "autoscaling": "horizontalpodautoscalers=hpa",
    "networking.k8s.io": "ingresses=ing networkpolicies=netpol ipaddresses=ip",
    "policy": "poddisruptionbudgets=pdb",
    "scheduling.k8s.io": "priorityclasses=pc",
    "storage.k8s.io": "storageclasses=sc volumeattributesclasses=vac",
    "certificates.k8s.io": "certificatesigningrequests=csr",
    "events.k8s.io": "events=ev",
    "apiextensions.k8s.io": "customresourcedefinitions=crd,crds",
}
ALL = (
    "pods services replicationcontrollers deployments daemonsets replicasets statefulsets jobs cronjobs "
    "horizontalpodautoscalers"
).split()
EXTENSIONS = ("admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io")
# Discovery's order: of groups, and within autoscaling the preferred version first.
GROUPS = (
    " apiregistration.k8s.io apps events.k8s.io authentication.k8s.io authorization.k8s.io autoscaling batch "
    "certificates.k8s.io networking.k8s.io policy rbac.authorization.k8s.io storage.k8s.io "
    "admissionregistration.k8s.io apiextensions.k8s.io scheduling.k8s.io coordination.k8s.io node.k8s.io "
    "discovery.k8s.io flowcontrol.apiserver.k8s.io resource.k8s.io storagemigration.k8s.io"
).split(" ")
VERSIONS = ("v2", "v1")
EXTRA_ROOTS = (
    "meta.v1.APIGroup meta.v1.APIGroupList meta.v1.APIResourceList meta.v1.APIVersions meta.v1.DeleteOptions "
    "meta.v1.Status meta.v1.WatchEvent apimachinery.version.Info"
).split()
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


def numbered(
    message: str, key: str, properties: dict[str, Any], protos: dict[str, dict[str, Field]]
) -> tuple[str, Field] | None:
    """The way to a JSON field in a message: "3", or "2.5" where JSON does without the message in between."""
    named = {proto_key(message, name): field for name, field in protos.get(message, {}).items()}
    if found := named.get(key.lower()):
        return str(found.number), found
    known = {name.lower() for name in properties}
    for name, field in named.items():
        inline = name not in known and field.type in protos
        if inline and (way := numbered(field.type, key, properties, protos)):
            return f"{field.number}.{way[0]}", way[1]
    return None


def proto_key(message: str, name: str) -> str:
    if message == "apiextensions.v1.JSONSchemaProps":
        if name in ("schema", "ref"):
            return f"${name}"
        if name.startswith("xKubernetes"):
            return re.sub(r"[A-Z]", lambda found: "-" + found[0].lower(), name)
    return name.lower()  # uID, jSONPath, …: the generator's own idea of camel case


# --------------------------------------------------------------------------------------------------------- the types


def field_type(spec: dict[str, Any]) -> str:
    """A property's type in the data's words."""
    if "$ref" in spec:
        name = short(spec["$ref"].rpartition("/")[2])
        return SPECIAL.get(name, name)
    kind = spec.get("type", "")
    kind = kind[0] if isinstance(kind, list) else kind
    form = spec.get("format", "")
    if kind == "array":
        return "[]" + field_type(spec["items"])
    if kind == "object":
        return "{}" + field_type(spec["additionalProperties"]) if "additionalProperties" in spec else "raw-extension"
    words = {("string", "byte"): "bytes", ("boolean", ""): "bool", ("string", ""): "string"}
    words |= {("integer", "int32"): "int32", ("integer", "int64"): "int64", ("number", "double"): "double"}
    return words[kind, form]


def write_type(name: str, spec: dict[str, Any], protos: dict[str, dict[str, Field]]) -> list[str]:
    package = name.rpartition(".")[0]
    lines = [f"type {name}" + (" atomic" if spec.get("x-kubernetes-map-type") == "atomic" else "")]
    properties = spec.get("properties", {})
    for key in sorted(properties):
        one = properties[key]
        kind, path, default = field_type(one), "0", ""
        if found := numbered(name, key, properties, protos):
            path, default = found[0], found[1].default
            kind = agree(name, key, kind, found[1].type, protos)
        elif key not in ("apiVersion", "kind") and name in protos:
            print(f"{name}.{key} has no number", file=sys.stderr)
        words = [key + ("!" if key in spec.get("required", ()) else ""), path, kind.replace(f"{package}.", "")]
        lines.append(" ".join([*words, *options(one, default)]))
    return lines


def agree(name: str, key: str, kind: str, wire: str, protos: dict[str, dict[str, Field]]) -> str:
    """The type, once JSON's and protobuf's views of it agree. `*T` is a list that is a message of its own."""
    prefix, bare = (wire[:2], wire[2:]) if wire[:2] in ("[]", "{}") else ("", wire)
    same = prefix + SPECIAL.get(bare, bare)
    if bare in protos and set(protos[bare]) == {"items"} and kind == prefix + protos[bare]["items"].type:
        return kind.replace("[]", "*") if not prefix else prefix + "*" + protos[bare]["items"].type[2:]
    if same != kind:
        raise SystemExit(f"{name}.{key} is {kind} in JSON and {same} in protobuf")
    return kind


def options(spec: dict[str, Any], default: str) -> list[str]:
    found = []
    if spec.get("x-kubernetes-list-type") == "set":
        found.append("set")
    if spec.get("x-kubernetes-list-type") == "map":
        found.append("map=" + ",".join(spec["x-kubernetes-list-map-keys"]))
    if spec.get("x-kubernetes-map-type") == "atomic":
        found.append("atomic")
    if "x-kubernetes-patch-strategy" in spec:
        found.append("patch=" + spec["x-kubernetes-patch-strategy"])
    if "x-kubernetes-patch-merge-key" in spec:
        found.append("merge=" + spec["x-kubernetes-patch-merge-key"])
    return [*found, f"default={default}"] if default else found


def mentioned(spec: dict[str, Any]) -> set[str]:
    return {short(name) for name in re.findall(r'"\$ref": "[^"]*/([^"/]+)"', json.dumps(spec))}


def closure(roots: list[str], definitions: dict[str, Any]) -> list[str]:
    todo, found = list(roots), set()
    while todo:
        name = todo.pop()
        if name not in found and name not in SPECIAL:
            found.add(name)
            todo += mentioned(definitions[name])
    return sorted(found)


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


def write_resource(group: str, version: str, plural: str, one: dict[str, Any]) -> list[str]:
    names = dict(pair.split("=") for pair in SHORT.get(group, "").split())
    categories = ["all"] if plural in ALL else []
    categories += ["api-extensions"] if group in EXTENSIONS else []
    words = [
        "resource",
        group or "core",
        version,
        plural,
        one["kind"],
        "Namespaced" if one["namespaced"] else "Cluster",
    ]
    words.append(",".join(sorted(one["verbs"])))
    words += [f"short={names[plural]}"] if plural in names else []
    words += [f"categories={','.join(categories)}"] if categories else []
    lines = [" ".join(words)]
    for name, (kind, verbs) in sorted(one["subresources"].items()):
        lines.append(f"{name} {kind[0] or 'core'} {kind[1]} {kind[2]} {','.join(sorted(verbs))}")
    return lines


def root_types(resources: dict[tuple[str, str, str], dict[str, Any]], definitions: dict[str, Any]) -> list[str]:
    kinds = {(group, version, one["kind"]) for (group, version, _), one in resources.items()}
    kinds |= {(group, version, kind + "List") for group, version, kind in kinds}
    kinds |= {tuple(kind) for one in resources.values() for kind, _ in one["subresources"].values()}
    roots = list(EXTRA_ROOTS)
    for name, spec in definitions.items():
        gvks = {(one["group"], one["version"], one["kind"]) for one in spec.get("x-kubernetes-group-version-kind", ())}
        roots += [name] if gvks & kinds and len(gvks) == 1 else []
    return roots


def gvk_lines(names: list[str], definitions: dict[str, Any]) -> list[str]:
    found = []
    for name in names:
        gvks = definitions[name].get("x-kubernetes-group-version-kind", ())
        if len(gvks) == 1:
            found.append(f"{gvks[0]['group'] or 'core'} {gvks[0]['version']} {gvks[0]['kind']} {name}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--definitions", type=Path, required=True)
    parser.add_argument("--resources", type=Path, required=True)
    parser.add_argument("--openapi", type=Path, required=True)
    parser.add_argument("--proto", type=Path, action="append", required=True)
    asked = parser.parse_args()
    definitions = {short(name): spec for name, spec in json.loads(asked.definitions.read_text())["$defs"].items()}
    protos = read_protos(asked.proto)
    resources = read_resources(asked.resources, json.loads(asked.openapi.read_text()))
    order = sorted(resources, key=lambda key: (GROUPS.index(key[0]), VERSIONS.index(key[1]), key[2]))
    blocks = [write_resource(*key, resources[key]) for key in order]
    types = closure(root_types(resources, definitions), definitions)
    blocks.append(["kinds", *gvk_lines(types, definitions)])
    blocks += [write_type(name, definitions[name], protos) for name in types]
    print("\n\n".join("\n".join(block) for block in blocks))
    return 0


if __name__ == "__main__":
    sys.exit(main())
