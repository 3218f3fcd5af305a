from __future__ import annotations

import os
from pathlib import Path

import pytest

from corral.errors import InvalidInput
from corral.linux.selinux import ATTRIBUTE, plan_label, relabel


@pytest.mark.root
def test_everything_below_gets_the_label_and_nothing_outside(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "deep").mkdir(parents=True)
    outside.mkdir()
    (inside / "deep" / "file").write_text("x")
    (inside / "link").symlink_to(outside)
    before = os.listxattr(outside)
    relabel(str(inside), plan_label("z", "c1"))
    wanted = b"system_u:object_r:container_file_t:s0\0"
    for path in (inside, inside / "deep", inside / "deep" / "file", inside / "link"):
        assert os.getxattr(path, ATTRIBUTE, follow_symlinks=False) == wanted
    assert os.listxattr(outside) == before


@pytest.mark.parametrize("path", ["/", "/usr", "/etc/../var", "/var/lib", "/etc/passwd"])
def test_the_hosts_own_directories_are_refused(path: str) -> None:
    words = rf"^error setting label on mount source '{path}': SELinux relabeling of {path} is not allowed; mount a dir"
    with pytest.raises(InvalidInput, match=words):
        relabel(path, plan_label("Z", "c1"))


def test_each_container_has_categories_of_its_own() -> None:
    labels = {plan_label("Z", f"id{n}") for n in range(200)}
    assert len(labels) == 200
    for label in labels:
        first, second = (int(word[1:]) for word in label.rpartition(":")[2].split(","))
        assert 0 <= first < second < 1024
