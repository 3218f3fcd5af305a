"""Targets: for which platform is built, and which stage is asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from corral.build.dockerfile.shell import Rules, expand
from corral.build.dockerfile.suggest import did_you_mean
from corral.build.dockerfile.texts import quote
from corral.build.ops import Span
from corral.build.request import BuildFailed
from corral.errors import InvalidInput
from corral.images.platforms import Platform, rank, split_platform


def target_platform(text: str, own: str) -> Platform:
    """The platform to build for: this machine's, for programs of another are not run here.

    >>> str(target_platform("", "linux/amd64"))
    'linux/amd64'
    >>> target_platform("linux/s390x", "linux/amd64")
    Traceback (most recent call last):
    corral.build.request.BuildFailed: platform linux/s390x is not supported: this builder makes images for \
linux/amd64 only
    """
    try:
        wanted, here = split_platform(text or own), split_platform(own)
    except InvalidInput as error:
        raise BuildFailed(f"failed to parse platform {text}: {error.message}") from None
    check_platform(wanted, here)
    return wanted


def check_platform(wanted: Platform, own: Platform, span: Span | None = None) -> None:
    if rank(wanted, own) != 0:
        text = f"platform {wanted} is not supported: this builder makes images for {own} only"
        raise BuildFailed(text, span=span)


def from_platform(text: str, arguments: Mapping[str, str], rules: Rules) -> Platform:
    """What `FROM --platform` says."""
    try:
        found = expand(text, arguments, rules)
    except BuildFailed as error:
        raise BuildFailed(f"failed to process arguments for platform : {error.message}") from None
    hint = next((h for name in sorted(found.missing) if (h := did_you_mean(name, arguments))), "")
    if not found.text:
        raise BuildFailed(f"empty platform value from expression {text}{hint}")
    try:
        return split_platform(found.text)
    except InvalidInput as error:
        raise BuildFailed(f"failed to parse platform {text}: {error.message}{hint}") from None


def target_stage(name: str, names: Mapping[str, int], shown: Sequence[str]) -> int:
    """By name, or by number; the last without.

    >>> target_stage("", {"build": 0}, ["build", "stage-1"]), target_stage("Build", {"build": 0}, ["build"])
    (1, 0)
    """
    if not name:
        return len(shown) - 1
    if name.lower() in names:
        return names[name.lower()]
    if name.isascii() and name.isdigit() and len(name) < 9 and int(name) < len(shown):
        return int(name)
    raise BuildFailed(f"target stage {quote(name)} could not be found{did_you_mean(name, shown)}")
