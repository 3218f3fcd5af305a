"""The parser of command lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.cli import registry
from corral.cli.fail import Failure, Misuse
from corral.cli.options import Parsed, Verb, flag, help_text, many, parse, text


def verb(**more: object) -> Verb:
    options = (flag("-i --interactive", ""), flag("-t --tty", ""), many("-e --env", "K=V", ""), text("--name", "N", ""))
    return Verb(lambda s, p: 0, "x ARG…", options, **more)  # type: ignore[arg-type]


def test_a_program_keeps_its_own_options() -> None:
    parsed = parse(verb(program=True), ["-it", "busybox", "sh", "-c", "exit 3", "--name", "x"])
    assert parsed.args == ["busybox", "sh", "-c", "exit 3", "--name", "x"]
    assert parsed.on("tty") and parsed.on("interactive") and not parsed.has("name")


def test_a_verb_s_own_letter_is_not_taken_for_help() -> None:
    parsed = parse(registry.load("run"), ["--rm", "-h", "web", "busybox", "hostname"])
    assert parsed.text("hostname") == "web" and parsed.args == ["busybox", "hostname"] and not parsed.on("help")
    assert parse(verb(), ["-h"]).on("help")
    assert "-h, --hostname" in help_text(registry.load("run"), "") and "-h, --help" not in help_text(
        registry.load("run"), ""
    )


def test_options_may_follow_arguments_of_other_verbs() -> None:
    parsed = parse(verb(), ["a", "--name=n", "b"])
    assert parsed.args == ["a", "b"] and parsed.text("name") == "n"


@pytest.mark.parametrize("words", [["-eA=1"], ["-e", "A=1"], ["-e=A=1"], ["--env", "A=1"], ["--env=A=1"]])
def test_ways_to_give_a_value(words: list[str]) -> None:
    assert parse(verb(), words).list("env") == ["A=1"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--nam", "x"], "unknown flag: --nam (did you mean --name?)"),
        (["-x"], "unknown shorthand flag: 'x' in -x"),
        (["--name"], "flag needs an argument: --name"),
        (["-ie"], "flag needs an argument: -ie"),
        (["--tty=maybe"], 'invalid argument "maybe" for "--tty" flag: neither true nor false'),
    ],
)
def test_what_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(Misuse) as caught:
        parse(verb(), words)
    assert caught.value.message == message and caught.value.code == 125


def test_counts() -> None:
    with pytest.raises(Misuse, match="requires at least 1 argument"):
        parse(verb(least=1), [])
    with pytest.raises(Misuse, match="accepts at most 1 argument"):
        parse(verb(most=1), ["a", "b"])
    with pytest.raises(Misuse, match="requires exactly 2 arguments"):
        parse(verb(least=2, most=2), ["a"])
    assert parse(verb(least=1), ["--help"]).on("help")


def test_a_flag_can_be_switched_off() -> None:
    assert not parse(verb(), ["--tty=false"]).on("tty", default=True)
    assert Parsed().on("tty", default=True)


@given(st.lists(st.text(max_size=12), max_size=8))
def test_any_words_parse_or_are_refused(words: list[str]) -> None:
    try:
        parse(verb(), words)
    except Failure as error:
        assert error.message


@pytest.mark.parametrize("name", registry.ALL)
def test_every_verb_loads_and_has_help(name: str) -> None:
    loaded = registry.load(name)
    assert loaded.usage.startswith(name)
    shown = help_text(loaded, registry.ALL[name][1])
    names = [option for one in loaded.options for option in one.names]
    assert len(names) == len(set(names)), "an option that is there twice"
    assert all(option in shown for option in names)
    assert max(map(len, shown.splitlines())) <= 130


def test_aliases_name_verbs() -> None:
    assert set(registry.ALIASES.values()) <= set(registry.ALL)
