"""Whatever a client sends, the API answers with what it was told or with a refusal: it never breaks."""

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from corral.api.docker.bodies import CreateRequest
from corral.api.docker.changes import apply_changes
from corral.api.docker.create import parse_create
from corral.api.docker.facts import Facts
from corral.api.docker.filters import parse_filters
from corral.api.docker.gojson import decode
from corral.api.docker.mounts import parse_bind
from corral.api.docker.render import Surroundings, inspect
from corral.api.docker.render_mounts import bind_text
from corral.api.docker.settings import Config, HostConfig
from corral.api.docker.shellwords import expand, split_words
from corral.api.docker.units import human_duration
from corral.api.docker.update import parse_update
from corral.errors import InvalidInput
from corral.kit.clock import SECOND
from corral.model.container import Container, State
from corral.model.image import ImageConfig

FACTS = Facts(cpus=(0, 1, 2, 3))
FIELDS = [*Config.__struct_fields__, *HostConfig.__struct_fields__]

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=12)
names = st.sampled_from(FIELDS) | st.text(max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)
bodies = st.fixed_dictionaries(
    {"Image": st.just("busybox")},
    optional={"HostConfig": st.dictionaries(names, values, max_size=5), "NetworkingConfig": values, "Cmd": values},
)
versions = st.tuples(st.just(1), st.integers(24, 51))


@given(st.binary(max_size=60))
def test_any_bytes(body: bytes) -> None:
    try:
        decode(body, CreateRequest)
    except InvalidInput as error:
        assert error.message


@given(bodies, versions, st.sampled_from([1, 2]))
@settings(max_examples=300)
def test_any_body_of_the_right_outline(body: dict[str, Any], version: tuple[int, int], cgroups: int) -> None:
    facts = Facts(cpus=(0,), cgroup_version=cgroups)
    try:
        new = parse_create(json.dumps(body).encode(), "", "", version, facts, lambda path: True)
    except InvalidInput as error:
        assert error.message
        return
    container = Container("a" * 64, "x", 0, "sha256:1", new.spec, state=State("running", started_at=1))
    around = Surroundings(cgroup_version=cgroups)
    assert msgspec.json.encode(inspect(container, around, version))
    assert msgspec.json.decode(msgspec.json.encode(container), type=Container) == container


@given(st.dictionaries(names, values, max_size=5), versions)
def test_any_update(body: dict[str, Any], version: tuple[int, int]) -> None:
    try:
        update = parse_update(json.dumps(body).encode(), version, FACTS)
    except InvalidInput as error:
        assert error.message
        return
    assert all(value is not None for value in update.fields.values())


texts = st.text("abc/", min_size=1, max_size=6)
echoed = st.fixed_dictionaries(
    {},
    optional={
        "Memory": st.integers(8 << 20, 1 << 40),
        "CpuShares": st.integers(0, 1024),
        "NanoCpus": st.integers(0, 4 * 10**9),
        "PidsLimit": st.integers(1, 1000),
        "OomScoreAdj": st.integers(-1000, 1000),
        "Privileged": st.booleans(),
        "CapAdd": st.lists(st.sampled_from(["ALL", "NET_ADMIN"]), min_size=1, max_size=2),
        "Dns": st.lists(st.ip_addresses().map(str), max_size=2),
        "Sysctls": st.dictionaries(st.sampled_from(["kernel.a", "net.b.c"]), texts, min_size=1),
        "Tmpfs": st.dictionaries(texts.map(lambda t: "/t" + t), st.just("size=1m"), min_size=1, max_size=2),
        "ExtraHosts": st.lists(st.ip_addresses().map(lambda ip: f"h:{ip}"), min_size=1, max_size=2),
        "RestartPolicy": st.fixed_dictionaries({"Name": st.just("on-failure"), "MaximumRetryCount": st.integers(0, 9)}),
        "PortBindings": st.dictionaries(
            st.integers(1, 65535).map(lambda port: f"{port}/tcp"),
            st.lists(
                st.fixed_dictionaries(
                    {"HostIp": st.ip_addresses(v=4).map(str), "HostPort": st.integers(1, 65535).map(str)}
                ),
                min_size=1,
                max_size=2,
            ),
            max_size=3,
        ),
        "Ulimits": st.lists(st.integers(0, 99).map(lambda n: {"Name": "nofile", "Hard": n + 1, "Soft": n}), max_size=2),
    },
)


@given(echoed)
@settings(max_examples=200)
def test_inspect_gives_back_what_was_asked_for(host: dict[str, Any]) -> None:
    body = json.dumps({"Image": "busybox", "HostConfig": host}).encode()
    spec = parse_create(body, "", "", (1, 51), FACTS, lambda path: True).spec
    shown = inspect(Container("a" * 64, "x", 0, "sha256:1", spec), Surroundings(), (1, 51))["HostConfig"]
    assert {name: shown[name] for name in host} == host


@given(st.dictionaries(st.text(max_size=5), st.lists(st.text(max_size=5), unique=True, max_size=3), max_size=3))
def test_both_encodings_of_filters_say_the_same(filters: dict[str, list[str]]) -> None:
    new = {name: dict.fromkeys(values, True) for name, values in filters.items()}
    assert parse_filters(json.dumps(filters)) == parse_filters(json.dumps(new)) == filters


@given(st.text(max_size=30))
def test_any_filter_text(text: str) -> None:
    try:
        parse_filters(text)
    except InvalidInput as error:
        assert error.message == "invalid filter"


@given(st.text("/ab.:", max_size=12) | st.text("/ab:rozZ,", max_size=14))
def test_a_bind_is_shown_as_it_was_given(text: str) -> None:
    try:
        mount = parse_bind(text)
    except InvalidInput:
        return
    assert mount.target.startswith("/")
    assert bind_text(mount) == text.rstrip(":") or text.endswith(":")


@given(st.lists(st.text(max_size=20) | st.text("ENV LABEL=\"' $a{}\\", max_size=20), max_size=3))
def test_any_changes(changes: list[str]) -> None:
    before = ImageConfig(env=["a=1"], labels={"x": "y"})
    try:
        apply_changes(before, changes)
    except InvalidInput as error:
        assert error.message
    assert before == ImageConfig(env=["a=1"], labels={"x": "y"})


@given(st.text("ab $'\"\\{}:-", max_size=20))
def test_any_words(line: str) -> None:
    try:
        words = split_words(line)
    except InvalidInput:
        return
    for word in words:
        expand(word, {"a": "1"})


@given(st.integers(-(10**12), 10**12), st.integers(0, 10**12))
def test_durations_are_words(start: int, more: int) -> None:
    assert human_duration(start * SECOND).split()[-1].rstrip("s") in (
        "second", "minute", "hour", "day", "week", "month", "year",
    )  # fmt: skip
