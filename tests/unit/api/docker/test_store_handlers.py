"""The handlers of volumes, networks and of the disk: what reaches the engine, and what reaches the client."""

from __future__ import annotations

import json

import pytest

from corral.api.docker import df, networks, prune, volumes
from corral.api.docker.render_image import layers_size
from corral.errors import InvalidInput, NotFound, Unsupported
from corral.kit.clock import SECOND
from corral.model.volume import Volume
from tests.unit.api.docker.fakes import IMAGE, SHOP, WEB, ask, make_api, read


class TestVolumes:
    async def test_list(self) -> None:
        api = make_api()

        async def named(**filters: list[str]) -> list[str]:
            answer = read(await volumes.volume_list(api, ask("GET", "/volumes", filters=json.dumps(filters))))
            return [volume["Name"] for volume in answer["Volumes"]]

        assert await named() == ["data", "idle"]
        assert await named(dangling=["true"]) == ["idle"]
        assert await named(dangling=["0"]) == ["data"]
        assert await named(label=["k"]) == ["idle"]
        assert await named(name=["^da"]) == ["data"]
        assert await named(driver=["nfs"]) == []
        api.engine.volumes.list = list  # there is none
        with pytest.raises(InvalidInput, match="invalid filter 'dangling="):
            await named(dangling=["perhaps"])

    async def test_create(self) -> None:
        api = make_api(volumes={"create": Volume("v", created=SECOND + 5, mountpoint="/v/_data")})
        response = await volumes.volume_create(api, ask("POST", "/volumes/create", {"Name": "v", "Labels": {"a": "b"}}))
        assert (response.status, read(response)) == (
            201,
            {
                "CreatedAt": "1970-01-01T00:00:01Z",
                "Driver": "local",
                "Labels": None,
                "Mountpoint": "/v/_data",
                "Name": "v",
                "Options": None,
                "Scope": "local",
            },
        )
        assert api.engine.events.seen == [("volume", "create", "v", {"driver": "local"})]
        await volumes.volume_create(api, ask("POST", "/volumes/create", {"Driver": "nfs"}))
        assert api.engine.volumes.made[-1][-1]["driver"] == "nfs"  # which refuses it by name
        with pytest.raises(Unsupported, match="cluster volumes are not offered"):
            await volumes.volume_create(api, ask("POST", "/volumes/create", {"ClusterVolumeSpec": {}}))

    async def test_remove(self) -> None:
        api = make_api()
        await volumes.volume_remove(api, ask("DELETE", "/volumes/data", force=1))
        [(verb, name, options)] = api.engine.volumes.made
        assert (verb, name, options["force"], options["users"]("data")) == ("remove", "data", True, [WEB.id])


class TestNetworks:
    async def test_list_and_inspect(self) -> None:
        api = make_api()
        listed = read(await networks.network_list(api, ask("GET", "/networks")))
        assert [(n["Name"], n["Containers"]) for n in listed] == [("bridge", {}), ("host", {}), ("shop", {})]
        fields = read(await networks.network_inspect(api, ask("GET", "/networks/bbbb")))
        assert fields["IPAM"]["Config"] == [{"Subnet": "10.88.0.0/16", "Gateway": "10.88.0.1"}]
        assert fields["Containers"][WEB.id]["IPv4Address"] == "10.88.0.2/16"
        assert fields["Options"]["com.docker.network.bridge.name"] == "corral0"
        for path in ("/networks/blue", "/networks/"):
            with pytest.raises(NotFound, match="not found"):
                await networks.network_inspect(api, ask("GET", path))
        with pytest.raises(NotFound, match="network shop not found"):
            await networks.network_inspect(api, ask("GET", "/networks/shop", scope="swarm"))

    @pytest.mark.parametrize(
        ("filters", "names"),
        [
            ({"name": ["bri"]}, ["bridge"]),
            ({"type": ["custom"]}, ["shop"]),
            ({"type": ["builtin"]}, ["bridge", "host"]),
            ({"driver": ["host"]}, ["host"]),
            ({"label": ["tier=front"]}, ["shop"]),
            ({"dangling": ["true"]}, ["shop"]),
            ({"dangling": ["0"]}, ["bridge", "host"]),
            ({"id": ["dddd"]}, ["shop"]),
            ({"scope": ["swarm"]}, []),
        ],
    )
    async def test_filters(self, filters: dict[str, list[str]], names: list[str]) -> None:
        answer = await networks.network_list(make_api(), ask("GET", "/networks", filters=json.dumps(filters)))
        assert [network["Name"] for network in read(answer)] == names

    @pytest.mark.parametrize("filters", [{"type": ["x"]}, {"dangling": ["x"]}, {"dangling": ["1", "0"]}, {"x": ["y"]}])
    async def test_filters_that_make_no_sense(self, filters: dict[str, list[str]]) -> None:
        with pytest.raises(InvalidInput):
            await networks.network_list(make_api(), ask("GET", "/networks", filters=json.dumps(filters)))

    async def test_prune(self) -> None:
        api = make_api(networks={"prune": ["shop"]})
        request = ask("POST", "/networks/prune", filters=json.dumps({"until": ["10s"], "label": ["tier"]}))
        assert read(await networks.network_prune(api, request)) == {"NetworksDeleted": ["shop"]}
        [(_, select)] = api.engine.networks.made
        assert not select(SHOP.network)  # it is younger
        assert api.engine.events.seen == [("network", "prune", "", {"reclaimed": "0"})]
        assert read(await networks.network_prune(make_api(networks={"prune": []}), ask("POST", "/networks/prune"))) == {
            "NetworksDeleted": None
        }


class TestPrune:
    async def test_containers(self) -> None:
        api = make_api(containers={"prune": (["x"], 7)})
        response = await prune.container_prune(api, ask("POST", "/containers/prune", filters='{"until":["10s"]}'))
        assert read(response) == {"ContainersDeleted": ["x"], "SpaceReclaimed": 7}
        assert api.engine.events.seen == [("container", "prune", "", {"reclaimed": "7"})]

    async def test_volumes(self) -> None:
        api = make_api(volumes={"prune": (["idle"], 5)})
        response = await prune.volume_prune(api, ask("POST", "/volumes/prune"))
        assert read(response) == {"VolumesDeleted": ["idle"], "SpaceReclaimed": 5}
        [(_, select, used)] = api.engine.volumes.made
        assert (used("data"), used("idle")) == ([WEB.id], [])
        assert select(Volume("x", anonymous=True)) and not select(Volume("x"))
        with pytest.raises(InvalidInput, match="invalid filter 'all'"):
            await prune.volume_prune(api, ask("POST", "/volumes/prune", filters='{"all":["perhaps"]}'))


async def test_disk_usage() -> None:
    api = make_api(containers={"sizes": (1, 2)}, volumes={"size": 3}, images={"broken_pulls": 5})
    answer = read(await df.system_df(api, ask("GET", "/system/df")))
    assert [line["UsageData"] for line in answer["Volumes"]] == [{"RefCount": 1, "Size": 3}, {"RefCount": 0, "Size": 3}]
    assert (len(answer["Images"]), len(answer["Containers"]), answer["BuildCache"]) == (1, 1, [])
    assert answer["LayersSize"] == layers_size([IMAGE]) + 5
    only = read(await df.system_df(api, ask("GET", "/system/df", type="image")))
    assert (only["Containers"], only["Volumes"], only["BuildCache"]) == (None, None, None)
    with pytest.raises(InvalidInput, match="unknown object type: x"):
        await df.system_df(api, ask("GET", "/system/df", type="x"))
