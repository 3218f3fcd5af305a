import pytest

from corral.cluster.apiserver.apply import entries
from corral.cluster.apiserver.apply.entries import APPLY, UPDATE, BadEntry, Entry, Manager
from corral.cluster.apiserver.apply.fieldset import of_paths


def entry(**more):
    base = {
        "manager": "m",
        "operation": "Update",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:a": {}},
    }
    return {**base, **more}


def test_what_is_decoded_is_encoded_again():
    given = [entry(operation="Apply", subresource="status"), entry(time="2026-01-02T03:04:05Z")]
    assert entries.encode(entries.decode(given)) == given
    assert entries.encode(entries.decode(given, trusted=True)) == given
    assert list(entries.encode(entries.decode(given))[0]) == [
        "manager", "operation", "apiVersion", "fieldsType", "fieldsV1", "subresource",
    ]  # fmt: skip


def test_of_an_applier_the_version_does_not_matter():
    both = [entry(operation="Apply"), entry(operation="Apply", apiVersion="v2", fieldsV1={"f:b": {}})]
    (found,) = entries.decode(both).values()
    assert found.manager.api_version == "v2" and found.fields == of_paths(("b",))
    assert len(entries.decode([entry(), entry(apiVersion="v2"), entry(subresource="status")])) == 3


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (entry(operation="Fly"), "operation must be `Apply` or `Update`"),
        (entry(operation=None), "operation must be `Apply` or `Update`"),
        (entry(apiVersion=""), "apiVersion must not be empty"),
        (entry(fieldsType=""), "missing fieldsType in managed fields entry 0"),
        (entry(fieldsType="FieldsV2"), 'invalid fieldsType "FieldsV2" in managed fields entry 0'),
        (entry(manager=1), "entry 0 has fields of a wrong type"),
        ("x", "entry 0 is no object"),
    ],
)
def test_what_cannot_be_decoded(found, text):
    with pytest.raises(BadEntry) as caught:
        entries.decode([found])
    assert str(caught.value) == text
    assert entries.problem([found]) == text


def test_what_is_no_list():
    assert entries.problem({"a": 1}) == entries.problem(True) == "managedFields must be a list"


def test_a_broken_set_is_found_out():
    assert "missing colon: nocolon" in entries.problem([entry(fieldsV1={"nocolon": {}})])


def test_appliers_come_first_then_the_time_then_the_name():
    early, late = "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z"
    shuffled = [
        entry(manager="c", time=late),
        entry(manager="b", time=early),
        entry(manager="a", time=early, subresource="status"),
        entry(manager="a", time=early),
        entry(manager="z"),
        entry(manager="x", operation="Apply", time=late),
    ]
    found = [(one["manager"], one.get("subresource")) for one in entries.encode(entries.decode(shuffled))]
    assert found == [("x", None), ("z", None), ("a", None), ("a", "status"), ("b", None), ("c", None)]


def test_managers_are_named_as_in_conflicts():
    assert str(Manager("a", APPLY, "v1")) == '"a"'
    assert str(Manager('a"b', UPDATE, "v1", "status")) == '"a\\"b" with subresource "status" using v1'


def test_an_entry_is_asked_on_the_wire_or_decoded():
    change = of_paths(("a",))
    manager = Manager("m", UPDATE, "v1")
    wired = Entry(manager, "", {"f:a": {}})
    assert wired.owns_of(change) and wired.with_fields(of_paths(("a",))).owns_of(change)
    assert not Entry(manager, "", {"f:b": {}}).owns_of(change) and not Entry(manager, "", {}).owns_of(change)


@pytest.mark.parametrize(("time", "seconds"), [("", 0), ("1970-01-01T00:00:09Z", 9), ("soon", 0)])
def test_times_are_compared_by_the_second(time, seconds):
    assert entries.seconds(time) == seconds
