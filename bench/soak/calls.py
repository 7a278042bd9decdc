"""Calls through HTTP, a million of them: the worker's memory must not grow with their number."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from figure import Figure
from load import Client
from trilby import Trilby, function, route

TOTAL = 1_000_000
FIRST = 10_000
CONNECTIONS = 32
STEPS = 10  # at which memory is looked at
SETTLE_SECONDS = 1.0


def measure(program: Path, load_program: Path, guest: Path, scratch: Path, total: int) -> dict:
    """Resident memory after the first calls, and at ten steps to the end."""
    client = Client(load_program)
    with Trilby(program, route("/hello", "hello") + function("hello", guest), scratch, loops=2, name="calls") as trilby:
        resident, done, answered = [], 0, 0
        for target in [FIRST, *(FIRST + (total - FIRST) * step // STEPS for step in range(1, STEPS + 1))]:
            run = client.run(trilby, "/hello", requests=target - done, connections=CONNECTIONS)
            done = target
            answered += run.count(200)
            time.sleep(SETTLE_SECONDS)
            resident.append(trilby.memory()["rss"])
            print(f"  {done:9,} calls: {resident[-1]:.1f} MiB", file=sys.stderr)
    return {"calls": total, "answered": answered, "resident_mib": resident}


def figures(result: dict) -> list[Figure]:
    first, last = result["resident_mib"][0], result["resident_mib"][-1]
    return [
        Figure(f"{result['calls']:,} calls through HTTP: resident memory at the end ÷ after the first {FIRST:,}".replace(",", " "),
               last / first, at_most=1.05),
        Figure(f"{result['calls']:,} calls through HTTP: not answered with 200".replace(",", " "), result["calls"] - result["answered"], at_most=0),
    ]
