"""Names: what clients write to say what is pulled or pushed. Pure."""

from __future__ import annotations

from corral.errors import Forbidden, InvalidInput
from corral.images.references import Reference, check_digest, parse


def pull_reference(name: str, tag: str) -> Reference:
    """A name and a tag, which may be a digest, as one reference; without either all tags are meant. InvalidInput,
    Forbidden.

    >>> str(pull_reference("busybox", "1")), str(pull_reference("busybox:2", "")), pull_reference("a", "").tag
    ('docker.io/library/busybox:1', 'docker.io/library/busybox:2', '')
    """
    ref = parse(name.removesuffix(":"))
    if ref.name == "docker.io/library/scratch":
        raise Forbidden("'scratch' is a reserved name")
    if ":" in tag:
        return Reference(ref.domain, ref.path, "", check_digest(tag))
    if ref.digest:
        return Reference(ref.domain, ref.path, "", ref.digest)
    return parse(f"{ref.name}:{tag}") if tag else ref


def push_reference(name: str, tag: str) -> Reference:
    """A name and a tag; without a tag all are meant. InvalidInput.

    >>> str(push_reference("localhost:5000/a", "1")), push_reference("a", "").tag
    ('localhost:5000/a:1', '')
    """
    ref = parse(name)
    if ref.digest:
        raise InvalidInput("cannot push a digest reference")
    return parse(f"{ref.name}:{tag}") if tag else ref
