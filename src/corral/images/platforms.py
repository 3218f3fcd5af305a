"""Platforms: system, architecture and variant ("linux/arm/v7"), and which of several an image is best taken for. Pure.

Variants are levels: a processor of a level runs everything made for a lower one. 32-bit programs run on amd64, and
on arm64 mostly.
"""

from __future__ import annotations

import platform as host
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple, TypeVar

from corral.errors import InvalidInput, NotFound
from corral.model.image import Image

T = TypeVar("T")
_MACHINES = {
    "x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armhf": "arm", "armel": "arm",
    "i386": "386", "i686": "386", "loongarch64": "loong64",
}  # fmt: skip
_SYSTEMS = frozenset(
    "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows "
    "zos".split()
)
_ARCHITECTURES = frozenset(
    "386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc ppc64 "
    "ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm".split()
)
_ARM_LEVELS = {"aarch64": "", "armv7l": "v7", "armv6l": "v6", "armv5l": "v5", "armhf": "v7", "armel": "v6"}
# What each level of x86-64 adds, in /proc/cpuinfo's words.
_AMD64_LEVELS = (
    ("cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"),
    ("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"),
    ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
)


class Platform(NamedTuple):
    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in self if part)

    @property
    def shown(self) -> str:
        """With the variant that goes without saying.

        >>> Platform("linux", "arm64").shown, Platform("linux", "amd64").shown
        ('linux/arm64/v8', 'linux/amd64')
        """
        return str(self._replace(variant="v8") if self.architecture == "arm64" and not self.variant else self)


def split_platform(text: str) -> Platform:
    """System, architecture and variant. InvalidInput if it is none.

    >>> tuple(split_platform("linux/arm/v7")), str(split_platform("linux/amd64")), str(split_platform("aarch64"))
    (('linux', 'arm', 'v7'), 'linux/amd64', 'linux/arm64')
    >>> split_platform("macos").os, str(split_platform("linux")) == host_platform()
    ('darwin', True)
    """
    parts = text.lower().split("/")
    for part in parts:
        if not re.fullmatch(r"[a-z0-9_.-]*[a-z0-9][a-z0-9_.-]*", part):
            what = "OS component" if part is parts[0] else "component"
            raise InvalidInput(f'"{part}" is an invalid {what} of "{text}": invalid argument')
    if len(parts) > 3:
        raise InvalidInput(f'"{text}": cannot parse platform specifier: invalid argument')
    parts[0] = "darwin" if parts[0] == "macos" else parts[0]
    if len(parts) == 1:
        parts = _both(parts[0], text)
    if len(parts) == 2 and parts[1] in ("armhf", "armel"):
        parts.append(_ARM_LEVELS[parts[1]])
    parts[1] = _MACHINES.get(parts[1], parts[1])
    return Platform(parts[0], parts[1], parts[2] if len(parts) > 2 else "")


def _both(word: str, text: str) -> list[str]:
    """System, architecture and perhaps variant, where only one is said: the other is this machine's."""
    if word in _SYSTEMS:
        return [word, *host_platform().split("/")[1:]]
    if word in _ARCHITECTURES or word in _MACHINES:
        return ["linux", word]
    raise InvalidInput(f'"{text}": unknown operating system or architecture: invalid argument')


def host_platform() -> str:
    """This machine's, as "linux/amd64"."""
    machine = host.machine()
    variant = _ARM_LEVELS.get(machine, "")
    return f"linux/{_MACHINES.get(machine, 'arm' if variant else machine)}" + (f"/{variant}" if variant else "")


@cache
def host_level() -> int:
    """Which level of x86-64 this machine's processor has; 1 on others."""
    try:
        with open("/proc/cpuinfo") as file:
            return amd64_level(file.read())
    except OSError:
        return 1


def amd64_level(cpuinfo: str) -> int:
    """
    >>> amd64_level("flags : cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3 avx"), amd64_level("")
    (2, 1)
    """
    flags = set(next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "").split())
    level = 1
    for needed in _AMD64_LEVELS:
        if not flags.issuperset(needed):
            break
        level += 1
    return level


def rank(offered: Platform, wanted: Platform, level: int = 1) -> int:
    """How well an image suits: 0 is exactly right, more is worse, -1 does not run. `level` is the x86-64 level that
    will do where none is asked for.

    >>> amd64, arm = Platform("linux", "amd64"), Platform("linux", "arm", "v7")
    >>> rank(amd64, amd64), rank(amd64._replace(variant="v3"), amd64, 4), rank(amd64._replace(variant="v3"), amd64)
    (0, 3, -1)
    >>> [rank(Platform("linux", "arm", v), arm) for v in ("v7", "v6", "v8", "")]
    [0, 1, -1, 0]
    >>> rank(arm, Platform("linux", "arm64")), rank(Platform("linux", "386"), amd64), rank(amd64, arm)
    (11, 20, -1)
    """
    if offered.os != wanted.os:
        return -1
    if offered.architecture == wanted.architecture:
        return _variants(offered, wanted, level)
    if (offered.architecture, wanted.architecture) == ("386", "amd64"):
        return 20
    if (offered.architecture, wanted.architecture) == ("arm", "arm64"):
        below = _variants(offered, Platform("linux", "arm", "v8"), level)
        return -1 if below < 0 else 10 + below
    return -1


def _variants(offered: Platform, wanted: Platform, level: int) -> int:
    has, asks = _level(offered), _level(wanted)
    if has is None or asks is None:
        return 0 if offered.variant == wanted.variant else -1
    if has <= asks:
        return asks - has
    if wanted.architecture == "amd64" and not wanted.variant and has <= level:
        return has
    return -1


def _level(platform: Platform) -> int | None:
    """A variant as a number; None for one that is no level."""
    default = {"amd64": 1, "arm64": 8, "arm": 7}.get(platform.architecture)
    if not platform.variant:
        return default
    found = re.fullmatch(r"v([0-9]{1,2})", platform.variant)
    return int(found[1]) if found and default is not None else None


def best(offered: Iterable[T], platform_of: Callable[[T], Platform | None], wanted: Platform, level: int) -> T | None:
    """The one that suits best, the first of equals; one that does not say its platform only if nothing else does."""
    ranked: list[tuple[int, int, T]] = []
    for number, one in enumerate(offered):
        platform = platform_of(one)
        place = 99 if platform is None or not platform.os else rank(platform, wanted, level)
        if place >= 0:
            ranked.append((place, number, one))
    return min(ranked, key=lambda r: r[:2])[2] if ranked else None


def normal(platform: Platform) -> Platform:
    """As Go calls it, where an image says it as machines do, and without a variant that goes without saying.

    >>> [str(normal(Platform("Linux", *rest))) for rest in (("x86_64",), ("aarch64", "v8"), ("armhf",))]
    ['linux/amd64', 'linux/arm64', 'linux/arm/v7']
    """
    said, variant = platform.architecture.lower(), platform.variant.lower()
    architecture = _MACHINES.get(said, said)
    if said in ("armhf", "armel"):
        variant = _ARM_LEVELS[said]
    elif (architecture, variant) in (("amd64", "v1"), ("arm64", "v8"), ("arm64", "8")) or said == "i386":
        variant = ""
    system = platform.os.lower()
    return Platform("darwin" if system == "macos" else system, architecture, variant)


def platform_of(image: Image) -> Platform:
    return Platform(image.os, image.architecture, image.variant)


def check_platform(image: Image, wanted: str, name: str) -> None:
    """Is an image of this store for the platform that was asked for? "" is any. NotFound in Docker's words.

    >>> check_platform(Image("sha256:0", architecture="amd64"), "linux/arm64", "app:1")
    Traceback (most recent call last):
    corral.errors.NotFound: image with reference app:1 was found but does not provide the specified platform \
(linux/arm64)
    """
    if not wanted:
        return
    asked, has = split_platform(wanted), normal(platform_of(image))
    same = (asked.os, asked.architecture) == (has.os, has.architecture)
    if not same or rank(has, asked) != 0:
        raise NotFound(f"image with reference {name} was found but does not provide the specified platform ({asked})")
