"""What the first packet of a connection to a service carries from hook to hook, as bits of its mark. Pure.

::

     31      25 24  23    22      16 15     14     13    12         0
    ┌──────────┬───┬─────┬──────────┬──────┬──────┬────┬────────────┐
    │ 1100000  │own│outer│ affinity │ranges│masked│near│ how many   │
    └──────────┴───┴─────┴──────────┴──────┴──────┴────┴────────────┘

`own`: a cluster IP. `outer`: who comes from outside gets other endpoints. `affinity`: which time limit, 0 for none.
`ranges`: only some sources may. `masked`: the sender is not to be seen. `near`: of the nearer endpoints; where there
are none of these, silence. `how many` endpoints there are; with none the sender is refused.
"""

from __future__ import annotations

from typing import Final

COUNT: Final = 0x1FFF
NEAR: Final = 0x2000
MASKED: Final = 0x4000
RANGES: Final = 0x8000
AFFINITY: Final = 0x7F0000
AFFINITY_SHIFT: Final = 16
OUTER: Final = 0x800000
OWN: Final = 0x1000000
OURS: Final = 0xC0000000
MAGIC: Final = 0xFE000000

MOST_TARGETS: Final = COUNT
MOST_LIMITS: Final = AFFINITY >> AFFINITY_SHIFT


def pack(
    count: int, *, near: bool = False, masked: bool = False, ranges: bool = False, affinity: int = 0,
    outer: bool = False, own: bool = False,
) -> int:  # fmt: skip
    """
    >>> f"{pack(3, own=True):x}", f"{pack(0, near=True, affinity=1):x}"
    ('c1000003', 'c0012000')
    """
    flags = (near and NEAR) | (masked and MASKED) | (ranges and RANGES) | (outer and OUTER) | (own and OWN)
    return OURS | flags | affinity << AFFINITY_SHIFT | min(count, COUNT)
