from __future__ import annotations

from pathlib import Path

import pytest

from corral.errors import HostError
from corral.linux.private import make_private


def test_it_is_made_and_closed(tmp_path: Path) -> None:
    for place in (tmp_path / "a" / "b", tmp_path / "open"):
        (tmp_path / "open").mkdir(mode=0o755, exist_ok=True)
        make_private(place)
        assert place.stat().st_mode & 0o777 == 0o700


def test_where_none_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="make "):
        make_private(tmp_path / "file" / "below")
