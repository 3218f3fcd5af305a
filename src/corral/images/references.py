"""References: what people write to name an image, and what it means in full. Pure.

::

    busybox                  docker.io/library/busybox:latest
    team/app:1.2             docker.io/team/app:1.2
    localhost:5000/app       localhost:5000/app:latest
    app@sha256:0123…         docker.io/library/app@sha256:0123…

The full form is what is stored; the short ("familiar") one is what people see. The first part is a registry if it
is `localhost` or has a dot, a colon or an upper-case letter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from corral.errors import InvalidInput

DEFAULT_DOMAIN, DEFAULT_TAG = "docker.io", "latest"
_OFFICIAL = "library/"
_MAX_PATH = 255

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_HOST_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_HOST_PART}(?:\.{_HOST_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(
    rf"(?P<domain>{_DOMAIN})/(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?"
)
_ID = re.compile(r"[a-f0-9]{64}")
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed reference. `tag` and `digest` may be empty, or both be there."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The repository in full: "docker.io/library/busybox"."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """The repository as people write it: "busybox"."""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        rest = self.path.removeprefix(_OFFICIAL)
        return self.path if "/" in rest else rest

    def __str__(self) -> str:
        return self.name + self._suffix

    @property
    def familiar(self) -> str:
        """As people write it, with what was given of tag and digest."""
        return self.familiar_name + self._suffix

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def tagged(self) -> Reference:
        """With the tag `latest` if it has neither a tag nor a digest."""
        return self if self.tag or self.digest else replace(self, tag=DEFAULT_TAG)


def parse(text: str) -> Reference:
    """A reference in full. InvalidInput, in Docker's words, if it is none.

    >>> str(parse("busybox")), str(parse("ghcr.io/a/b:1")), parse("docker.io/library/busybox:1").familiar
    ('docker.io/library/busybox', 'ghcr.io/a/b:1', 'busybox:1')
    >>> parse("Busybox")
    Traceback (most recent call last):
    corral.errors.InvalidInput: invalid reference format: repository name (library/Busybox) must be lowercase
    """
    return _parse(text)


@lru_cache(maxsize=1024)
def _parse(text: str) -> Reference:
    if _ID.fullmatch(text):
        raise InvalidInput(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    domain, rest = _split_domain(text)
    path = rest.partition(":")[0]
    if path.lower() != path:
        raise InvalidInput(f"invalid reference format: repository name ({path}) must be lowercase")
    full = f"{domain}/{rest}"
    found = _REFERENCE.fullmatch(full)
    if not found:
        lower = full.lower() != full and _REFERENCE.fullmatch(full.lower())
        raise InvalidInput("repository name must be lowercase" if lower else "invalid reference format")
    if len(found["path"]) > _MAX_PATH:
        raise InvalidInput(f"repository name must not be more than {_MAX_PATH} characters")
    digest = found["digest"] or ""
    if digest:
        check_digest(digest)
    return Reference(found["domain"], found["path"], found["tag"] or "", digest)


def _split_domain(text: str) -> tuple[str, str]:
    """The registry and the rest.

    >>> _split_domain("busybox:1"), _split_domain("host:5000/a"), _split_domain("a/b")
    (('docker.io', 'library/busybox:1'), ('host:5000', 'a'), ('docker.io', 'a/b'))
    """
    first, slash, rest = text.partition("/")
    if not slash:
        return DEFAULT_DOMAIN, _OFFICIAL + text
    if first == "index.docker.io":
        first = DEFAULT_DOMAIN
    elif first != "localhost" and not any(c in first for c in ".:") and first.lower() == first:
        first, rest = DEFAULT_DOMAIN, text
    if first == DEFAULT_DOMAIN and "/" not in rest:
        rest = _OFFICIAL + rest
    return first, rest


def check_digest(text: str) -> str:
    """The digest itself. InvalidInput, in Docker's words, if it is none or its algorithm is unknown."""
    algorithm, colon, value = text.partition(":")
    if not colon or not re.fullmatch(_DIGEST, text):
        raise InvalidInput("invalid checksum digest format")
    if algorithm not in _DIGEST_LENGTHS:
        raise InvalidInput("unsupported digest algorithm")
    if len(value) != _DIGEST_LENGTHS[algorithm]:
        raise InvalidInput("invalid checksum digest length")
    if value.lower() != value:
        raise InvalidInput("invalid checksum digest format")
    return text


def is_tag(text: str) -> bool:
    """Pure.

    >>> is_tag("v1.0"), is_tag("-x"), is_tag("a" * 129)
    (True, False, False)
    """
    return re.fullmatch(_TAG, text) is not None


def parse_tag(text: str) -> Reference:
    """A reference to tag something with: `latest` if no tag is given; a digest is refused."""
    found = parse(text)
    if found.digest:
        raise InvalidInput("refusing to create a tag with a digest reference")
    return found.tagged()


def as_id(text: str) -> str:
    """The full image id that `text` is, "" if it is none.

    >>> as_id("0" * 64) == "sha256:" + "0" * 64 == as_id("sha256:" + "0" * 64), as_id("busybox")
    (True, '')
    """
    digits = text.removeprefix("sha256:")
    return f"sha256:{digits}" if _ID.fullmatch(digits) else ""


def is_id_prefix(image_id: str, text: str) -> bool:
    """Could `text` be short for this id, with or without its algorithm?

    >>> is_id_prefix("sha256:abcd", "ab"), is_id_prefix("sha256:abcd", "sha256:ab"), is_id_prefix("sha256:abcd", "b")
    (True, True, False)
    """
    return bool(text) and (image_id.startswith(text) or image_id.partition(":")[2].startswith(text))
