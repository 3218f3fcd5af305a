"""What the server itself writes into an object's metadata."""

from __future__ import annotations

from corral.cluster.apiserver.objects.metadata import ALPHABET, generate_name, keep_old, random_suffix


def test_random_ends() -> None:
    found = {random_suffix() for _ in range(200)}
    assert len(found) > 190 and all(len(one) == 5 and set(one) <= set(ALPHABET) for one in found)
    assert generate_name("x" * 60, "abcde") == "x" * 58 + "abcde"


def test_what_stays_without_a_word() -> None:
    new = {"name": "a", "creationTimestamp": "mine", "generation": 9, "selfLink": "/x"}
    keep_old(new, {"name": "a", "uid": "u", "creationTimestamp": "t", "generation": 2, "deletionTimestamp": "d"})
    assert new == {"name": "a", "uid": "u", "creationTimestamp": "t", "generation": 2, "deletionTimestamp": "d"}


def test_what_is_an_error_to_set_is_left_to_be_found() -> None:
    new = {"name": "a", "uid": "other", "deletionTimestamp": "now"}
    keep_old(new, {"name": "a", "uid": "u"})
    assert new == {"name": "a", "uid": "other", "deletionTimestamp": "now"}
