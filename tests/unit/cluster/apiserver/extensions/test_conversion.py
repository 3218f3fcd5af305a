"""Conversion by webhook: what is asked, what is believed, and what is remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from corral.cluster.apiserver.extensions.conversion import Caller, Conversion
from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.apiserver.webhooks.client import CallFailed, Place
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]
OLD, NEW = "a.example.com/v1", "a.example.com/v2"


class FakeCaller:
    """Asks nobody: `answer` makes the response of the request."""

    def __init__(self, answer: Callable[[Object], Any]) -> None:
        self.answer, self.asked = answer, list[Object]()

    def now(self, place: Place, path: str, body: bytes) -> bytes:
        review = json.loads(body)
        self.asked.append(review)
        return json.dumps({"response": self.answer(review["request"])}).encode()

    async def soon(self, place: Place, path: str, body: bytes) -> bytes:
        return self.now(place, path, body)


def well(request: Object) -> Object:
    """Each object in the wanted version; the webhook tries to rename it, and labels it."""
    wanted = request["desiredAPIVersion"]
    found = [
        {**one, "apiVersion": wanted, "metadata": {"name": "mine", "labels": {"by": "hook"}}}
        for one in request["objects"]
    ]
    return {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": found}


def conversion(answer: Callable[[Object], Any] = well, **webhook: Any) -> tuple[Conversion, FakeCaller]:
    given = {"clientConfig": {"url": "https://hooks.example.com/c"}, "conversionReviewVersions": ["v1"], **webhook}
    names = {"kind": "Cow", "plural": "cows"}
    definition = {"spec": {"group": "a.example.com", "names": names, "conversion": {"webhook": given}}}
    caller = FakeCaller(answer)
    return Conversion(definition, cast(Lookup, Services()), cast(Caller, caller)), caller


class Services:
    """A cluster without any."""

    def get(self, group: str, plural: str, namespace: str, name: str) -> None:
        return None


def cow(name: str = "b", size: int = 1, **metadata: Any) -> Object:
    return {"apiVersion": OLD, "kind": "Cow", "metadata": {"name": name, **metadata}, "spec": {"size": size}}


def test_of_the_metadata_labels_and_annotations_are_the_webhooks() -> None:
    made, caller = conversion()
    found = made.convert(cow(uid="7"), NEW)
    assert found == {**cow(uid="7"), "apiVersion": NEW, "metadata": {"name": "b", "uid": "7", "labels": {"by": "hook"}}}
    (review,) = caller.asked
    assert (review["kind"], review["apiVersion"]) == ("ConversionReview", "apiextensions.k8s.io/v1")
    assert review["request"]["desiredAPIVersion"] == NEW and review["request"]["objects"] == [cow(uid="7")]


def test_what_is_in_the_version_already_is_left_alone() -> None:
    made, caller = conversion()
    assert made.convert(cow(), OLD) == cow() and caller.asked == []


def test_what_was_converted_is_remembered_by_all_that_the_answer_depends_on() -> None:
    made, caller = conversion()
    made.convert(cow(resourceVersion="1"), NEW)
    again = made.convert(cow(resourceVersion="2"), NEW)
    assert len(caller.asked) == 1 and again["metadata"]["resourceVersion"] == "2"
    made.convert(cow(size=2), NEW)
    made.convert(cow(labels={"a": "b"}), NEW)
    assert len(caller.asked) == 3


async def test_who_can_wait_asks_once_for_all_that_is_not_known() -> None:
    made, caller = conversion()
    made.convert(cow(size=1), NEW)
    await made.warm([cow(size=1), cow(size=2), cow(size=3), {**cow(), "apiVersion": NEW}], NEW)
    assert [[one["spec"]["size"] for one in review["request"]["objects"]] for review in caller.asked] == [[1], [2, 3]]
    made.convert(cow(size=3), NEW)
    await made.warm([cow(size=2)], NEW)
    assert len(caller.asked) == 2


def test_the_review_has_a_version_that_the_webhook_knows() -> None:
    made, caller = conversion(conversionReviewVersions=["v3", "v1beta1", "v1"])
    made.convert(cow(), NEW)
    assert caller.asked[0]["apiVersion"] == "apiextensions.k8s.io/v1beta1"


def changed(**response: Any) -> Callable[[Object], Object]:
    return lambda request: {**well(request), **response}


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (changed(result={"status": "Failure", "message": "no cows"}), "no cows"),
        (changed(convertedObjects=[]), "invalid response: expected 1 converted objects, got 0"),
        (changed(convertedObjects="x"), "invalid response: expected 1 converted objects, got 0"),
        (changed(uid="another"), "invalid response: expected 1 converted objects, got 1"),
        (changed(convertedObjects=[cow()]), "invalid response: wrong version"),
        (changed(convertedObjects=["x"]), "invalid response: wrong version"),
        (lambda request: "x", ""),
    ],
)
async def test_answers_that_are_none(answer: Callable[[Object], Any], text: str) -> None:
    made, _ = conversion(answer)
    for attempt in ("now", "soon"):
        with pytest.raises(StatusError) as caught:
            await made.warm([cow()], NEW) if attempt == "soon" else made.convert(cow(), NEW)
        assert caught.value.code == 500
        assert caught.value.message.endswith(f"conversion webhook for a.example.com/v2, Kind=Cow failed: {text}"), (
            caught.value.message
        )


@pytest.mark.parametrize(
    ("error", "cause"),
    [(CallFailed("connection refused"), "connection refused"), (TimeoutError(), "context deadline exceeded")],
)
async def test_a_webhook_that_is_not_reached(error: Exception, cause: str) -> None:
    def broken(request: Object) -> Object:
        raise error

    made, _ = conversion(broken)
    told = 'conversion webhook for a.example.com/v2, Kind=Cow failed: Post "https://hooks.example.com'
    with pytest.raises(StatusError, match="Kind=Cow failed") as caught:
        made.convert(cow(), NEW)
    assert told in caught.value.message and caught.value.message.endswith(f'/c?timeout=30s": {cause}')
    with pytest.raises(StatusError, match=cause):
        await made.warm([cow()], NEW)


def test_a_service_that_is_not_there() -> None:
    made, caller = conversion(clientConfig={"service": {"namespace": "n", "name": "hooks"}})
    with pytest.raises(StatusError, match='service "hooks" not found'):
        made.convert(cow(), NEW)
    assert caller.asked == []
