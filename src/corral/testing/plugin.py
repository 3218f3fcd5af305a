"""The pytest plugin: it comes with the package, and does nothing until a test asks for one of its fixtures.

========================  ============================================================================================
`corral`                  an instance of the test's own: for tests that change everything, or kill it
`corral_session`          one for the whole run (with pytest-xdist: for each worker): for tests that clear up
`corral_instances`        a function that makes as many as are wanted: `corral_instances("--kubernetes=false")`
`corral_environment`      the environment variables of `corral`, if the test has it too, else of `corral_session`, set
                          for the test: DOCKER_HOST, KUBECONFIG, those of testcontainers
========================  ============================================================================================

`corral_flags` in pytest's own settings are flags of `corral up` for all of them: `corral_flags = --kubernetes=false`.
Clients that read the environment when they are imported (the Kubernetes client, testcontainers) are best imported in
the test, or told: `load_kube_config(config_file=str(corral.kubeconfig))`. A run that is killed (`kill -9`) leaves its
instances behind, each in a `/tmp/corral-…`: the next instance that starts ends and deletes them first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from corral.testing.isolated import Isolated

FLAGS = "corral_flags"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the setting."""
    parser.addini(FLAGS, "flags of `corral up` for the instances of the fixtures", type="args", default=[])


def _flags(config: pytest.Config) -> list[str]:
    return [str(word) for word in config.getini(FLAGS)]


@pytest.fixture
def corral(pytestconfig: pytest.Config) -> Iterator[Isolated]:
    """A running instance of the test's own, gone without a trace after it."""
    with Isolated(*_flags(pytestconfig)) as instance:
        yield instance


@pytest.fixture(scope="session")
def corral_session(pytestconfig: pytest.Config) -> Iterator[Isolated]:
    """One running instance for all tests of this process."""
    with Isolated(*_flags(pytestconfig)) as instance:
        yield instance


@pytest.fixture
def corral_instances(pytestconfig: pytest.Config) -> Iterator[Callable[..., Isolated]]:
    """Makes and starts one more instance with the given flags; all are gone after the test."""
    with ExitStack() as stack:
        yield lambda *flags: stack.enter_context(Isolated(*_flags(pytestconfig), *flags))


@pytest.fixture
def corral_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables, once they are set; after the test they are as before."""
    name = "corral" if "corral" in request.fixturenames else "corral_session"
    instance: Isolated = request.getfixturevalue(name)
    for variable in ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in instance.environment.items():
        monkeypatch.setenv(variable, value)
    return instance.environment
