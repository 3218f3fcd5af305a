"""Where results are kept, for comparisons over time."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, object]:
    return {"kernel": platform.release(), "cores": os.cpu_count(), "python": platform.python_version()}


def save(name: str, found: Mapping[str, object]) -> Path:
    """As JSON, with what the machine is: the file."""
    RESULTS.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    path = RESULTS / f"{name}-{stamp}.json" if name else RESULTS / f"{stamp}.json"
    path.write_text(json.dumps({**machine(), **found}, indent=1) + "\n")
    return path
