"""Properties of the Dockerfile frontend, for whatever anybody may write."""

from __future__ import annotations

import fnmatch
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from corral.build.dockerfile import Base, evaluate_plan, parse, plan_stages
from corral.build.dockerfile.glob import BadPattern, substitute, trim_prefix, trim_suffix
from corral.build.dockerfile.instructions import NAMES
from corral.build.dockerfile.shell import Rules, expand, split
from corral.build.excerpt import excerpt
from corral.build.request import BuildFailed, BuildRequest
from corral.errors import InvalidInput
from corral.kit.globpath import Walk, compile_pattern, tokenize
from corral.kit.ignore import Ignore, parse_ignore
from corral.model.image import ImageConfig

LETTERS = st.text("ab$ {}:-+?#%/'\"\\`<>=*\n\t[],é", max_size=30)
VALUES = {"a": "b a", "b": "", "ab": "x/y.z"}
WORDS = st.sampled_from(
    ["a", "b:1", "AS", "c", "--from=c", "--from=0", "--mount=type=cache,target=/x", "--platform=$a", "$a", "${b:-c}",
     '["x", "y"]', "<<E", "x=y", "x", "/a/", ".", "CMD", "NONE", "80/tcp", "scratch", "\\", '"q q"', "'", "\ud800"]
)  # fmt: skip
LINES = st.one_of(
    st.builds(lambda name, words: " ".join([name, *words]), st.sampled_from(NAMES), st.lists(WORDS, max_size=5)),
    st.sampled_from(["", "# check=skip=all", "E", "# escape=`", "FROM a", "FROM a AS c", "ONBUILD RUN x"]),
    LETTERS,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=12), st.dictionaries(st.sampled_from(["a", "b", "x"]), st.text(max_size=5)))
def test_any_text_gives_steps_or_a_failure_with_its_place(lines: list[str], arguments: dict[str, str | None]) -> None:
    text = "\n".join(lines)
    try:
        plan = plan_stages(parse(text), BuildRequest(build_args=arguments), "linux/amd64")
        build = evaluate_plan(plan, dict.fromkeys(plan.images, Base(ImageConfig(on_build=["COPY a b"]))))
    except BuildFailed as error:
        if error.span:
            assert excerpt("Dockerfile", text, error.span)
        return
    assert set(plan.needed) == set(build.stages)
    for stage in build.stages.values():
        assert stage.state.index <= stage.state.total
        assert all(1 <= step.span.first <= step.span.last <= text.count("\n") + 1 for step in stage.steps)


@settings(max_examples=300, deadline=None)
@given(LETTERS, st.booleans(), st.booleans(), st.sampled_from("\\`"))
def test_any_word_is_expanded_or_refused(text: str, raw: bool, keep: bool, escape: str) -> None:
    rules = Rules(escape, raw_quotes=raw, raw_escapes=raw, keep_unset=keep)
    for action in (expand, split):
        try:
            action(text, VALUES, rules)
        except BuildFailed as error:
            assert error.message.startswith("failed to process ")


@given(st.text("abc xyz.,/", max_size=20))
def test_what_needs_no_reading_stays(text: str) -> None:
    assert expand(text, VALUES).text == text
    assert split(text, VALUES) == text.split()


@settings(max_examples=300, deadline=None)
@given(st.text("ab*?", max_size=8), st.text("ab", max_size=10))
def test_patterns_of_variables(pattern: str, value: str) -> None:
    """Against the definition: every beginning, every end is tried."""
    fits = re.compile(fnmatch.translate(pattern)).match
    starts = [n for n in range(len(value) + 1) if fits(value[:n])]
    ends = [n for n in range(len(value) + 1) if fits(value[n:])]
    for longest in (False, True):
        start = (max if longest else min)(starts, default=0)
        assert trim_prefix(value, pattern, longest) == value[start:]
        end = (min if longest else max)(ends, default=len(value))
        assert trim_suffix(value, pattern, longest) == value[:end]


@settings(max_examples=300, deadline=None)
@given(st.text("ab*?\\}", min_size=1, max_size=8), st.text("ab\n", max_size=10), st.booleans())
def test_replacing(pattern: str, value: str, everywhere: bool) -> None:
    try:
        found = substitute(value, pattern, "x", everywhere, 1000)
    except BadPattern:
        return
    if "\\" not in pattern and "}" not in pattern:
        expression = pattern.replace("*", ".*").replace("?", ".")
        if re.fullmatch(expression, "") is None:
            assert found == re.sub(expression, "x", value, count=0 if everywhere else 1)


PATTERNS = st.text("ab/*?[]^-\\!", min_size=1, max_size=10)
PATHS = st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)


@settings(max_examples=500, deadline=None)
@given(PATTERNS, PATHS)
def test_quick_and_slow_patterns_agree(pattern: str, path: str) -> None:
    try:
        compiled, tokens = compile_pattern(pattern), tokenize(pattern)
    except InvalidInput:
        return
    if not isinstance(compiled, Walk):
        quick = bool(re.match(rf"(?:{compiled})(?:/|\Z)", path, re.DOTALL))
        assert quick == Walk(tokens).matches(path)


@settings(max_examples=300, deadline=None)
@given(st.lists(PATTERNS, max_size=5), PATHS)
def test_the_last_pattern_decides(lines: list[str], path: str) -> None:
    try:
        patterns = parse_ignore("\n".join(lines))
        single = [(p.startswith("!"), Ignore([p.removeprefix("!")])) for p in patterns]
        ignore = Ignore(patterns)
    except InvalidInput:
        return
    expected = False
    for keeps, one in single:
        if one.ignores(path):
            expected = not keeps
    assert ignore.ignores(path) == expected
    above = path.rpartition("/")[0]
    if above and ignore.prunes(above):
        assert expected
