"""Platforms, "os/architecture/variant": whether an image is for the one that was asked for, or for this machine."""

from __future__ import annotations

import re
from typing import NamedTuple

from corral.errors import InvalidInput, NotFound
from corral.model.image import Image

# Other names of architectures, as machines and people say them.
ALIASES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
}
ARCHITECTURES = frozenset(
    "386 amd64 arm arm64 loong64 mips mipsle mips64 mips64le ppc64 ppc64le riscv64 s390x wasm".split()
)


class Platform(NamedTuple):
    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


def parse_platform(text: str, machine: str) -> Platform:
    """Pure: what is left out is this machine's. InvalidInput for what is no platform.

    >>> str(parse_platform("aarch64", "x86_64")), str(parse_platform("linux", "x86_64"))
    ('linux/arm64', 'linux/amd64')
    """
    words = text.lower().split("/")
    if len(words) > 3 or not all(re.fullmatch(r"[a-z0-9_.-]+", word) for word in words):
        raise InvalidInput(f'"{text}": invalid platform: expected os/architecture/variant')
    if len(words) == 1:
        known = words[0] in ARCHITECTURES or words[0] in ALIASES
        words = ["linux", words[0]] if known else [words[0], machine]
        if not known and words[0] not in ("linux", "windows", "darwin", "freebsd"):
            raise InvalidInput(f'"{text}": unknown operating system or architecture: invalid argument')
    architecture, variant = ALIASES.get(words[1], (words[1], ""))
    return Platform(words[0], architecture, words[2] if len(words) == 3 else variant)


def normal(platform: Platform) -> Platform:
    """Pure: as Go calls it, where an image says it as machines do, and without a variant that goes without saying.

    >>> [str(normal(Platform("Linux", *rest))) for rest in (("x86_64",), ("aarch64", "v8"), ("armhf",))]
    ['linux/amd64', 'linux/arm64', 'linux/arm/v7']
    """
    said = platform.architecture.lower()
    architecture, variant = ALIASES.get(said, (said, ""))
    variant = variant or platform.variant.lower()
    if (architecture, variant) in (("amd64", "v1"), ("arm64", "v8"), ("arm64", "8")):
        variant = ""
    return Platform(platform.os.lower(), architecture, variant)


def check_platform(image: Image, ref: str, wanted: str, machine: str) -> list[str]:
    """Pure: NotFound for an image of another platform than `wanted`; without a wish only a warning.

    >>> check_platform(Image("i", architecture="arm64"), "x", "", "x86_64")
    ["The requested image's platform (linux/arm64) does not match the detected host platform (linux/amd64) and no \
specific platform was requested"]
    """
    has = Platform(image.os, image.architecture, image.variant)
    want = parse_platform(wanted or machine, machine)
    is_for, want = normal(has), normal(want)
    same = is_for[:2] == want[:2] and (not wanted or want.variant in ("", is_for.variant) or not is_for.variant)
    if same:
        return []
    if wanted:
        raise NotFound(
            f"image with reference {ref} was found but its platform ({has}) "
            f"does not match the specified platform ({want})"
        )
    return [
        f"The requested image's platform ({has}) does not match the detected host platform ({want}) "
        "and no specific platform was requested"
    ]
