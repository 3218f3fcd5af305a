"""How a refused change is shown: as a unified diff of JSON. Pure."""

from __future__ import annotations

import difflib
import json
from typing import Any


def difference(old: Any, new: Any) -> str:
    """Pure: what `new` changes.

    >>> print(difference({"a": 1, "b": 1}, {"a": 2, "b": 1}), end="")
    @@ -1,4 +1,4 @@
     {
    - "a": 1,
    + "a": 2,
      "b": 1
     }
    """
    before, after = (json.dumps(one, indent=1, sort_keys=True).splitlines() for one in (old, new))
    lines = list(difflib.unified_diff(before, after, lineterm=""))
    return "".join(f"{line}\n" for line in lines[2:])
