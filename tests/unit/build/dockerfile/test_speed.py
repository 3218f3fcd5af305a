"""No text takes for ever: work grows with the length, whatever is written."""

from __future__ import annotations

import time

import pytest

from corral.build.dockerfile import Base, evaluate_plan, parse, plan_stages
from corral.build.request import BuildFailed, BuildRequest
from corral.model.image import ImageConfig

MANY = 20000
LONG = {
    "dollars": "FROM a\nENV x=" + "$" * MANY,
    "backslashes": "FROM a\nENV x=" + "\\" * MANY + "y",
    "less": "FROM a\nRUN " + "<" * MANY,
    "quotes": "FROM a\nENV " + "'\"" * MANY,
    "nested": "FROM a\nENV x=" + "${a:-" * 5000 + "}" * 5000,
    "continued": "FROM a\nRUN x" + " \\\n" * MANY + "y",
    "comments": "# a\n" * MANY + "FROM a",
    "patterns": "FROM a\nENV v=" + "ab" * MANY + "\nENV w=${v//a*x/y} q=${v%%*x*y*} s=${v#*b*b*b*b*c}",
    "brackets": "FROM a\nRUN " + "[" * MANY,
    "modes": "FROM a\nCOPY --chmod=u" + "+rwx" * 5000 + "! a b",
    "name": "FROM " + "a-" * MANY + "_",
    "git": "FROM a\nADD " + "a@" * MANY + " x",
}


def doubling(form: str, times: int = 24) -> str:
    return "".join(form.format(n + 1, n) for n in range(times))


GROWN = {
    "words": "FROM a\nENV v0=a\n" + doubling("ENV v{0}=$v{1}$v{1}\n"),
    "quoted": "FROM a\nENV v0=a\n" + doubling('ENV v{0}="$v{1}$v{1}"\n'),
    "before FROM": "ARG v0=a\n" + doubling("ARG v{0}=$v{1}$v{1}\n") + "FROM $v24",
    "replaced": "FROM a\nENV v0=aaaa\n" + doubling("ENV v{0}=${{v{1}//a/$v{1}}}\n", 4),
    "here-document": "FROM a\nENV v0=a\n" + doubling("ENV v{0}=$v{1}$v{1}\n", 19) + "COPY <<E /x\n$v19$v19$v19\nE\n",
}


@pytest.mark.parametrize("name", GROWN)
def test_a_few_lines_do_not_fill_the_memory(name: str) -> None:
    """Sixteen million letters each, if they came to that."""
    with pytest.raises(BuildFailed, match=r"its variables come to more than 1048576 letters|it puts in too much"):
        plan = plan_stages(parse(GROWN[name]), BuildRequest(), "linux/amd64")
        evaluate_plan(plan, dict.fromkeys(plan.images, Base(ImageConfig())))


@pytest.mark.parametrize("name", LONG)
def test_long_texts(name: str) -> None:
    start = time.process_time()
    try:
        plan = plan_stages(parse(LONG[name]), BuildRequest(), "linux/amd64")
        evaluate_plan(plan, dict.fromkeys(plan.images, Base(ImageConfig())))
    except BuildFailed:
        pass  # refused is as good as made; only the time counts here
    assert time.process_time() - start < 3


def test_an_ordinary_file_is_planned_at_once() -> None:
    """Two hundred lines: a few milliseconds, the best of ten for the machine may be busy."""
    body = "".join(
        f'RUN --mount=type=cache,target=/c \\\n  make "a{n}" $V\nENV A{n}="x y"\nCOPY a b\n' for n in range(50)
    )
    text = f"FROM go AS build\nFROM debian\nARG V=1\n{body}"
    times = []
    for _ in range(10):
        start = time.process_time()
        plan_stages(parse(text), BuildRequest(), "linux/amd64")
        times.append(time.process_time() - start)
    assert min(times) < 0.01
