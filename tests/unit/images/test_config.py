"""An image's configuration: Docker's JSON and back."""

from __future__ import annotations

import json

import pytest

from corral.errors import InvalidInput
from corral.images import config, digests
from corral.model.container import HealthCheck
from corral.model.image import HistoryEntry, Image, ImageConfig

DIFF = "sha256:" + "1" * 64
FULL = ImageConfig(
    user="1:2", exposed_ports=["80/tcp"], env=["A=1"], entrypoint=["/e"], command=["c"], volumes=["/v"], workdir="/w",
    labels={"k": "v"}, stop_signal="SIGINT", health=HealthCheck(["CMD", "x"], 1, 2, 3, 4, 5), on_build=["RUN x"],
    shell=["/bin/sh"], args_escaped=True,
)  # fmt: skip


def test_round_trip() -> None:
    image = Image(
        "", 1_700_000_000_123_456_789, "arm64", "v8", "linux", "me", "note", FULL,
        [HistoryEntry(1, "by", "me", "c", True), HistoryEntry(2)], [DIFF],
    )  # fmt: skip
    data = config.build(image)
    found = config.parse(data)
    assert found.id == digests.of(data)
    found.id = ""
    assert found == image


def test_building_is_deterministic_and_small() -> None:
    image = Image("", 0, diff_ids=[DIFF])
    assert config.build(image) == config.build(image)
    assert json.loads(config.build(image))["config"] == {}


def test_what_others_write() -> None:
    found = config.parse(
        json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "created": "2024-01-02T03:04:05.678Z",
                "container_config": {"Hostname": "x"},
                "config": {"Env": None, "Cmd": "sh", "Entrypoint": [], "Volumes": {"/b": {}, "/a": {}}, "Image": ""},
                "rootfs": {"type": "layers", "diff_ids": None},
                "history": None,
            }
        ).encode()
    )
    assert (found.config.command, found.config.entrypoint, found.config.volumes) == (["sh"], [], ["/a", "/b"])
    assert found.diff_ids == []


def test_the_first_moment_of_1970_is_a_time_and_none_is_none() -> None:
    """Images of a SOURCE_DATE_EPOCH of 0 are many; those that do not say when they were made are others."""
    for text in ("1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z"):
        written = {"created": text, "history": [{"created": text}], "rootfs": {"type": "layers", "diff_ids": []}}
        again = json.loads(config.build(config.parse(json.dumps(written).encode())))
        assert (again["created"], again["history"][0]["created"]) == (text, text)
    silent = config.parse(b'{"rootfs":{"type":"layers","diff_ids":[]}}')
    assert json.loads(config.build(silent))["created"] == "0001-01-01T00:00:00Z"
    assert silent.created < config.parse(json.dumps(written | {"created": "1970-01-01T00:00:00Z"}).encode()).created


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"a":' * 100_000, b'{"rootfs":{"diff_ids":["x"]}}', b'{"rootfs":{},"created":"yesterday"}',
     b'{"rootfs":{},"config":{"Env":[1]}}', b"\xff\xfe"],
)  # fmt: skip
def test_damage(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        config.parse(data)


def child(diff_id: str) -> Image:
    base = Image("sha256:b", history=[HistoryEntry(1)], diff_ids=["sha256:0"], architecture="arm64")
    return config.child(base, FULL, diff_id=diff_id, created=5, created_by="sh", author="a", comment="c")


def test_a_child_has_one_more_layer_and_one_more_line_of_history() -> None:
    found = child(DIFF)
    assert (found.diff_ids, found.parent, found.architecture) == (["sha256:0", DIFF], "sha256:b", "arm64")
    assert found.history[-1] == HistoryEntry(5, "sh", "a", "c", False)


def test_a_child_without_changes_has_no_layer_of_its_own() -> None:
    found = child(digests.EMPTY_TAR)
    assert found.diff_ids == ["sha256:0"]
    assert found.history[-1].empty_layer
