"""Request bodies are read as Go reads them: names in any case, types strictly, errors in Go's words."""

import pytest

from corral.api.docker.bodies import CreateRequest
from corral.api.docker.gojson import decode
from corral.errors import InvalidInput

UNMARSHAL = "invalid JSON: json: cannot unmarshal "


def test_names_match_in_any_case_and_null_is_absent() -> None:
    request, unknown = decode(b'{"IMAGE": "x", "hostname": null, "hostconfig": {"MEMORY": 7}}', CreateRequest)
    assert (request.Image, request.Hostname, unknown) == ("x", "", [])
    assert request.HostConfig is not None and request.HostConfig.Memory == 7


def test_unknown_fields_are_named_by_their_path() -> None:
    _, unknown = decode(
        b'{"Image": "x", "Foo": 1, "No": 0, "HostConfig": {"Bar": [1], "Mounts": [{"Baz": 1}]}}', CreateRequest
    )
    assert unknown == ["Foo", "HostConfig.Bar", "HostConfig.Mounts.Baz"]


def test_a_command_may_be_one_string() -> None:
    request, _ = decode(b'{"Cmd": "ls -l", "Entrypoint": ["sh", "-c"]}', CreateRequest)
    assert (request.Cmd, request.Entrypoint) == (["ls -l"], ["sh", "-c"])


def test_null_elements() -> None:
    request, _ = decode(
        b'{"Env": [null, "A=1"], "Labels": {"a": null}, "HostConfig": {"Ulimits": [null]}}', CreateRequest
    )
    assert (request.Env, request.Labels) == (["", "A=1"], {"a": ""})
    assert request.HostConfig is not None and request.HostConfig.Ulimits == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"Hostname": 1}', "number into Go struct field CreateRequest.Config.Hostname of type string"),
        (b'{"Tty": "yes"}', "string into Go struct field CreateRequest.Config.Tty of type bool"),
        (b'{"Env": "A=1"}', "string into Go struct field CreateRequest.Config.Env of type []string"),
        (b'{"Env": [1]}', "number into Go struct field CreateRequest.Config.Env of type string"),
        (b'{"Labels": []}', "array into Go struct field CreateRequest.Config.Labels of type map[string]string"),
        (
            b'{"HostConfig": {"Memory": "1g"}}',
            "string into Go struct field HostConfig.HostConfig.Resources.Memory of type int64",
        ),
        (
            b'{"HostConfig": {"Memory": 1.5}}',
            "number 1.5 into Go struct field HostConfig.HostConfig.Resources.Memory of type int64",
        ),
        (
            b'{"HostConfig": {"BlkioWeight": 65536}}',
            "number 65536 into Go struct field HostConfig.HostConfig.Resources.BlkioWeight of type uint16",
        ),
        (
            b'{"HostConfig": {"LogConfig": {"Config": {"max-size": 1}}}}',
            "number into Go struct field LogConfig.HostConfig.LogConfig.Config of type string",
        ),
        (b'{"HostConfig": []}', "array into Go struct field CreateRequest.HostConfig of type container.HostConfig"),
        (b'"text"', "string into Go value of type container.CreateRequest"),
    ],
)
def test_wrong_types(body: bytes, message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        decode(body, CreateRequest)
    assert error.value.message == UNMARSHAL + message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "invalid JSON: got EOF while reading request body"),
        (b"  \n", "invalid JSON: got EOF while reading request body"),
        (b"{", "invalid JSON: unexpected EOF"),
        (b'{"a": 1', "invalid JSON: unexpected EOF"),
        (b'{"a": "x', "invalid JSON: unexpected EOF"),
        (b"nope", "invalid JSON: invalid character 'n' looking for beginning of value"),
        (b'{"a" 1}', "invalid JSON: invalid character '1' after object key"),
        (b'{"a": 1 "b": 2}', "invalid JSON: invalid character '\"' after object key:value pair"),
        (b'{"a": [1 2]}', "invalid JSON: invalid character '2' after array element"),
        (b'{"a": 1,}', "invalid JSON: invalid character '}' looking for beginning of object key string"),
        (b'{"a": NaN}', "invalid JSON: invalid character 'N' looking for beginning of value"),
        (b"{} {}", "unexpected content after JSON"),
        (b"[" * 100000, "invalid JSON: exceeded max depth"),
        (b'{"a": ' + b"9" * 5000 + b"}", "invalid JSON: a number has too many digits"),
    ],
)
def test_what_is_no_json(body: bytes, message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        decode(body, CreateRequest)
    assert error.value.message.replace("'\\\"'", "'\"'") == message
