"""A number or a text: ports by name, sizes in per cent. Follows k8s.io/apimachinery/pkg/util/intstr."""

from __future__ import annotations

import re

IntOrString = int | str


def parse(text: str) -> IntOrString:
    """Pure: a number where the text is one of 32 bits, else the text.

    >>> parse("80"), parse("http"), parse("50%")
    (80, 'http', '50%')
    """
    if re.fullmatch(r"[+-]?[0-9]{1,10}", text) and -(2**31) <= int(text) < 2**31:
        return int(text)
    return text


def percentage(value: IntOrString) -> int | None:
    """Pure: the number before the "%"; None of what is no percentage.

    >>> percentage("25%"), percentage(25), percentage("x%")
    (25, None, None)
    """
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}%", value):
        return int(value[:-1])
    return None


def scaled(value: IntOrString, total: int, *, round_up: bool) -> int:
    """Pure: the value, of `total` if it is in per cent. Raises ValueError with upstream's text for any other text.

    >>> scaled("25%", 10, round_up=True), scaled("25%", 10, round_up=False), scaled(3, 10, round_up=True)
    (3, 2, 3)
    """
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        raise ValueError("invalid value for IntOrString: invalid type: string is not a percentage")
    share = percentage(value)
    if share is None:
        cause = f'strconv.Atoi: parsing "{value[:-1]}": invalid syntax'
        raise ValueError(f'invalid value for IntOrString: invalid value "{value}": {cause}')
    return -(-share * total // 100) if round_up else share * total // 100
