"""Id maps: what is whose, both ways; file capabilities; what a real namespace and mount do is in tests/system."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.errors import InvalidInput
from corral.linux.idmap import OVERFLOW, IdMap, IdMaps, capability_inside, capability_outside, map_text

PARTS = (IdMap(0, 100000, 1000), IdMap(1000, 300000, 64536))
MAPS = IdMaps(PARTS, PARTS)
CAPABILITIES = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)


@given(st.integers(0, 65535), st.integers(0, 65535))
def test_there_and_back(uid: int, gid: int) -> None:
    assert MAPS.inside(*MAPS.outside(uid, gid)) == (uid, gid)


def test_the_borders_of_a_map() -> None:
    assert MAPS.outside(999, 1000) == (100999, 300000)
    assert MAPS.inside(99999, 101000) == (OVERFLOW, OVERFLOW)
    with pytest.raises(InvalidInput, match="Container ID 65536 cannot be mapped to a host ID"):
        MAPS.outside(65536, 0)


def test_capabilities_say_whose_root_has_them() -> None:
    outside = capability_outside(CAPABILITIES, MAPS)
    assert struct.unpack("<6I", outside) == (0x03000001, 1 << 13, 0, 0, 0, 100000)
    assert capability_inside(outside, MAPS) == CAPABILITIES
    of_another = outside[:20] + struct.pack("<I", 100007)
    assert capability_inside(of_another, MAPS) == outside[:20] + struct.pack("<I", 7)


@given(st.binary(max_size=30))
def test_what_is_no_capability_is_left_alone(value: bytes) -> None:
    if len(value) not in (20, 24):
        assert capability_outside(value, MAPS) == value == capability_inside(value, MAPS)


def test_as_the_kernel_takes_it() -> None:
    assert map_text(PARTS) == "0 100000 1000\n1000 300000 64536\n"
