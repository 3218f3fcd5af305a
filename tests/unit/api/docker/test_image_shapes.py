"""Images as lists, inspect and history show them, and which of them a list is about."""

import pytest

from corral.api.docker.image_filters import select_images
from corral.api.docker.render_image import config, history, inspect, layers_size, shared_sizes, summary
from corral.errors import InvalidInput, NotFound
from corral.kit.clock import SECOND
from corral.model.image import HistoryEntry, Image, ImageConfig

BASE = Image(
    "sha256:" + "a" * 64,
    created=SECOND,
    tags=["docker.io/library/base:1", "quay.io/x/base:2"],
    digests=["docker.io/library/base@sha256:" + "d" * 64],
    diff_ids=["sha256:l1"],
    layer_sizes=[100],
    size=100,
    history=[HistoryEntry(SECOND, "ADD"), HistoryEntry(SECOND, "ENV A=1", empty_layer=True, comment="c")],
    config=ImageConfig(command=["sh"], labels={"k": "v"}, exposed_ports=["80/tcp"]),
    tagged_at=2 * SECOND,
)
CHILD = Image("sha256:" + "b" * 64, created=2 * SECOND, parent=BASE.id, diff_ids=["sha256:l1", "sha256:l2"],
              layer_sizes=[100, 7], size=107)  # fmt: skip
ALL = [BASE, CHILD]


def test_a_line_of_the_list() -> None:
    line = summary(BASE, (1, 51), 3, 40)
    assert line == {
        "Containers": 3,
        "Created": 1,
        "Id": BASE.id,
        "Labels": {"k": "v"},
        "ParentId": "",
        "RepoDigests": ["base@sha256:" + "d" * 64],
        "RepoTags": ["base:1", "quay.io/x/base:2"],
        "SharedSize": 40,
        "Size": 100,
    }


def test_lines_for_older_clients() -> None:
    line = summary(CHILD, (1, 42), 3)
    assert (line["RepoTags"], line["RepoDigests"]) == (["<none>:<none>"], ["<none>@<none>"])
    assert (line["VirtualSize"], line["Containers"], line["SharedSize"]) == (107, -1, -1)
    assert summary(CHILD, (1, 43), 3)["RepoTags"] == []


def test_inspect() -> None:
    fields = inspect(BASE, (1, 51), {"UpperDir": "/x"})
    assert list(fields) == [
        *("Id", "RepoTags", "RepoDigests", "Parent", "Comment", "Created", "DockerVersion", "Author", "Config"),
        *("Architecture", "Os", "Size", "GraphDriver", "RootFS", "Metadata"),
    ]
    assert (fields["Comment"], fields["Created"]) == ("c", "1970-01-01T00:00:01Z")
    assert fields["GraphDriver"] == {"Data": {"UpperDir": "/x"}, "Name": "overlay2"}
    assert fields["RootFS"] == {"Type": "layers", "Layers": ["sha256:l1"]}
    assert fields["Metadata"] == {"LastTagTime": "1970-01-01T00:00:02Z"}


def test_config_of_older_apis_has_what_only_containers_have() -> None:
    new, old = config(BASE.config, (1, 50)), config(BASE.config, (1, 49))
    assert set(old) - set(new) == set(
        "AttachStderr AttachStdin AttachStdout Domainname Hostname Image OpenStdin StdinOnce Tty".split()
    )
    assert (new["Cmd"], new["Entrypoint"], new["ExposedPorts"]) == (["sh"], None, {"80/tcp": {}})


def test_history_is_newest_first() -> None:
    steps = history(BASE)
    assert [(s["CreatedBy"], s["Size"], s["Id"]) for s in steps] == [
        ("ENV A=1", 0, BASE.id),
        ("ADD", 100, "<missing>"),
    ]
    assert (steps[0]["Tags"], steps[1]["Tags"]) == (["base:1", "quay.io/x/base:2"], None)


def test_layers_that_are_shared_count_once() -> None:
    assert shared_sizes(ALL) == {BASE.id: 100, CHILD.id: 100}
    assert layers_size(ALL) == 107


def find(ref: str) -> Image:
    if ref != "base":
        raise NotFound(f"No such image: {ref}")
    return BASE


def chosen(filters: dict[str, list[str]], all: bool = False) -> list[str]:
    return [image.id[7] for image, _ in select_images(ALL, filters, all=all, now=10 * SECOND, find=find)]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, "ba"),
        ({"dangling": ["true"]}, "b"),
        ({"dangling": ["false"]}, "a"),
        ({"label": ["k=v"]}, "a"),
        ({"since": ["base"]}, "b"),
        ({"before": ["base"]}, ""),
        ({"until": ["9s"]}, ""),
        ({"until": ["8s"]}, "a"),
        ({"reference": ["base"]}, "a"),
        ({"reference": ["b*:1"]}, "a"),
        ({"reference": ["base:3"]}, ""),
        ({"reference": ["quay.io/*/base"]}, "a"),
    ],
)
def test_filters(filters: dict[str, list[str]], expected: str) -> None:
    assert "".join(chosen(filters)) == expected


def test_an_image_that_says_no_time_and_one_of_the_first_moment() -> None:
    """Clients show "N/A" for Go's zero time."""
    for image, seconds, text in (
        (Image("sha256:f", history=[HistoryEntry()]), -62_135_596_800, "0001-01-01T00:00:00Z"),
        (Image("sha256:f", 0, history=[HistoryEntry(0)]), 0, "1970-01-01T00:00:00Z"),
    ):
        assert inspect(image, (1, 51), {})["Created"] == text
        assert (summary(image, (1, 51), 0, 0)["Created"], history(image)[0]["Created"]) == (seconds, seconds)


def test_only_the_names_that_match_are_shown() -> None:
    [(_, tags)] = select_images(ALL, {"reference": ["base:1"]}, all=False, now=0, find=find)
    assert tags == ["docker.io/library/base:1"]


def test_filters_that_make_no_sense() -> None:
    with pytest.raises(InvalidInput, match="invalid filter 'colour'"):
        chosen({"colour": ["red"]})
    with pytest.raises(NotFound, match="No such image: nope"):
        chosen({"before": ["nope"]})


def test_an_unnamed_parent_is_left_out() -> None:
    nameless = Image("sha256:" + "c" * 64, created=SECOND)
    child = Image("sha256:" + "e" * 64, created=SECOND, parent=nameless.id, tags=["docker.io/library/x:1"])
    images = [nameless, child]
    assert len(select_images(images, {}, all=False, now=0, find=find)) == 1
    assert len(select_images(images, {}, all=True, now=0, find=find)) == 2
