#!/usr/bin/env python3
"""Measures Trilby against its goals and its peers: ratios of one run, in turn, on one machine (docs/benchmarks.md).

Ends with 0 whatever the numbers are, and with 1 when something could not be measured at all."""

from __future__ import annotations

import argparse
import datetime
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import hello
import idle
import machine
import micro
import report
from figure import Figure

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "examples/images"


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="under a minute, less exact; leaves docs and committed results alone")
    parser.add_argument("--only", choices=["echo", "hello", "images", "idle"], action="append", help="just these; leaves docs alone")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="CMake's build folder (default: build/release)")
    parser.add_argument("--out", type=Path, help="folder of the results (default: bench/results, or build/bench when not everything is measured)")
    return parser.parse_args(arguments)


def measures(build: Path, scratch: Path, quick: bool) -> dict[str, tuple[Callable[[], dict], Callable[[dict], list[Figure]]]]:
    """What there is to measure, and how its samples become figures."""
    program, here = build / "src/cli/trilby", build / "bench"
    guests = {name: here / f"{name}.wasm" for name in ("echo", "hello")}
    core, _ = machine.cores()
    return {
        "echo": (lambda: micro.echo(here / "echo_bench", guests["echo"], 20_000 if quick else 100_000, 3 if quick else 5, core),
                 micro.echo_figures),
        "hello": (lambda: hello.measure(program, guests["hello"], scratch, 3 if quick else 5, 2 if quick else 5), hello.figures),
        "images": (lambda: micro.images(here / "image_bench", IMAGES / "functions", IMAGES / "models/efficientnet-lite0.xml", scratch,
                                        20 if quick else 100), micro.image_figures),
        "idle": (lambda: idle.measure(program, IMAGES, scratch, 1 if quick else 5), idle.figures),
    }


def main() -> int:
    arguments = parse_arguments()
    whole = not arguments.quick and not arguments.only
    this_machine = machine.describe()
    print(f"bench: {this_machine}", file=sys.stderr)
    results: dict[str, dict] = {}
    figures: list[Figure] = []
    failed = []
    with tempfile.TemporaryDirectory(prefix="trilby-bench-") as scratch:
        for name, (measure, to_figures) in measures(arguments.build.resolve(), Path(scratch), arguments.quick).items():
            if arguments.only and name not in arguments.only:
                continue
            print(f"bench: {name}", file=sys.stderr)
            try:
                results[name] = measure()
                figures += to_figures(results[name])
            except (RuntimeError, OSError, ValueError, subprocess.SubprocessError):
                failed.append(name)
                traceback.print_exc()
    folder = arguments.out or (ROOT / "bench/results" if whole else ROOT / "build/bench")
    docs = ROOT / "docs/benchmarks.md" if whole and not failed and not arguments.out else None
    report.write(folder, docs, this_machine, datetime.date.today().isoformat(), results, figures)
    print(report.table(figures))
    print(f"bench: results in {folder}" + (f"; could not measure {', '.join(failed)}" if failed else ""), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
