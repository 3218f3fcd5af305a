"""Connection tracking: the kernel remembers where each flow goes, for as long as packets come.

For UDP that outlives the rules: a sender that never pauses keeps talking to where its first packet was led,
whatever has been published or withdrawn since. So such flows are forgotten when a UDP port changes hands.

A TCP connection that was never answered is remembered for two minutes. Whoever tries again on it, or by chance from the
same port, is led to where nobody answered; once that is forgotten, the next try is led to somebody else.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Collection, Iterable, Mapping
from ipaddress import ip_address

from corral.errors import HostError, from_oserror
from corral.linux import netlink_wire as wire

_NETFILTER = 12
_GET, _DELETE = 1 << 8 | 1, 1 << 8 | 2  # subsystem conntrack
_TUPLE, _REPLY, _STATUS, _TUPLE_IP, _TUPLE_PROTO, _FILTER, _FILTER_ORIG, _STATUS_MASK = 1, 2, 3, 1, 2, 25, 1, 26
_STATE, _STATE_TCP, _STATE_TCP_STATE, _ID = 4, 1, 1, 12
_TIME_WAIT = 7  # a state of TCP
_ANSWERED, _LED = 1 << 1, 1 << 5  # in a status
_IP_SRC, _IP_DST = {4: 1, 16: 3}, {4: 2, 16: 4}  # attribute numbers by address length
_PROTO_NUM, _PROTO_DST_PORT = 1, 3
_BY_SOURCE, _BY_NUMBER, _BY_PORT = 1 << 0, 1 << 3, 1 << 5  # what flows are filtered by
_GENERIC = 4  # the size of struct nfgenmsg
_TCP, _UDP = 6, 17


def forget_udp(port: int, host_ip: str, led_to: str = "") -> int:
    """Forgets the flows that began towards a UDP port of that address; an address that means all is all. With `led_to`
    only those that were led to there. How many.
    """

    def meant(flow: dict[int, bytes]) -> bool:
        there = not led_to or answered_by(flow.get(_REPLY, b"")) == led_to
        return there and matches(flow[_TUPLE], _UDP, port, host_ip)

    return _forget(f"the flows of udp port {port}", _family(host_ip), _begun(_UDP, port), meant)


def forget_unanswered(led_to: Mapping[tuple[str, int], Collection[str]]) -> int:
    """Forgets TCP connections that never were answered: by the address and port that they began towards, those that
    were led to one of these. How many. One look at the kernel's table, however many places.
    """
    count, only = 0, _begun(_TCP) + _status(0, _ANSWERED)
    for family in {_family(host_ip) for host_ip, _ in led_to}:
        places = [(place, ends) for place, ends in led_to.items() if _family(place[0]) == family]

        def lost(flow: dict[int, bytes], places: list[tuple[tuple[str, int], Collection[str]]] = places) -> bool:
            if is_answered(flow.get(_STATUS, b"")):
                return False
            end = answered_by(flow.get(_REPLY, b""))
            return any(end in ends and matches(flow[_TUPLE], _TCP, port, host) for (host, port), ends in places)

        count += _forget("tcp connections without an answer", family, only, lost)
    return count


def forget_led_to(ends: Iterable[str]) -> int:
    """Forgets the flows of any protocol that were led to one of these addresses, which nobody has any more. How many.

    Whoever still speaks on one is led elsewhere, and told there at once that nobody knows of it. The next from the same
    port is led anew then; it is in any case where both sides had ended the one before. So those are left: there are
    thousands, and while they are gone through others take their places, with their ids if they get their memory.
    """
    count = 0
    for end in ends:

        def led(flow: dict[int, bytes], end: str = end) -> bool:
            here = is_led(flow.get(_STATUS, b"")) and answered_by(flow.get(_REPLY, b"")) == end
            return here and not waits(flow.get(_STATE, b""))

        count += _forget(f"what was led to {end}", _family(end), _answering(end), led)
    return count


def led_to() -> set[str]:
    """The addresses that flows are led to."""
    found: set[str] = set()
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            with _open() as control:
                flows = _flows(control, family, _status(_LED, _LED))
        except OSError as error:
            raise from_oserror("look at where flows are led", error) from error
        found |= {answered_by(flow.get(_REPLY, b"")) for flow in flows if is_led(flow.get(_STATUS, b""))}
    return found - {""}


def _family(host_ip: str) -> int:
    return socket.AF_INET6 if ":" in host_ip else socket.AF_INET


def _forget(what: str, family: int, only: bytes, meant: Callable[[dict[int, bytes]], bool]) -> int:
    try:
        with _open() as control:
            flows = [flow for flow in _flows(control, family, only) if meant(flow)]
            for flow in flows:  # by its id, too: another one may have begun from the same port meanwhile
                which = wire.nested(_TUPLE, flow[_TUPLE]) + wire.attribute(_ID, flow[_ID])
                _ask(control, _DELETE, wire.ACK, family, which)
                _answers(control)
    except OSError as error:
        raise from_oserror(f"forget {what}", error) from error
    return len(flows)


def is_answered(status: bytes) -> bool:
    """Pure: whether a packet of a flow has come back, by its status (network order).

    >>> is_answered(bytes([0, 0, 1, 0x98])), is_answered(bytes([0, 0, 1, 0x9A]))
    (False, True)
    """
    return bool(int.from_bytes(status, "big") & _ANSWERED)


def is_led(status: bytes) -> bool:
    """Pure: whether a flow goes elsewhere than it began towards, by its status (network order).

    >>> is_led(bytes([0, 0, 1, 0xAE])), is_led(bytes([0, 0, 1, 0x8E]))
    (True, False)
    """
    return bool(int.from_bytes(status, "big") & _LED)


def waits(state: bytes) -> bool:
    """Pure: whether a flow is a TCP connection that both sides have ended in order, by its state (attributes).

    >>> [waits(wire.nested(1, wire.u8(1, state))) for state in (3, 4, 7, 8)], waits(b"")
    ([False, False, True, False], False)
    """
    tcp = wire.split_attributes(wire.split_attributes(state).get(_STATE_TCP, b""))
    return tcp.get(_STATE_TCP_STATE, b"\0")[0] == _TIME_WAIT


def matches(original: bytes, number: int, port: int, host_ip: str) -> bool:
    """Pure: whether a flow's first packet (its tuple's attributes) went to that port of that address. `number`: the
    protocol's."""
    parts = wire.split_attributes(original)
    protocol = wire.split_attributes(parts.get(_TUPLE_PROTO, b""))
    if protocol.get(_PROTO_NUM) != bytes([number]) or protocol.get(_PROTO_DST_PORT) != struct.pack(">H", port):
        return False
    wanted = ip_address(host_ip)
    seen = wire.split_attributes(parts.get(_TUPLE_IP, b"")).get(_IP_DST[len(wanted.packed)])
    return wanted.is_unspecified or seen == wanted.packed


def answered_by(reply: bytes) -> str:
    """Pure: the address that the answers of a flow come from (its reply's attributes), "" where there is none."""
    parts = wire.split_attributes(wire.split_attributes(reply).get(_TUPLE_IP, b""))
    return next((str(ip_address(parts[kind])) for kind in _IP_SRC.values() if kind in parts), "")


def _open() -> socket.socket:
    control = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
    control.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return control


def _begun(number: int, port: int | None = None) -> bytes:
    """Flows of a protocol; with `port` those that began towards it."""
    protocol, fields = wire.attribute(_PROTO_NUM, bytes([number])), _BY_NUMBER
    if port is not None:
        protocol, fields = protocol + wire.attribute(_PROTO_DST_PORT, struct.pack(">H", port)), _BY_NUMBER | _BY_PORT
    return wire.nested(_TUPLE, wire.nested(_TUPLE_PROTO, protocol)) + _filter(fields, 0)


def _answering(address: str) -> bytes:
    """Flows whose answers come from there. Of IPv6 all that are led: kernels have its filter the wrong way round."""
    packed = ip_address(address).packed
    if len(packed) != 4:
        return _status(_LED, _LED)
    source = wire.attribute(_IP_SRC[len(packed)], packed)
    return wire.nested(_REPLY, wire.nested(_TUPLE_IP, source)) + _filter(0, _BY_SOURCE)


def _filter(original: int, reply: int) -> bytes:
    return wire.nested(_FILTER, wire.u32(_FILTER_ORIG, original), wire.u32(_FILTER_ORIG + 1, reply))


def _status(value: int, mask: int) -> bytes:
    """Flows that have `value` in the bits `mask` of their status."""
    return wire.attribute(_STATUS, struct.pack(">I", value)) + wire.attribute(_STATUS_MASK, struct.pack(">I", mask))


def _flows(control: socket.socket, family: int, only: bytes) -> list[dict[int, bytes]]:
    """The flows, as attributes, that the filter `only` lets through. Old kernels do not filter so, and tell of more:
    before 5.8 of all flows."""
    _ask(control, _GET, wire.DUMP, family, only)
    found = (wire.split_attributes(payload, _GENERIC) for payload in _answers(control))
    return [flow for flow in found if flow.get(_TUPLE) and flow.get(_ID)]


def _ask(control: socket.socket, kind: int, flags: int, family: int, attributes: bytes) -> None:
    control.send(wire.message(kind, flags, 1, bytes([family, 0, 0, 0]) + attributes))


def _answers(control: socket.socket) -> list[bytes]:
    """Until the end of a list, or an acknowledgement. A flow that ended by itself meanwhile is fine."""
    found: list[bytes] = []
    while True:
        for kind, _, payload in wire.split_messages(control.recv(1 << 17)):
            if kind == wire.NLMSG_DONE:
                return found
            if kind == wire.NLMSG_ERROR:
                code = wire.error_code(payload)
                if code not in (0, errno.ENOENT):
                    raise HostError(f"connection tracking refused: errno {code}", code)
                return found
            found.append(payload)
