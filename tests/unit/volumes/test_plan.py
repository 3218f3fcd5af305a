from __future__ import annotations

import pytest

from corral.errors import InvalidInput, NotFound, Unsupported
from corral.linux import mounts
from corral.volumes.plan import check_driver, check_name, check_options, hide_password, plan_mount


@pytest.mark.parametrize("name", ["ab", "a.b_c-d", "0" * 64, "A1"])
def test_good_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".a", "-a", "ä2", "a b", "ab\n", "a\0b"])
def test_bad_names_are_refused_in_dockers_words(name: str) -> None:
    with pytest.raises(InvalidInput, match="includes invalid characters for a local volume name, only"):
        check_name(name)


def test_the_words() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_name("a/b")
    assert caught.value.message == (
        'create a/b: "a/b" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" '
        "are allowed. If you intended to pass a host directory, use absolute path"
    )
    with pytest.raises(InvalidInput) as caught:
        check_name("a")
    assert caught.value.message == (
        "create a: volume name is too short, names should be at least two alphanumeric characters"
    )


def test_options() -> None:
    check_options("vv", {})
    check_options("vv", {"type": "none", "o": "bind", "device": "/srv"})
    with pytest.raises(InvalidInput, match='create vv: invalid option: "foo"'):
        check_options("vv", {"foo": "1"})
    with pytest.raises(InvalidInput, match='missing required option: "device"'):
        check_options("vv", {"o": "bind"})
    with pytest.raises(InvalidInput, match='missing required option: "type"'):
        check_options("vv", {"device": "/x"})
    with pytest.raises(Unsupported, match="no quota support"):
        check_options("vv", {"size": "10m"})
    with pytest.raises(NotFound, match='error looking up volume plugin nfs: plugin "nfs" not found'):
        check_driver("vv", "nfs")


def test_a_read_only_bind_needs_a_second_call() -> None:
    plan = plan_mount({"type": "none", "device": "/srv", "o": "rbind,ro,rslave"})
    assert plan
    assert (plan.source, plan.fstype, plan.data) == ("/srv", "none", "")
    assert plan.flags == mounts.MS_BIND | mounts.MS_REC | mounts.MS_RDONLY
    assert plan.read_only_bind
    assert plan.propagation == mounts.MS_SLAVE | mounts.MS_REC
    assert plan_mount({}) is None


def test_later_options_win_and_unknown_ones_are_the_file_systems() -> None:
    plan = plan_mount({"type": "nfs", "device": ":/x", "o": "ro,rw,nolock,addr=10.0.0.1,vers=4"})
    assert plan
    assert (plan.flags, plan.data) == (0, "nolock,addr=10.0.0.1,vers=4")


def test_passwords_are_hidden() -> None:
    assert "secret" not in hide_password("mount //x:/y, data: password=secret,vers=3: no")
    assert "secret" not in hide_password("mount //x:/y, data: user=a,pass=secret: no")
