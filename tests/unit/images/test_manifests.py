"""Tables of contents of image archives."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from corral.errors import InvalidInput, NotFound
from corral.images import digests
from corral.images.manifests import (
    OCI_INDEX,
    Item,
    blob_name,
    build_docker,
    build_index,
    build_manifest,
    parse_docker,
    parse_layout,
)
from corral.images.platforms import host_platform, split_platform

LAYER = "sha256:" + "1" * 64
CONFIG = b'{"config":1}'


class Files(dict[str, bytes]):
    """An archive's files; `blob` adds one and gives its descriptor."""

    def blob(self, value: object, kind: str = "", **more: object) -> dict[str, object]:
        data = json.dumps(value).encode()
        self[blob_name(digests.of(data))] = data
        return {"mediaType": kind, "digest": digests.of(data), "size": len(data), **more}

    def manifest(self, **more: object) -> dict[str, object]:
        layers = [{"digest": LAYER, "size": 1}]
        return self.blob({"config": self.blob(more), "layers": layers}, **more)

    def index(self, *manifests: object) -> Callable[[str], bytes]:
        self["index.json"] = json.dumps({"manifests": manifests}).encode()

        def read(name: str) -> bytes:
            try:
                return self[name]
            except KeyError:
                raise NotFound(name) from None

        return read


def platform(architecture: str, variant: str = "") -> dict[str, object]:
    return {"platform": {"os": "linux", "architecture": architecture, "variant": variant}}


def test_docker_manifests() -> None:
    data = json.dumps([{"Config": "c", "RepoTags": ["a:1", "x.io/b:2"], "Layers": ["l"]}, {"Config": "d"}]).encode()
    assert parse_docker(data) == [Item("c", ["l"], ["docker.io/library/a:1", "x.io/b:2"]), Item("d", [])]
    assert parse_docker(b"[]") == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"null", "invalid manifest, manifest cannot be null"),
        (b"{", "failed to decode manifest.json"),
        (b"{}", "failed to decode manifest.json"),
        (b'[{"Config":1}]', "failed to decode manifest.json"),
        (b'[{"X":' + b"[" * 100_000, "failed to decode manifest.json"),
        (b'[{"Config":"c","RepoTags":["a"]}]', 'invalid tag "a"'),
        (b'[{"Config":"c","RepoTags":["A:1"]}]', "must be lowercase"),
    ],
)
def test_damaged_docker_manifests(data: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse_docker(data)


def test_layouts_and_their_names() -> None:
    files = Files()
    one = files.manifest(one=1)
    read = files.index(
        one | {"annotations": {"io.containerd.image.name": "docker.io/library/a:1"}},
        one | {"annotations": {"org.opencontainers.image.ref.name": "b:2"}},
        files.manifest(two=2) | {"annotations": {"org.opencontainers.image.ref.name": "latest"}},
    )
    first, second = parse_layout(read, "linux/amd64")
    assert first.tags == ["docker.io/library/a:1", "docker.io/library/b:2"]
    assert (second.tags, second.layers) == ([], [blob_name(LAYER)])


def test_the_platform_is_chosen_through_indexes() -> None:
    files = Files()
    amd, arm7, arm8 = (files.manifest(n=n) for n in (1, 2, 3))
    attestation = files.manifest(n=4) | {"platform": {"os": "unknown", "architecture": "unknown"}}
    inner = files.blob(
        {
            "manifests": [
                attestation,
                arm7 | platform("arm", "v7"),
                arm8 | platform("arm64", "v8"),
                amd | platform("amd64"),
            ]
        },
        OCI_INDEX,
    )
    read = files.index(files.blob({"manifests": [inner]}, OCI_INDEX))

    def chosen(wanted: str) -> bytes:
        (item,) = parse_layout(read, wanted)
        return files[item.config]

    assert (chosen("linux/amd64"), chosen("linux/arm64"), chosen("linux/arm/v7")) == (
        b'{"n": 1}', b'{"n": 3}', b'{"n": 2}',
    )  # fmt: skip
    with pytest.raises(NotFound, match="no image for the platform linux/s390x"):
        chosen("linux/s390x")


def test_blobs_that_are_not_what_they_say() -> None:
    files = Files()
    manifest = files.manifest(a=1)
    files[blob_name(str(manifest["digest"]))] += b" "
    with pytest.raises(InvalidInput, match="has the digest"):
        parse_layout(files.index(manifest), "linux/amd64")


def test_indexes_without_end() -> None:
    files = Files()
    here = files.manifest()
    for _ in range(10):
        here = files.blob({"manifests": [here]}, OCI_INDEX)
    with pytest.raises(InvalidInput, match="too many indexes"):
        parse_layout(files.index(here), "linux/amd64")


def test_paths_instead_of_digests() -> None:
    with pytest.raises(InvalidInput, match="digest"):
        parse_layout(Files().index({"digest": "sha256:../../etc/passwd", "size": 1}), "linux/amd64")


def test_what_we_write_we_read() -> None:
    manifest = build_manifest(CONFIG, [(LAYER, 10)])
    names = ["docker.io/library/a:1", "x.io/b:2"]
    files = Files({blob_name(digests.of(manifest)): manifest})
    files["index.json"] = build_index([(manifest, "linux/arm/v7", names)])
    wanted = Item(blob_name(digests.of(CONFIG)), [blob_name(LAYER)], names)
    assert parse_layout(files.__getitem__, "linux/arm/v7") == [wanted]
    assert parse_docker(build_docker([(CONFIG, [(LAYER, 10)], names)])) == [wanted]


def test_platforms() -> None:
    assert split_platform(host_platform())[0] == "linux"
    assert split_platform("linux/x86_64") == ("linux", "amd64", "")
    assert split_platform("windows")[0] == "windows"
    for bad in ("", "a/b/c/d", "linux//x", "linux/ x", "nintendo64"):
        with pytest.raises(InvalidInput):
            split_platform(bad)
