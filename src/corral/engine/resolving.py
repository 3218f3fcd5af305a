"""Where a container's questions about names go, and what its resolver is told. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from corral.engine.config import EngineConfig
from corral.model.container import NetworkSpec
from corral.networks import Resolving, Upstream

SERVER = "127.0.0.11"


def plan_resolving(spec: NetworkSpec, config: EngineConfig) -> Resolving:
    """Servers that were named are asked from the container's own network, those of the host from the host.

    >>> plan_resolving(NetworkSpec(dns=["127.0.0.1"], dns_options=["ndots:2"]), EngineConfig())
    Resolving(upstream=Upstream(servers=('127.0.0.1',), inside=True, port=53), dotted=True)
    """
    servers = tuple(spec.dns or config.dns)
    return Resolving(
        Upstream(servers, inside=bool(servers)), dotted=ndots_of(spec.dns_options or config.dns_options) > 0
    )


def ndots_of(options: Sequence[str]) -> int:
    """The last that says so counts; 0 where none does.

    >>> ndots_of(["timeout:1", "ndots:2"]), ndots_of(["ndots:x"])
    (2, 0)
    """
    found = [option.partition(":")[2] for option in options if option.startswith("ndots:")]
    return int(found[-1]) if found and found[-1].isdigit() else 0


def plan_options(options: Sequence[str]) -> list[str]:
    """The options for the server at 127.0.0.11: names without a dot go to it as they are, unless it says otherwise.

    >>> plan_options(["timeout:1"]), plan_options(["ndots:2"])
    (['timeout:1', 'ndots:0'], ['ndots:2'])
    """
    return list(options) if any(option.startswith("ndots:") for option in options) else [*options, "ndots:0"]
