"""What etcd's answers and errors mean."""

from __future__ import annotations

import grpc
import pytest
from aetcd import rpc

from corral.errors import CorralError, InvalidInput, NoSpace, Unavailable
from corral.store.etcd_words import decode_change, encode_commit, translate
from corral.store.interface import Change, Changes, Compacted, Entry, NoLease, NotYet


class Refusal:
    """An error of a call."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self.code, self.details = lambda: code, lambda: details


@pytest.mark.parametrize(
    ("code", "details", "meant"),
    [
        (grpc.StatusCode.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted", Compacted),
        (grpc.StatusCode.OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision", NotYet),
        (grpc.StatusCode.NOT_FOUND, "etcdserver: requested lease not found", NoLease),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", NoSpace),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "grpc: received message larger than max (9 vs. 8)", InvalidInput),
        (grpc.StatusCode.INVALID_ARGUMENT, "etcdserver: request is too large", InvalidInput),
        (grpc.StatusCode.UNAVAILABLE, "etcdserver: leader changed", Unavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "", Unavailable),
        (grpc.StatusCode.PERMISSION_DENIED, "etcdserver: permission denied", Unavailable),
    ],
)
def test_an_error_is_told_in_our_words(code: grpc.StatusCode, details: str, meant: type[CorralError]) -> None:
    assert type(translate("etcd x", Refusal(code, details), 7, 5, 3)) is meant


def test_a_change_that_lost_what_was_before_it_is_no_change() -> None:
    kv = rpc.KeyValue(key=b"/r/a", value=b"2", create_revision=3, mod_revision=5)
    before = rpc.KeyValue(key=b"/r/a", value=b"1", create_revision=3, mod_revision=4, lease=9)
    assert decode_change("/r/", rpc.Event(kv=kv, prev_kv=before)) == Change(5, "a", b"2", Entry("a", b"1", 3, 4, 9))
    gone = rpc.KeyValue(key=b"/r/a", mod_revision=6)
    assert decode_change("/r/", rpc.Event(type="DELETE", kv=gone, prev_kv=kv)).value is None
    created = rpc.KeyValue(key=b"/r/a", value=b"2", create_revision=5, mod_revision=5)
    assert decode_change("/r/", rpc.Event(kv=created)) == Change(5, "a", b"2", None)
    for event in (rpc.Event(kv=kv), rpc.Event(type="DELETE", kv=gone)):
        with pytest.raises(Compacted):
            decode_change("/r/", event)


def test_a_commit_deletes_before_it_puts_and_looks_only_if_it_fails() -> None:
    made = encode_commit("/r/", Changes({"a": b"1"}, ["b"], {"a": 0, "c": 7}, 5))
    assert [(c.key, c.mod_revision) for c in made.compare] == [(b"/r/a", 0), (b"/r/c", 7)]
    assert [op.WhichOneof("request") for op in made.success] == ["request_delete_range", "request_put"]
    assert made.success[1].request_put.lease == 5
    assert [op.request_range.key for op in made.failure] == [b"/r/a", b"/r/c"]
