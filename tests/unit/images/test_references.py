"""References as Docker reads them."""

from __future__ import annotations

import pytest

from corral.errors import InvalidInput
from corral.images.references import as_id, check_digest, is_id_prefix, parse, parse_tag

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "full", "short"),
    [
        ("busybox", "docker.io/library/busybox", "busybox"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
        ("library/busybox", "docker.io/library/busybox", "busybox"),
        ("docker.io/busybox", "docker.io/library/busybox", "busybox"),
        ("index.docker.io/busybox:a", "docker.io/library/busybox:a", "busybox:a"),
        ("team/app", "docker.io/team/app", "team/app"),
        ("docker.io/library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("localhost/app", "localhost/app", "localhost/app"),
        ("localhost:5000/a/b:c", "localhost:5000/a/b:c", "localhost:5000/a/b:c"),
        ("REGISTRY/app", "REGISTRY/app", "REGISTRY/app"),
        ("reg.example.com/app", "reg.example.com/app", "reg.example.com/app"),
        ("[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app"),
        (f"a@sha256:{HEX}", f"docker.io/library/a@sha256:{HEX}", f"a@sha256:{HEX}"),
        (f"a:1@sha256:{HEX}", f"docker.io/library/a:1@sha256:{HEX}", f"a:1@sha256:{HEX}"),
        ("a__b---c.d_e", "docker.io/library/a__b---c.d_e", "a__b---c.d_e"),
        ("a:" + "x" * 128, "docker.io/library/a:" + "x" * 128, "a:" + "x" * 128),
    ],
)
def test_full_and_short(text: str, full: str, short: str) -> None:
    found = parse(text)
    assert (str(found), found.familiar) == (full, short)
    assert parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid reference format"),
        ("Busybox", "invalid reference format: repository name (library/Busybox) must be lowercase"),
        ("a/B", "invalid reference format: repository name (a/B) must be lowercase"),
        (HEX, f"invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings"),
        ("a b", "invalid reference format"),
        ("-a", "invalid reference format"),
        ("a..b", "invalid reference format"),
        ("a___b", "invalid reference format"),
        ("a/", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("a:", "invalid reference format"),
        ("a:-x", "invalid reference format"),
        ("a:" + "x" * 129, "invalid reference format"),
        ("../../etc/passwd", "invalid reference format"),
        ("a\n", "invalid reference format"),
        ("a:b\n", "invalid reference format"),
        ("é", "invalid reference format"),
        ("a@sha256:abc", "invalid reference format"),
        (f"a@sha256:{HEX}00", "invalid checksum digest length"),
        (f"a@md99:{HEX}", "unsupported digest algorithm"),
        ("x" * 256, "repository name must not be more than 255 characters"),
    ],
)
def test_what_is_no_reference(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse(text)
    assert raised.value.message == message


def test_tags() -> None:
    assert str(parse_tag("a")) == "docker.io/library/a:latest"
    with pytest.raises(InvalidInput, match="refusing to create a tag with a digest reference"):
        parse_tag(f"a@sha256:{HEX}")


def test_ids() -> None:
    assert as_id(HEX) == f"sha256:{HEX}" == as_id(f"sha256:{HEX}")
    assert as_id(HEX[:12]) == as_id(HEX.upper()) == ""
    assert is_id_prefix(f"sha256:{HEX}", "0123") and is_id_prefix(f"sha256:{HEX}", "sha256:01")
    assert not is_id_prefix(f"sha256:{HEX}", "") and not is_id_prefix(f"sha256:{HEX}", "123")


def test_digests() -> None:
    assert check_digest("sha512:" + "0" * 128)
    for bad in ("sha256:", "sha256", f"sha256:{HEX.upper()}", "sha256:../../../../etc/passwd", f"sha512:{HEX}"):
        with pytest.raises(InvalidInput):
            check_digest(bad)
