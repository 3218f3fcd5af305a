from __future__ import annotations

from corral.linux.limits import CAPABILITIES, Limits, parse_capabilities, parse_kernel, probe


def test_numbers_of_capabilities() -> None:
    assert CAPABILITIES.index("CAP_SYS_ADMIN") == 21
    assert CAPABILITIES.index("CAP_SYS_RESOURCE") == 24
    assert CAPABILITIES.index("CAP_CHECKPOINT_RESTORE") == 40
    assert "CAP_SYS_RESOURCE" not in parse_capabilities("000001fffeffffff")
    assert len(parse_capabilities("ffffffffffffffff")) == 41


def test_what_the_host_refuses_is_lowered() -> None:
    limits = Limits(frozenset(), rlimits={"nofile": 1000, "core": 0}, oom_score_adj=-100)
    assert limits.rlimit("nofile", 2000, 3000) == (1000, 1000)
    assert limits.rlimit("nofile", 10, 20) == (10, 20)
    assert limits.rlimit("core", -1, -1) == (0, 0)
    assert limits.rlimit("stack", 5, -1) == (5, -1)
    assert (limits.oom_score(-999), limits.oom_score(500)) == (-100, 500)


def test_kernel() -> None:
    assert parse_kernel("4.19.0-microsoft") == (4, 19)


def test_probe_this_host() -> None:
    found = probe()
    assert found.kernel >= (4, 0)
    assert found.rlimits["nofile"] > 0
    assert found.capabilities <= found.bounding | found.capabilities
