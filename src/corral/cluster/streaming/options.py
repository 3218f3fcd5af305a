"""What is asked for along with a stream: the parameters of log, exec, attach and portforward. Pure.

Follows PodLogOptions, PodExecOptions, … of core/v1 and their validation, in upstream's words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from corral.cluster.client.nodes import LogOptions
from corral.cluster.parameters import parse_bool, parse_integer
from corral.http.query import Query
from corral.model.kubernetes import problems as p
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.problems import Problem
from corral.model.kubernetes.status import bad_request, invalid

LOG_STREAMS: Final = ("All", "Stderr", "Stdout")
SECOND: Final = 10**9
CONTAINERS: Final = ("initContainers", "containers", "ephemeralContainers")


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """Of exec (which has a command) and attach."""

    container: str
    command: tuple[str, ...]
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    def shown(self, kind: str) -> dict[str, Any]:
        """As admission sees it: a PodExecOptions or PodAttachOptions object."""
        found: dict[str, Any] = {"kind": kind, "apiVersion": "v1"}
        for key in ("stdin", "stdout", "stderr", "tty"):
            if getattr(self, key):
                found[key] = True
        found["container"] = self.container
        if self.command:
            found["command"] = list(self.command)
        return found


def flag(query: Query, name: str) -> bool:
    """Pure: as upstream reads a parameter that is a switch."""
    return name in query and parse_bool(query.get(name))


def process_options(query: Query, pod: Object, *, exec: bool) -> ProcessOptions:
    """Pure. 400 when no stream is asked for, or no container can be told.

    >>> web = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "main"}]}}
    >>> process_options(Query("command=ls&command=-l&stdout=true&tty=true&stderr=1"), web, exec=True)
    ProcessOptions(container='main', command=('ls', '-l'), stdin=False, stdout=True, stderr=False, tty=True)
    """
    container = pick_container(pod, query.get("container"))
    stdin, stdout, tty = flag(query, "stdin"), flag(query, "stdout"), flag(query, "tty")
    if not exec and "stdout" not in query:
        stdout = True  # the defaults of PodAttachOptions
    stderr = flag(query, "stderr") if exec or "stderr" in query else True
    return checked_options(query, container, (stdin, stdout, stderr, tty), exec=exec)


def checked_options(
    query: Query, container: str, streams: tuple[bool, bool, bool, bool], *, exec: bool
) -> ProcessOptions:
    """Pure: with the command, which only exec has. `streams`: stdin, stdout, stderr, and whether there is a terminal.

    400 for what has no stream or no command.
    """
    stdin, stdout, stderr, tty = streams
    stderr = stderr and not tty  # a terminal has one output
    if not (stdin or stdout or stderr):
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    command = tuple(query.all("command")) if exec else ()
    if exec and not command:
        raise bad_request("you must specify at least one command for the container")
    return ProcessOptions(container, command, stdin, stdout, stderr, tty)


def container_names(pod: Object) -> list[str]:
    spec = pod.get("spec") or {}
    return [one["name"] for key in CONTAINERS for one in spec.get(key) or ()]


def pick_container(pod: Object, wanted: str) -> str:
    """Pure: the container that is meant. 400.

    >>> web = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "a"}, {"name": "b"}]}}
    >>> pick_container(web, "b")
    'b'
    >>> pick_container(web, "")
    Traceback (most recent call last):
    corral.model.kubernetes.status.StatusError: a container name must be specified for pod web, choose one of: [a b]
    """
    name, names = pod["metadata"]["name"], container_names(pod)
    if wanted:
        if wanted not in names:
            raise bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    plain: list[Object] = pod["spec"].get("containers") or []
    if len(plain) == 1:
        return str(plain[0]["name"])
    if not plain:
        raise bad_request(f"a container name must be specified for pod {name}")
    raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]")


def log_options(query: Query, pod: Object, now: float) -> LogOptions:
    """Pure. 400 and 422.

    >>> web = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "main"}]}}
    >>> log_options(Query("follow=true&sinceSeconds=5&tailLines=3"), web, 1000.0)
    LogOptions(container='main', follow=True, previous=False, timestamps=False, since=995000000000, tail=3, \
limit=None, stream='All')
    """
    stream = query.get("stream", "All")
    seconds, moment = parse_integer(query, "sinceSeconds"), query.get("sinceTime")
    tail, limit = parse_integer(query, "tailLines"), parse_integer(query, "limitBytes")
    name = pod["metadata"]["name"]
    if found := _problems(stream, seconds, moment, tail, limit):
        raise invalid("PodLogOptions", name, found)
    since = int(now) * SECOND - seconds * SECOND if seconds is not None else None
    return LogOptions(
        container=pick_container(pod, query.get("container")),
        follow=flag(query, "follow"),
        previous=flag(query, "previous"),
        timestamps=flag(query, "timestamps"),
        since=parse_moment(moment) if moment else since,
        tail=tail,
        limit=limit,
        stream=stream,
    )


def _problems(stream: str, seconds: int | None, moment: str, tail: int | None, limit: int | None) -> list[Problem]:
    found = []
    if tail is not None and tail < 0:
        found.append(p.invalid("tailLines", tail, "must be greater than or equal to 0"))
    if limit is not None and limit < 1:
        found.append(p.invalid("limitBytes", limit, "must be greater than 0"))
    if seconds is not None and moment:
        found.append(p.forbidden(p.WHOLE, "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    elif seconds is not None and seconds < 1:
        found.append(p.invalid("sinceSeconds", seconds, "must be greater than 0"))
    if stream not in LOG_STREAMS:
        found.append(p.not_supported("stream", stream, LOG_STREAMS))
    elif stream != "All" and tail is not None:
        found.append(p.forbidden(p.WHOLE, "`tailLines` and specific `stream` are mutually exclusive for now"))
    return found


def parse_moment(text: str) -> int:
    """Pure: a time (RFC 3339) in nanoseconds. 400.

    >>> parse_moment("1970-01-01T00:00:01.000000002Z"), parse_moment("1970-01-01T01:00:01+01:00")
    (1000000002, 1000000000)
    """
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            raise ValueError
    except ValueError:
        raise bad_request(f'parsing time "{text}": it must be as in 2006-01-02T15:04:05Z') from None
    fraction = text.partition(".")[2]
    digits = fraction[: len(fraction) - len(fraction.lstrip("0123456789"))]
    return int(found.replace(microsecond=0).timestamp()) * SECOND + int((digits + "0" * 9)[:9])


def forwarded_ports(query: Query) -> list[int]:
    """Pure: the ports of a forwarding through channels. 400.

    >>> forwarded_ports(Query("ports=80,443&ports=8080"))
    [80, 443, 8080]
    """
    words = [word for value in query.all("ports") for word in value.split(",")]
    if not words:
        raise bad_request('query parameter "port" is required')
    return [parse_port(word) for word in words]


def parse_port(text: str) -> int:
    """Pure. 400."""
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise bad_request(f"unable to parse {json_text(text)} as a port")
    if int(text) < 1:
        raise bad_request(f"port {json_text(text)} must be > 0")
    return int(text)


def json_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
