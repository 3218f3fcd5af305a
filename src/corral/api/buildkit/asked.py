"""Asked: a frontend's attributes, caches and exporters as a BuildRequest. Pure. What is not offered is refused by name.

The attributes are those of BuildKit's Dockerfile frontend: `build-arg:NAME`, `label:NAME`, `context:NAME`, `target`, …
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import field

from corral.build.dockerfile.directives import check_syntax
from corral.build.request import BuildRequest, CacheStore, Output
from corral.errors import InvalidInput, Unsupported
from corral.model.container import Resources, Struct, Ulimit

UPLOADED: Final = "http://buildkit-session/"  # a context that the client has as a stream
# Attributes that say nothing to this frontend
HINTS: Final = (
    "sharedkey:",
    "vcs:",
    "local-sessionid:",
    "input-metadata:",
    "input:",
    "sourcemap:",
    "image-resolve-mode",
)
KNOWN: Final = frozenset(
    "filename target platform no-cache cache-from cache-imports contextkey dockerfilekey contextsubdir context "
    "add-hosts force-network-mode shm-size ulimit cgroup-parent multi-platform requestid frontend.caps source cmdline "
    "memory memswap cpushares cpuperiod cpuquota cpusetcpus cpusetmems build-arg:BUILDKIT_MULTI_PLATFORM".split()
)
PREFIXES: Final = ("build-arg:", "label:", "context:", "attest:", "local-sessionid:")
CAPABILITIES: Final = frozenset(
    (
        "moby.buildkit.frontend.inputs",
        "moby.buildkit.frontend.subrequests",
        "moby.buildkit.frontend.contexts",
        "moby.buildkit.frontend.gitquerystring",
    )
)
# Options of an image's exporter that change nothing here: the client pushes by the daemon's own operation
IDLE: Final = frozenset(
    "push push-by-digest unpack store prefer-image-digest registry.insecure dangling-name-prefix name-canonical "
    "context buildinfo-attrs oci-artifact load".split()
)


class Asked(Struct):
    """What a frontend is asked for. `remote` is the main context's URL; `question` a subrequest's name. `sessions` are
    those of local directories that the build's own session does not have: several builds share them."""

    request: BuildRequest
    filename: str = "Dockerfile"
    remote: str = ""
    context: str = "context"  # the local ones, by the client's names
    dockerfile: str = "dockerfile"
    apart: bool = False  # the Dockerfile is the client's even if the context is remote
    question: str = ""
    inputs: list[str] = field(default_factory=list)
    sessions: dict[str, str] = field(default_factory=dict)


def plan_asked(frontend: str, attributes: Mapping[str, str], inputs: Sequence[str] = ()) -> Asked:
    """InvalidInput, Unsupported. `inputs` are the names of build graphs that come with it.

    >>> asked = plan_asked("dockerfile.v0", {"filename": "a", "build-arg:X": "1", "no-cache": "", "target": "t"})
    >>> asked.filename, asked.request.build_args, asked.request.no_cache, asked.request.target
    ('a', {'X': '1'}, True, 't')
    >>> plan_asked("gateway.v0", {"source": "me/frontend"})
    Traceback (most recent call last):
    corral.build.request.BuildFailed: unsupported frontend me/frontend: only docker/dockerfile is built in, and \
frontends are not run from images
    """
    check_frontend(frontend, attributes)
    check_names(attributes)
    contexts = _below(attributes, "context:")
    asked = Asked(
        BuildRequest(
            dockerfile=attributes.get("filename") or "Dockerfile",
            target=attributes.get("target", ""),
            platform=_platform(attributes),
            build_args={**_below(attributes, "build-arg:")},
            labels=_below(attributes, "label:"),
            no_cache=attributes.get("no-cache") == "",
            no_cache_stages=[one for one in attributes.get("no-cache", "").split(",") if one],
            pull=attributes.get("image-resolve-mode") == "pull",
            network=_network(attributes.get("force-network-mode", "")),
            extra_hosts=_hosts(attributes.get("add-hosts", "")),
            resources=_resources(attributes),
            ulimits=_ulimits(attributes.get("ulimit", "")),
            cgroup_parent=attributes.get("cgroup-parent", ""),
            shm_size=_number(attributes, "shm-size"),
            contexts=contexts,
            cache_from=_caches_from(attributes),
        ),
        filename=attributes.get("filename") or "Dockerfile",
        context=attributes.get("contextkey") or "context",
        dockerfile=attributes.get("dockerfilekey") or "dockerfile",
        apart="dockerfilekey" in attributes,
        question=attributes.get("requestid", ""),
        inputs=list(inputs),
        sessions=_below(attributes, "local-sessionid:"),
    )
    asked.remote = attributes.get("context", "")
    if "contextsubdir" in attributes:
        raise Unsupported("contextsubdir is not supported")
    return asked


def check_frontend(frontend: str, attributes: Mapping[str, str]) -> None:
    """Any version of docker/dockerfile is the one that is built in. BuildFailed."""
    if frontend not in ("", "dockerfile.v0"):
        check_syntax(attributes.get("source", "") if frontend == "gateway.v0" else frontend)


def check_names(attributes: Mapping[str, str]) -> None:
    for name, value in attributes.items():
        if name.startswith("attest:"):
            raise Unsupported(f"attestations ({name.partition(':')[2]}) are not supported: the image store keeps none")
        if name not in KNOWN and not name.startswith((*PREFIXES, *HINTS)):
            raise Unsupported(f"the frontend's attribute {name}={value[:100]} is not supported")
    for capability in filter(None, attributes.get("frontend.caps", "").split(",")):
        if capability.partition("+")[0] not in CAPABILITIES:
            raise Unsupported(f"requested experimental feature {capability} has been disabled on the build server")


def _below(attributes: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name[len(prefix) :]: value for name, value in attributes.items() if name.startswith(prefix)}


def _platform(attributes: Mapping[str, str]) -> str:
    """One only: the image store keeps no lists of images."""
    found = attributes.get("platform", "")
    multi = attributes.get("multi-platform") or attributes.get("build-arg:BUILDKIT_MULTI_PLATFORM") or "false"
    if "," in found or _boolean("multi-platform", multi):
        raise Unsupported(f"several platforms ({found or 'multi-platform'}) are not supported: build one at a time")
    return found


def _boolean(name: str, text: str) -> bool:
    if text not in ("1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False"):
        raise InvalidInput(f"invalid boolean value for {name}: {text}")
    return text[0] in "1tT"


def _number(attributes: Mapping[str, str], name: str) -> int:
    text = attributes.get(name, "")
    if text and not text.lstrip("-").isdecimal():
        raise InvalidInput(f"failed to parse {name}: {text[:100]!r} is no number")
    return int(text or 0)


def _network(mode: str) -> str:
    """
    >>> _network("sandbox"), _network("none")
    ('', 'none')
    """
    if mode not in ("", "none", "host", "sandbox"):
        raise InvalidInput(f"invalid netmode {mode}")
    return "" if mode == "sandbox" else mode


def _hosts(text: str) -> list[str]:
    """
    >>> _hosts("a=1.2.3.4,b=::1")
    ['a:1.2.3.4', 'b:::1']
    """
    found = []
    for word in filter(None, text.split(",")):
        name, mark, address = word.partition("=")
        if not mark or not name or not address:
            raise InvalidInput(f"failed to parse additional hosts: invalid key-value pair: {word}")
        found.append(f"{name}:{address.strip('[]')}")
    return found


def _ulimits(text: str) -> list[Ulimit]:
    """
    >>> _ulimits("nofile=1:2,nproc=3")
    [Ulimit(name='nofile', soft=1, hard=2), Ulimit(name='nproc', soft=3, hard=3)]
    """
    found = []
    for word in filter(None, text.split(",")):
        name, _, values = word.partition("=")
        soft, _, hard = values.partition(":")
        try:
            found.append(Ulimit(name, int(soft), int(hard or soft)))
        except ValueError:
            raise InvalidInput(f"failed to parse ulimit: invalid ulimit argument: {word}") from None
    return found


def _resources(attributes: Mapping[str, str]) -> Resources:
    return Resources(
        memory=_number(attributes, "memory"),
        memory_swap=_number(attributes, "memswap"),
        cpu_shares=_number(attributes, "cpushares"),
        cpu_period=_number(attributes, "cpuperiod"),
        cpu_quota=_number(attributes, "cpuquota"),
        cpuset_cpus=attributes.get("cpusetcpus", ""),
        cpuset_mems=attributes.get("cpusetmems", ""),
    )


# Caches and outputs


def _caches_from(attributes: Mapping[str, str]) -> list[CacheStore]:
    """
    >>> _caches_from({"cache-imports": '[{"Type":"registry","Attrs":{"ref":"a/b"}}]', "cache-from": "c"})
    [CacheStore(kind='registry', ref='a/b', mode='min', options={}), \
CacheStore(kind='registry', ref='c', mode='min', options={})]
    """
    text = attributes.get("cache-imports", "")
    try:
        found: Any = json.loads(text) if text else []
        entries = [(str(one["Type"]), dict(one.get("Attrs") or {})) for one in found]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidInput(f'failed to unmarshal cache-imports ("{text[:200]}")') from None
    entries += [("registry", {"ref": ref}) for ref in attributes.get("cache-from", "").split(",") if ref]
    return [cache_store("from", kind, options) for kind, options in entries]


def cache_store(way: str, kind: str, options: Mapping[str, str]) -> CacheStore:
    """One cache; `way` is "from" or "to". Unsupported.

    >>> cache_store("to", "registry", {"ref": "a/b", "mode": "max"})
    CacheStore(kind='registry', ref='a/b', mode='max', options={})
    """
    if kind not in ("registry", "inline"):
        hint = "use `corral build`, or type=registry" if kind == "local" else "type=registry and type=inline are"
        raise Unsupported(f"cache-{way} type={kind} is not supported over Docker's API: {hint}")
    rest = {name: str(value) for name, value in options.items() if name not in ("ref", "mode")}
    mode = options.get("mode", "min")
    if mode not in ("min", "max"):
        raise InvalidInput(f"invalid cache mode {mode}")
    return CacheStore(kind, options.get("ref", ""), "max" if mode == "max" else "min", rest)  # type: ignore[arg-type]


def plan_output(kind: str, attributes: Mapping[str, str]) -> tuple[Output, dict[str, str]]:
    """An exporter as an output of the builder, and the annotations that it is to carry. Unsupported.

    >>> plan_output("moby", {"name": "a", "push": "true"}), plan_output("tar", {})[0].kind
    ((Output(kind='image', options={'name': 'a'}), {}), 'files')
    """
    kinds = {"moby": "image", "image": "image", "tar": "files", "local": "files", "oci": "oci", "docker": "docker"}
    if kind not in kinds:
        raise Unsupported(f'exporter "{kind}" could not be found')
    annotations = {name: value for name, value in attributes.items() if name.startswith("annotation")}
    left = {name: value for name, value in attributes.items() if name not in annotations and name not in IDLE}
    if kind == "local" and left.pop("mode", "copy") != "copy":
        raise Unsupported("output type=local: mode=delete is not supported")
    if kind == "local":
        left.pop("platform-split", None)
    return Output(kinds[kind], left), annotations  # type: ignore[arg-type]
