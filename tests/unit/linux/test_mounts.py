from __future__ import annotations

from corral.linux import mounts


def test_mount_points_unescape() -> None:
    text = "36 35 98:0 /r\\040 /mnt/a\\040b\\134c rw,noatime - ext3 /dev/root rw\n37 36 0:1 / / rw - tmpfs t rw\n"
    assert mounts.mount_points(text) == ["/mnt/a b\\c", "/"]


def test_plan_unmounts_keeps_to_the_path() -> None:
    points = ["/", "/run", "/run/a", "/run/ab", "/run/a", "/run/a/b"]
    assert mounts.plan_unmounts(points, "/run/a") == ["/run/a/b", "/run/a", "/run/a"]
    assert mounts.plan_unmounts(points, "/")[-1] == "/"


def test_overlay_data() -> None:
    assert mounts.overlay_data(["/b", "/a"], "", "") == "lowerdir=/b:/a"


def test_what_needs_descriptors() -> None:
    assert mounts.fits_one_page("x" * 4094, [])
    assert not mounts.fits_one_page("x" * 4095, [])
    assert not mounts.fits_one_page("", ["/a,b"])
