"""What a node keeps of its place in the network."""

from __future__ import annotations

from pathlib import Path

from corral.cli.instance import Instance
from corral.daemon.node_place import Place, load


def test_what_an_earlier_version_kept_is_understood(tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    kept = '{"subnet":"10.244.1.0/24","server":["10.244.0.1",53],"cluster_dns":["10.96.0.10"]}'
    (tmp_path / "node/place.json").write_text(kept)
    expected = Place(("10.244.1.0/24",), (4,), ("10.244.0.1", 53), ("10.96.0.10",))
    assert load(Instance(str(tmp_path))) == expected
    assert load(Instance(str(tmp_path / "none"))) is None
