"""Overload: four times as many requests as a function can answer. How many it still answers, how soon, and what the others get."""

from __future__ import annotations

import sys
from pathlib import Path

from figure import Figure
from load import Client, Load
from machine import cores
from stats import median
from trilby import Trilby, function, route

TIMES = 4
LIGHT = 0.25  # of the capacity: what "uncongested" is
CONNECTIONS = 512
# One call at a time, for there is one core, and a short queue: who waits longer than a few calls take is better told so at once.
TUNED, DEFAULTS = "concurrency 1, queue 4", "default limits"
LIMITS: dict[str, dict[str, int]] = {TUNED: {"concurrency": 1, "queue": 4}, DEFAULTS: {}}


def summary(run: Load) -> dict:
    return {"due_per_second": run.due / run.seconds, "goodput": run.count(200) / run.seconds, "p50_us": run.percentile_us(50),
            "p99_us": run.percentile_us(99), "shed": run.count(503) / run.due, "neither": run.other_than(200, 503),
            "shed_p99_us": run.percentile_us(99, 503) if run.count(503) else None, "starved": run.starved}


def one(trilby: Trilby, client: Client, seconds: int, seed: int) -> dict:
    capacity = client.run(trilby, "/work", connections=4, seconds=seconds)
    if capacity.other_than(200):
        raise RuntimeError("requests failed without any overload")
    rate = capacity.count(200) / capacity.seconds
    light = client.run(trilby, "/work", rate=LIGHT * rate, connections=CONNECTIONS, seconds=seconds, seed=seed)
    heavy = client.run(trilby, "/work", rate=TIMES * rate, connections=CONNECTIONS, seconds=seconds, seed=seed)
    return {"capacity": rate, "light": summary(light), "heavy": summary(heavy)}


def measure(program: Path, load_program: Path, guests: Path, scratch: Path, rounds: int, seconds: int) -> dict:
    server_core, _ = cores()
    client = Client(load_program)
    runs: dict[str, list[dict]] = {name: [] for name in LIMITS}
    for number in range(rounds):
        for name, limits in LIMITS.items():
            text = route("/work", "work") + function("work", guests / "work.wasm", **limits)
            with Trilby(program, text, scratch, core=server_core, name=f"overload{number}{len(limits)}") as trilby:
                client.run(trilby, "/work", connections=4, requests=200)
                runs[name].append(one(trilby, client, seconds, seed=number + 1))
            last = runs[name][-1]
            print(f"  round {number + 1}, {name}: {last['heavy']['goodput']:.0f} of {last['capacity']:.0f}/s answered, p99 "
                  f"{last['heavy']['p99_us']} against {last['light']['p99_us']} µs", file=sys.stderr)
    return {"runs": runs, "times": TIMES, "light": LIGHT, "seconds": seconds}


def figures(result: dict) -> list[Figure]:
    lines = []
    for name, runs in result["runs"].items():
        goal = name == TUNED
        lines += [
            Figure(f"overload at {TIMES} × capacity, {name}: goodput ÷ capacity",
                   median([run["heavy"]["goodput"] / run["capacity"] for run in runs]), at_least=0.9 if goal else None),
            Figure(f"overload, {name}: p99 of the accepted ÷ p99 at a quarter of the capacity",
                   median([run["heavy"]["p99_us"] / run["light"]["p99_us"] for run in runs]), "×", at_most=4.0 if goal else None),
            Figure(f"overload, {name}: requests answered neither with 200 nor with 503", sum(run["heavy"]["neither"] for run in runs),
                   at_most=0),
            Figure(f"overload, {name}: capacity", median([run["capacity"] for run in runs]), "/s"),
            Figure(f"overload, {name}: p99 of the accepted", median([run["heavy"]["p99_us"] for run in runs]) / 1000, "ms"),
            Figure(f"overload, {name}: p99 at a quarter of the capacity", median([run["light"]["p99_us"] for run in runs]) / 1000, "ms"),
        ]
    return lines
