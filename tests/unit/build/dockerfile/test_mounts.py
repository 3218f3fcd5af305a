"""`RUN --mount`."""

from __future__ import annotations

import pytest

from corral.build.dockerfile.mounts import parse_mount
from corral.build.request import BuildFailed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("type=chache", 'unsupported mount type "chache" (did you mean cache?)'),
        ("type=bind,tagret=/a", "unexpected key 'tagret' in 'tagret=/a' (did you mean target?)"),
        ("type=cache,target", "invalid field 'target' must be a key=value pair"),
        ("type=bind,required", "unexpected key 'required' for mount type 'bind'"),
        ("type=bind,size=1m", "unexpected key 'size' for mount type 'bind'"),
        ("type=tmpfs,size=big", "invalid value for size: big"),
        ("type=cache,sharing=lock", 'unsupported sharing value "lock" (did you mean locked?)'),
        ("type=cache,mode=999", "invalid value 999 for mode"),
        (f"type=cache,uid={'1' * 5000}", f"invalid value {'1' * 5000} for uid"),
        ("type=bind,uid=1", 'uid not allowed for "bind" type mounts'),
        ("type=bind,target=/a,sharing=private", "invalid cache sharing set for bind mount"),
        ("type=bind,ro=maybe", "invalid value for ro: maybe"),
        ("type=secret", "invalid secret mount. one of source, target required"),
        ("type=secret,id=a,source=b", "both source and id can't be set"),
        ("type=secret,id=a,from=b", "secret mount should not have a from"),
        ("", "failed to parse csv mounts: EOF"),
        ('type=cache,"x', "failed to parse csv mounts: unexpected end of data"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(BuildFailed) as caught:
        parse_mount(text, str)
    assert caught.value.message == message


def test_defaults() -> None:
    assert [parse_mount(f"type={kind},target=/a", str).read_only for kind in ("bind", "secret", "ssh")] == [True] * 3
    assert [parse_mount(f"type={kind},target=/a", str).read_only for kind in ("cache", "tmpfs")] == [False] * 2
    assert parse_mount("target=/a,rw", str).read_only is False
    assert parse_mount("type=cache,target=/a,readonly", str).read_only is True


def test_quoted_values_and_variables() -> None:
    found = parse_mount('type=bind,"source=a,b",dst=$x', lambda text: text.replace("$x", "/y"))
    assert (found.source, found.target) == ("a,b", "/y")
