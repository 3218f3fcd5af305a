"""Every worked example in a docstring is run."""

import doctest
import importlib
import pkgutil

import pytest

import bench
import corral

PACKAGES = [(corral.__path__, "corral."), (bench.__path__, "bench.")]
MODULES = [
    module.name
    for path, prefix in PACKAGES
    for module in pkgutil.walk_packages(path, prefix)
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
