"""The messages of plugins: pluginregistration.Registration and k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from corral.model.kubernetes.protobuf.wire import LENGTH, items


class PluginInfo(NamedTuple):
    """`services`: those that it offers, such as v1.DRAPlugin."""

    type: str
    name: str
    endpoint: str
    services: tuple[str, ...]


class ClaimName(NamedTuple):
    namespace: str
    uid: str
    name: str


class PreparedDevice(msgspec.Struct, frozen=True):
    """`requests`: of the claim, for which it is; none: for all."""

    requests: tuple[str, ...] = ()
    pool: str = ""
    device: str = ""
    cdi: tuple[str, ...] = ()


class Outcome(NamedTuple):
    error: str
    devices: tuple[PreparedDevice, ...] = ()


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes(found + bytearray([number]))


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | LENGTH) + _varint(len(data)) + data


def _texts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields that have a length."""
    for one in items(data):
        if one.wire == LENGTH and isinstance(one.value, bytes):
            yield one.number, one.value


def read_info(data: bytes) -> PluginInfo:
    """WireError.

    >>> read_info(_field(1, b"DRAPlugin") + _field(2, b"gpu.example.com") + _field(4, b"v1.DRAPlugin"))
    PluginInfo(type='DRAPlugin', name='gpu.example.com', endpoint='', services=('v1.DRAPlugin',))
    """
    known = {1: "", 2: "", 3: ""}
    services = []
    for number, value in _texts(data):
        if number == 4:
            services.append(value.decode())
        elif number in known:
            known[number] = value.decode()
    return PluginInfo(known[1], known[2], known[3], tuple(services))


def plan_status(error: str) -> bytes:
    """RegistrationStatus: registered, or why not.

    >>> plan_status("").hex(), plan_status("no").hex()
    ('0801', '12026e6f')
    """
    return _field(2, error.encode()) if error else b"\x08\x01"


def plan_claims(claims: Iterable[ClaimName]) -> bytes:
    """NodePrepareResourcesRequest and NodeUnprepareResourcesRequest.

    >>> plan_claims([ClaimName("a", "u", "c")]).hex()
    '0a090a01611201751a0163'
    """
    return b"".join(
        _field(1, b"".join(_field(number, text.encode()) for number, text in enumerate(one, 1))) for one in claims
    )


def read_outcomes(data: bytes, *, prepared: bool) -> Mapping[str, Outcome]:
    """By the uid of the claim. `prepared`: it is NodePrepareResourcesResponse. WireError.

    >>> answer = _field(1, _field(1, b"u") + _field(2, _field(1, _field(2, b"p") + _field(4, b"v/c=x"))))
    >>> read_outcomes(answer, prepared=True)["u"].devices[0].cdi
    ('v/c=x',)
    >>> read_outcomes(_field(1, _field(1, b"u") + _field(2, _field(1, b"busy"))), prepared=False)
    {'u': Outcome(error='busy', devices=())}
    """
    found = {}
    for number, entry in _texts(data):
        if number == 1:
            parts = dict(_texts(entry))
            found[parts.get(1, b"").decode()] = _outcome(parts.get(2, b""), prepared)
    return found


def _outcome(data: bytes, prepared: bool) -> Outcome:
    devices, error = [], ""
    for number, value in _texts(data):
        if prepared and number == 1:
            devices.append(_device(value))
        elif number == (2 if prepared else 1):
            error = value.decode()
    return Outcome(error, tuple(devices))


def _device(data: bytes) -> PreparedDevice:
    lists: dict[int, list[str]] = {1: [], 2: [], 3: [], 4: []}
    for number, value in _texts(data):
        if number in lists:
            lists[number].append(value.decode())
    return PreparedDevice(tuple(lists[1]), "".join(lists[2][-1:]), "".join(lists[3][-1:]), tuple(lists[4]))
