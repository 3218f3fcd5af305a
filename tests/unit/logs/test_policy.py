from __future__ import annotations

import pytest

from corral.errors import InvalidInput, Unsupported
from corral.logs.details import expand_tag, plan_details
from corral.logs.policy import LogPolicy, parse_size, plan_policy


def test_the_default_limits_every_log() -> None:
    assert plan_policy("", {}) == LogPolicy(10_000_000, 3)
    assert plan_policy("local", {"max-file": "5"}, LogPolicy(7, 1)) == LogPolicy(7, 5)
    assert plan_policy("none", {"anything": "goes"}).unlimited


def test_options_are_dockers() -> None:
    options = {"max-size": "20k", "max-file": "1", "mode": "blocking", "compress": "false"}
    assert plan_policy("json-file", options) == LogPolicy(20_000, 1)
    assert plan_policy("json-file", {"labels": "a", "env": "b", "tag": "c", "env-regex": "d", "labels-regex": "e"})


@pytest.mark.parametrize(
    ("driver", "options", "message"),
    [
        ("json-file", {"foo": "1"}, "unknown log opt 'foo' for json-file log driver"),
        ("", {"foo": "1"}, "unknown log opt 'foo' for json-file log driver"),
        ("local", {"labels": "1"}, "unknown log opt 'labels' for log driver local"),
        ("nope", {}, "logger: no log driver named 'nope' is registered"),
        ("json-file", {"max-size": "0"}, "max-size must be a positive number"),
        ("json-file", {"max-size": "huge"}, "invalid size: 'huge'"),
        ("json-file", {"max-size": "-5m"}, "invalid size: '-5m'"),
        ("json-file", {"max-size": "5q"}, "invalid suffix: 'q'"),
        ("json-file", {"max-size": "5bib"}, "invalid suffix: 'bib'"),
        ("json-file", {"max-file": "0"}, "max-file cannot be less than 1"),
        ("json-file", {"max-file": "x"}, 'strconv.Atoi: parsing "x": invalid syntax'),
        ("json-file", {"mode": "x"}, "logger: logging mode not supported: x"),
        (
            "json-file",
            {"max-buffer-size": "1m"},
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
        ),
        (
            "json-file",
            {"mode": "non-blocking", "max-buffer-size": "much"},
            "error parsing option max-buffer-size: invalid size: 'much'",
        ),
        ("json-file", {"compress": "x"}, 'strconv.ParseBool: parsing "x": invalid syntax'),
    ],
)
def test_bad_options_are_refused_in_dockers_words(driver: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        plan_policy(driver, options)
    assert caught.value.message == message


@pytest.mark.parametrize("driver", ["", "json-file", "local"])
def test_a_log_that_nobody_waits_for(driver: str) -> None:
    options = {"mode": "non-blocking", "max-buffer-size": "4m", "max-size": "1m"}
    assert plan_policy(driver, options) == LogPolicy(1_000_000, 3)


@pytest.mark.parametrize(
    ("driver", "options", "named"),
    [
        ("syslog", {}, "'syslog'"),
        ("json-file", {"compress": "true"}, "'compress'"),
    ],
)
def test_what_is_not_offered_is_named(driver: str, options: dict[str, str], named: str) -> None:
    with pytest.raises(Unsupported, match=named):
        plan_policy(driver, options)


def test_sizes() -> None:
    assert [parse_size(t) for t in ("1", "1b", "1K", "1 kb", "2MiB", ".5g", "1t")] == [
        1, 1, 1000, 1000, 2_000_000, 500_000_000, 10**12
    ]  # fmt: skip


def test_details() -> None:
    labels, env = {"com.x": "1", "com.y": "2", "z": "3"}, ["A=1", "AB=2=3", "NOTHING"]
    assert plan_details({}, labels, env, {}) == {}
    assert plan_details({"labels": "z,none", "labels-regex": r"^com\."}, labels, env, {}) == labels
    assert plan_details({"env": "NOTHING,A", "env-regex": "AB"}, labels, env, {}) == {"A": "1", "AB": "2=3"}
    with pytest.raises(InvalidInput, match="error parsing regexp"):
        plan_details({"env-regex": "("}, labels, env, {})
    with pytest.raises(InvalidInput, match="unknown field Nope"):
        expand_tag("{{.Nope}}", {"ID": "1"})
    with pytest.raises(InvalidInput, match="only fields"):
        expand_tag("{{if .ID}}x{{end}}", {"ID": "1"})
