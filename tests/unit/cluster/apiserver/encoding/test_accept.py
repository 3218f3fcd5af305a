"""Content negotiation: the best of what is accepted and offered."""

from __future__ import annotations

import pytest

from corral.cluster.apiserver.encoding.accept import JSON, YAML, Accepted, negotiate, parse_accept
from corral.model.kubernetes.status import StatusError

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", Accepted()),
        ("*/*", Accepted()),
        ("application/*", Accepted()),
        ("application/yaml", Accepted(YAML)),
        ("application/yaml;q=0.1,application/json", Accepted(JSON)),
        ("application/json;q=0.1,application/yaml;q=0.9", Accepted(YAML)),
        (f"{TABLE},application/json", Accepted(JSON, "Table", "meta.k8s.io", "v1")),
        ("application/json;as=Pie;v=v1;g=meta.k8s.io,application/json", Accepted(JSON)),
        ("application/json;as=Table;v=v9;g=meta.k8s.io,application/yaml", Accepted(YAML)),
        ("application/vnd.kubernetes.protobuf, application/json", Accepted(JSON)),
        ("application/json;pretty=1", Accepted(JSON, pretty=True)),
        ("application/json;stream=watch", Accepted(JSON)),
        ("APPLICATION/JSON", Accepted(JSON)),
        ("*/*,application/yaml", Accepted(YAML)),
    ],
)
def test_what_is_chosen(header: str, expected: Accepted) -> None:
    assert negotiate(header) == expected


@pytest.mark.parametrize("header", ["text/html", "application/vnd.kubernetes.protobuf", f"{TABLE};stream=else", ";;,"])
def test_what_is_not_acceptable(header: str) -> None:
    with pytest.raises(StatusError) as caught:
        negotiate(header)
    assert (caught.value.code, caught.value.reason) == (406, "NotAcceptable")


def test_forms_where_none_are_offered() -> None:
    assert negotiate(f"{TABLE},application/json", False) == Accepted(JSON)


def test_an_odd_quality_counts_as_one() -> None:
    assert [one.quality for one in parse_accept("a/b;q=x,c/d;q=0.5")] == [1.0, 0.5]
