"""Expose: ports, ranges and protocols of EXPOSE. Pure."""

from __future__ import annotations

import ipaddress

from corral.build.dockerfile.instructions import Expose
from corral.build.dockerfile.shell import split
from corral.build.dockerfile.texts import plain_list, quote
from corral.build.dockerfile.turn import Evaluated, Turn
from corral.build.request import BuildFailed


def expose(turn: Turn, found: Expose) -> Evaluated:
    words = [word for port in found.ports for word in split(port, turn.state.environment, turn.plan.rules)]
    ports = [port for word in words for port in _lint(turn, word)]
    turn.change(exposed_ports=sorted({*turn.config.exposed_ports, *ports}))
    return turn.done(f"EXPOSE {plain_list(ports)}")


def _lint(turn: Turn, word: str) -> list[str]:
    found = parse_ports(word)
    before, _, port = word.rpartition(":")
    protocol = port.partition("/")[2]
    if protocol != protocol.lower():
        turn.warn("ExposeProtoCasing", word)
    if before.strip(":"):
        turn.warn("ExposeInvalidFormat", word)
    return found


def parse_ports(word: str) -> list[str]:
    """
    >>> parse_ports("80"), parse_ports("8000-8002/UDP"), parse_ports("127.0.0.1:80:8080")
    (['80/tcp'], ['8000/udp', '8001/udp', '8002/udp'], ['8080/tcp'])
    >>> parse_ports("80/icmp")
    Traceback (most recent call last):
    corral.build.request.BuildFailed: invalid port: "80/icmp": invalid proto: icmp
    """
    address, host, port = _parts(word)
    port, _, protocol = port.partition("/")
    if not port:
        raise BuildFailed(f"invalid port: {quote(word)}: no port specified")
    if protocol.lower() not in ("", "tcp", "udp", "sctp"):
        raise BuildFailed(f"invalid port: {quote(word)}: invalid proto: {protocol}")
    _check_address(address)
    first, last = _range(port, "containerPort")
    if host:
        start, end = _range(host, "hostPort")
        if last - first != end - start and first != last:
            raise BuildFailed(f"invalid ranges specified for container and host Ports: {port} and {host}")
    return [f"{number}/{protocol.lower() or 'tcp'}" for number in range(first, last + 1)]


def _parts(word: str) -> tuple[str, str, str]:
    *before, port = word.split(":")
    host = before.pop() if before else ""
    return ":".join(before), host, port


def _check_address(text: str) -> None:
    try:
        if text:
            ipaddress.ip_address(text[1:-1] if text.startswith("[") and text.endswith("]") else text)
    except ValueError:
        raise BuildFailed(f"invalid IP address: {text}") from None


def _range(text: str, what: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not dash:
        last = first
    if not (_is_port(first) and _is_port(last)) or int(first) > int(last):
        raise BuildFailed(f"invalid {what}: {text}")
    return int(first), int(last)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 9 and int(text) < 65536
