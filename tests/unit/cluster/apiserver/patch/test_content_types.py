import pytest

from corral.cluster.apiserver.patch import content_types
from corral.model.kubernetes.status import StatusError


def test_built_in_kinds_know_four_and_custom_ones_three():
    for one in content_types.BUILT_IN:
        assert content_types.of_request(one, custom=False) == one
    with pytest.raises(StatusError) as caught:
        content_types.of_request(content_types.STRATEGIC_MERGE_PATCH, custom=True)
    assert caught.value.code == 415
    assert caught.value.message == (
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )


@pytest.mark.parametrize("found", ["", "application/json", "application/yaml"])
def test_others_are_no_patches(found):
    with pytest.raises(StatusError):
        content_types.of_request(found, custom=False)
