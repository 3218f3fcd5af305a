"""The paths by which an API server asks a kubelet for streams, in both directions. Pure.

Follows k8s.io/kubernetes/pkg/kubelet/server and pkg/registry/core/pod (streamLocation, LogLocation): the container is
part of the path, and the streams of a process are called input, output, error and tty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, urlencode

from corral.cluster.streaming.options import ProcessOptions, checked_options, flag, parse_port
from corral.http.query import Query
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.status import bad_request

_STREAMS: Final = (("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty"))


def _path(word: str, pod: Object, *more: str) -> str:
    meta = pod["metadata"]
    return "/" + "/".join(quote(part, safe="") for part in (word, meta["namespace"], meta["name"], *more))


def process_target(word: str, pod: Object, options: ProcessOptions) -> str:
    """Of `exec` or `attach`.

    >>> web = {"metadata": {"namespace": "shop", "name": "web"}}
    >>> process_target("exec", web, ProcessOptions("main", ("ls", "-l"), False, True, False, True))
    '/exec/shop/web/main?command=ls&command=-l&output=1&tty=1'
    """
    asked = [("command", one) for one in options.command]
    asked += [(theirs, "1") for ours, theirs in _STREAMS if getattr(options, ours)]
    return f"{_path(word, pod, options.container)}?{urlencode(asked)}"


def log_target(pod: Object, container: str, query: Query) -> str:
    """
    >>> web = {"metadata": {"namespace": "shop", "name": "web"}}
    >>> log_target(web, "main", Query("container=main&follow=true&tailLines=3"))
    '/containerLogs/shop/web/main?follow=true&tailLines=3'
    """
    asked = [(name, one) for name, all in query.values.items() if name != "container" for one in all]
    path = _path("containerLogs", pod, container)
    return f"{path}?{urlencode(asked)}" if asked else path


def forward_target(pod: Object, ports: Sequence[int]) -> str:
    """
    >>> forward_target({"metadata": {"namespace": "shop", "name": "web"}}, [80, 443])
    '/portForward/shop/web?port=80&port=443'
    """
    path = _path("portForward", pod)
    return f"{path}?{urlencode([('port', one) for one in ports])}" if ports else path


def read_process(query: Query, container: str, *, exec: bool) -> ProcessOptions:
    """The other direction of `process_target`. 400 when no stream is asked for.

    >>> read_process(Query("command=ls&output=1&error=1"), "main", exec=True)
    ProcessOptions(container='main', command=('ls',), stdin=False, stdout=True, stderr=True, tty=False)
    """
    stdin, stdout, stderr, tty = (flag(query, theirs) for _, theirs in _STREAMS)
    return checked_options(query, container, (stdin, stdout, stderr, tty), exec=exec)


def read_ports(query: Query) -> list[int]:
    """The other direction of `forward_target`. 400."""
    words = query.all("port")
    if not words:
        raise bad_request('query parameter "port" is required')
    return [parse_port(word) for word in words]
