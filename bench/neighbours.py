"""Noisy neighbours: the latency of `hello` while functions on the same loop compute to their CPU limit, and while nobody does."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

from figure import Figure
from load import Client
from machine import cores
from stats import median
from trilby import Trilby, function, route

RATE = 1000  # of `hello`, a second: a few percent of the core
SPINNERS = {"quiet": 0, "two spinning calls": 2, "32 spinning calls": 32}  # half of them of either function
QUIET, TWO, MANY = SPINNERS


def manifest(guests: Path) -> str:
    return (route("/hello", "hello") + route("/spin/a", "spin-a") + route("/spin/b", "spin-b")
            + function("hello", guests / "hello.wasm")
            + function("spin-a", guests / "spin.wasm", wall="1m") + function("spin-b", guests / "spin.wasm", wall="1m"))


def one(trilby: Trilby, client: Client, spinners: int, seconds: int, seed: int) -> dict:
    with ExitStack() as stack:
        noise = [stack.enter_context(client.begin(trilby, path, connections=spinners // 2, seconds=seconds + 30))
                 for path in (("/spin/a", "/spin/b") if spinners else ())]
        trilby.await_calls(spinners)
        run = client.run(trilby, "/hello", rate=RATE, seconds=seconds, connections=64, seed=seed)
        trilby.await_calls(spinners)
        for background in noise:
            background.check_running()
    return {"p50_us": run.percentile_us(50), "p99_us": run.percentile_us(99), "due": run.due, "not_answered": run.other_than(200),
            "starved": run.starved}


def measure(program: Path, load_program: Path, guests: Path, scratch: Path, rounds: int, seconds: int) -> dict:
    server_core, _ = cores()
    client = Client(load_program)
    runs: dict[str, list[dict]] = {name: [] for name in SPINNERS}
    with Trilby(program, manifest(guests), scratch, core=server_core, name="neighbours") as trilby:
        client.run(trilby, "/hello", connections=32, requests=2000)
        for number in range(rounds):
            for name, spinners in SPINNERS.items():
                runs[name].append(one(trilby, client, spinners, seconds, seed=number + 1))
            print("  round", number + 1, {name: of[-1]["p99_us"] for name, of in runs.items()}, file=sys.stderr)
        if not trilby.metric("trilby_calls_total", 'reason="limit-cpu"'):
            raise RuntimeError("no call has computed to its CPU limit")
    return {"runs": runs, "rate": RATE, "seconds": seconds}


def figures(result: dict) -> list[Figure]:
    runs = result["runs"]

    def times_quiet(name: str) -> float:
        return median([noisy["p99_us"] / quiet["p99_us"] for noisy, quiet in zip(runs[name], runs[QUIET])])

    lines = [
        Figure("noisy neighbour: p99 of `hello` beside two functions that spin to their CPU limit ÷ quiet p99", times_quiet(TWO),
               "×", at_most=5.0),
        Figure("noisy neighbour: requests of `hello` not answered with 200", sum(run["not_answered"] for of in runs.values() for run in of),
               at_most=0),
        Figure("the same beside 32 spinning calls: p99 of `hello` ÷ quiet p99", times_quiet(MANY), "×"),
    ]
    for name, of in runs.items():
        lines += [Figure(f"`hello` at {result['rate']}/s, {name}: {rank}", median([run[f"{rank}_us"] for run in of]), "µs")
                  for rank in ("p50", "p99")]
    return lines
