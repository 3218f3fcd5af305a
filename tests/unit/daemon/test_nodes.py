"""More nodes: what is decided about them."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from corral.cli.instance import Instance
from corral.cluster.joining.rights import split_token
from corral.daemon import node_join
from corral.daemon.config import Settings
from corral.daemon.kubernetes import check
from corral.daemon.node_join import Join, merge
from corral.daemon.nodes import known_nodes, new_token, node_words, plan_subnets
from corral.errors import HostError, InvalidInput


def test_subnets_are_kept_and_never_given_twice() -> None:
    taken = [ipaddress.ip_network("10.244.0.0/24")]
    first = plan_subnets([2, 3, 4], {}, taken)
    again = plan_subnets([2, 3, 4, 5], first, taken)
    assert {number: again[number] for number in first} == first
    assert len(set(again.values())) == 4 and "10.244.0.0/24" not in again.values()
    with pytest.raises(HostError, match="no subnet"):
        plan_subnets([2], {}, [ipaddress.ip_network("10.244.0.0/16")])


def test_nodes_have_a_subnet_of_each_family() -> None:
    taken = [ipaddress.ip_network(one) for one in ("10.244.0.0/24", "fd00:10:244:1::/64")]
    first = plan_subnets([2], {}, taken, (6, 4))
    assert first == {2: "fd00:10:244:2::/64,10.244.2.0/24"}
    assert plan_subnets([2, 3], first, taken, (6, 4)) == {**first, 3: "fd00:10:244:3::/64,10.244.3.0/24"}


def test_what_a_node_knows_is_kept_for_root_alone(tmp_path: Path) -> None:
    instance = Instance(str(tmp_path / "n"))
    assert node_join.load(instance) is None and not node_join.has_joined(instance)
    join = Join("https://a", "n", token=new_token(), netns="/run/x", grace=4.0)
    node_join.save(instance, join)
    assert node_join.load(instance) == join
    assert (tmp_path / "n/node/join.json").stat().st_mode & 0o777 == 0o600


def test_who_has_not_joined_yet_may_ask_anew() -> None:
    failed = Join("https://a", "n", ca_hash="sha256:00")
    assert merge(failed, Join("https://b", "m", token="t"), joined=False) == Join("https://b", "m", token="t")
    assert merge(failed, Join("", ""), joined=False) == failed
    with pytest.raises(InvalidInput, match="corral join"):
        merge(None, Join("", ""), joined=False)


def test_tokens_are_tokens() -> None:
    assert split_token(new_token()) != split_token(new_token())


def test_nodes_that_were_made(tmp_path: Path) -> None:
    assert known_nodes(str(tmp_path)) == []
    for name in ("10", "2", "lost+found"):
        (tmp_path / "nodes" / name).mkdir(parents=True)
    assert known_nodes(str(tmp_path)) == [2, 10]


def test_settings_that_neighbours_share() -> None:
    words = node_words(Settings.of({}, {"runtime": ["crun"], "host": ["tcp://127.0.0.1:1"]}))
    assert "--runtime=crun" in words and not any(word.startswith("--host") for word in words)


TWICE = {"kubernetes-node-address": ["10.0.0.1,10.0.0.2"]}


@pytest.mark.parametrize(
    "flags", [{"nodes": ["0"]}, {"nodes": ["2"], "kubernetes": ["false"]}, {"kubernetes-node-address": ["box"]}, TWICE]
)
def test_settings_that_make_no_sense(flags: dict[str, list[str]]) -> None:
    with pytest.raises(InvalidInput):
        check(Settings.of({}, flags))
