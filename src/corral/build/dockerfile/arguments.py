"""Arguments: what ARG names have for values before the first stage: predefined, given, defaults. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from corral.build.dockerfile.instructions import Arg
from corral.build.dockerfile.shell import Rules, expand
from corral.build.request import BuildFailed
from corral.images.platforms import Platform

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
# Arguments that steer the scan of a build; no process sees them.
NOT_IN_ENVIRONMENT = frozenset({"BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"})


def predefined(own: Platform, target: Platform, stage: str) -> dict[str, str]:
    """
    >>> values = predefined(Platform("linux", "amd64"), Platform("linux", "arm64"), "")
    >>> values["BUILDPLATFORM"], values["TARGETARCH"], values["TARGETSTAGE"]
    ('linux/amd64', 'arm64', 'default')
    """
    found: dict[str, str] = {}
    for prefix, platform in (("BUILD", own), ("TARGET", target)):
        found |= {
            f"{prefix}PLATFORM": str(platform),
            f"{prefix}OS": platform.os,
            f"{prefix}OSVERSION": "",
            f"{prefix}ARCH": platform.architecture,
            f"{prefix}VARIANT": platform.variant,
        }
    return found | {"TARGETSTAGE": stage or "default"}


def global_arguments(
    instructions: Sequence[Arg], start: Mapping[str, str], given: Mapping[str, str], rules: Rules
) -> dict[str, str]:
    """What the ARGs before the first FROM come to; a default may use those before it."""
    found = dict(start)
    for instruction in instructions:
        for name, default in instruction.names:
            if name in given:
                found[name] = given[name]
            elif default is not None:
                try:
                    found[name] = expand(default, found, rules).text
                except BuildFailed as error:
                    error.span = instruction.span
                    raise
    return found


def proxy_environment(given: Mapping[str, str]) -> list[str]:
    """Proxies that were given without being asked for by an ARG: every RUN sees them, history and cache do not.

    >>> proxy_environment({"http_proxy": "http://p:3128"})
    ['HTTP_PROXY=http://p:3128', 'http_proxy=http://p:3128']
    """
    values = {name.upper(): given[name] for name in sorted(given) if name.upper() in PROXIES}
    return [f"{spelt}={values[name]}" for name in PROXIES if values.get(name) for spelt in (name, name.lower())]


def unconsumed(given: Mapping[str, str], declared: set[str]) -> list[str]:
    """Names that were given, but that no ARG asks for; proxies, platforms and BUILDKIT's own are known without one.

    >>> unconsumed({"x": "1", "HTTP_PROXY": "", "BUILDKIT_INLINE_CACHE": "1", "a": ""}, {"a"})
    ['x']
    """
    known = set(predefined(Platform("", ""), Platform("", ""), "")) | {"SOURCE_DATE_EPOCH"}
    return sorted(
        name
        for name in given
        if name not in declared | known and name.upper() not in PROXIES and not name.startswith("BUILDKIT_")
    )
