"""Small parameters: filters, moments, platforms, names in paths."""

import pytest

from corral.api.docker.at import name_of, version_of
from corral.api.docker.filters import parse_filters, until_of
from corral.api.docker.moments import parse_moment
from corral.api.docker.platforms import check_platform, parse_platform
from corral.errors import InvalidInput, NotFound
from corral.http.message import Body, Request
from corral.http.parser import Head
from corral.kit.clock import SECOND
from corral.model.image import Image


def request(method: str, target: str) -> Request:
    body = Body(lambda: None, lambda: None)
    return Request(Head(method, target, "1.1", {}, True, 0), body)


@pytest.mark.parametrize(
    ("method", "target", "name", "version"),
    [
        ("GET", "/v1.41/containers/web/json", "web", (1, 41)),
        ("GET", "/containers/web/json?size=1", "web", (1, 51)),
        ("DELETE", "/v1.51/images/quay.io/a/b:1", "quay.io/a/b:1", (1, 51)),
        ("DELETE", "/v1.51/images/json", "json", (1, 51)),
        ("GET", "/v1.51/images/a/json/json", "a/json", (1, 51)),
        ("GET", "/v1.51/networks/bridge", "bridge", (1, 51)),
        ("GET", "/v1.51/volumes/my%20volume", "my volume", (1, 51)),
        ("POST", "/v1.24/containers/a/stop", "a", (1, 24)),
    ],
)
def test_paths(method: str, target: str, name: str, version: tuple[int, int]) -> None:
    asked = request(method, target)
    assert (name_of(asked), version_of(asked)) == (name, version)


@pytest.mark.parametrize("text", ["[]", "1", '"x"', "{", '{"a": 1}', '{"a": {"b": "c"}}', '{"a": [1]}', "[" * 99999])
def test_filters_that_are_none(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^invalid filter$"):
        parse_filters(text)


def test_until() -> None:
    assert until_of({}, 5) == 0
    assert until_of({"until": ["10s"]}, 15 * SECOND) == 5 * SECOND
    with pytest.raises(InvalidInput, match="more than one until filter specified"):
        until_of({"until": ["1", "2"]}, 0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1700000000", 1700000000),
        ("0", 0),
        ("1h", 3600),
        ("2023-11-14T22:13:20", 1700000000),
        ("2023-11-14T22:13", 1699999980),
        ("2023-11-14T22", 1699999200),
        ("2023-11-14T23:13:20+01:00", 1700000000),
        ("2023-11-14Z", 1699920000),
    ],
)
def test_moments(text: str, seconds: int) -> None:
    assert parse_moment(text, 7200 * SECOND) == seconds * SECOND


@pytest.mark.parametrize("text", ["", "soon", "2023-13-40", "1x"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(InvalidInput, match="failed to parse value as time or duration"):
        parse_moment(text, 0)


def test_platforms() -> None:
    image = Image("i", architecture="arm", variant="v7")
    assert check_platform(image, "x", "linux/arm/v7", "x86_64") == []
    assert check_platform(image, "x", "linux/arm", "x86_64") == []
    assert check_platform(image, "x", "", "armv7l") == []
    with pytest.raises(NotFound, match=r"does not match the specified platform \(linux/arm/v6\)"):
        check_platform(image, "x", "linux/arm/v6", "x86_64")
    with pytest.raises(InvalidInput, match="unknown operating system or architecture"):
        parse_platform("quantum", "x86_64")
    with pytest.raises(InvalidInput, match="invalid platform"):
        parse_platform("a/b/c/d", "x86_64")
