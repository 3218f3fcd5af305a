from corral.cluster.apiserver.apply.conflicts import Conflict, Conflicts
from corral.cluster.apiserver.apply.entries import Manager


def test_a_conflict_is_a_409_with_its_causes():
    found = Conflicts([Conflict(Manager("x", "Update", "v1", "status"), ("f:status", "f:phase"))]).status()
    assert (found.code, found.reason) == (409, "Conflict")
    assert found.message == (
        'Apply failed with 1 conflict: conflict with "x" with subresource "status" using v1: .status.phase'
    )
    assert found.details == {
        "causes": [
            {
                "reason": "FieldManagerConflict",
                "message": 'conflict with "x" with subresource "status" using v1',
                "field": ".status.phase",
            }
        ]
    }


def test_several_are_grouped_by_manager():
    one, two = Manager("a", "Apply", "v1"), Manager("b", "Update", "v1")
    found = Conflicts([Conflict(one, ("f:x",)), Conflict(one, ("f:y",)), Conflict(two, ("f:z", 'k:{"n":"c"}'))])
    assert found.status().message == (
        'Apply failed with 3 conflicts: conflicts with "a":\n- .x\n- .y\nconflicts with "b" using v1:\n- .z[n="c"]'
    )
