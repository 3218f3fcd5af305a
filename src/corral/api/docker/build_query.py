"""The parameters of `POST /build` as a BuildRequest. What Docker knows and Corral does not offer is refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corral.api.docker.at import number
from corral.api.docker.check_host import check_extra_host
from corral.api.docker.jsontext import parse
from corral.api.docker.registries import credentials_of, decode_json_header
from corral.build.request import BuildRequest, CacheStore
from corral.errors import InvalidInput, Unsupported
from corral.model.container import Resources, Ulimit
from corral.model.transfer import Credentials

if TYPE_CHECKING:
    from corral.http.message import Request

# Parameters that are passed on to nothing when they are empty, and refused when they are not
REFUSED = {
    "securityopt": "the daemon on this platform does not support setting security options on build",
    "outputs": "the classic build makes images only; use BuildKit, or `corral build --output`",
    "session": "the classic build has none; say version=2",
}


def plan_build(request: Request) -> BuildRequest:
    """Pure, from the query and the headers: all but the context. InvalidInput in Docker's words."""
    query = request.query
    check_offered(request)
    return BuildRequest(
        dockerfile=query.get("dockerfile") or "Dockerfile",
        tags=[tag for tag in query.all("t") if tag],
        target=query.get("target"),
        platform=query.get("platform"),
        build_args=text_map(query.get("buildargs"), "build args"),
        labels={key: value or "" for key, value in text_map(query.get("labels"), "labels").items()},
        no_cache=query.flag("nocache"),
        pull=query.flag("pull"),
        network=network_of(query.get("networkmode")),
        extra_hosts=extra_hosts(query.all("extrahosts")),
        resources=resources_of(request),
        ulimits=ulimits_of(query.get("ulimits")),
        cgroup_parent=query.get("cgroupparent"),
        shm_size=number(request, "shmsize") or 0,
        cache_from=[CacheStore("registry", ref) for ref in text_list(query.get("cachefrom"), "cache-from")],
        squash=query.flag("squash"),
        credentials=registry_config(request.header("x-registry-config")),
        id=query.get("buildid"),
    )


def check_offered(request: Request) -> None:
    """Pure. Unsupported, InvalidInput."""
    query = request.query
    version, isolation = query.get("version") or "1", query.get("isolation")
    if version not in ("1", "2"):
        raise InvalidInput(f"invalid version {version}")
    if isolation not in ("", "default"):
        raise InvalidInput(f'Unsupported isolation: "{isolation}"')
    for name, why in REFUSED.items() if version == "1" else ():
        if query.get(name) not in ("", "null", "[]"):
            raise Unsupported(f"{name} is not offered: {why}")


def text_map(text: str, what: str) -> dict[str, str | None]:
    """Pure: a JSON object of texts.

    >>> text_map('{"A": "1", "B": null}', "build args"), text_map("", "labels")
    ({'A': '1', 'B': None}, {})
    """
    found = _json(text, what)
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(value is None or isinstance(value, str) for value in found.values()):
        raise InvalidInput(f"error reading {what}: it must be an object whose values are texts")
    return found


def text_list(text: str, what: str) -> list[str]:
    """Pure: a JSON array of texts; those that are empty are left out."""
    found = _json(text, what)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(value, str) for value in found):
        raise InvalidInput(f"error reading {what}: it must be an array of texts")
    return [value for value in found if value]


def _json(text: str, what: str) -> Any:
    try:
        return parse(text.encode()) if text.strip() else None
    except InvalidInput as error:
        raise InvalidInput(f"error reading {what}: {error.message}") from None


def network_of(mode: str) -> str:
    """Pure: "" stands for the builder's own network.

    >>> network_of("default"), network_of("bridge"), network_of("none")
    ('', '', 'none')
    """
    return "" if mode in ("", "default", "bridge") else mode


def extra_hosts(words: list[str]) -> list[str]:
    """Pure: the parameter is repeated; older clients send one JSON array.

    >>> extra_hosts(["a:1.2.3.4", "b:1.2.3.5"]), extra_hosts(['["a:1.2.3.4"]'])
    (['a:1.2.3.4', 'b:1.2.3.5'], ['a:1.2.3.4'])
    """
    if len(words) == 1 and words[0].startswith("["):
        words = text_list(words[0], "extra hosts")
    for word in words:
        if word:
            check_extra_host(word.replace("=", ":", 1) if "=" in word.partition(":")[0] else word)
    return [word for word in words if word]


def resources_of(request: Request) -> Resources:
    """Pure: what a RUN may use."""
    query = request.query
    given = {name: number(request, name) or 0 for name in ("memory", "memswap", "cpushares", "cpuperiod", "cpuquota")}
    if 0 < given["memory"] < 6 << 20:
        raise InvalidInput("Minimum memory limit allowed is 6MB")
    if given["memswap"] > 0 and not given["memory"]:
        raise InvalidInput("You should always set the Memory limit when using Memoryswap limit, see usage")
    return Resources(
        memory=given["memory"],
        memory_swap=given["memswap"],
        cpu_shares=given["cpushares"],
        cpu_period=given["cpuperiod"],
        cpu_quota=given["cpuquota"],
        cpuset_cpus=query.get("cpusetcpus"),
        cpuset_mems=query.get("cpusetmems"),
    )


def ulimits_of(text: str) -> list[Ulimit]:
    """Pure.

    >>> ulimits_of('[{"Name": "nofile", "Soft": 1, "Hard": 2}]')
    [Ulimit(name='nofile', soft=1, hard=2)]
    """
    found = _json(text, "ulimit settings") or []
    try:
        return [Ulimit(str(one["Name"]), int(one.get("Soft", 0)), int(one.get("Hard", 0))) for one in found]
    except (KeyError, TypeError, ValueError, AttributeError):
        text = "error reading ulimit settings: it must be an array of objects with Name, Soft and Hard"
        raise InvalidInput(text) from None


def registry_config(header: str) -> dict[str, Credentials]:
    """Pure: X-Registry-Config, base64 of an object of AuthConfigs by registry. What cannot be read says nothing."""
    try:
        found = decode_json_header(header, "X-Registry-Config")
        if not isinstance(found, dict):
            return {}
        return {str(name): credentials_of(value) for name, value in found.items()}
    except InvalidInput:
        return {}
