#!/usr/bin/env python3
"""Measures Trilby against its goals and its peers: ratios of one run, in turn, on one machine (docs/benchmarks.md).

Ends with 0 whatever the numbers are, and with 1 when something could not be measured at all."""

from __future__ import annotations

import argparse
import datetime
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import app_channel
import bindings_wasm
import hello
import idle
import machine
import micro
import neighbours
import overload
import peers
import report
import scale
from figure import Figure
from soak import calls

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "examples/images"
WHOLE_SECONDS = 32 * 60  # for everything; what has not had its turn by then is reported as not measured


@dataclass(frozen=True)
class Part:
    """Something to measure. `seconds` is how long it may take whole: what hangs is given up, and the next part goes on."""

    seconds: int
    measure: Callable[[], dict]
    figures: Callable[[dict], list[Figure]]


def parts(build: Path, scratch: Path, quick: bool) -> dict[str, Part]:
    program, here = build / "src/cli/trilby", build / "bench"
    load = here / "bench_load"
    core, _ = machine.cores()

    def rounds(whole: int) -> int:
        return 2 if quick else whole

    def seconds(whole: int) -> int:
        return 2 if quick else whole

    return {
        "echo": Part(120, lambda: micro.echo(here / "echo_bench", here / "echo.wasm", 20_000 if quick else 100_000, rounds(5), core),
                     micro.echo_figures),
        "hello": Part(240, lambda: hello.measure(program, here / "hello.wasm", scratch, rounds(5), seconds(5)), hello.figures),
        "peers": Part(720, lambda: peers.measure(program, load, here, scratch, rounds(5), seconds(5)), peers.figures),
        "neighbours": Part(240, lambda: neighbours.measure(program, load, here, scratch, rounds(5), 4 if quick else 8), neighbours.figures),
        "overload": Part(240, lambda: overload.measure(program, load, here, scratch, rounds(3), seconds(8)), overload.figures),
        "functions": Part(180, lambda: scale.measure_functions(program, here / "hello.wasm", scratch, scale.COUNT), scale.function_figures),
        "held": Part(120, lambda: scale.measure_held(program, load, here, scratch, scale.COUNT), scale.held_figures),
        "calls": Part(240, lambda: calls.measure(program, load, here / "hello.wasm", scratch, calls.TOTAL // (20 if quick else 1)),
                      calls.figures),
        "images": Part(180, lambda: micro.images(here / "image_bench", IMAGES / "functions", IMAGES / "models/efficientnet-lite0.xml",
                                                 scratch, 20 if quick else 100), micro.image_figures),
        "idle": Part(180, lambda: idle.measure(program, IMAGES, scratch, rounds(5)), idle.figures),
        "dapr": Part(600, lambda: app_channel.measure(program, here / "hello.wasm", scratch, rounds(5), seconds(4)), app_channel.figures),
        "bindings": Part(180, lambda: bindings_wasm.measure(program, here / "echo.wasm", scratch, rounds(5), seconds(4)), bindings_wasm.figures),
    }


NAMES = ("echo", "hello", "peers", "neighbours", "overload", "functions", "held", "calls", "images", "idle", "dapr", "bindings")


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few minutes, less exact; leaves docs and committed results alone")
    parser.add_argument("--only", choices=NAMES, action="append", help="just these; leaves docs alone")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="CMake's build folder (default: build/release)")
    parser.add_argument("--out", type=Path, help="folder of the results (default: bench/results, or build/bench when not everything is measured)")
    return parser.parse_args(arguments)


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Ends what takes longer with a TimeoutError. Main thread only."""
    if seconds <= 0:
        raise TimeoutError("there was no time left")

    def give_up(*_) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def main() -> int:
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are ended with us
    whole = not arguments.quick and not arguments.only
    this_machine = machine.describe()
    print(f"bench: {this_machine}", file=sys.stderr)
    results: dict[str, dict] = {}
    figures: list[Figure] = []
    failed: dict[str, str] = {}
    end = time.monotonic() + WHOLE_SECONDS
    for name in arguments.only or NAMES:
        print(f"bench: {name}", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="trilby-bench-") as scratch:
            part = parts(arguments.build.resolve(), Path(scratch), arguments.quick)[name]
            try:
                with at_most(min(part.seconds, int(end - time.monotonic()))):
                    results[name] = part.measure()
                figures += part.figures(results[name])
            except Exception as error:  # one part must not spoil the rest
                failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
                traceback.print_exc()
    folder = arguments.out or (ROOT / "bench/results" if whole else ROOT / "build/bench")
    docs = ROOT / "docs/benchmarks.md" if whole and not arguments.out else None
    report.write(folder, docs, this_machine, datetime.date.today().isoformat(), results, figures, failed)
    print(report.table(figures))
    for table in report.tables(results):
        print(f"\n{table}")
    for name, why in failed.items():
        print(f"bench: could not measure {name}: {why}", file=sys.stderr)
    print(f"bench: results in {folder}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
