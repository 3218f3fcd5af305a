"""Documentation that is tested: what it names must be there."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from corral.cli import registry
from corral.cli.main import find_verb
from corral.cli.options import parse
from corral.cli.settings import SETTINGS
from corral.daemon.config import parse_file

CHECKOUT = Path(__file__).resolve().parents[2]
ARCHITECTURE = (CHECKOUT / "docs/ARCHITECTURE.md").read_text()
CONFIGURATION = (CHECKOUT / "docs/CONFIGURATION.md").read_text()
README = (CHECKOUT / "README.md").read_text()


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table that follows a heading."""
    body = text.partition(heading)[2].split("\n## ")[0]
    lines = [line for line in body.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


DECISIONS = rows(ARCHITECTURE, "## Where is X decided?")


def definitions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in tree.body if isinstance(node, kinds)}


@pytest.mark.parametrize("row", DECISIONS, ids=lambda row: row[0])
def test_where_it_is_decided(row: list[str]) -> None:
    _, file, function = (cell.strip("`") for cell in row)
    assert function in definitions(CHECKOUT / file)


def test_the_table_is_a_table() -> None:
    assert len(DECISIONS) >= 25
    assert len({row[0] for row in DECISIONS}) == len(DECISIONS)


@pytest.mark.parametrize("page", ["docs/ARCHITECTURE.md", "docs/vocabulary.md", "docs/CONFIGURATION.md", "README.md"])
def test_paths_that_are_named_exist(page: str) -> None:
    text = (CHECKOUT / page).read_text()
    links = re.findall(r"\]\(([^):]+)\)", text)
    named = re.findall(r"`((?:src|docs|tests)/[\w./-]+)`", text)
    for path in (*links, *named):
        base = CHECKOUT if path in named else (CHECKOUT / page).parent
        assert (base / path).exists(), f"{page} names {path}"


def test_layers_of_the_table_are_folders() -> None:
    for row in rows(ARCHITECTURE, "## Who may import whom"):
        for name in re.findall(r"`([\w.]+)`", " ".join(row)):
            assert any((CHECKOUT / "src/corral" / (name.replace(".", "/") + end)).exists() for end in ("", ".py")), name


def command_lines(text: str) -> list[list[str]]:
    """The words after `corral` in every code block and code span."""
    code = re.findall(r"```sh\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text)
    found = re.findall(
        r"(?:^|[ /\"(])corral ((?:--root DIR )?(?:volume |cluster )?[a-z]+(?: --?[a-z-]+| bash)*)",
        "\n".join(code),
        re.MULTILINE,
    )
    return [line.split() for line in found]


@pytest.mark.parametrize("words", command_lines(README) + command_lines(CONFIGURATION), ids=" ".join)
def test_commands_of_the_readme_exist(words: list[str]) -> None:
    if words[:1] == ["--root"]:
        words = words[2:]
    if words[0] == "help":
        return
    name, words = find_verb(words)
    assert name in registry.ALL
    verb = registry.load(name)
    options = {name for option in verb.options for name in option.names}
    assert {word for word in words if word.startswith("-")} <= options


def test_the_readme_names_commands() -> None:
    assert len(command_lines(README)) >= 8


def test_the_readme_begins_with_the_two_commands() -> None:
    first = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)[0]
    assert [line.partition("#")[0].strip() for line in first.splitlines()] == ["sudo ./dev demo", "sudo ./dev test"]


@pytest.mark.parametrize("verb", ["setup", "demo", "test", "lint", "bench"])
def test_verbs_of_the_script(verb: str) -> None:
    script = (CHECKOUT / "dev").read_text()
    assert re.search(rf"^  {verb}\) ", script, re.MULTILINE)
    assert (
        f"./dev {verb}" in subprocess.run([CHECKOUT / "dev", "help"], capture_output=True, text=True, check=True).stdout
    )


def test_the_table_of_settings() -> None:
    """Regenerate it from the settings if this fails."""
    expected = [f"| `{s.key}` | {s.kind} | `{json.dumps(s.default)}` | {s.help} |" for s in SETTINGS]
    found = [line for line in CONFIGURATION.splitlines() if line.startswith("| `")]
    assert found == expected


def test_the_examples_of_settings_are_taken() -> None:
    for example in re.findall(r"```toml\n(.*?)```", CONFIGURATION, re.DOTALL):
        assert parse_file("example", example)


def test_every_dependency_has_its_decision() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=~ ]", line)[0] for line in project["dependencies"]}
    decisions = {path.stem.partition("-")[2] for path in (CHECKOUT / "docs/decisions").iterdir()}
    assert names <= decisions


def test_decisions_are_numbered_and_short() -> None:
    files = sorted((CHECKOUT / "docs/decisions").iterdir())
    assert [int(path.name[:4]) for path in files] == list(range(1, len(files) + 1))
    for path in files:
        lines = path.read_text().splitlines()
        assert lines[0].startswith("# ") and len(lines) == 2, path.name


def test_completion_words_are_verbs() -> None:
    from corral.cli.verbs.completion import SCRIPTS, candidates

    assert set(candidates([""])) == {*(name.split()[0] for name in registry.ALL), "help"}
    assert candidates(["completion", ""]) == list(SCRIPTS)
    assert "--detach" in candidates(["run", "--det"]) and candidates(["run", "busybox", "x"]) == []
    assert parse(registry.load("ps"), ["-a"]).on("all")
