"""Which volume a claim can have."""

from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes.volumes import class_of, find_volume, is_for, mismatch
from tests.support.kinds import edited

Object = dict[str, Any]
CLAIM: Object = {
    "metadata": {"namespace": "shop", "name": "data", "uid": "1"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "2Gi"}},
    },
}


def volume(name: str, size: str = "2Gi", *, phase: str = "Available", **spec: Any) -> Object:
    found = {
        "accessModes": ["ReadWriteOnce", "ReadOnlyMany"],
        "storageClassName": "fast",
        "capacity": {"storage": size},
    }
    return {"metadata": {"name": name}, "spec": {**found, **spec}, "status": {"phase": phase}}


def name_of(found: Object | None) -> str | None:
    return None if found is None else found["metadata"]["name"]


def test_the_smallest_that_will_do() -> None:
    some = [volume("a", "5Gi"), volume("b", "3Gi"), volume("c", "1Gi"), volume("d", "4Gi")]
    assert name_of(find_volume(CLAIM, some)) == "b"
    assert find_volume(CLAIM, some, delayed=True) is None, "where the pod goes decides"
    assert name_of(find_volume(CLAIM, some, promised={"b": "shop/other"})) == "d"
    assert name_of(find_volume(CLAIM, some, promised={"b": "shop/data"})) == "b"
    assert name_of(find_volume(CLAIM, some, reachable=lambda one: name_of(one) == "a")) == "a"


def test_one_that_names_the_claim_goes_before_all_others() -> None:
    mine = volume("mine", "9Gi", claimRef={"namespace": "shop", "name": "data"}, storageClassName="slow")
    some = [volume("a"), mine]
    assert name_of(find_volume(CLAIM, some)) == name_of(find_volume(CLAIM, some, delayed=True)) == "mine"
    assert find_volume(CLAIM, some, reachable=lambda one: name_of(one) == "a") is None, "no other is taken instead"
    small = edited(mine, spec__capacity__storage="1Gi")
    assert name_of(find_volume(CLAIM, [small, volume("a")])) == "a"


def test_anothers_is_not_taken() -> None:
    other = volume("other", claimRef={"namespace": "shop", "name": "data", "uid": "2"})
    assert not is_for(other, CLAIM) and find_volume(CLAIM, [other]) is None


@pytest.mark.parametrize(
    "change",
    [
        {"metadata__deletionTimestamp": "2026-01-01T00:00:00Z"},
        {"status__phase": "Released"},
        {"status": None},
        {"spec__storageClassName": "slow"},
        {"spec__accessModes": ["ReadWriteMany"]},
        {"spec__volumeMode": "Block"},
        {"spec__volumeAttributesClassName": "gold"},
    ],
)
def test_what_will_not_do(change: Object) -> None:
    assert find_volume(CLAIM, [volume("a")]) is not None
    assert find_volume(CLAIM, [edited(volume("a"), **change)]) is None


def test_selectors() -> None:
    picky = edited(CLAIM, spec__selector={"matchLabels": {"disk": "ssd"}})
    assert find_volume(picky, [volume("a")]) is None
    labelled = edited(volume("a"), metadata__labels={"disk": "ssd"})
    assert name_of(find_volume(picky, [labelled])) == "a"


def test_why_not() -> None:
    assert mismatch(volume("a"), CLAIM) == ""
    assert mismatch(volume("a", "1Gi"), CLAIM) == "requested PV is too small"
    other = volume("a", storageClassName="slow", accessModes=[])
    assert (mismatch(other, CLAIM), mismatch(other, CLAIM, own=True)) == ("storageClassName does not match", "")


def test_the_annotation_of_old_goes_before_the_field() -> None:
    old = {"annotations": {"volume.beta.kubernetes.io/storage-class": ""}}
    assert class_of({"metadata": old, "spec": {"storageClassName": "fast"}}) == ""
    assert class_of(CLAIM) == "fast" and class_of({"metadata": {}, "spec": {}}) == ""
