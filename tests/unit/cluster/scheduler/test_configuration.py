"""Upstream's configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corral.cluster.scheduler.configuration import API_VERSION, KIND, KNOWN, load, read
from corral.cluster.scheduler.plugins.registry import PLUGINS
from corral.cluster.scheduler.settings import Strategy
from corral.errors import CorralError, HostError, InvalidInput, Unsupported


def config(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": KIND, **fields}


def fit(**strategy: Any) -> dict[str, Any]:
    return config(profiles=[{"pluginConfig": [{"name": "NodeResourcesFit", "args": {"scoringStrategy": strategy}}]}])


def curve(*points: tuple[int, int]) -> dict[str, Any]:
    shape = [{"utilization": used, "score": score} for used, score in points]
    return fit(type="RequestedToCapacityRatio", requestedToCapacityRatio={"shape": shape})


def test_the_names_of_plugins_are_those_there_are() -> None:
    assert set(PLUGINS) == KNOWN


def test_several_profiles() -> None:
    off = {"plugins": {"score": {"disabled": [{"name": "*"}], "enabled": [{"name": "ImageLocality", "weight": 7}]}}}
    lonely = {"schedulerName": "lonely", "plugins": {"postFilter": {"disabled": [{"name": "DefaultPreemption"}]}}}
    found = read(config(profiles=[{}, {"schedulerName": "images", **off}, lonely])).profiles
    assert [one.name for one in found] == ["default-scheduler", "images", "lonely"]
    assert found[1].no_score == KNOWN - {"ImageLocality"} and found[1].weights == {"ImageLocality": 7}
    assert not found[1].no_filter and found[0].preempts and not found[2].preempts


def test_what_plugins_are_told() -> None:
    spread = {
        "defaultingType": "List",
        "defaultConstraints": [{"topologyKey": "rack", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"}],
    }
    args = [
        {"name": "PodTopologySpread", "args": spread},
        {"name": "InterPodAffinity", "args": {"hardPodAffinityWeight": 5}},
    ]
    found = read(config(percentageOfNodesToScore=30, profiles=[{"pluginConfig": args}])).profiles[0]
    assert found.default_spread == (("rack", 2, True),)
    assert (found.hard_affinity_weight, found.percentage) == (5, 30)


def test_how_nodes_are_compared() -> None:
    assert read(config()).profiles[0].strategy == Strategy("LeastAllocated", (("cpu", 1), ("memory", 1)))
    packed = fit(type="MostAllocated", resources=[{"name": "cpu", "weight": 3}, {"name": "example.com/gpu"}])
    assert read(packed).profiles[0].strategy == Strategy("MostAllocated", (("cpu", 3), ("example.com/gpu", 1)))
    assert read(curve((0, 0), (100, 10))).profiles[0].strategy.shape == ((0, 0), (100, 100))


def test_a_file(tmp_path: Path) -> None:
    place = tmp_path / "scheduler.yaml"
    place.write_text(f"apiVersion: {API_VERSION}\nkind: {KIND}\nprofiles: [{{schedulerName: mine}}]\n")
    assert load(place).profiles[0].name == "mine"
    place.write_text(f"apiVersion: {API_VERSION}\nkind: {KIND}\nprofiles: [1]\n")
    with pytest.raises(InvalidInput, match="of another type"):
        load(place)
    place.write_text("{")
    with pytest.raises(InvalidInput, match="scheduler configuration"):
        load(place)
    with pytest.raises(HostError, match="no such file"):
        load(tmp_path / "none")


@pytest.mark.parametrize(
    ("given", "kind", "word"),
    [
        (config(extenders=[{"urlPrefix": "http://x"}]), Unsupported, "extenders"),
        (config(surprise=1), Unsupported, "surprise"),
        (config(profiles=[{"plugins": {"permit": {}}}]), Unsupported, "profiles[0].plugins.permit"),
        (config(profiles=[{"plugins": {"filter": {"enabled": [{"name": "Mine"}]}}}]), Unsupported, "Mine"),
        (config(profiles=[{"pluginConfig": [{"name": "Mine"}]}]), Unsupported, "Mine"),
        (
            config(profiles=[{"pluginConfig": [{"name": "NodeResourcesFit", "args": {"ignoredResources": ["x"]}}]}]),
            Unsupported,
            "pluginConfig[NodeResourcesFit].ignoredResources",
        ),
        (fit(type="Best"), InvalidInput, "scoringStrategy.type: Best"),
        (fit(resources=[{"name": "cpu", "weight": 101}]), InvalidInput, "scoringStrategy.resources"),
        (fit(type="RequestedToCapacityRatio"), InvalidInput, "requestedToCapacityRatio.shape"),
        (curve((50, 1), (50, 2)), InvalidInput, "requestedToCapacityRatio.shape"),
        (curve((50, 11)), InvalidInput, "requestedToCapacityRatio.shape"),
        (config(profiles=[{}, {}]), InvalidInput, "schedulerName"),
        (config(podInitialBackoffSeconds=20), InvalidInput, "podMaxBackoffSeconds"),
        ({"kind": KIND}, InvalidInput, API_VERSION),
    ],
)
def test_what_is_refused(given: Any, kind: type[CorralError], word: str) -> None:
    with pytest.raises(kind) as refused:
        read(given)
    assert word in refused.value.message
