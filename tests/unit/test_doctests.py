"""Every worked example in a docstring is run."""

import doctest
import importlib
import pkgutil

import pytest

import corral

MODULES = [m.name for m in pkgutil.walk_packages(corral.__path__, "corral.") if not m.name.endswith("__main__")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
