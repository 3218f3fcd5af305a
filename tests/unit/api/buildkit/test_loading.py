"""A daemon that nobody builds on by BuildKit's protocols does not pay for them."""

from __future__ import annotations

import subprocess
import sys


def test_nothing_of_it_is_loaded_with_the_daemon() -> None:
    code = """
import sys, corral.daemon.assemble
found = {"h2", "hpack", "google.protobuf", "corral.api.buildkit", "corral.http.grpc", "corral.build.building"}
sys.exit(str(found & set(sys.modules)) if found & set(sys.modules) else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
