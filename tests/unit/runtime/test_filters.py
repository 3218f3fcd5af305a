from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from corral.runtime.filters import ANNOTATION, Filters, Rules, plan_rules
from corral.runtime.oci import OciRuntime

CRUN = OciRuntime("crun", "/usr/bin/crun", "1.8.1", "/run/crun")


def config(action: str = "SCMP_ACT_ERRNO", **annotations: str) -> dict[str, Any]:
    return {"linux": {"seccomp": {"defaultAction": action}}, "annotations": {"mine": "1"} | annotations}


def made(folder: Path, program: bytes) -> str:
    (folder / "seccomp.bpf").write_bytes(program)
    return str(folder)


def test_what_was_compiled_is_used_for_the_same_rules_only(tmp_path: Path) -> None:
    filters, program = Filters(), b"\x06" + bytes(7)
    first = config()
    rules = filters.apply(plan_rules(CRUN, first), first)
    assert rules is not None and first == config()  # the runtime compiles them
    filters.learn(rules, made(tmp_path, program))
    second, other = config(), config("SCMP_ACT_LOG")
    assert filters.apply(plan_rules(CRUN, second), second) is None
    assert second["annotations"] == {"mine": "1", ANNOTATION: base64.b64encode(program).decode()}
    assert filters.apply(plan_rules(CRUN, other), other) is not None and ANNOTATION not in other["annotations"]
    newer = OciRuntime("crun", "/usr/bin/crun", "1.9", "/run/crun")
    assert filters.apply(plan_rules(newer, config()), config()) is not None


def test_nothing_is_learned_from_who_speaks_to_the_runtime() -> None:
    """A filter of the caller's own must never become another container's."""
    assert plan_rules(CRUN, config(**{ANNOTATION: "AAAA"})) is None
    assert plan_rules(CRUN, {"linux": {"seccomp": None}}) is None


def test_what_is_no_program_is_not_kept(tmp_path: Path) -> None:
    filters, rules = Filters(), Rules("crun", b"{}")
    filters.learn(rules, str(tmp_path / "gone"))
    for program in (b"", b"\x06" * 7, bytes(8 << 17)):
        filters.learn(rules, made(tmp_path, program))
    assert filters.apply(rules, config()) == rules


def test_the_oldest_go(tmp_path: Path) -> None:
    filters, state = Filters(), made(tmp_path, bytes(8))
    for number in range(33):
        filters.learn(Rules("crun", b"%d" % number), state)
    assert filters.apply(Rules("crun", b"0"), config()) is not None
    assert filters.apply(Rules("crun", b"1"), config()) is None
