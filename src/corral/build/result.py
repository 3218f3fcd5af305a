"""Result: what image the steps of a stage come to. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from corral.build.ops import Step
from corral.images.platforms import Platform
from corral.model.container import Struct
from corral.model.image import UNTOLD, HistoryEntry, Image, ImageConfig

COMMENT = "buildkit.dockerfile.v0"


class Done(Struct):
    """A step that was carried out: `diff` is the layer that it made at `created`, "" where it made none; `key` is
    its place in the cache."""

    step: Step
    diff: str = ""
    created: int = 0
    key: str = ""


def plan_image(
    base: Image | None,
    platform: Platform,
    config: ImageConfig,
    steps: Sequence[Done],
    *,
    epoch: int | None = None,
) -> Image:
    """The image: its base's layers and history, and those of the steps. `epoch` (nanoseconds) is the time of all that
    is new, where it is given. The id and the sizes are still those of nothing.

    Times come from the layers alone, so a build of which all is cached gives the very same image (and one that stands
    on nothing and has no layer says no time, as BuildKit's):

    >>> from corral.build.ops import Span
    >>> one = Done(Step("RUN a", "RUN a", Span(2, 2), ImageConfig()), "sha256:1", 7)
    >>> two = Done(Step("ENV a=b", "ENV a=b", Span(3, 3), ImageConfig()))
    >>> image = plan_image(None, Platform("linux", "amd64", ""), ImageConfig(), [two, one, two])
    >>> [(h.created, h.empty_layer) for h in image.history], image.created
    ([(7, True), (7, False), (7, True)], 7)
    """
    before = base.created if base else UNTOLD
    times = plan_times([0 if not one.diff else one.created for one in steps], before)
    history = [
        HistoryEntry(epoch if epoch is not None else time, one.step.created_by, one.step.author, COMMENT, not one.diff)
        for one, time in zip(steps, times, strict=True)
        if one.step.created_by
    ]
    authors = [base.author if base else "", *(one.step.author for one in steps)]
    created = times[-1] if times else before
    return Image(
        id="",
        created=epoch if epoch is not None else created,
        architecture=base.architecture if base else platform.architecture,
        variant=base.variant if base else platform.variant,
        os=base.os if base else platform.os,
        author=next((author for author in reversed(authors) if author), ""),
        config=config,
        history=[*(base.history if base else []), *history],
        diff_ids=[*(base.diff_ids if base else []), *(one.diff for one in steps if one.diff)],
    )


def plan_times(layers: Sequence[int], otherwise: int) -> list[int]:
    """When each entry was created: a layer at its own time; an entry without one (0) at that of the layer before it,
    or of the first layer.

    >>> plan_times([0, 5, 0, 8], 1), plan_times([0, 0], 1)
    ([5, 5, 5, 8], [1, 1])
    """
    last = next((time for time in layers if time), otherwise)
    times = []
    for time in layers:
        last = time or last
        times.append(last)
    return times


def plan_squashed(image: Image, id: str, base: Image | None, diff: str) -> Image:
    """The image with all that is new in one layer; its history says of which it was made, in Docker's words.

    >>> image = Image("", 7, diff_ids=["sha256:1", "sha256:2"], history=[HistoryEntry(5, "RUN a"), HistoryEntry(7)])
    >>> squashed = plan_squashed(image, "sha256:i", None, "sha256:3")
    >>> squashed.diff_ids, [h.empty_layer for h in squashed.history], squashed.history[-1].comment
    (['sha256:3'], [True, True, False], 'merge sha256:i to ')
    """
    old = len(base.history) if base else 0
    history = [entry if place < old else replace(entry, empty_layer=True) for place, entry in enumerate(image.history)]
    note = HistoryEntry(image.created, comment=f"merge {id} to {base.id if base else ''}")
    return replace(image, diff_ids=[*(base.diff_ids if base else []), diff], history=[*history, note])
