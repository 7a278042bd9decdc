#!/usr/bin/env python3
"""The long runs of `make soak`, whole; `make test` makes a twentieth of each (tests/soak). Ends with 1 when something was lost or grew."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMES = 100  # drains, reloads and crashes each
sys.path.insert(0, str(ROOT / "bench"))

import report  # noqa: E402
from figure import Figure  # noqa: E402
from soak import calls, lifecycle  # noqa: E402


def soaks(build: Path, share: int) -> dict[str, Callable[[Path], list[Figure]]]:
    """Each is given a folder to work in, and does the `share`-th part of what there is to do."""
    program, here = build / "src/cli/trilby", build / "bench"

    def ends(name: str) -> Callable[[Path], list[Figure]]:
        return lambda scratch: lifecycle.figures(name, lifecycle.measure(name, max(1, TIMES // share), program, scratch))

    return {
        "calls": lambda scratch: calls.figures(calls.measure(program, here / "bench_load", here / "hello.wasm", scratch, calls.TOTAL // share)),
        **{name: ends(name) for name in lifecycle.RUNS},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", help="just these")
    parser.add_argument("--share", type=int, default=1, choices=range(1, 101), metavar="N", help="the N-th part of each (default: 1, the whole)")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="CMake's build folder (default: build/release)")
    arguments = parser.parse_args()
    figures = []
    for name, soak in soaks(arguments.build.resolve(), arguments.share).items():
        if arguments.only and name not in arguments.only:
            continue
        print(f"soak: {name}", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="trilby-soak-") as scratch:
            figures += soak(Path(scratch))
    print(report.table(figures))
    return 0 if figures and all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
