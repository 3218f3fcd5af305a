"""`python -m bench`: what `./dev bench` runs.

sudo ./dev bench                    everything; some twelve minutes
sudo ./dev bench --quick            fewer and smaller samples; some two minutes
sudo ./dev bench --only run         one measure; --only may be repeated
sudo ./dev bench --without podman   one engine less
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.engines import ENGINES, Engine
from bench.fleets import kinds as fleet_kinds
from bench.fleets import measured as fleets
from bench.kubernetes import measured as kubernetes
from bench.measures import QUICK, Measure, Size, measures
from bench.registries import KINDS
from bench.registries import measured as registries
from bench.results import machine, save
from bench.scheduling import measured as scheduling
from bench.statistics import SUBJECT, Row, collect
from bench.stores import kinds as store_kinds
from bench.stores import measured as stores
from bench.table import document, table

REGISTRY = "registry"  # the measure that is taken of registries, not of engines
STORE = "store"  # … and that of stores
KUBERNETES = "kubernetes"  # … and that of the Kubernetes API, beside which there is none
FLEETS = "fleets"  # … and that of what stands on engines
SCHEDULER = "scheduler"  # … which has nobody beside it


def options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--only",
        action="append",
        choices=[*(measure.name for measure in measures(Size())), REGISTRY, STORE, SCHEDULER, KUBERNETES, FLEETS],
    )
    parser.add_argument("--without", action="append", default=[], choices=[engine.name for engine in ENGINES])
    parser.add_argument("--folder", default="/var/tmp", help="where engines keep their data meanwhile (%(default)s)")
    return parser.parse_args(argv)


def present(without: Sequence[str]) -> list[type[Engine]]:
    """The engines that can be measured here; says which can't, and why."""
    found = []
    for engine in ENGINES:
        missing = engine.missing()
        if missing:
            print(f"Without {engine.name}: not installed: {', '.join(missing)} (./dev setup --peers would)")
        elif engine.name not in without:
            found.append(engine)
    return found


def started(kinds: Sequence[type[Engine]], folder: Path, stack: ExitStack) -> list[Engine]:
    """The engines, until the stack unwinds; one that can't be started is told and left out."""
    engines = []
    for kind in kinds:
        try:
            engines.append(stack.enter_context(kind(folder)))
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            print(f"Without {kind.name}: {error}")
    return engines


def take(measure: Measure, engines: Sequence[Engine], size: Size) -> list[tuple[str, Mapping[str, float]]]:
    """Its samples, A B C, A B C, …; an engine that fails is left out of the rest, with its words."""
    samples: list[tuple[str, Mapping[str, float]]] = []
    well = list(engines)
    for _ in range(max(1, round(measure.rounds * size.repeat))):
        for engine in list(well):
            try:
                samples.append((engine.name, measure.take(engine, size)))
                engine.room.settle()
            except (RuntimeError, AssertionError, OSError) as error:
                well.remove(engine)
                print(f"\n{measure.name}: {engine.name} failed: {error}")
    return samples


def rows(measure: Measure, samples: Sequence[tuple[str, Mapping[str, float]]]) -> list[Row]:
    found = collect(samples)
    return [Row(name, unit, found.get(name, {}), targets) for name, (unit, targets) in measure.rows.items()]


def measured(chosen: Sequence[Measure], engines: Sequence[Engine], size: Size) -> list[Row]:
    result: list[Row] = []
    for measure in chosen:
        print(f"{measure.name} … ", end="", flush=True)
        begin = time.monotonic()
        result += rows(measure, take(measure, engines, size))
        print(f"{time.monotonic() - begin:.0f} s")
    return result


def compared(folder: Path, size: Size) -> list[Row]:
    """The registries, where there is one to compare with."""
    if shutil.which("docker-registry") is None:
        print("Without docker-registry: it is not installed (./dev setup --peers would)")
        return []
    print("registry … ", end="", flush=True)
    begin = time.monotonic()
    result = registries(folder, size.image_mb, size.requests, max(1, round(3 * size.repeat)))
    print(f"{time.monotonic() - begin:.0f} s")
    return result


def kept(folder: Path, size: Size) -> list[Row]:
    print("store … ", end="", flush=True)
    begin = time.monotonic()
    result = stores(folder, size.requests, max(1, round(3 * size.repeat)))
    print(f"{time.monotonic() - begin:.0f} s")
    return result


def served(folder: Path, size: Size, quick: bool) -> list[Row]:
    print("kubernetes … ", end="", flush=True)
    begin = time.monotonic()
    result = kubernetes(folder, quick, max(1, round(2 * size.repeat)))
    print(f"{time.monotonic() - begin:.0f} s")
    return result


def planned(folder: Path, size: Size) -> list[Row]:
    print("scheduler … ", end="", flush=True)
    begin = time.monotonic()
    result = scheduling(folder, size.requests, max(1, round(3 * size.repeat)))
    print(f"{time.monotonic() - begin:.0f} s")
    return result


def launched(folder: Path, size: Size) -> list[Row]:
    print("fleets … ", end="", flush=True)
    begin = time.monotonic()
    result = fleets(folder, size.seconds, size.repeat)
    print(f"{time.monotonic() - begin:.0f} s")
    return result


def main(argv: Sequence[str]) -> int:
    chosen = options(argv)
    if os.geteuid() != 0:
        print("containers need root; use: sudo ./dev bench", file=sys.stderr)
        return 1
    size = QUICK if chosen.quick else Size()
    kinds = present(chosen.without)
    if not kinds:
        return 1
    with tempfile.TemporaryDirectory(prefix="corral-bench-", dir=chosen.folder) as folder, ExitStack() as stack:
        engines = started(kinds, Path(folder), stack)
        versions = {engine.name: engine.version() for engine in engines}
        about = {**machine(), "engines": versions, "quick": chosen.quick}
        print("; ".join(f"{key} {value}" for key, value in {**machine(), **versions}.items()))
        wanted = [measure for measure in measures(size) if measure.name in (chosen.only or [measure.name])]
        result = measured(wanted, engines, size)
        beside = compared(Path(folder), size) if REGISTRY in (chosen.only or [REGISTRY]) else []
        below = kept(Path(folder), size) if STORE in (chosen.only or [STORE]) else []
        above = launched(Path(folder), size) if FLEETS in (chosen.only or [FLEETS]) else []
        alone = planned(Path(folder), size) if SCHEDULER in (chosen.only or [SCHEDULER]) else []
        cluster = served(Path(folder), size, chosen.quick) if KUBERNETES in (chosen.only or [KUBERNETES]) else []
    print("\nMedians. podman has no daemon: its starts are commands, the others' are requests to the daemon.\n")
    print(table(result, list(versions)))
    if beside:
        print(f"\n{table(beside, list(KINDS))}")
    if below:
        print(f"\n{table(below, list(store_kinds()))}")
    for one in (alone, cluster):
        if one:
            print(f"\n{table(one, [SUBJECT])}")
    if above:
        print(f"\n{table(above, fleet_kinds())}")
    print(f"\nAll samples: {save('', document([*result, *beside, *below, *alone, *cluster, *above], about))}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
