"""Between a store's words and etcd's: pure translations, both ways."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from aetcd import rpc

from corral.errors import CorralError, InvalidInput, NoSpace, Unavailable
from corral.store.interface import Change, Changes, Compacted, Entry, Mismatch, NoLease, NotYet, after_prefix

_END = b"\0"  # as the end of a range: there is none


def targets(endpoints: Sequence[str]) -> list[str]:
    """Each endpoint as gRPC's. InvalidInput.

    >>> targets(["10.0.0.1:2379", "[::1]:2379", "etcd.example:2379"])
    ['ipv4:10.0.0.1:2379', 'ipv6:[::1]:2379', 'dns:///etcd.example:2379']
    """
    if not endpoints:
        raise InvalidInput("no endpoint of etcd is given")
    return [_kind(endpoint) + endpoint for endpoint in endpoints]


def _kind(endpoint: str) -> str:
    host, colon, port = endpoint.rpartition(":")
    if not colon or not port.isdigit() or not host or "/" in host:
        raise InvalidInput(f"not an endpoint of etcd (host:port): {endpoint!r}")
    try:
        return f"ipv{ipaddress.ip_address(host.strip('[]')).version}:"
    except ValueError:
        return "dns:///"


def encode_key(root: str, key: str) -> bytes:
    """UTF-8 keeps the order of code points."""
    return (root + key).encode()


def encode_range(root: str, prefix: str, start: str = "") -> tuple[bytes, bytes]:
    """First key and end of what starts with a prefix.

    >>> encode_range("/a", "/pods/", "/pods/x"), encode_range("", "")
    ((b'/a/pods/x', b'/a/pods0'), (b'\\x00', b'\\x00'))
    """
    end = after_prefix(root + prefix)
    return encode_key(root, max(prefix, start)) or b"\0", _END if end is None else end.encode()


def encode_watch(root: str, prefix: str, after: int) -> Any:
    """The stream begins one revision early: etcd then refuses what was compacted even if that is only the next one."""
    begin, end = encode_range(root, prefix)
    asked = rpc.WatchCreateRequest(
        key=begin, range_end=end, start_revision=max(1, after), prev_kv=True, progress_notify=True
    )
    return rpc.WatchRequest(create_request=asked)


def encode_commit(root: str, asked: Changes) -> Any:
    """A transaction; where it expected something else, it answers with what is there."""
    compare, look = [], []
    for key, revision in asked.expect.items():
        name = encode_key(root, key)
        compare.append(rpc.Compare(result=rpc.Compare.EQUAL, target=rpc.Compare.MOD, key=name, mod_revision=revision))
        look.append(rpc.RequestOp(request_range=rpc.RangeRequest(key=name, keys_only=True)))
    changes = [
        rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=encode_key(root, key))) for key in asked.deletes
    ]
    changes += [
        rpc.RequestOp(request_put=rpc.PutRequest(key=encode_key(root, key), value=value, lease=asked.lease))
        for key, value in asked.puts.items()
    ]
    return rpc.TxnRequest(compare=compare, success=changes, failure=look)


def decode_mismatch(expect: Mapping[str, int], response: Any) -> Mismatch:
    found = [look.response_range.kvs for look in response.responses]
    for (key, expected), kvs in zip(expect.items(), found, strict=True):
        if (revision := int(kvs[0].mod_revision) if kvs else 0) != expected:
            return Mismatch(key, expected, revision)
    raise AssertionError("etcd refused a transaction whose expectations hold")


def decode_entry(root: str, kv: Any) -> Entry:
    return Entry(kv.key.decode()[len(root) :], kv.value, kv.create_revision, kv.mod_revision, kv.lease)


def decode_change(root: str, event: Any) -> Change:
    """Compacted if etcd does not know any more what was there before."""
    kv = event.kv
    previous = decode_entry(root, event.prev_kv) if event.HasField("prev_kv") else None
    value = None if event.type == rpc.Event.DELETE else kv.value
    if previous is None and (value is None or kv.create_revision != kv.mod_revision):
        raise Compacted(kv.mod_revision, 0)
    return Change(kv.mod_revision, kv.key.decode()[len(root) :], value, previous)


def needs_login(details: str) -> bool:
    """Pure: whether an answer says that our token is none, or not any more.

    >>> needs_login("etcdserver: invalid auth token"), needs_login("etcdserver: permission denied")
    (True, False)
    """
    return "invalid auth token" in details or "user name is empty" in details or "auth revision" in details


def translate(name: str, error: Any, revision: int, current: int, lease: int = 0) -> CorralError:
    """An error of a call as ours, given what was asked for and the last revision that was seen."""
    code, details = error.code(), str(error.details())
    if code == grpc.StatusCode.OUT_OF_RANGE:
        return NotYet(revision, current) if "future" in details else Compacted(revision, 0)
    if code == grpc.StatusCode.NOT_FOUND and "lease" in details:
        return NoLease(lease)
    if code == grpc.StatusCode.PERMISSION_DENIED or "authentication failed" in details or needs_login(details):
        return Unavailable(f"{name} refuses us ({details}); see store-user and store-password, and the user's role")
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED and "space exceeded" in details:
        return NoSpace(f"{name}: {details}; compact and defragment it, then disarm its alarm")
    if code == grpc.StatusCode.INVALID_ARGUMENT or "larger than max" in details:
        return InvalidInput(f"{name}: {details}")
    return Unavailable(f"{name} cannot be reached or does not serve ({details or code})")
