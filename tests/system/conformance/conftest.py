"""One instance for all of these tests, and a namespace for each module or test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from corral.testing import Isolated
from tests.support.conformance import Cluster, Space


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    with Isolated() as corral:
        yield Cluster(corral)


@pytest.fixture
def space(cluster: Cluster) -> Iterator[Space]:
    """Its pods end with the test."""
    made = cluster.space()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(cluster: Cluster) -> Iterator[Space]:
    """One for all tests of a module."""
    made = cluster.space()
    yield made
    made.close()
