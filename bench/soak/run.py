#!/usr/bin/env python3
"""The long runs of `make soak`, whole; `make test` makes a twentieth of each (tests/soak). Ends with 1 when something was lost or grew."""

from __future__ import annotations

import argparse
import datetime
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMES = 100  # drains, reloads and crashes each
sys.path.insert(0, str(ROOT / "bench"))

import machine  # noqa: E402
import report  # noqa: E402
from figure import Figure  # noqa: E402
from soak import calls, events, lifecycle  # noqa: E402


def soaks(build: Path, share: int) -> dict[str, Callable[[Path], list[Figure]]]:
    """Each is given a folder to work in, and does the `share`-th part of what there is to do."""
    program, here = build / "src/cli/trilby", build / "bench"

    def ends(name: str) -> Callable[[Path], list[Figure]]:
        return lambda scratch: lifecycle.figures(name, lifecycle.measure(name, max(1, TIMES // share), program, scratch))

    def survive(protocol: str) -> Callable[[Path], list[Figure]]:
        return lambda scratch: events.figures(events.measure(program, scratch, protocol, events.TOTAL // share, max(1, events.ROUNDS // share)))

    return {
        "calls": lambda scratch: calls.figures(calls.measure(program, here / "bench_load", here / "hello.wasm", scratch, calls.TOTAL // share)),
        **{name: ends(name) for name in lifecycle.RUNS},
        **{f"events-{protocol}": survive(protocol) for protocol in events.PROTOCOLS},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["calls", *lifecycle.RUNS, *(f"events-{protocol}" for protocol in events.PROTOCOLS)], action="append",
                        help="just these; leaves docs alone")
    parser.add_argument("--share", type=int, default=1, choices=range(1, 101), metavar="N",
                        help="the N-th part of each (default: 1, the whole); leaves docs alone")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="CMake's build folder (default: build/release)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are ended with us
    this_machine, figures, failed = machine.describe(), [], {}
    for name, soak in soaks(arguments.build.resolve(), arguments.share).items():
        if arguments.only and name not in arguments.only:
            continue
        print(f"soak: {name}", file=sys.stderr)
        try:
            with tempfile.TemporaryDirectory(prefix="trilby-soak-") as scratch:
                figures += soak(Path(scratch))
        except Exception as error:  # the others go on
            failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
            traceback.print_exc()
    if arguments.share == 1 and not arguments.only:
        report.write_docs(ROOT / "docs/benchmarks.md", "soak", report.section(this_machine, datetime.date.today().isoformat(), {}, figures, failed))
    print(report.table(figures))
    # What has no goal is only reported.
    return 1 if failed or not figures or any(figure.met is False for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
