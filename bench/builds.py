"""Builds: from nothing, when nothing changed, and after a change of one file; by each engine's own command."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.engines import IMAGE, Engine
from bench.statistics import Target

FILES, BYTES = 200, 4096  # of the context: a service
_numbers = itertools.count(1)


def dockerfile(nonce: int) -> str:
    """Eight steps of the usual kinds. With another `nonce` nothing of it is cached.

    >>> dockerfile(7).splitlines()[:2]
    ['FROM bench:latest', 'ENV NONCE=7']
    """
    return "\n".join(
        (
            f"FROM {IMAGE}",
            f"ENV NONCE={nonce}",
            "WORKDIR /app",
            "RUN echo $NONCE > /first",
            "COPY lib /app/lib",
            "RUN ls /app/lib > /second",
            "COPY main /app/main",
            "RUN cat /app/main > /third",
            'CMD ["cat", "/third"]',
            "",
        )
    )


def lay_context(folder: Path, nonce: int) -> None:
    """The context, anew."""
    (folder / "lib").mkdir(parents=True, exist_ok=True)
    for number in range(FILES):
        (folder / f"lib/{number}").write_bytes(f"{nonce} {number} ".encode() * (BYTES // 8))
    (folder / "main").write_text("first\n")
    (folder / "Dockerfile").write_text(dockerfile(nonce))


def builds(engine: Engine) -> Mapping[str, float]:
    """Three builds of one context: all is new, nothing is, the last file is."""
    sample: dict[str, float] = {}
    folder, nonce = engine.folder / "build", next(_numbers)
    lay_context(folder, nonce)
    command = ("build", "-q", "-t", "built:latest", str(folder))
    with timed(sample, "build from scratch"):
        engine.cli(*command)
    with timed(sample, "build, all cached"):
        engine.cli(*command)
    (folder / "main").write_text("second\n")
    with timed(sample, "build, one file new"):
        engine.cli(*command)
    return sample


@contextmanager
def timed(sample: dict[str, float], row: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    sample[row] = (time.perf_counter() - begin) * 1e3


ROWS = {
    "build from scratch": ("ms", (Target("most", 0.5, "dockerd"),)),
    "build, all cached": ("ms", (Target("most", 150),)),
    "build, one file new": ("ms", (Target("most", 0.5, "dockerd"),)),
}
