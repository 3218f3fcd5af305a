"""All tests are found: none is in a folder that pytest passes over."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def test_no_folder_is_passed_over(pytestconfig: pytest.Config) -> None:
    folders = {name for path in TESTS.rglob("test_*.py") for name in path.relative_to(TESTS).parts[:-1]}
    passed_over = pytestconfig.getini("norecursedirs")
    assert {"build", "unit"} <= folders
    assert not [name for name in folders if any(fnmatch(name, pattern) for pattern in passed_over)]
