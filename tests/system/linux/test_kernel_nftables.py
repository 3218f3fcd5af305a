"""libnftables in a process that has very many files open."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.root

SCRIPT = """
import os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
from corral.errors import HostError
from corral.linux.nftables import Nft
first = Nft()
held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1500)]
for _ in range(20):
    more = Nft()
    more.run("add table inet corral_many_files; delete table inet corral_many_files")
    more.close()
several = [Nft() for _ in range(7)]
try:
    Nft()
except HostError as error:
    print(error.message)
several.pop().close()
Nft().run("add table inet corral_many_files; delete table inet corral_many_files")
print("well")
"""


def test_a_process_with_thousands_of_descriptors_lives_on() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["libnftables needs a descriptor below 1024, and all are open", "well"], done
