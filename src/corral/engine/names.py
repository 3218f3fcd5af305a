"""Names for containers that were given none: a herd animal's mood and its breed."""

from __future__ import annotations

import random
from collections.abc import Callable

MOODS = (
    "agile bold brave bright brisk calm careful cheerful clever cosy curious daring eager easy faithful fearless "
    "fleet fond frisky gentle glad golden grand happy hardy honest jolly keen kind lively loyal lucky mellow merry "
    "mighty modest neat nimble noble patient peaceful playful plucky proud quick quiet rapid ready robust shy silent "
    "silver sleek smart snug sober steady stout strong sturdy sunny sure sweet swift tame tender thrifty tidy tough "
    "trusty upbeat vivid warm wary wild willing wise witty woolly young zesty"
).split()

BREEDS = (
    "angus ankole ayrshire belted boran brahman brangus braunvieh charolais chianina corriente criollo devon dexter "
    "droughtmaster friesian galician galloway gelbvieh gloucester guernsey hereford highland holstein jersey kerry "
    "limousin lineback longhorn luing maine marchigiana maremmana milking montbeliarde murray mustang nelore "
    "normande parthenais piedmontese pinzgauer polled randall romagnola salers shetland shorthorn simmental sussex "
    "tarentaise tuli vorderwald wagyu watusi welsh whitepark yak zebu merino suffolk dorset cheviot cotswold "
    "leicester lincoln romney texel angora boer kashmir nubian saanen toggenburg appaloosa haflinger hanover icelandic "
    "lipizzan morgan shire"
).split()


def new_name(taken: Callable[[str], bool], choose: random.Random) -> str:
    """A name that is not taken yet; a number is added when luck runs out.

    >>> new_name(lambda name: False, random.Random(1)).count("_")
    1
    """
    for attempt in range(1000):
        name = f"{choose.choice(MOODS)}_{choose.choice(BREEDS)}"
        if attempt > 5:
            name += str(choose.randrange(10 ** (attempt // 6)))
        if not taken(name):
            return name
    raise AssertionError("a thousand random names are taken")
