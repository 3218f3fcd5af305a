"""Conversion by webhook: what is asked, what is believed, and what is remembered."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
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
        head = {"kind": review["kind"], "apiVersion": review["apiVersion"]}
        return json.dumps({**head, "response": self.answer(review["request"])}).encode()

    async def soon(self, place: Place, path: str, body: bytes) -> bytes:
        return self.now(place, path, body)


def well(request: Object) -> Object:
    """Each object in the wanted version; the webhook labels it, and would change its finalizers."""
    wanted, mine = request["desiredAPIVersion"], {"labels": {"by": "hook"}, "finalizers": ["example.com/mine"]}
    found = [{**one, "apiVersion": wanted, "metadata": {**one["metadata"], **mine}} for one in request["objects"]]
    return {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": found}


def conversion(
    answer: Callable[[Object], Any] = well, versions: Mapping[str, Object] | None = None, **webhook: Any
) -> tuple[Conversion, FakeCaller]:
    """`versions`: schemas by their names; none: nothing is known of them."""
    listed = [{"name": name, "schema": {"openAPIV3Schema": one}} for name, one in (versions or {}).items()]
    given = {"clientConfig": {"url": "https://hooks.example.com/c"}, "conversionReviewVersions": ["v1"], **webhook}
    names = {"kind": "Cow", "plural": "cows"}
    spec = {"group": "a.example.com", "names": names, "versions": listed, "conversion": {"webhook": given}}
    definition = {"spec": spec}
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


INVALID = "returned invalid object at index 0: invalid"


def new(name: str = "b", **more: Any) -> Object:
    return {**cow(name), "apiVersion": NEW, **more}


def changed(**response: Any) -> Callable[[Object], Object]:
    return lambda request: {**well(request), **response}


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (changed(result={"status": "Failure", "message": "no cows"}), "failed: no cows"),
        (changed(result={"status": "Failed"}), "failed: response.result.status was 'Failed', not 'Success'"),
        (changed(convertedObjects=[]), "returned 0 objects, expected 1"),
        (changed(convertedObjects="x"), "returned 0 objects, expected 1"),
        (changed(uid="another"), 'failed: expected response.uid="UID", got "another"'),
        (changed(convertedObjects=[cow()]), f"{INVALID} groupVersion (expected {NEW}, received {OLD})"),
        (changed(convertedObjects=["x"]), f"{INVALID} groupVersion (expected {NEW}, received )"),
        (changed(convertedObjects=[new(kind="Ox")]), f"{INVALID} kind (expected Cow, received Ox)"),
        (changed(convertedObjects=[new("c")]), "returned invalid object: must have the same name: b != c"),
        (changed(convertedObjects=[new(metadata=1)]), "returned invalid object: must have the same name: b != "),
        (lambda request: "x", "failed: no response provided"),
    ],
)
async def test_answers_that_are_none(answer: Callable[[Object], Any], text: str) -> None:
    made, caller = conversion(answer)
    for attempt in ("now", "soon"):
        with pytest.raises(StatusError) as caught:
            await made.warm([cow()], NEW) if attempt == "soon" else made.convert(cow(), NEW)
        assert (caught.value.code, caught.value.reason) == (500, "")
        told = text.replace("UID", caller.asked[-1]["request"]["uid"])
        assert caught.value.message == f"conversion webhook for a.example.com/v1, Kind=Cow {told}"


def test_an_answer_of_another_kind() -> None:
    made, caller = conversion()
    expected = "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got "
    for body, told in (
        (b"[]", f"{expected}/, Kind="),
        (b"no json", "couldn't get version/kind; json parse error: invalid character 'n'"),
        (b"[" * 100_000, "couldn't get version/kind; json parse error: exceeded max depth"),
    ):
        caller.now = lambda place, path, body, said=body: said  # type: ignore[method-assign, misc]
        with pytest.raises(StatusError) as caught:
            made.convert(cow(), NEW)
        assert f"Kind=Cow failed: {told}" in caught.value.message


def test_old_webhooks_say_less() -> None:
    made, caller = conversion(changed(uid=""), conversionReviewVersions=["v1beta1"])
    assert made.convert(cow(), NEW)["apiVersion"] == NEW and len(caller.asked) == 1


def test_defaults_are_of_the_version_that_an_object_is_in() -> None:
    """The webhook sees them; of what it makes, only what the schema of the wanted version knows is kept."""
    size = {"type": "object", "properties": {"size": {"type": "integer", "default": 7}}}
    old = {"type": "object", "properties": {"spec": {**size, "default": {}}}}
    metres = {"type": "object", "properties": {"metres": {"type": "integer"}}}
    known = {"type": "object", "properties": {"spec": metres}}

    def answer(request: Object) -> Object:
        found = well(request)
        for one in found["convertedObjects"]:
            one["spec"] = {**one["spec"], "metres": one["spec"]["size"] * 2}
        return found

    made, caller = conversion(answer, versions={"v1": old, "v2": known})
    bare = {key: value for key, value in cow().items() if key != "spec"}
    assert made.convert(bare, NEW)["spec"] == {"metres": 14}
    assert caller.asked[0]["request"]["objects"][0]["spec"] == {"size": 7}
    assert made.convert(bare, OLD)["spec"] == {"size": 7} and len(caller.asked) == 1


@pytest.mark.parametrize(
    ("error", "cause"),
    [(CallFailed("connection refused"), "connection refused"), (TimeoutError(), "context deadline exceeded")],
)
async def test_a_webhook_that_is_not_reached(error: Exception, cause: str) -> None:
    def broken(request: Object) -> Object:
        raise error

    made, _ = conversion(broken)
    told = 'conversion webhook for a.example.com/v1, Kind=Cow failed: Post "https://hooks.example.com'
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
