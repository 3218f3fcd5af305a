"""./dev: what it decides before it touches anything."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

DEV = Path(__file__).resolve().parents[2] / "dev"


@pytest.mark.parametrize(
    ("release", "tools", "family"),
    [
        ("ID=debian\n", ["apt-get"], "debian"),
        ("ID=ubuntu\nID_LIKE=debian\n", ["apt-get", "dnf"], "debian"),
        ("ID=fedora\n", ["dnf"], "fedora"),
        ("ID=fedora\n", ["apt-get", "dnf"], "fedora"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', ["apt-get", "dnf"], "fedora"),
        ("ID=odd\n", ["dnf"], "fedora"),
    ],
)
def test_which_family(tmp_path: Path, release: str, tools: list[str], family: str) -> None:
    """A Fedora can have the package apt, and a Debian dnf."""
    (tmp_path / "release").write_text(release)
    functions = re.findall(r"^(?:have|family)\(\) \{.*?\}\n", DEV.read_text(), re.DOTALL | re.MULTILINE)
    assert len(functions) == 2
    known = f"command() {{ case ' {' '.join(tools)} ' in *\" $2 \"*) ;; *) return 1 ;; esac; }}\n"  # instead of PATH
    script = known + "".join(functions).replace("/etc/os-release", str(tmp_path / "release")) + "family\n"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert done.stdout == f"{family}\n", done.stderr
